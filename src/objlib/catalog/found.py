"""What a store was found to hold, in a temporary table, to be matched with the rows of a scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

from objlib.catalog.protocol import Catalog
from objlib.catalog.records import UPLOADABLE


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


@dataclass(frozen=True, slots=True)
class Match:
    """A document that may be given to a file."""

    document_name: str
    #: `STATE_ACTIVE` or `STATE_PENDING`.
    state: str
    #: Upload key.
    key: str


async def start_listing(catalog: Catalog) -> None:
    """Forget what was found before."""
    await catalog.reader.execute("DROP TABLE IF EXISTS temp.found")
    await catalog.reader.execute(
        "CREATE TEMP TABLE found (position INTEGER PRIMARY KEY, document_name TEXT, state TEXT,"
        " key TEXT, path TEXT, sha256 TEXT, library TEXT, is_taken INTEGER DEFAULT 0)"
    )


async def remember_found(catalog: Catalog, page: Sequence[Found]) -> None:
    """Add one page of a listing."""
    await catalog.reader.execute_many(
        "INSERT INTO temp.found (document_name, state, key, path, sha256, library)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [astuple(one) for one in page],
    )


async def listing_is_complete(catalog: Catalog) -> None:
    """Make what was found quick to look up."""
    for column in ("path", "sha256"):
        await catalog.reader.execute(f"CREATE INDEX temp.found_by_{column} ON found ({column})")


async def libraries(catalog: Catalog) -> set[str]:
    """Return the ids of all libraries that documents carry."""
    rows = await catalog.reader.fetch_all("SELECT DISTINCT library FROM temp.found")
    return {str(library) for (library,) in rows}


async def libraries_at_our_paths(catalog: Catalog) -> list[tuple[str, int]]:
    """(library, files) of documents at the paths of this catalog, most files first."""
    return await _candidates(catalog, "path = file_path")


async def libraries_with_our_contents(catalog: Catalog) -> list[tuple[str, int]]:
    """(library, files) of documents with the contents of this catalog, most files first."""
    return await _candidates(catalog, "sha256 = content_hash")


async def _candidates(catalog: Catalog, is_ours: str) -> list[tuple[str, int]]:
    rows = await catalog.reader.fetch_all(
        f"SELECT library, COUNT(DISTINCT file_path) FROM temp.found JOIN files ON {is_ours}"
        " WHERE is_deleted = 0 GROUP BY library ORDER BY 2 DESC, library"
    )
    return [(str(library), int(files)) for library, files in rows]


async def has_uploaded(catalog: Catalog) -> bool:
    """Return whether any file was ever sent by this catalog."""
    row = await catalog.reader.fetch_one("SELECT 1 FROM files WHERE upload_key IS NOT NULL LIMIT 1")
    return row is not None


async def count_of_library(catalog: Catalog, library_id: str) -> int:
    """Return how many of the documents belong to one library."""
    row = await catalog.reader.fetch_one(
        "SELECT COUNT(*) FROM temp.found WHERE library = ?", (library_id,)
    )
    return int(row[0]) if row else 0


async def mark_taken(catalog: Catalog, document_name: str) -> None:
    """Give a document to no other file."""
    await catalog.reader.execute(
        "UPDATE temp.found SET is_taken = 1 WHERE document_name = ?", (document_name,)
    )


#: Files that have no document and should have one.
_HOMELESS = f"gemini_state IN ('untracked', 'failed') AND {UPLOADABLE}"
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


async def moved_files(catalog: Catalog, library_id: str) -> list[tuple[str, Match]]:
    """(path, document) of the same content, where nothing lies at the document's path any more."""
    rows = await catalog.reader.fetch_all(_MOVED, (library_id,))
    return [(str(path), Match(*document)) for path, *document in rows]


async def matches_page(
    catalog: Catalog, library_id: str, after: str, size: int, *, same_content: bool
) -> dict[str, list[Match]]:
    """Path -> documents of that path, oldest first, for the next rows without a document.

    Args:
        same_content: only documents that were made from what the file holds now.
    """
    condition = "path = file_path" + (" AND sha256 = content_hash" if same_content else "")
    matching = f"FROM files JOIN temp.found ON {condition} WHERE {_HOMELESS} AND {_USABLE}"
    paths = await catalog.reader.fetch_all(
        f"SELECT DISTINCT file_path {matching} AND file_path > ? ORDER BY file_path LIMIT ?",
        (library_id, after, size),
    )
    if not paths:
        return {}
    matches: dict[str, list[Match]] = {}
    for path, *document in await catalog.reader.fetch_all(
        f"SELECT file_path, document_name, state, key {matching}"
        " AND file_path > ? AND file_path <= ? ORDER BY file_path, position",
        (library_id, after, str(paths[-1][0])),
    ):
        matches.setdefault(str(path), []).append(Match(*document))
    return matches
