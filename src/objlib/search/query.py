"""search: ask the store, and bring every citation back to a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from objlib.catalog.part_names import split
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import files_by_key, files_by_path
from objlib.catalog.records import FileRecord
from objlib.documents.payload import KEY, LIBRARY, PATH
from objlib.errors import ConfigurationError, Rejected
from objlib.gemini.resources import AnswerOutcome, Passage
from objlib.library.identity import strip_identity_header, without_headers
from objlib.search.citing import with_citations

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage and the file it comes from. `path` is None for documents objlib did not make.

    Args:
        part: which part of its file the passage is in, where that went up in parts.
        page: the page on which it begins, from 1, where the file has pages.
    """

    path: str | None
    title: str
    text: str
    metadata: dict[str, str | int | float | list[str]] = field(compare=False)
    part: int | None = None
    page: int | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer of the store.

    Args:
        cited_answer: the answer with `[n]` after each statement that citation n supports, from 1.
        outcome: how the answer ended, for instance that it was blocked.
        reason: the backend's own word for that.
    """

    answer: str
    citations: list[Citation]
    cited_answer: str
    outcome: AnswerOutcome = AnswerOutcome.ANSWERED
    reason: str = "STOP"

    @property
    def is_backed(self) -> bool:
        """True if there is an answer, and files of the library or the store stand behind it."""
        return bool(self.citations) and self.outcome is not AnswerOutcome.BLOCKED


async def search(
    client: FileSearchClient,
    catalog: Catalog,
    *,
    store_name: str,
    query: str,
    model: str,
    library_id: str,
    top_k: int | None = None,
    metadata_filter: str | None = None,
) -> SearchResult:
    """Ask, and resolve what is cited through the catalog, so that a moved file is found.

    Args:
        top_k: about how many passages; the server's default is five.
        metadata_filter: AIP-160, for instance `year > 1960 AND speaker = "Kennedy"`.

    Raises:
        ConfigurationError: the question is not Unicode text, the filter does not parse, or the
            model does not exist.
    """
    try:
        query.encode()
    except UnicodeEncodeError as error:  # bytes of a command line that are not UTF-8
        raise ConfigurationError("the question is not text in UTF-8") from error
    try:
        answer = await client.generate(
            query,
            model=model,
            store_names=[store_name],
            top_k=top_k,
            metadata_filter=metadata_filter,
        )
    except Rejected as refusal:  # a filter that does not parse, a model that does not exist
        raise ConfigurationError(f"the question was refused: {refusal}") from refusal
    resolved = await resolve(catalog, answer.passages, library_id)
    citations = list(dict.fromkeys(resolved))
    places = {citation: number for number, citation in enumerate(citations, start=1)}
    numbers = [places[citation] for citation in resolved]
    cited = with_citations(answer.text, answer.supports, numbers)
    return SearchResult(
        answer=without_headers(answer.text).strip(),
        citations=citations,
        cited_answer=without_headers(cited).strip(),
        outcome=answer.outcome,
        reason=answer.reason,
    )


async def resolve(catalog: Catalog, passages: Sequence[Passage], library_id: str) -> list[Citation]:
    """Passages with the path each file has today, in the same order."""
    keys = [str(passage.metadata.get(KEY, passage.title)) for passage in passages]
    paths = [str(passage.metadata.get(PATH)) for passage in passages]
    by_key = await files_by_key(catalog, keys)
    by_path = await files_by_path(catalog, paths)
    citations = []
    for passage, key, path in zip(passages, keys, paths, strict=True):
        ours = passage.metadata.get(LIBRARY, library_id) == library_id
        row = (by_key.get(key) or by_path.get(path)) if ours else None
        citations.append(_citation(passage, row))
    return citations


def _citation(passage: Passage, row: FileRecord | None) -> Citation:
    metadata = row.metadata if row else {}
    path, part = split(row.file_path) if row else (None, None)
    return Citation(
        path=path,
        part=part,
        page=passage.page,
        title=str(metadata.get("title") or passage.title),
        text=strip_identity_header(passage.text).strip(),
        metadata=metadata,
    )
