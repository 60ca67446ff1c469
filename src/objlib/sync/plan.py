"""A repair step by step: first it is shown, then it is carried out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum

from objlib.catalog.part_names import shown
from objlib.catalog.verdicts import Verdicts
from objlib.errors import ConfigurationError, Hint, TooManyDeletions
from objlib.sync.classify import DELETABLE, FOR_CONSENT, DocumentClass, Verdict
from objlib.sync.listing import SyncReport, verdict_page

PAGE = 200


class Kind(Enum):
    """The steps, in the order in which a repair takes them."""

    SEND_AGAIN = "send again"
    ADOPT = "adopt"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: about a row (`path`), a document, or both."""

    kind: Kind
    path: str | None
    document_name: str | None
    reason: str

    @property
    def line(self) -> str:
        """`delete Course/Week 1.txt (fileSearchStores/…/documents/…): its file was deleted`."""
        about = [shown(self.path or ""), f"({self.document_name})" if self.document_name else ""]
        return f"{self.kind.value} {' '.join(part for part in about if part)}: {self.reason}"


@dataclass(frozen=True, slots=True)
class MaxDelete:
    """The most that a repair may delete of what has no other copy in the store."""

    count: int | None = None
    share: float | None = None

    @classmethod
    def parse(cls, text: str) -> MaxDelete:
        """`25` or `10%`. Raises `ConfigurationError` on anything else."""
        match = re.fullmatch(r"(\d+)(%?)", text.strip())
        if match is None or (match[2] and int(match[1]) > 100):
            raise ConfigurationError(f"{text!r} is neither a count nor a percentage")
        number = int(match[1])
        return cls(share=number / 100) if match[2] else cls(count=number)

    def allows(self, deletions: int, documents: int) -> bool:
        """Return whether so many deletions out of so many documents are within bounds."""
        if self.count is not None:
            return deletions <= self.count
        # One is always allowed, or a small store could never lose a file.
        return deletions <= max(1.0, (self.share or 0.0) * documents)


#: Where nothing was said.
USUAL_MAX_DELETE = MaxDelete(share=0.1)


@dataclass(frozen=True, slots=True)
class Consent:
    """The deletions that somebody has agreed to, of documents that may not be this library's."""

    #: All of them.
    foreign: bool = False
    #: Those of files that have a document of this library, too.
    twins: bool = False
    #: Those that a newer state or a copy of this catalog has uploaded.
    elsewhere: bool = False

    @property
    def deletable(self) -> tuple[DocumentClass, ...]:
        """The classes whose documents a repair deletes."""
        if self.foreign:
            return (*DELETABLE, *FOR_CONSENT, DocumentClass.FOREIGN)
        asked_for = ((DocumentClass.TWIN, self.twins), (DocumentClass.ELSEWHERE, self.elsewhere))
        return (*DELETABLE, *(kind for kind, is_asked_for in asked_for if is_asked_for))

    def deletions(self, report: SyncReport) -> int:
        """Count the documents that a repair would delete."""
        return sum(report.documents[kind] for kind in self.deletable)


NOT_ASKED = Consent()


def refuse_too_many(report: SyncReport, max_delete: MaxDelete, consent: Consent) -> None:
    """Stop before the first deletion if there would be too many.

    Duplicates, twins and superseded documents do not count: their files stay in the store.

    Raises:
        TooManyDeletions: more than `max_delete` allows.
    """
    losing = (DocumentClass.ORPHAN, DocumentClass.ELSEWHERE, DocumentClass.FOREIGN)
    losses = sum(report.documents[kind] for kind in losing if kind in consent.deletable)
    documents = sum(report.documents.values())
    if not max_delete.allows(losses, documents):
        raise TooManyDeletions(
            f"{losses:,} of {documents:,} documents would be deleted, which is more than "
            "the limit allows; nothing was deleted",
            hint=Hint.RAISE_MAX_DELETE,
        )


async def steps(survey: Verdicts, consent: Consent = NOT_ASKED) -> AsyncIterator[Step]:
    """The plan that a survey calls for, in order and in bounded memory."""
    for kind in Kind:
        after: Step | None = None
        while page := await step_page(survey, kind, after, consent):
            for step in page:
                yield step
            after = page[-1]


async def step_page(
    survey: Verdicts, kind: Kind, after: Step | None, consent: Consent
) -> Sequence[Step]:
    """The steps of one kind that follow a step."""
    if kind is Kind.SEND_AGAIN:
        rows = await survey.ghost_page(after.path if after else None, PAGE)
        reason = "indexed, but the store does not have it"
        return [Step(kind, row.file_path, None, reason) for row in rows]
    classes = (DocumentClass.LATE,) if kind is Kind.ADOPT else consent.deletable
    name = after.document_name if after else None
    return [_step(kind, one) for one in await verdict_page(survey, classes, name, PAGE)]


def _step(kind: Kind, verdict: Verdict) -> Step:
    return Step(kind, verdict.path, verdict.document_name, verdict.reason)
