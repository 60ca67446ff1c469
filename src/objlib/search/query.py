"""search: ask the store, and bring every citation back to a file."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from objlib.catalog.facets import Value, facets_of
from objlib.catalog.names import Names, names_of
from objlib.catalog.part_names import split
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import files_by_key, files_by_path
from objlib.catalog.records import FileRecord
from objlib.documents.payload import KEY, LIBRARY, PATH
from objlib.errors import ConfigurationError, Rejected, RemoteError
from objlib.gemini.resources import Answer, AnswerOutcome, Passage
from objlib.library.identity import strip_identity_header, without_headers
from objlib.reactive.retry import Notifier, called, waiting
from objlib.search.citing import RestsOn, tells_of, with_citations
from objlib.search.filters import doubts_about, with_equals
from objlib.search.merging import merged
from objlib.search.naming import filter_of, named_in, subsets, without
from objlib.search.reasons import Why, why
from objlib.threads import in_thread

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient


#: A question names some files if they are so many at most, or such a share of all that are indexed.
_FEW_FILES = 5
_FEW_SHARE = 0.1
_ONCE = waiting(lambda _error, _earlier: None)

#: With so many there is no doubt which files are meant.
_SURE_FILES = 3


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage and the file it comes from. `path` is None for documents objlib did not make.

    Args:
        part: which part of its file the passage is in, where that went up in parts.
        page: the page on which it begins, from 1, where the file has pages.
        why: the reason why it was found.
        line: the line in which it begins, from 1, of a text that is at hand.
        heading: the heading above it, of Markdown.
        place: the slide or the sheet that it stands on: "slide 4", "sheet Budget".
    """

    path: str | None
    title: str
    text: str
    metadata: dict[str, str | int | float | list[str]] = field(compare=False)
    part: int | None = None
    page: int | None = None
    why: Why = field(default_factory=Why, compare=False)
    line: int | None = field(default=None, compare=False)
    heading: str | None = field(default=None, compare=False)
    place: str | None = field(default=None, compare=False)


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
    #: Metadata that the question names, by key: files with it were asked apart and come first.
    named: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    #: How much of the answer is backed by passages; the rest is the model's own.
    rests_on: RestsOn = RestsOn.NOTHING
    #: Lines about comparisons of the filter that cannot find anything.
    doubts: tuple[str, ...] = ()

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
    notifier: Notifier = _ONCE,
    names_at: Path | None = None,
) -> SearchResult:
    """Ask, and resolve what is cited through the catalog, so that a moved file is found.

    Args:
        top_k: about how many passages; the server's default is five.
        metadata_filter: AIP-160, for instance `year > 1960 AND speaker = "Kennedy"`.
        notifier: decides whether to ask again after a refusal that passes.
        names_at: a file that may keep the names that the files of a large catalog go by.

    Raises:
        ConfigurationError: the question is not Unicode text, the filter does not parse, or the
            model does not exist.
    """
    try:
        query.encode()
    except UnicodeEncodeError as error:  # bytes of a command line that are not UTF-8
        raise ConfigurationError("the question is not text in UTF-8") from error
    facets = await facets_of(catalog) if metadata_filter else []
    if metadata_filter:
        metadata_filter = with_equals(metadata_filter, facets)
    names = await names_of(catalog, names_at)
    with contextlib.closing(names.db):
        named = await in_thread(lambda: _named(query, names))
    asking = _Asking(client, store_name, model, top_k, notifier)
    apart = asyncio.ensure_future(asking.of_named(query, metadata_filter, named))
    try:
        plain = await asking.answer(query, metadata_filter)
        of_named = await apart
    finally:  # where the question itself failed, nobody wants the other answer
        apart.cancel()
        await asyncio.gather(apart, return_exceptions=True)
    answer = plain if of_named is None else of_named
    cited = await resolve(catalog, answer.passages, library_id)
    found = list(dict.fromkeys(cited))
    if of_named is not None and named is not None:
        others = list(dict.fromkeys(await resolve(catalog, plain.passages, library_id)))
        # As many as were asked for, and those that the answer rests on.
        enough = max(len(found), len(others))
        best = merged(others, found, is_sure=named.is_sure)
        supporting = {cited[index] for index in _supporting(answer, len(cited))}
        found = best[:enough] + [one for one in best[enough:] if one in supporting]
    places = {citation: number for number, citation in enumerate(found, start=1)}
    numbers = [places.get(citation) for citation in cited]
    wanted = {} if of_named is None or named is None else dict(named.wanted)
    found = [replace(one, why=why(query, one.text, one.metadata, wanted)) for one in found]
    said = with_citations(answer.text, answer.supports, numbers)
    return SearchResult(
        answer=without_headers(answer.text).strip(),
        citations=found,
        cited_answer=without_headers(said).strip(),
        outcome=answer.outcome,
        reason=answer.reason,
        named=wanted,
        rests_on=tells_of(answer.text, answer.supports),
        doubts=tuple(doubts_about(metadata_filter, facets, found=bool(found)))
        if metadata_filter
        else (),
    )


@dataclass(frozen=True, slots=True)
class _NamedFiles:
    """The files that a question names: values by key, and the question without them."""

    wanted: Mapping[str, tuple[Value, ...]]
    rest: str
    is_sure: bool


def _named(query: str, names: Names) -> _NamedFiles | None:
    """Return the files that a question names, where they are some few and do exist."""
    named = named_in(query, names)
    if not named:
        return None
    few = max(_FEW_FILES, int(names.indexed * _FEW_SHARE))
    for wanted in subsets(named):
        files = names.count(wanted)
        if 0 < files <= few:
            # What many files have in common may be a subject as well: "the state of the Union".
            used = [
                one
                for one in named
                if one.key in wanted and names.count({one.key: one.values[:1]}) <= few
            ]
            is_sure = len(wanted) > 1 or files <= _SURE_FILES
            return _NamedFiles(wanted, without(query, used), is_sure)
    return None


@dataclass(frozen=True, slots=True)
class _Asking:
    """A store and the way to ask it."""

    client: FileSearchClient
    store_name: str
    model: str
    top_k: int | None
    notifier: Notifier

    async def answer(self, query: str, metadata_filter: str | None) -> Answer:
        try:
            return await called(lambda: self._once(query, metadata_filter), self.notifier)
        except Rejected as refusal:  # a filter that does not parse, a model that does not exist
            raise ConfigurationError(f"the question was refused: {refusal}") from refusal

    async def _once(self, query: str, metadata_filter: str | None) -> Answer:
        return await self.client.generate(
            query,
            model=self.model,
            store_names=[self.store_name],
            top_k=self.top_k,
            metadata_filter=metadata_filter,
        )

    async def of_named(
        self, query: str, metadata_filter: str | None, named: _NamedFiles | None
    ) -> Answer | None:
        """Return the answer from the files that are named; None without any, or without answer."""
        if named is None:
            return None
        only = filter_of(named.wanted)
        both = f"({metadata_filter}) AND {only}" if metadata_filter else only
        try:
            answer = await self._once(named.rest, both)
        except RemoteError:  # nobody asked for this filter; the question itself stands
            return None
        is_found = answer.outcome is AnswerOutcome.ANSWERED and answer.passages
        return answer if is_found else None


def _supporting(answer: Answer, passages: int) -> set[int]:
    return {
        index for support in answer.supports for index in support.passages if 0 <= index < passages
    }


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
