"""The verdicts of the last survey of a store, in temporary tables beside the catalog.

A survey of a large store must not hold its documents in memory. The tables belong to the reader's
session: nobody else sees them, and comparing them with the catalog does not hold up the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from objlib.catalog.protocol import Catalog
from objlib.catalog.records import COLUMNS, UPLOADABLE, FileRecord

#: Signs of the classes that statements here have to know; `sync.classify` has them all.
CANONICAL, DUPLICATE, LATE, BROKEN = "=", "2", "a", "x"


class Listed(NamedTuple):
    """One document as a survey saw it, and its class. A tuple, to be written as it is."""

    document_name: str
    #: Sign of its class.
    sign: str
    #: Path of the file that it is about, if any.
    path: str | None
    #: Why it is in its class, for people.
    reason: str | None
    #: `STATE_ACTIVE`, `STATE_PENDING` or `STATE_FAILED`.
    state: str
    display_name: str
    #: Upload key that it carries, if any.
    key: str | None
    #: SHA-256 of the content that it was made from, hex, if it carries one.
    sha256: str | None
    #: What it says of itself: a JSON object.
    identity: str


_COLUMNS = ", ".join(Listed._fields)


async def start_survey(catalog: Catalog) -> None:
    """Forget the last survey, and remember the moment at which this one begins."""
    reader = catalog.reader
    await reader.execute("DROP TABLE IF EXISTS temp.verdicts")
    await reader.execute(
        "CREATE TEMP TABLE verdicts (position INTEGER PRIMARY KEY, document_name TEXT UNIQUE,"
        " sign TEXT, path TEXT, reason TEXT, state TEXT, display_name TEXT, key TEXT, sha256 TEXT,"
        " identity TEXT)"
    )
    await reader.execute("CREATE INDEX temp.verdicts_by_path ON verdicts (path, sign)")
    await reader.execute("DROP TABLE IF EXISTS temp.survey")
    await reader.execute(
        "CREATE TEMP TABLE survey AS SELECT COALESCE(MAX(id), 0) AS since FROM transitions"
    )


async def remember_listed(catalog: Catalog, page: Sequence[Listed]) -> None:
    """Add one page of a listing; a document that is listed again is as it was seen last."""
    marks = ", ".join("?" * len(Listed._fields))
    again = ", ".join(f"{name} = excluded.{name}" for name in Listed._fields)
    await catalog.reader.execute_many(
        f"INSERT INTO temp.verdicts ({_COLUMNS}) VALUES ({marks})"
        f" ON CONFLICT (document_name) DO UPDATE SET {again}",
        page,
    )


#: Indexed rows whose document the survey did not see, or saw broken. A row that has moved while the
#: store was being listed may have a document that came after its page: nothing is said about it.
_GHOST = (
    "gemini_state = 'indexed' AND is_deleted = 0 AND NOT EXISTS"
    " (SELECT 1 FROM temp.verdicts AS seen WHERE seen.path = file_path AND seen.sign = '=')"
    " AND NOT EXISTS (SELECT 1 FROM transitions AS moved, temp.survey"
    " WHERE moved.file_path = files.file_path AND moved.id > since)"
)
_MISSING = f"gemini_state <> 'indexed' AND {UPLOADABLE}"

#: Of several documents for one file one is canonical: the one that the row names, else the first.
_ONE_CANONICAL = """
    UPDATE temp.verdicts AS verdict SET sign = '2',
        reason = 'its file is indexed under another document'
    WHERE sign = '=' AND EXISTS (
        SELECT 1 FROM temp.verdicts AS other WHERE other.path = verdict.path AND other.sign = '='
            AND other.position < verdict.position)"""

#: A file whose document is gone takes another that the store has of the same version.
_SUBSTITUTE = f"""
    UPDATE temp.verdicts AS verdict SET sign = 'a',
        reason = 'the document of its file is gone, and it is the same'
    WHERE sign IN ('2', 'e') AND state = 'STATE_ACTIVE' AND EXISTS (SELECT 1 FROM files
        WHERE file_path = verdict.path AND {_GHOST}
            AND (upload_key = verdict.key OR sign = 'e') AND content_hash = verdict.sha256)"""

#: Of several that could be adopted for one file the first is.
_ONE_LATE = """
    UPDATE temp.verdicts AS verdict SET sign = '2', reason = 'another document of its file will do'
    WHERE sign = 'a' AND EXISTS (
        SELECT 1 FROM temp.verdicts AS other WHERE other.path = verdict.path AND other.sign = 'a'
            AND other.position < verdict.position)"""


#: A twin is one beside a document of our own that is there.
_LONELY_TWIN = """
    UPDATE temp.verdicts AS verdict SET sign = '?', reason = 'it belongs to another library'
    WHERE sign = 't' AND NOT EXISTS (
        SELECT 1 FROM temp.verdicts AS own WHERE own.path = verdict.path AND own.sign = '=')"""


async def choose_among_several(catalog: Catalog) -> None:
    """Leave one canonical document a file, or one to adopt; the others become duplicates."""
    for statement in (_ONE_CANONICAL, _SUBSTITUTE, _ONE_LATE, _LONELY_TWIN):
        await catalog.reader.execute(statement)


async def count_by_sign(catalog: Catalog) -> dict[str, int]:
    """Sign of a class -> number of documents."""
    rows = await catalog.reader.fetch_all("SELECT sign, COUNT(*) FROM temp.verdicts GROUP BY sign")
    return {str(sign): int(number) for sign, number in rows}


async def listed_page(
    catalog: Catalog, signs: Sequence[str], after: str | None, size: int
) -> list[Listed]:
    """Return documents of some classes after a name, by name."""
    marks = ", ".join("?" * len(signs))
    rows = await catalog.reader.fetch_all(
        f"SELECT {_COLUMNS} FROM temp.verdicts WHERE sign IN ({marks})"
        " AND document_name > ? ORDER BY document_name LIMIT ?",
        (*signs, after or "", size),
    )
    return [Listed(*row) for row in rows]


async def get_listed(catalog: Catalog, document_name: str) -> Listed | None:
    """Return what the last survey saw of one document."""
    row = await catalog.reader.fetch_one(
        f"SELECT {_COLUMNS} FROM temp.verdicts WHERE document_name = ?", (document_name,)
    )
    return Listed(*row) if row else None


async def has_other_canonical(catalog: Catalog, path: str | None, document_name: str) -> bool:
    """Return whether the last survey found another document to be the one of the same file.

    Of a file that has moved since the survey began it cannot tell: one document may have been its
    own when its page was listed, and the other by the time of its page.
    """
    row = await catalog.reader.fetch_one(
        "SELECT 1 FROM temp.verdicts WHERE path = ? AND sign = '=' AND document_name <> ?"
        " AND NOT EXISTS (SELECT 1 FROM transitions AS moved, temp.survey"
        " WHERE moved.file_path = ? AND moved.id > since)",
        (path, document_name, path),
    )
    return row is not None


async def has_broken(catalog: Catalog, path: str) -> bool:
    """Return whether the last survey saw the document of a row, and saw it broken."""
    row = await catalog.reader.fetch_one(
        "SELECT 1 FROM temp.verdicts WHERE path = ? AND sign = 'x'", (path,)
    )
    return row is not None


async def count_ghosts(catalog: Catalog) -> int:
    """Return how many rows say `indexed` while the store has no usable document for them."""
    return await _count(catalog, _GHOST)


async def count_missing(catalog: Catalog) -> int:
    """Return how many files should be in the store and are not yet."""
    return await _count(catalog, _MISSING)


async def ghost_page(catalog: Catalog, after: str | None, size: int) -> list[FileRecord]:
    """Rows that say `indexed` while the store has no usable document for them, after a path."""
    return await _page(catalog, _GHOST, after, size)


async def missing_page(catalog: Catalog, after: str | None, size: int) -> list[FileRecord]:
    """Files that should be in the store and are not yet, after a path."""
    return await _page(catalog, _MISSING, after, size)


async def _count(catalog: Catalog, condition: str) -> int:
    row = await catalog.reader.fetch_one(f"SELECT COUNT(*) FROM files WHERE {condition}")
    return int(row[0]) if row else 0


async def _page(catalog: Catalog, condition: str, after: str | None, size: int) -> list[FileRecord]:
    rows = await catalog.reader.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE {condition} AND file_path > ?"
        " ORDER BY file_path LIMIT ?",
        (after or "", size),
    )
    return [FileRecord.from_row(row) for row in rows]
