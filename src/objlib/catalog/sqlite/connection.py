"""The one connection of a process to its catalog.

SQLite in WAL mode, in autocommit: what belongs together is bracketed by `transaction()`, which is
the only place that says BEGIN. A transaction is never held across a network call, so a second
process waits for milliseconds at most.

Statements run on the event loop's thread (decision 5): one takes 20 to 60 µs, and handing it to
another thread and back took longer than that. Waiting for another process's lock is the one thing
that may take long, and it is awaited.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from objlib.catalog.protocol import utc_now
from objlib.catalog.sqlite.migrations import migrate
from objlib.errors import CatalogError, Hint

T = TypeVar("T")

#: How long to wait for another process's transaction, and how often to look.
BUSY_TIMEOUT_S = 5.0
BUSY_RETRY_S = 0.005


class SqliteCatalog:
    """An open catalog. Use `await SqliteCatalog.open(…)` and close it, or `async with`."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, clock: Callable[[], datetime]
    ) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()
        self.path = path
        self.clock = clock

    @classmethod
    async def open(
        cls, path: Path, *, create: bool = False, clock: Callable[[], datetime] = utc_now
    ) -> Self:
        """Open the catalog at `path`, migrating it if it is older.

        Raises:
            CatalogError: it is missing (without `create`), not a catalog, locked, unwritable,
                or written by a newer objlib.
        """
        with translated(path):
            if path.is_dir():
                raise CatalogError(f"{path} is a folder", hint=Hint.NAME_CATALOG_FILE)
            if not path.exists():
                if not create:
                    raise CatalogError(f"there is no catalog at {path}", hint=Hint.SCAN_FIRST)
                path.parent.mkdir(parents=True, exist_ok=True)
            _prepare(path)
            connection = sqlite3.connect(path, isolation_level=None, timeout=0)
            try:
                connection.execute("PRAGMA synchronous = NORMAL")
            except BaseException:
                connection.close()
                raise
        return cls(connection, path, clock)

    async def close(self) -> None:
        """Release the database. The catalog is of no use afterwards."""
        self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def now(self) -> str:
        """The wall clock as the catalog writes it: ISO 8601, UTC."""
        return self.clock().isoformat(timespec="milliseconds")

    async def fetch_all(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement."""
        with translated(self.path):
            return await _patiently(lambda: self._connection.execute(sql, parameters).fetchall())

    async def fetch_one(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of one statement, or None."""
        rows = await self.fetch_all(sql, parameters)
        return rows[0] if rows else None

    async def write_one(self, sql: str, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
        """One writing statement that is a transaction of its own; its first returned row."""
        async with self._lock:
            return await self.fetch_one(sql, parameters)

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run one statement that answers nothing; call it inside a transaction."""
        await self.fetch_all(sql, parameters)

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """One statement for many rows; call it inside a transaction."""
        with translated(self.path):
            self._connection.executemany(sql, rows).close()

    @contextlib.asynccontextmanager
    async def transaction(self, *, durable: bool = False) -> AsyncIterator[None]:
        """`BEGIN IMMEDIATE … COMMIT`, rolled back if the body raises or is cancelled.

        Args:
            durable: reach the disk before returning (`synchronous = FULL`): for the write-ahead
                intent, whose loss would lose an identity. The rest can be read back from the
                store after a power cut and stays at NORMAL.
        """
        async with self._lock:
            try:
                if durable:
                    self._connection.execute("PRAGMA synchronous = FULL")
                await self.fetch_all("BEGIN IMMEDIATE")
                yield
                await self.fetch_all("COMMIT")
            except BaseException:
                with translated(self.path):
                    self._connection.rollback()  # at once: an await could be cancelled again
                raise
            finally:
                if durable:
                    self._connection.execute("PRAGMA synchronous = NORMAL")


async def _patiently(statement: Callable[[], T]) -> T:
    """Run a statement, and run it again while another process holds the lock it needs."""
    waited_s = 0.0
    while True:
        try:
            return statement()
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", 0)  # not every one has a code
            if code & 0xFF != sqlite3.SQLITE_BUSY or waited_s >= BUSY_TIMEOUT_S:
                raise
        await asyncio.sleep(BUSY_RETRY_S)
        waited_s += BUSY_RETRY_S


def _prepare(path: Path) -> None:
    """Migrate and switch to WAL, synchronously: it happens once, before anything runs."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
    try:
        migrate(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")  # after it: a refused file stays untouched
    finally:
        connection.close()


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's and the file system's errors into one line for people."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # a guard spoke: a bug here, not trouble with the file
    except sqlite3.DatabaseError as error:
        raise CatalogError(_explain(path, str(error))) from error
    except OSError as error:
        raise CatalogError(f"cannot open the catalog {path}: {error.strerror}") from error


def _explain(path: Path, message: str) -> str:
    text = message.lower()
    if "locked" in text or "busy" in text:
        return (
            f"the catalog {path} is locked by another program; close it and run this again "
            "(nothing was lost)"
        )
    if "readonly" in text or "read-only" in text:
        return f"the catalog {path} is read-only; make it and its folder writable"
    if "full" in text:
        return f"no space left on the disk of {path}; free some and run this again"
    if "not a database" in text or "malformed" in text:
        return (
            f"{path} is not a readable SQLite database ({message}); restore a backup, "
            "or move it away and scan again"
        )
    if "i/o error" in text:
        return f"the disk of the catalog {path} is full or failing ({message}); nothing was lost"
    if "unable to open" in text:
        return f"cannot open the catalog {path}: no permission, or its folder is missing"
    return f"the catalog {path} failed: {message}"
