"""The documents found in a store, in a temporary table that is matched with the rows of a scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Self

from objlib.catalog.protocol import Catalog
from objlib.catalog.records import UPLOADABLE
from objlib.catalog.scratch import Scratch


@dataclass(frozen=True, slots=True)
class Found:
    """One document that objlib made, and what it says of itself."""

    document_name: str
    #: `STATE_ACTIVE`, `STATE_PENDING` or `STATE_FAILED`.
    state: str
    #: Upload key.
    key: str
    #: Path of its file when it was uploaded.
    path: str
    #: SHA-256 of that file, hex.
    sha256: str
    #: Id of the library that uploaded it.
    library: str
    #: When it was made: ISO 8601, UTC; None if the store does not say.
    made_at: str | None


@dataclass(frozen=True, slots=True)
class Match:
    """A document that may be given to a file."""

    document_name: str
    #: `STATE_ACTIVE` or `STATE_PENDING`.
    state: str
    #: Upload key.
    key: str


@dataclass(frozen=True, slots=True)
class LibraryFound:
    """One library that has documents in the store."""

    library: str
    #: Its documents, those that failed left out.
    documents: int
    #: Of those the ones of files that lie here, by path and content.
    here: int
    #: Files here that it has documents of.
    files: int


#: Path and content of a document equal those of a file on disk.
_LIES_HERE = "file_path = path AND content_hash = sha256 AND is_deleted = 0"


#: Files that have no document and should have one.
_HOMELESS = f"gemini_state IN ('untracked', 'failed') AND {UPLOADABLE}"
#: Documents that may be given to them.
_USABLE = "library = ? AND is_taken = 0 AND state <> 'STATE_FAILED'"

_MOVED = f"""
    WITH gone AS (
        SELECT document_name, state, key, sha256,
            ROW_NUMBER() OVER (PARTITION BY sha256 ORDER BY path, position) AS nth
        FROM {{found}} WHERE {_USABLE} AND NOT EXISTS (
            SELECT 1 FROM files WHERE file_path = path AND is_deleted = 0)
    ), here AS (
        SELECT file_path, content_hash,
            ROW_NUMBER() OVER (PARTITION BY content_hash ORDER BY file_path) AS nth
        FROM files WHERE {_HOMELESS}
    )
    SELECT file_path, document_name, state, key
    FROM here JOIN gone ON sha256 = content_hash AND gone.nth = here.nth
    ORDER BY file_path"""

#: Documents that this catalog has not seen: no row names them, and the trail has no such key; or
#: the row has that very key, but no document.
_NEWS = """ AND found.document_name NOT IN (
        SELECT gemini_store_doc_id FROM files WHERE gemini_store_doc_id IS NOT NULL
        UNION SELECT superseded_doc_id FROM files WHERE superseded_doc_id IS NOT NULL
        UNION SELECT document_name FROM leftovers)
    AND (key = upload_key OR (key NOT IN
            (SELECT upload_key FROM transitions WHERE upload_key IS NOT NULL)
        AND key NOT IN (SELECT upload_key FROM files WHERE upload_key IS NOT NULL)))"""


class Findings:
    """The findings of one listing of a store. Several of one catalog stand side by side."""

    def __init__(self, scratch: Scratch) -> None:
        """Findings whose table is still to be made."""
        self._scratch = scratch
        self._session = scratch.session
        (self._table,) = scratch.tables
        #: Documents that objlib made, so far.
        self.documents = 0

    @classmethod
    async def begun(cls, catalog: Catalog) -> Self:
        """Begin a listing."""
        findings = cls(await Scratch.begun(catalog, "found"))
        await findings._session.execute(
            f"CREATE TEMP TABLE {findings._table} (position BIGINT, document_name TEXT, state TEXT,"
            " key TEXT, path TEXT, sha256 TEXT, library TEXT, made_at TEXT,"
            " is_taken INTEGER DEFAULT 0)"
        )
        return findings

    async def remember(self, page: Sequence[Found]) -> None:
        """Add one page of a listing."""
        rows = [(self.documents + nth, *astuple(one)) for nth, one in enumerate(page)]
        self.documents += len(rows)
        await self._session.execute_many(
            f"INSERT INTO {self._table} (position, document_name, state, key, path, sha256,"
            " library, made_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )

    async def are_complete(self) -> None:
        """Make what was found quick to look up."""
        for column in ("document_name", "path", "sha256"):
            await self._session.execute(
                f"CREATE INDEX {self._table}_by_{column} ON {self._table} ({column})"
            )

    async def libraries(self) -> set[str]:
        """Return the ids of all libraries that documents carry."""
        rows = await self._session.fetch_all(f"SELECT DISTINCT library FROM {self._table}")
        return {str(library) for (library,) in rows}

    async def libraries_at_our_paths(self) -> list[tuple[str, int]]:
        """(library, files) of documents at the paths of this catalog, most files first."""
        return await self._candidates("path = file_path")

    async def libraries_with_our_contents(self) -> list[tuple[str, int]]:
        """(library, files) of documents with the contents of this catalog, most files first."""
        return await self._candidates("sha256 = content_hash")

    async def _candidates(self, is_ours: str) -> list[tuple[str, int]]:
        rows = await self._session.fetch_all(
            f"SELECT library, COUNT(DISTINCT file_path) FROM {self._table} JOIN files ON {is_ours}"
            " WHERE is_deleted = 0 GROUP BY library ORDER BY 2 DESC, library"
        )
        return [(str(library), int(files)) for library, files in rows]

    async def libraries_of_our_files(self) -> list[LibraryFound]:
        """Return the libraries in the store.

        Most files of ours come first, then the fewest documents of others, then the oldest.
        """
        rows = await self._session.fetch_all(
            "SELECT library, COUNT(*), COUNT(file_path), COUNT(DISTINCT file_path)"
            f" FROM {self._table} LEFT JOIN files ON {_LIES_HERE} WHERE state <> 'STATE_FAILED'"
            " GROUP BY library ORDER BY 4 DESC, 2, MIN(made_at), MIN(position)"
        )
        return [LibraryFound(str(library), *map(int, counts)) for library, *counts in rows]

    async def count_files(self) -> int:
        """Return how many files here have a document of any library, by path and content."""
        row = await self._session.fetch_one(
            f"SELECT COUNT(DISTINCT file_path) FROM {self._table}"
            f" JOIN files ON {_LIES_HERE} WHERE state <> 'STATE_FAILED'"
        )
        return int(row[0]) if row else 0

    async def count_of_library(self, library_id: str) -> int:
        """Return how many of the documents belong to one library."""
        row = await self._session.fetch_one(
            f"SELECT COUNT(*) FROM {self._table} WHERE library = ?", (library_id,)
        )
        return int(row[0]) if row else 0

    async def mark_taken(self, document_name: str) -> None:
        """Give a document to no other file."""
        await self._session.execute(
            f"UPDATE {self._table} SET is_taken = 1 WHERE document_name = ?", (document_name,)
        )

    async def moved_files(self, library_id: str) -> list[tuple[str, Match]]:
        """(path, document) of the same content, where nothing lies at the document's path now."""
        rows = await self._session.fetch_all(_MOVED.format(found=self._table), (library_id,))
        return [(str(path), Match(*document)) for path, *document in rows]

    async def count_news(self, library_id: str, recorded_since: str | None) -> int:
        """Return how many documents of a library the catalog has not seen; taken ones are left out.

        Args:
            recorded_since: up to this moment a document may have a key that the trail does not
                know.
        """
        is_recent = "" if recorded_since is None else " AND made_at > ?"
        row = await self._session.fetch_one(
            f"SELECT COUNT(*) FROM {self._table} WHERE library = ? AND is_taken = 0{is_recent}"
            " AND document_name NOT IN ("
            "  SELECT gemini_store_doc_id FROM files WHERE gemini_store_doc_id IS NOT NULL"
            "  UNION SELECT superseded_doc_id FROM files WHERE superseded_doc_id IS NOT NULL"
            "  UNION SELECT document_name FROM leftovers)"
            " AND key NOT IN (SELECT upload_key FROM transitions WHERE upload_key IS NOT NULL"
            "  UNION SELECT upload_key FROM files WHERE upload_key IS NOT NULL)",
            (library_id, *([recorded_since] if recorded_since is not None else [])),
        )
        return int(row[0]) if row else 0

    async def matches_page(
        self,
        library_id: str,
        after: str,
        size: int,
        *,
        same_content: bool,
        only_news: bool = False,
    ) -> dict[str, list[Match]]:
        """Path -> documents of that path, oldest first, for the next rows without a document.

        Args:
            same_content: only documents that were made from what the file holds now.
            only_news: only documents that this catalog has not seen yet.
        """
        condition = "path = file_path" + (" AND sha256 = content_hash" if same_content else "")
        condition += _NEWS if only_news else ""
        matching = (
            f"FROM files JOIN {self._table} AS found ON {condition} WHERE {_HOMELESS} AND {_USABLE}"
        )
        paths = await self._session.fetch_all(
            f"SELECT DISTINCT file_path {matching} AND file_path > ? ORDER BY file_path LIMIT ?",
            (library_id, after, size),
        )
        if not paths:
            return {}
        matches: dict[str, list[Match]] = {}
        for path, *document in await self._session.fetch_all(
            f"SELECT file_path, document_name, state, key {matching}"
            " AND file_path > ? AND file_path <= ? ORDER BY file_path, position",
            (library_id, after, str(paths[-1][0])),
        ):
            matches.setdefault(str(path), []).append(Match(*document))
        return matches
