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
from objlib.gemini.resources import Passage
from objlib.library.identity import strip_identity_header

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage and the file it comes from. `path` is None for documents objlib did not make.

    Args:
        part: which part of its file the passage is in, where that went up in parts.
    """

    path: str | None
    title: str
    text: str
    metadata: dict[str, str | int | float | list[str]] = field(compare=False)
    part: int | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer of the store.

    Args:
        cited_answer: the answer with `[n]` after each statement that citation n supports, from 1.
    """

    answer: str
    citations: list[Citation]
    cited_answer: str


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
    numbers = [citations.index(citation) + 1 for citation in resolved]
    return SearchResult(
        answer=answer.text.strip(),
        citations=citations,
        cited_answer=with_citations(answer.text, answer.supports, numbers).strip(),
    )


def with_citations(
    answer: str, supports: Sequence[tuple[str, Sequence[int]]], numbers: Sequence[int]
) -> str:
    """An answer with the numbers of its citations behind each supported segment.

    Args:
        supports: (segment of the answer, indices of passages), in the order of the answer.
        numbers: index of a passage -> number of its citation.
    """
    done = ""
    for segment, indices in supports:
        before, found, after = answer.partition(segment)
        cited = sorted({numbers[index] for index in indices if index < len(numbers)})
        if segment and found:
            done += before + segment + "".join(f" [{number}]" for number in cited)
            answer = after
    return done + answer


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
        title=str(metadata.get("title") or passage.title),
        text=strip_identity_header(passage.text).strip(),
        metadata=metadata,
    )
