"""The passages that an answer rests on, and what is known of the file of each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from objlib.catalog.binding import bound_library
from objlib.catalog.facets import Value
from objlib.catalog.part_names import file_of, part_path
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import files_by_path, last_move, proofs_of
from objlib.catalog.records import FileRecord
from objlib.search.naming import filter_of
from objlib.search.query import Citation, SearchResult
from objlib.service.library import Library
from objlib.threads import in_thread

#: Question, filter, number of passages, state of the store.
_Asked: TypeAlias = tuple[str, str, int | None, int]

#: Answers that are kept: one costs money at Google, and going back to it should not.
ANSWERS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage, and the row of its file; None for documents that objlib did not make."""

    citation: Citation
    record: FileRecord | None
    #: The file on disk is another than the one that the passage was taken from.
    has_changed: bool = False
    #: When the store last cited this version of the file: ISO 8601, UTC.
    proven_at: str | None = None

    @property
    def key(self) -> str | None:
        """The upload key, by which pages name the file."""
        return None if self.record is None else self.record.upload_key


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer and its hits, in their order."""

    question: str
    result: SearchResult
    hits: tuple[Hit, ...]


class Answers:
    """Asks a library, once for each question, filter and state of its store."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._kept: OrderedDict[_Asked, SearchResult] = OrderedDict()

    async def answer(
        self,
        question: str,
        wanted: Mapping[str, Sequence[Value]] | None = None,
        *,
        metadata_filter: str | None = None,
        top_k: int | None = None,
    ) -> Answered:
        """Return the answer to a question, of files with one of the wanted values for each key.

        Args:
            wanted: key -> values.
            metadata_filter: AIP-160, for files that are to have such metadata besides.
            top_k: about how many passages; the server's default is five.
        """
        both = ([f"({metadata_filter})"] if metadata_filter else []) + (
            [filter_of(wanted)] if wanted else []
        )
        only = " AND ".join(both)
        state = (question, only, top_k, await last_move(self._library.catalog))
        result = self._kept.pop(state, None)
        if result is None:
            result = await self._library.search(question, top_k=top_k, metadata_filter=only or None)
        self._kept[state] = result
        while len(self._kept) > ANSWERS_KEPT:
            self._kept.popitem(last=False)
        return Answered(question, result, await self._hits(result.citations))

    async def at_hand(self, question: str) -> Answered | None:
        """Return an answer to a question that was given already, or None. Asks nobody."""
        for (asked, *_), result in reversed(self._kept.items()):
            if asked == question:
                return Answered(question, result, await self._hits(result.citations))
        return None

    async def _hits(self, citations: Sequence[Citation]) -> tuple[Hit, ...]:
        catalog: Catalog = self._library.catalog
        root = (await bound_library(catalog)).root
        paths = [_row_path(citation) for citation in citations]
        known = [path for path in paths if path is not None]
        rows = await files_by_path(catalog, known)
        proofs = await proofs_of(catalog, known)

        def looked() -> tuple[Hit, ...]:
            hits = []
            for citation, path in zip(citations, paths, strict=True):
                row = rows.get(path) if path is not None else None
                changed = row is not None and _has_changed(root, row)
                hits.append(Hit(citation, row, changed, proofs.get(path or "")))
            return tuple(hits)

        return await in_thread(looked)


async def known_of(catalog: Catalog, row: FileRecord) -> tuple[bool, str | None]:
    """Return whether a file has changed on disk since it was read, and when it was last proven."""
    root = (await bound_library(catalog)).root
    proofs = await proofs_of(catalog, [row.file_path])
    return await in_thread(lambda: _has_changed(root, row)), proofs.get(row.file_path)


def _row_path(citation: Citation) -> str | None:
    if citation.path is None or citation.part is None:
        return citation.path
    return part_path(citation.path, citation.part)


def _has_changed(root: Path, row: FileRecord) -> bool:
    try:
        return (root / file_of(row.file_path)).stat().st_mtime != row.mtime
    except OSError:
        return True
