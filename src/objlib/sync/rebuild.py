"""Gives a lost catalog back: a fresh scan says what is on disk, the documents say what is stored.

Nothing is sent but one listing, and nothing is deleted. Every document that holds a file of this
library is adopted by the legal road; what no file claims is left to `store-sync`. A recovery that
is killed leaves a mark in the catalog, by which whatever runs next finishes it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from objlib.catalog import accounts
from objlib.catalog.binding import LIBRARY_ID
from objlib.catalog.found import Findings, Found, Match
from objlib.catalog.lease import Lease, owner_of_this_process
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import files_by_path, forget_info, get_info, set_info
from objlib.catalog.records import FileRecord
from objlib.documents.listing import complete_pages
from objlib.documents.payload import KEY, LIBRARY, PATH, SHA256, Source, key_of
from objlib.errors import ConfigurationError, Hint
from objlib.gemini.resources import Document, Store
from objlib.upload.adoption import adopt_document, can_be_adopted
from objlib.upload.state import AsyncUploadStateManager

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient

_PAGE = 200
_RUN = "rebuild"


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """The outcome of a rebuild. Counts of documents."""

    library_id: str = ""
    #: The catalog had another id, and took over the one that the documents carry.
    id_was_taken_over: bool = False
    documents: int = 0
    adopted: int = 0
    #: Of those adopted: the file lies elsewhere than when it was uploaded.
    moved: int = 0
    #: Of those adopted: still being indexed.
    pending: int = 0
    #: Older versions of changed files, kept until the new version is indexed.
    superseded: int = 0
    #: Of other libraries, or not made by objlib.
    foreign: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """A complete listing of a store."""

    #: All of its documents.
    documents: int
    #: Those that objlib made.
    found: Findings


async def list_documents(catalog: Catalog, client: FileSearchClient, store: Store) -> Listing:
    """List the store into a temporary table.

    Raises:
        Transient, RateLimited: the listing failed or is not complete; call again.
    """
    found, listed = await Findings.begun(catalog), 0
    async for page in complete_pages(client, store):
        listed += len(page)
        await found.remember(
            [
                Found(document.name, document.state, *identity, _made_at(document))
                for document in page
                if (identity := _identity(document)) is not None
            ],
        )
    await found.are_complete()
    return Listing(listed, found)


def _made_at(document: Document) -> str | None:
    made_at = document.created_at
    return made_at.astimezone(UTC).isoformat(timespec="microseconds") if made_at else None


def _identity(document: Document) -> tuple[str, str, str, str] | None:
    """Return key, path, hash and library of a document that objlib made."""
    said = [document.metadata.get(name) for name in (KEY, PATH, SHA256, LIBRARY)]
    match said:
        case [str(key), str(path), str(sha256), str(library)] if all(said):
            return key, path, sha256, library
    return None


async def choose_library_id(catalog: Catalog, found: Findings, asked_for: str | None = None) -> str:
    """Which library's documents are ours: the id the catalog has, or the one to take over.

    An id is taken over only by a catalog that has uploaded nothing itself: its keys are made with
    it. It is the one whose documents are of all the files here that have any, by path and content:
    in a store that was doubled, that of the first of two libraries. Else it must be the only one
    that documents at the paths of this library carry or, where there is none, the only one with its
    contents.

    Raises:
        ConfigurationError: there are several, or none of the id asked for.
    """
    own = await get_info(catalog, LIBRARY_ID) or ""
    listed = await found.libraries()
    if asked_for is not None and asked_for not in listed:
        raise ConfigurationError(f"no document in the store belongs to the library {asked_for!r}")
    if (asked_for or own) in listed:
        chosen = asked_for or own
    elif (doubled := await _library_of_all_files(found)) is not None:
        chosen = doubled
    else:
        candidates = await found.libraries_at_our_paths()
        candidates = candidates or await found.libraries_with_our_contents()
        if len(candidates) > 1:
            raise ConfigurationError(_ambiguous(candidates), hint=Hint.NAME_LIBRARY_ID)
        chosen = candidates[0][0] if candidates else own
    if chosen != own and await accounts.has_uploaded(catalog):
        raise ConfigurationError(
            f"the catalog {catalog.description} has uploaded files as the library {own!r}, "
            f"so it cannot take over the documents of {chosen!r}",
            hint=Hint.RECOVER_INTO_NEW_CATALOG,
        )
    return chosen


async def _library_of_all_files(found: Findings) -> str | None:
    first = next(iter(await found.libraries_of_our_files()), None)
    if first is None or not first.files:
        return None
    return first.library if first.files == await found.count_files() else None


def _ambiguous(candidates: Sequence[tuple[str, int]]) -> str:
    shown = ", ".join(f"{library} ({files:,})" for library, files in candidates[:5])
    return f"documents of {len(candidates)} libraries lie at the paths of this one: {shown}"


async def rebuild(catalog: Catalog, source: Source, listing: Listing) -> RebuildReport:
    """Adopt what a listing has found for the rows of a fresh scan.

    Args:
        source: with the id that `choose_library_id` chose, which is written to the catalog.
    """
    before = await get_info(catalog, LIBRARY_ID)
    facts = {LIBRARY_ID: source.library_id, accounts.RECOVERING: source.library_id}
    await set_info(catalog, **facts)
    foreign = listing.documents - await listing.found.count_of_library(source.library_id)
    adoption = _Adoption(catalog, AsyncUploadStateManager(catalog), source, listing.found)
    await adoption.of_files_where_they_were()
    await adoption.of_files_that_moved()
    await adoption.of_older_versions()
    if await accounts.has_uploaded(catalog):
        await note_found(catalog, source.library_id, listing)
    await forget_info(catalog, accounts.RECOVERING)
    return RebuildReport(
        source.library_id,
        before != source.library_id,
        listing.documents,
        adopted=adoption.adopted,
        moved=adoption.moved,
        pending=adoption.pending,
        superseded=adoption.superseded,
        foreign=foreign,
    )


async def note_found(catalog: Catalog, library_id: str, listing: Listing) -> None:
    """Remember what a listing has found, once all that can be adopted was."""
    recorded_since = await get_info(catalog, accounts.KEYS_RECORDED_SINCE)
    news = await listing.found.count_news(library_id, recorded_since)
    await accounts.note_listed(catalog, listing.documents, news=news)


async def adopt_found(
    catalog: Catalog, source: Source, found: Findings, *, only_news: bool = False
) -> int:
    """Adopt what a listing has found of this library.

    It is taken where the file lies here, unchanged and without a document.

    Args:
        only_news: what the catalog has not seen: of a newer state of it, or of a copy.

    Returns:
        How many documents were adopted.
    """
    adoption = _Adoption(catalog, AsyncUploadStateManager(catalog), source, found)
    await adoption.of_files_where_they_were(only_news=only_news)
    return adoption.adopted


@dataclass(slots=True)
class _Adoption:
    """Adopts documents, and counts them as `RebuildReport` does."""

    catalog: Catalog
    state: AsyncUploadStateManager
    source: Source
    found: Findings
    adopted: int = 0
    moved: int = 0
    pending: int = 0
    superseded: int = 0

    async def of_files_where_they_were(self, *, only_news: bool = False) -> None:
        """Same path, same content; of several documents one that is active, then the first."""
        async for rows, matching in self._matches(same_content=True, only_news=only_news):
            for path, documents in matching.items():
                record = rows[path]
                key = key_of(record, self.source, str(record.content_hash))
                best = max(documents, key=lambda one: (one.is_active, one.metadata[KEY] == key))
                await self._adopt(record, best)

    async def of_files_that_moved(self) -> None:
        """Same content, and nothing lies at the document's path any more; paired by path."""
        pairs = await self.found.moved_files(self.source.library_id)
        for path, one in pairs:
            record = (await files_by_path(self.catalog, [path]))[path]
            if await self._adopt(record, _document(one)):
                self.moved += 1

    async def of_older_versions(self) -> None:
        """Same path, other content: search goes on finding it until the new version is indexed."""
        async for rows, matching in self._matches(same_content=False):
            for path, documents in matching.items():
                active = [document for document in documents if document.is_active]
                if active and rows[path].superseded_doc_id is None:
                    await self.state.keep_until_indexed(rows[path], active[-1].name)
                    self.superseded += 1

    async def _adopt(self, record: FileRecord, document: Document) -> bool:
        if not can_be_adopted(record):
            return False
        # A lease that has run out already: recovery watches what is still being indexed.
        lease = Lease(owner_of_this_process(_RUN), 0.0)
        key = str(document.metadata[KEY])
        adopted = await adopt_document(
            self.state, record, document, upload_key=key, run_id=_RUN, lease=lease
        )
        if adopted is None:
            return False
        await self.found.mark_taken(document.name)
        self.adopted += 1
        self.pending += not document.is_active
        return True

    async def _matches(
        self, *, same_content: bool, only_news: bool = False
    ) -> AsyncIterator[tuple[dict[str, FileRecord], dict[str, list[Document]]]]:
        """Rows without a document and the documents that match them, oldest first, in pages."""
        after = ""
        while page := await self.found.matches_page(
            self.source.library_id,
            after,
            _PAGE,
            same_content=same_content,
            only_news=only_news,
        ):
            after = max(page)
            documents = {path: list(map(_document, ones)) for path, ones in page.items()}
            yield await files_by_path(self.catalog, list(page)), documents


def _document(one: Match) -> Document:
    return Document(one.document_name, "", one.state, 0, None, {KEY: one.key})
