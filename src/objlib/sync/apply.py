"""Repairs what a survey found: deletes documents no row wants, sends ghosts round again.

Each step can be repeated: deleting what is gone is fine and every row is guarded by its version, so
a repair that is interrupted is finished by the next one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from objlib.catalog.connection import Catalog
from objlib.catalog.queries import files_by_document
from objlib.errors import ConfigurationError
from objlib.sync.classify import DELETABLE, DocumentClass, Verdict
from objlib.sync.listing import SyncReport, ghosts, verdicts, was_listed
from objlib.upload.client import GeminiFileSearchClient
from objlib.upload.fsm import State
from objlib.upload.state import AsyncUploadStateManager


@dataclass(frozen=True, slots=True)
class MaxDelete:
    """The most orphans a repair may delete: a count, or a share of all documents."""

    count: int | None = None
    share: float | None = None

    @classmethod
    def parse(cls, text: str) -> MaxDelete:
        """`25` or `10%`. Raises `ConfigurationError` on anything else."""
        match = re.fullmatch(r"(\d+)(%?)", text.strip())
        if match is None:
            raise ConfigurationError(f"--max-delete takes a count or a percentage, not {text!r}")
        number = int(match[1])
        return cls(share=number / 100) if match[2] else cls(count=number)

    def allows(self, deletions: int, documents: int) -> bool:
        """Whether so many deletions out of so many documents are within bounds."""
        if self.count is not None:
            return deletions <= self.count
        # One is always allowed, or a small store could never lose a file.
        return deletions <= max(1.0, (self.share or 0.0) * documents)


@dataclass(slots=True)
class RepairReport:
    """What a repair did."""

    deleted: int = 0
    sent_round_again: int = 0


async def repair(
    catalog: Catalog,
    client: GeminiFileSearchClient,
    report: SyncReport,
    max_delete: MaxDelete,
) -> RepairReport:
    """Carry out what the survey in this catalog's session calls for.

    Raises:
        ConfigurationError: more orphans than `max_delete` allows; nothing was deleted.
    """
    orphans = report.documents[DocumentClass.ORPHAN]
    documents = sum(report.documents.values())
    if not max_delete.allows(orphans, documents):
        raise ConfigurationError(
            f"{orphans:,} of {documents:,} documents would be deleted, which is more than "
            "--max-delete allows; nothing was deleted. If that is what you want, raise it"
        )
    state = AsyncUploadStateManager(catalog)
    done = RepairReport()
    async for row in ghosts(catalog):
        is_gone = not await was_listed(catalog, row.gemini_store_doc_id)
        await state.invalidate(row, reason="ghost", document_is_gone=is_gone)
        done.sent_round_again += 1
    async for verdict in verdicts(catalog, *DELETABLE):
        await client.delete_document(verdict.document_name)
        await _forget(catalog, state, verdict)
        done.deleted += 1
    return done


async def _forget(catalog: Catalog, state: AsyncUploadStateManager, verdict: Verdict) -> None:
    """Let go of a deleted document in the row that pointed at it."""
    rows = await files_by_document(catalog, [verdict.document_name])
    row = rows.get(verdict.document_name)
    if row is None:
        return
    if row.superseded_doc_id == verdict.document_name:
        await state.forget_superseded(row)
    elif row.gemini_state is State.INDEXED:
        await state.invalidate(row, reason="file deleted", document_is_gone=True)
