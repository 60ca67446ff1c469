"""Gives a lost catalog back: a fresh scan says what is on disk, the documents say what is stored.

Nothing is sent but one listing, and nothing is deleted. Every document that holds a file of this
library is adopted by the legal road; what no file claims is left to `store-sync`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from objlib.catalog.binding import LIBRARY_ID
from objlib.catalog.lease import Lease, owner_of_this_process
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import files_by_path, get_info, set_info
from objlib.catalog.records import FileRecord
from objlib.documents.lookup import complete_pages
from objlib.documents.payload import KEY, LIBRARY, PATH, SHA256, Source, key_of
from objlib.errors import ConfigurationError, Hint
from objlib.gemini.resources import Document, Store
from objlib.upload.adoption import adopt_document, can_be_adopted
from objlib.upload.state import AsyncUploadStateManager

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient

_PAGE = 200
_RUN = "rebuild"


#: Files that have no document and should have one.
_HOMELESS = "gemini_state IN ('untracked', 'failed') AND is_deleted = 0 AND skip_reason IS NULL"
#: Documents that may be given to them.
_USABLE = "library = ? AND NOT is_taken AND state <> 'STATE_FAILED'"

_MOVED = f"""
    WITH gone AS (
        SELECT document_name, state, key, sha256,
            ROW_NUMBER() OVER (PARTITION BY sha256 ORDER BY path, position) AS nth
        FROM temp.found WHERE {_USABLE} AND NOT EXISTS (
            SELECT 1 FROM files WHERE file_path = path AND is_deleted = 0)
    ), here AS (
        SELECT file_path, content_hash,
            ROW_NUMBER() OVER (PARTITION BY content_hash ORDER BY file_path) AS nth
        FROM files WHERE {_HOMELESS}
    )
    SELECT file_path, document_name, state, key
    FROM here JOIN gone ON sha256 = content_hash AND gone.nth = here.nth
    ORDER BY file_path"""


@dataclass(slots=True)
class RebuildReport:
    """What was found in the store, and what became of it. Counts of documents."""

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


async def list_documents(catalog: Catalog, client: FileSearchClient, store: Store) -> int:
    """List the store into a temporary table, starting over; how many documents there are.

    Raises:
        Transient, RateLimited: the listing failed or is not complete; call again.
    """
    await catalog.fetch_all("DROP TABLE IF EXISTS temp.found")
    await catalog.fetch_all(
        "CREATE TEMP TABLE found (position INTEGER PRIMARY KEY, document_name TEXT, state TEXT,"
        " key TEXT, path TEXT, sha256 TEXT, library TEXT, is_taken INTEGER DEFAULT 0)"
    )
    listed = 0
    async for page in complete_pages(client, store):
        listed += len(page)
        async with catalog.transaction():
            await catalog.execute_many(
                "INSERT INTO temp.found (document_name, state, key, path, sha256, library)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (document.name, document.state, *identity)
                    for document in page
                    if (identity := _identity(document)) is not None
                ],
            )
    for column in ("path", "sha256"):
        await catalog.fetch_all(f"CREATE INDEX temp.found_by_{column} ON found ({column})")
    return listed


def _identity(document: Document) -> tuple[str, ...] | None:
    """What a document says of itself, if objlib made it."""
    said = [document.metadata.get(name) for name in (KEY, PATH, SHA256, LIBRARY)]
    texts = tuple(text for text in said if isinstance(text, str) and text)
    return texts if len(texts) == len(said) else None


async def choose_library_id(catalog: Catalog, asked_for: str | None = None) -> str:
    """Which library's documents are ours: the id the catalog has, or the one to take over.

    An id is taken over only by a catalog that has uploaded nothing itself: its keys are made with
    it. It must be the only one that documents at the paths of this library carry or, where there is
    none, the only one with its contents.

    Raises:
        ConfigurationError: there are several, or none of the id asked for.
    """
    own = await get_info(catalog, LIBRARY_ID) or ""
    found = {str(row[0]) for row in await catalog.fetch_all("SELECT DISTINCT library FROM found")}
    if asked_for is not None and asked_for not in found:
        raise ConfigurationError(f"no document in the store belongs to the library {asked_for!r}")
    if (asked_for or own) in found:
        chosen = asked_for or own
    else:
        candidates = await _candidates(catalog, "path = file_path")
        candidates = candidates or await _candidates(catalog, "sha256 = content_hash")
        if len(candidates) > 1:
            raise ConfigurationError(_ambiguous(candidates), hint=Hint.NAME_LIBRARY_ID)
        chosen = candidates[0][0] if candidates else own
    if chosen != own and await _has_uploaded(catalog):
        raise ConfigurationError(
            f"the catalog {catalog.path} has uploaded files as the library {own!r}, so it cannot "
            f"take over the documents of {chosen!r}",
            hint=Hint.RECOVER_INTO_NEW_CATALOG,
        )
    return chosen


async def _candidates(catalog: Catalog, is_ours: str) -> list[tuple[str, int]]:
    rows = await catalog.fetch_all(
        f"SELECT library, COUNT(DISTINCT file_path) FROM temp.found JOIN files ON {is_ours}"
        " WHERE is_deleted = 0 GROUP BY library ORDER BY 2 DESC, library"
    )
    return [(str(library), int(files)) for library, files in rows]


def _ambiguous(candidates: Sequence[tuple[str, int]]) -> str:
    shown = ", ".join(f"{library} ({files:,})" for library, files in candidates[:5])
    return f"documents of {len(candidates)} libraries lie at the paths of this one: {shown}"


async def _has_uploaded(catalog: Catalog) -> bool:
    row = await catalog.fetch_one("SELECT 1 FROM files WHERE upload_key IS NOT NULL LIMIT 1")
    return row is not None


async def rebuild(catalog: Catalog, source: Source, *, listed: int) -> RebuildReport:
    """Adopt what `list_documents` has found for the rows of a fresh scan.

    Args:
        source: with the id that `choose_library_id` chose, which is written to the catalog.
        listed: how many documents there are in all.
    """
    before = await get_info(catalog, LIBRARY_ID)
    report = RebuildReport(source.library_id, before != source.library_id, listed)
    await set_info(catalog, **{LIBRARY_ID: source.library_id})
    rows = await catalog.fetch_one(
        "SELECT COUNT(*) FROM temp.found WHERE library = ?", (source.library_id,)
    )
    report.foreign = listed - (int(rows[0]) if rows else 0)
    adoption = _Adoption(catalog, AsyncUploadStateManager(catalog), source, report)
    await adoption.of_files_where_they_were()
    await adoption.of_files_that_moved()
    await adoption.of_older_versions()
    return report


@dataclass(frozen=True, slots=True)
class _Adoption:
    catalog: Catalog
    state: AsyncUploadStateManager
    source: Source
    report: RebuildReport

    async def of_files_where_they_were(self) -> None:
        """Same path, same content; of several documents one that is active, then the first."""
        async for rows, found in self._matches("path = file_path AND sha256 = content_hash"):
            for path, documents in found.items():
                record = rows[path]
                key = key_of(record, self.source, str(record.content_hash))
                best = max(documents, key=lambda one: (one.is_active, one.metadata[KEY] == key))
                await self._adopt(record, best)

    async def of_files_that_moved(self) -> None:
        """Same content, and nothing lies at the document's path any more; paired by path."""
        pairs = await self.catalog.fetch_all(_MOVED, (self.source.library_id,))
        for path, name, state, key in pairs:
            record = (await files_by_path(self.catalog, [path]))[path]
            if await self._adopt(record, _document(name, state, key)):
                self.report.moved += 1

    async def of_older_versions(self) -> None:
        """Same path, other content: search goes on finding it until the new version is indexed."""
        async for rows, found in self._matches("path = file_path"):
            for path, documents in found.items():
                active = [document for document in documents if document.is_active]
                if active and rows[path].superseded_doc_id is None:
                    await self.state.keep_until_indexed(rows[path], active[-1].name)
                    self.report.superseded += 1

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
        await self.catalog.fetch_all(
            "UPDATE temp.found SET is_taken = 1 WHERE document_name = ?", (document.name,)
        )
        self.report.adopted += 1
        self.report.pending += not document.is_active
        return True

    async def _matches(
        self, condition: str
    ) -> AsyncIterator[tuple[dict[str, FileRecord], dict[str, list[Document]]]]:
        """Rows without a document and the documents that match them, oldest first, in pages."""
        matching = f"FROM files JOIN temp.found ON {condition} WHERE {_HOMELESS} AND {_USABLE}"
        after = ""
        while paths := await self.catalog.fetch_all(
            f"SELECT DISTINCT file_path {matching} AND file_path > ? ORDER BY file_path LIMIT ?",
            (self.source.library_id, after, _PAGE),
        ):
            last = str(paths[-1][0])
            found: dict[str, list[Document]] = {}
            for path, name, state, key in await self.catalog.fetch_all(
                f"SELECT file_path, document_name, state, key {matching}"
                " AND file_path > ? AND file_path <= ? ORDER BY file_path, position",
                (self.source.library_id, after, last),
            ):
                found.setdefault(str(path), []).append(_document(name, state, key))
            yield await files_by_path(self.catalog, list(found)), found
            after = last


def _document(name: str, state: str, key: str) -> Document:
    return Document(name, "", state, 0, None, {KEY: key})
