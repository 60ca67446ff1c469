"""The verdicts of a survey of a store, in a temporary table beside the catalog.

A survey of a large store must not hold its documents in memory. Comparing the table with the
catalog does not hold up the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from objlib.catalog.held import Held, but_for
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import marks
from objlib.catalog.records import COLUMNS, UPLOADABLE, FileRecord
from objlib.catalog.scratch import Scratch
from objlib.catalog.tallies import UNREAD

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


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Files on disk by what keeps them from being proved to be in the store."""

    in_flight: int
    waiting: int
    failed: int
    unread: int
    skipped: int
    #: Indexed, and the survey did not see their documents.
    unseen: int


class Verdicts:
    """The verdicts of one survey. Several of one catalog stand side by side."""

    def __init__(self, scratch: Scratch, since: int) -> None:
        """Verdicts whose table is still to be made.

        Args:
            since: the last move of the catalog at the moment at which the survey began.
        """
        self._scratch = scratch
        self._session = scratch.session
        (self._table,) = scratch.tables
        self._listed = 0
        #: Indexed rows whose document the survey did not see, or saw broken. A row that has moved
        #: while the store was being listed may have a document that came after its page: nothing is
        #: said about it.
        self._ghost = (
            "gemini_state = 'indexed' AND is_deleted = 0 AND NOT EXISTS (SELECT 1"
            f" FROM {self._table} AS seen WHERE seen.path = file_path AND seen.sign = '=')"
            " AND NOT EXISTS (SELECT 1 FROM transitions AS moved"
            f" WHERE moved.file_path = files.file_path AND moved.id > {since})"
        )
        self._missing = f"gemini_state <> 'indexed' AND {UPLOADABLE}"
        self._since = since

    @classmethod
    async def begun(cls, catalog: Catalog) -> Self:
        """Begin a survey, and remember the moment."""
        scratch = await Scratch.begun(catalog, "verdicts")
        (table,) = scratch.tables
        session = scratch.session
        row = await session.fetch_one("SELECT COALESCE(MAX(id), 0) FROM transitions")
        assert row is not None, "an aggregate always answers"
        await session.execute(
            f"CREATE TEMP TABLE {table} (position BIGINT, document_name TEXT UNIQUE, sign TEXT,"
            " path TEXT, reason TEXT, state TEXT, display_name TEXT, key TEXT, sha256 TEXT,"
            " identity TEXT)"
        )
        await session.execute(f"CREATE INDEX {table}_by_path ON {table} (path, sign, position)")
        return cls(scratch, int(row[0]))

    async def remember(self, page: Sequence[Listed]) -> None:
        """Add one page of a listing; a document that is listed again is as it was seen last."""
        again = ", ".join(f"{name} = excluded.{name}" for name in Listed._fields)
        rows = [(self._listed + nth, *listed) for nth, listed in enumerate(page)]
        self._listed += len(rows)
        await self._session.execute_many(
            f"INSERT INTO {self._table} (position, {_COLUMNS}) VALUES (?, {marks(Listed._fields)})"
            f" ON CONFLICT (document_name) DO UPDATE SET {again}",
            rows,
        )

    async def choose_among_several(self) -> None:
        """Leave one canonical document a file, or one to adopt; the others become duplicates."""
        for statement in _CHOICES:
            await self._session.execute(statement.format(verdicts=self._table, ghost=self._ghost))

    async def count_by_sign(self) -> dict[str, int]:
        """Sign of a class -> number of documents."""
        rows = await self._session.fetch_all(
            f"SELECT sign, COUNT(*) FROM {self._table} GROUP BY sign"
        )
        return {str(sign): int(number) for sign, number in rows}

    async def page(self, signs: Sequence[str], after: str | None, size: int) -> list[Listed]:
        """Return documents of some classes after a name, by name."""
        rows = await self._session.fetch_all(
            f"SELECT {_COLUMNS} FROM {self._table} WHERE sign IN ({marks(signs)})"
            " AND document_name > ? ORDER BY document_name LIMIT ?",
            (*signs, after or "", size),
        )
        return [Listed(*row) for row in rows]

    async def get(self, document_name: str) -> Listed | None:
        """Return what the survey saw of one document."""
        row = await self._session.fetch_one(
            f"SELECT {_COLUMNS} FROM {self._table} WHERE document_name = ?", (document_name,)
        )
        return Listed(*row) if row else None

    async def has_other_canonical(self, path: str | None, document_name: str) -> bool:
        """Return whether the survey found another document to be the one of the same file.

        Of a file that has moved since the survey began it cannot tell: one document may have been
        its own when its page was listed, and the other by the time of its page.
        """
        row = await self._session.fetch_one(
            f"SELECT 1 FROM {self._table} WHERE path = ? AND sign = '=' AND document_name <> ?"
            " AND NOT EXISTS (SELECT 1 FROM transitions AS moved"
            f" WHERE moved.file_path = ? AND moved.id > {self._since})",
            (path, document_name, path),
        )
        return row is not None

    async def has_broken(self, path: str) -> bool:
        """Return whether the survey saw the document of a row, and saw it broken."""
        row = await self._session.fetch_one(
            f"SELECT 1 FROM {self._table} WHERE path = ? AND sign = 'x'", (path,)
        )
        return row is not None

    async def count_ghosts(self) -> int:
        """Return how many rows say `indexed` while the store has no usable document for them."""
        return await self._count(self._ghost)

    async def count_missing(self) -> int:
        """Return how many files should be in the store and are not yet."""
        return await self._count(self._missing)

    async def ghost_page(self, after: str | None, size: int) -> list[FileRecord]:
        """Rows that say `indexed` while the store has no usable document for them, after a path."""
        return await self._page(self._ghost, after, size)

    async def missing_page(self, after: str | None, size: int) -> list[FileRecord]:
        """Files that should be in the store and are not yet, after a path."""
        return await self._page(self._missing, after, size)

    async def spare(self, held: Held, sign: str) -> int:
        """Leave files that are held as they are: none of them is a ghost any more, or missing.

        Returns:
            The number of their documents in one class, which are forgotten.
        """
        self._ghost += but_for(held)
        self._missing += but_for(held)
        condition = f"sign = ? AND path IN (SELECT file_path FROM {held.table})"
        row = await self._session.fetch_one(
            f"SELECT COUNT(*) FROM {self._table} WHERE {condition}", (sign,)
        )
        await self._session.execute(f"DELETE FROM {self._table} WHERE {condition}", (sign,))
        return int(row[0]) if row else 0

    async def count_rows(self, held: Held | None = None) -> RowCounts:
        """Count the rows that are not proved to be in the store, but for those that are held."""
        readable = f"{UPLOADABLE} AND read_problem IS NULL"
        row = await self._session.fetch_one(
            f"""SELECT
                COUNT(*) FILTER (WHERE {readable} AND gemini_state IN ('uploading', 'processing')),
                COUNT(*) FILTER (WHERE {readable} AND gemini_state = 'untracked'),
                COUNT(*) FILTER (WHERE {UPLOADABLE} AND gemini_state = 'failed'),
                COUNT(*) FILTER (WHERE {UNREAD}),
                COUNT(*) FILTER (WHERE skip_reason IS NOT NULL),
                COUNT(*) FILTER (WHERE {readable} AND gemini_state = 'indexed' AND NOT EXISTS (
                    SELECT 1 FROM {self._table} AS seen
                    WHERE seen.path = file_path AND seen.sign IN ('=', 'a')))
            FROM files WHERE is_deleted = 0{but_for(held)}"""
        )
        assert row is not None, "an aggregate always answers"
        return RowCounts(*map(int, row))

    async def _count(self, condition: str) -> int:
        row = await self._session.fetch_one(f"SELECT COUNT(*) FROM files WHERE {condition}")
        return int(row[0]) if row else 0

    async def _page(self, condition: str, after: str | None, size: int) -> list[FileRecord]:
        rows = await self._session.fetch_all(
            f"SELECT {COLUMNS} FROM files WHERE {condition} AND file_path > ?"
            " ORDER BY file_path LIMIT ?",
            (after or "", size),
        )
        return [FileRecord.from_row(row) for row in rows]


#: Of several documents for one file one is canonical: the one that the row names, else the first.
_ONE_CANONICAL = """
    UPDATE {verdicts} AS verdict SET sign = '2',
        reason = 'its file is indexed under another document'
    WHERE sign = '=' AND EXISTS (
        SELECT 1 FROM {verdicts} AS other WHERE other.path = verdict.path AND other.sign = '='
            AND other.position < verdict.position)"""

#: A file whose document is gone takes another that the store has of the same version.
_SUBSTITUTE = """
    UPDATE {verdicts} AS verdict SET sign = 'a',
        reason = 'the document of its file is gone, and it is the same'
    WHERE sign IN ('2', 'e') AND state = 'STATE_ACTIVE' AND EXISTS (SELECT 1 FROM files
        WHERE file_path = verdict.path AND {ghost}
            AND (upload_key = verdict.key OR sign = 'e') AND content_hash = verdict.sha256)"""

#: Of several that could be adopted for one file the first is.
_ONE_LATE = """
    UPDATE {verdicts} AS verdict SET sign = '2', reason = 'another document of its file will do'
    WHERE sign = 'a' AND EXISTS (
        SELECT 1 FROM {verdicts} AS other WHERE other.path = verdict.path AND other.sign = 'a'
            AND other.position < verdict.position)"""

#: A twin is one beside a document of our own that is there.
_LONELY_TWIN = """
    UPDATE {verdicts} AS verdict SET sign = '?', reason = 'it belongs to another library'
    WHERE sign = 't' AND NOT EXISTS (
        SELECT 1 FROM {verdicts} AS own WHERE own.path = verdict.path AND own.sign = '=')"""

_CHOICES = (_ONE_CANONICAL, _SUBSTITUTE, _ONE_LATE, _LONELY_TWIN)
