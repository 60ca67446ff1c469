"""Which document belongs to a row, and the listing that finds it when its name is not known.

Listing a store is the dearest question there is: a request for every twenty documents. So one
listing serves all that is in doubt when it begins, whoever asks first, and only of the rows in
doubt anything is remembered.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reactivex.subject import AsyncSubject

from objlib.catalog.records import FileRecord
from objlib.documents.listing import complete_pages
from objlib.documents.payload import KEY
from objlib.errors import Transient
from objlib.gemini.resources import Document
from objlib.reactive.bridge import LoopScheduler, completion
from objlib.states import State

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient


def is_for(document: Document, record: FileRecord) -> bool:
    """Whether a document holds the version of the file that a row is about.

    The earlier generation sent no key: its documents bear the name of their raw file.
    """
    if record.upload_key is not None:
        return document.metadata.get(KEY) == record.upload_key
    if record.gemini_file_id is None or KEY in document.metadata:
        return False
    return document.display_name == record.gemini_file_id.removeprefix("files/")


def full_name(recorded: str, store_name: str) -> str | None:
    """The name of a recorded document at the API; None where only its raw file is on record.

    The earlier generation recorded the last segment, or nothing but the raw file. A document that
    has to be found by listing is left to `store-sync`.
    """
    if recorded.startswith("files/"):
        return None
    if recorded.startswith("fileSearchStores/"):
        return recorded
    return f"{store_name}/documents/{recorded.removeprefix('documents/')}"


@dataclass(eq=False, slots=True)
class _Listing:
    """One listing, from the first question on: the rows it looks for, and what it has seen."""

    wanted: dict[str, FileRecord] = field(default_factory=dict)
    overdue: dict[str, FileRecord] = field(default_factory=dict)
    found: dict[str, Document] = field(default_factory=dict)
    ended: AsyncSubject[None] = field(default_factory=AsyncSubject)

    def see(self, document: Document, by_identity: dict[str, list[FileRecord]]) -> None:
        """Remember a document if it is wanted; an active one rather than one that is not."""
        for record in by_identity.get(_identity_of(document), ()):
            # Even where a forced upload gave both the same key, the older document is not it.
            if document.name == record.superseded_doc_id or not is_for(document, record):
                continue
            known = self.found.get(record.file_path)
            if known is None or _rank(document) > _rank(known):
                self.found[record.file_path] = document


class DocumentLookup:
    """Finds the documents of rows by listing the store. One per run."""

    def __init__(
        self,
        client: FileSearchClient,
        store_name: str,
        overdue: Callable[[], Awaitable[Sequence[FileRecord]]],
    ) -> None:
        """A look-up in one store.

        Args:
            overdue: the rows in `processing` that somebody will soon ask about. Each listing looks
                for them as well, and its answer holds for as long as such a row does not move.
        """
        self._client = client
        self._store_name = store_name
        self._overdue = overdue
        self._known: dict[tuple[str, int], Document | None] = {}
        self._running: _Listing | None = None
        self._next: _Listing | None = None

    async def find(self, record: FileRecord) -> Document | None:
        """The document of one row, or None when the store does not have it.

        Raises: what `find_all` raises.
        """
        if record.gemini_state is State.PROCESSING:
            running = self._running
            overdue = running.overdue.get(record.file_path) if running is not None else None
            if running is not None and overdue is not None and overdue.version == record.version:
                await completion(running.ended, LoopScheduler.running())
            place = (record.file_path, record.version)
            if place in self._known:
                return self._known.pop(place)
        return (await self.find_all([record])).get(record.file_path)

    async def find_all(self, records: Iterable[FileRecord]) -> dict[str, Document]:
        """Path -> document, for those of the rows that have one, by a listing that begins now.

        Who asks while a listing is under way waits for the next one: what is already past would not
        be seen by the first.

        Raises:
            Transient: the listing was cut off, or shorter than the store says. It proves nothing.
            RateLimited and other `RemoteError`s: of the listing.
        """
        listing = self._next
        if listing is not None:
            listing.wanted |= {record.file_path: record for record in records}
            await completion(listing.ended, LoopScheduler.running())
            return listing.found
        listing = self._next = _Listing({record.file_path: record for record in records})
        try:
            await self._turn_of(listing)
            await self._carry_out(listing)
        except BaseException as error:
            cut_off = Transient(f"the listing of {self._store_name} was cut off; run it again")
            listing.ended.on_error(error if isinstance(error, Exception) else cut_off)
            raise
        finally:
            if self._next is listing:
                self._next = None
            if self._running is listing:
                self._running = None
        listing.ended.on_completed()
        return listing.found

    async def _turn_of(self, listing: _Listing) -> None:
        while self._running is not None:
            with contextlib.suppress(Exception):  # its own askers are told
                await completion(self._running.ended, LoopScheduler.running())
        self._running, self._next = listing, None

    async def _carry_out(self, listing: _Listing) -> None:
        listing.overdue = {record.file_path: record for record in await self._overdue()}
        by_identity: dict[str, list[FileRecord]] = {}
        for record in (listing.overdue | listing.wanted).values():
            by_identity.setdefault(_identity_wanted(record), []).append(record)
        await self._list_into(listing, by_identity)
        if not listing.wanted.keys() <= listing.found.keys():
            # An import is repeated for what is absent, so absence is proven twice in a row.
            await self._list_into(listing, by_identity)
        for path, record in listing.overdue.items():
            if path not in listing.wanted:
                self._known[path, record.version] = listing.found.get(path)

    async def _list_into(self, listing: _Listing, by_identity: dict[str, list[FileRecord]]) -> None:
        store = await self._client.get_store(self._store_name)
        async for page in complete_pages(self._client, store):
            for document in page:
                listing.see(document, by_identity)


def _identity_of(document: Document) -> str:
    key = document.metadata.get(KEY)
    return f"key {key}" if key is not None else f"raw file {document.display_name}"


def _identity_wanted(record: FileRecord) -> str:
    if record.upload_key is not None:
        return f"key {record.upload_key}"
    return f"raw file {(record.gemini_file_id or '').removeprefix('files/')}"


def _rank(document: Document) -> int:
    return 2 if document.is_active else 0 if document.is_failed else 1
