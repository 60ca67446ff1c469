"""The connection that writes a catalog: one a process.

SQLite in WAL mode, in autocommit: what belongs together is bracketed by `transaction()`, which is
the only place that says BEGIN. A transaction is never held across a network call, so a second
process waits for milliseconds at most.

Statements run on the event loop's thread (decision 5): one takes 20 to 60 µs, and handing it to
another thread and back took longer than that. Waiting for another process's lock may take long and
is awaited; a read of the whole table may, too, and goes through `reader`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from objlib.catalog.protocol import Session, utc_now
from objlib.catalog.sqlite.locks import patiently, translated
from objlib.catalog.sqlite.migrations import migrate
from objlib.catalog.sqlite.reader import SqliteReader, stream
from objlib.errors import CatalogError, Hint
from objlib.privacy import make_private, prepare_private


class SqliteCatalog:
    """An open catalog. Use `await SqliteCatalog.open(…)` and close it, or `async with`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        clock: Callable[[], datetime],
        *,
        readers: bool = True,
    ) -> None:
        self._connection = connection
        self._path = path
        self._lock = asyncio.Lock()
        self._reader = SqliteReader(path) if readers else None
        self.clock = clock

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        create: bool = False,
        clock: Callable[[], datetime] = utc_now,
        readers: bool = True,
    ) -> Self:
        """Open the catalog at `path`, migrating it if it is older.

        Args:
            readers: run large reads in a thread. A simulation must not have one.

        Raises:
            CatalogError: it is missing (without `create`), not a catalog, locked, unwritable,
                or written by a newer objlib.
        """
        with translated(str(path)):
            if path.is_dir():
                raise CatalogError(f"{path} is a folder", hint=Hint.NAME_CATALOG_FILE)
            if not (path.exists() and path.stat().st_size):  # nobody can tell what it was
                if not create:
                    raise CatalogError(f"there is no catalog at {path}", hint=Hint.SCAN_OR_RECOVER)
                prepare_private(path)
            await patiently(lambda: _prepare(path))
            make_private(path)
            connection = sqlite3.connect(path, isolation_level=None, timeout=0)
            try:
                await patiently(lambda: connection.execute("PRAGMA synchronous = NORMAL"))
            except BaseException:
                connection.close()
                raise
        return cls(connection, path, clock, readers=readers)

    @property
    def description(self) -> str:
        """The catalog as messages name it: its path."""
        return str(self._path)

    @property
    def data_file(self) -> Path | None:
        """The database's own file, which is no file of a library."""
        return self._path.resolve()

    @property
    def reader(self) -> Session:
        """The session for large reads; this connection itself where there are no threads."""
        return self if self._reader is None else self._reader

    async def close(self) -> None:
        """Release the database. The catalog is of no use afterwards."""
        if self._reader is not None:
            self._reader.close()  # before the other one, which tidies up the write-ahead log
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
        """Return all rows of one statement."""
        return await self._run(sql, parameters)

    async def fetch_one(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Return the first row of one statement, or None."""
        rows = await self._run(sql, parameters)
        return rows[0] if rows else None

    async def write_one(self, sql: str, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
        """Run one writing statement as a transaction of its own; return its first row."""
        async with self._lock:
            return await self.fetch_one(sql, parameters)

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run one statement that answers nothing; call it inside a transaction."""
        await self._run(sql, parameters)

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many rows; call it inside a transaction."""
        with translated(self.description):
            self._connection.executemany(sql, rows).close()

    async def stream(
        self, sql: str, parameters: Sequence[Any] = ()
    ) -> Generator[tuple[Any, ...], None, None]:
        """Begin a read of any size over a connection of its own; close the generator."""
        return await stream(self._path, sql, parameters)

    @contextlib.asynccontextmanager
    async def transaction(self, *, durable: bool = False) -> AsyncIterator[None]:
        """Bracket statements that belong together; roll back if the body raises or is cancelled.

        Args:
            durable: reach the disk before returning (`synchronous = FULL`): for the write-ahead
                intent, whose loss would lose an identity. The rest can be read back from the
                store after a power cut and stays at NORMAL.
        """
        async with self._lock:
            try:
                if durable:
                    await self._run("PRAGMA synchronous = FULL")
                await self._run("BEGIN IMMEDIATE")
                yield
                await self._run("COMMIT")
            except BaseException:
                with translated(self.description):
                    self._connection.rollback()  # at once: an await could be cancelled again
                raise
            finally:
                if durable:
                    with translated(self.description):
                        self._connection.execute("PRAGMA synchronous = NORMAL")

    async def _run(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with translated(self.description):
            return await patiently(lambda: self._connection.execute(sql, parameters).fetchall())


def _prepare(path: Path) -> None:
    """Migrate and switch to WAL: one attempt, which can be repeated."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        migrate(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")  # after it: a refused file stays untouched
    finally:
        connection.close()
