"""The document that belongs to a row, and the listing that finds it when its name is not known.

Listing a store is the dearest question there is: a request for every twenty documents. So one
listing serves all that is in doubt when it begins, whoever asks first, and only of the rows in
doubt anything is remembered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from objlib.catalog.records import FileRecord
from objlib.documents.listing import complete_pages
from objlib.documents.payload import KEY
from objlib.errors import Transient
from objlib.gemini.resources import Document
from objlib.reactive.latch import SingleFlight
from objlib.states import State

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient


def is_for(document: Document, record: FileRecord) -> bool:
    """Return whether a document holds the version of the file that a row is about.

    The earlier generation sent no key: its documents bear the name of their raw file.
    """
    if record.upload_key is not None:
        return document.metadata.get(KEY) == record.upload_key
    if record.gemini_file_id is None or KEY in document.metadata:
        return False
    return document.display_name == record.gemini_file_id.removeprefix("files/")


def full_name(recorded: str, store_name: str) -> str | None:
    """Return the name of a recorded document at the API; None where only its raw file is known.

    The earlier generation recorded the last segment, or nothing but the raw file. A document that
    has to be found by listing is left to `store-sync`.
    """
    if recorded.startswith("files/"):
        return None
    if recorded.startswith("fileSearchStores/"):
        return recorded
    return f"{store_name}/documents/{recorded.removeprefix('documents/')}"


@dataclass(frozen=True, slots=True)
class _Listing:
    """The rows that one listing looks for, by identity, and the documents that it has seen."""

    wanted: dict[str, list[FileRecord]]
    found: dict[str, Document] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[FileRecord]) -> Self:
        """Return a listing for these rows that has seen nothing yet."""
        wanted: dict[str, list[FileRecord]] = {}
        for record in records:
            wanted.setdefault(_identity_wanted(record), []).append(record)
        return cls(wanted)

    def see(self, document: Document) -> None:
        """Remember a document if it is wanted; an active one rather than one that is not."""
        for record in self.wanted.get(_identity_of(document), ()):
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
        """Make a look-up in one store.

        Args:
            overdue: the rows in `processing` that somebody will soon ask about. Each listing looks
                for them as well, and its answer holds for as long as such a row does not move.
        """
        self._client = client
        self._store_name = store_name
        self._overdue = overdue
        self._listings = SingleFlight(self._list, self._cut_off)
        #: Path -> version of the rows that the listing under way looks for without being asked.
        self._expected: dict[str, int] = {}
        self._known: dict[tuple[str, int], Document | None] = {}
        self._censuses = SingleFlight(self._take_census, self._cut_off)
        #: Upload key -> names of its documents, of all there were when it was taken.
        self._census: dict[str, list[str]] | None = None

    async def find(self, record: FileRecord) -> Document | None:
        """Return the document of one row, or None when the store does not have it.

        Raises: what `find_all` raises.
        """
        if record.gemini_state is State.PROCESSING:
            if self._expected.get(record.file_path) == record.version:
                await self._listings.ended()
            place = (record.file_path, record.version)
            if place in self._known:
                return self._known.pop(place)
        return (await self.find_all([record])).get(record.file_path)

    async def find_unrecorded(self, record: FileRecord) -> Document | None:
        """Return the document of a row that another copy of the catalog has sent, or None.

        One listing serves all such rows of a run: what it shows is asked for by name. It proves
        nothing of documents that were made later, by somebody who works at the same time from a
        catalog of his own.

        Raises: what `find_all` raises.
        """
        if self._census is None:
            self._census = await self._censuses.ask(None)
        best: Document | None = None
        for name in self._census.get(str(record.upload_key), ()):
            if name == full_name(record.superseded_doc_id or "files/", self._store_name):
                continue
            document = await self._client.get_document(name)
            if document is None or not is_for(document, record):
                continue
            if best is None or _rank(document) > _rank(best):
                best = document
        return best

    async def _take_census(self, _questions: Sequence[None]) -> dict[str, list[str]]:
        if self._census is not None:  # taken while this round waited for the one before
            return self._census
        names: dict[str, list[str]] = {}
        for _ in range(2):  # absence is shown twice in a row
            store = await self._client.known_store(self._store_name)
            async for page in complete_pages(self._client, store):
                for document in page:
                    of_key = names.setdefault(str(document.metadata.get(KEY)), [])
                    if document.name not in of_key:
                        of_key.append(document.name)
        return names

    async def find_all(self, records: Iterable[FileRecord]) -> dict[str, Document]:
        """Return path -> document, for the rows that have one, by a listing that begins now.

        Who asks while a listing is under way waits for the next one: what is already past would not
        be seen by the first.

        Raises:
            Transient: the listing was cut off, or shorter than the store says. It proves nothing.
            RateLimited and other `RemoteError`s: of the listing.
        """
        return await self._listings.ask(list(records))

    async def _list(self, questions: Sequence[Sequence[FileRecord]]) -> dict[str, Document]:
        """Look for all the rows of these questions, and for the overdue ones, in one listing."""
        wanted = {record.file_path: record for records in questions for record in records}
        overdue = {record.file_path: record for record in await self._overdue()}
        self._expected = {path: record.version for path, record in overdue.items()}
        try:
            listing = _Listing.of((overdue | wanted).values())
            await self._list_into(listing)
            if not wanted.keys() <= listing.found.keys():
                # An import is repeated for what is absent, so absence is shown twice in a row.
                await self._list_into(listing)
        finally:
            self._expected = {}
        for path, record in overdue.items():
            if path not in wanted:
                self._known[path, record.version] = listing.found.get(path)
        return listing.found

    async def _list_into(self, listing: _Listing) -> None:
        store = await self._client.known_store(self._store_name)
        async for page in complete_pages(self._client, store):
            for document in page:
                listing.see(document)

    def _cut_off(self) -> Transient:
        return Transient(f"the listing of {self._store_name} was cut off; run it again")


def _identity_of(document: Document) -> str:
    key = document.metadata.get(KEY)
    return f"key {key}" if key is not None else f"raw file {document.display_name}"


def _identity_wanted(record: FileRecord) -> str:
    if record.upload_key is not None:
        return f"key {record.upload_key}"
    return f"raw file {(record.gemini_file_id or '').removeprefix('files/')}"


def _rank(document: Document) -> int:
    return 2 if document.is_active else 0 if document.is_failed else 1
