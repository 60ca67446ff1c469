"""Large reads over a read-only connection, in a thread of its own.

SQLite lets go of the interpreter while it works, so the loop goes on while it counts a million
rows. A read-only connection cannot write the catalog, but it may hold temporary tables: what a
survey remembers lives here, out of the way of the connection that writes.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from objlib.catalog.sqlite import locks

T = TypeVar("T")


class SqliteReader:
    """One read-only connection and its thread. Both begin with the first statement."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="objlib-catalog")
        self._connection: sqlite3.Connection | None = None

    async def fetch_all(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of one statement."""
        return await self._in_thread(lambda reader: reader.execute(sql, parameters).fetchall())

    async def fetch_one(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Return the first row of one statement, or None."""
        rows = await self.fetch_all(sql, parameters)
        return rows[0] if rows else None

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run one statement on temporary tables."""
        await self.fetch_all(sql, parameters)

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement on temporary tables for many rows."""
        known = list(rows)
        await self._in_thread(lambda reader: reader.executemany(sql, known).close())

    def close(self) -> None:
        """Break off what is running, end the thread and release the connection."""
        if self._connection is not None:
            self._connection.interrupt()
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _in_thread(self, step: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        with locks.translated(str(self._path)):
            return await loop.run_in_executor(self._thread, lambda: self._patiently(step))

    def _patiently(self, step: Callable[[sqlite3.Connection], T]) -> T:
        waited_s = 0.0
        while True:
            try:
                if self._connection is None:
                    self._connection = read_only(self._path)
                return step(self._connection)
            except sqlite3.OperationalError as error:
                if not locks.is_busy(error) or waited_s >= locks.BUSY_TIMEOUT_S:
                    raise
            time.sleep(locks.BUSY_RETRY_S)
            waited_s += locks.BUSY_RETRY_S


def read_only(path: Path) -> sqlite3.Connection:
    """Open a connection that cannot write the catalog and does not wait for locks by itself."""
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        timeout=0,
        check_same_thread=False,
    )


async def stream(
    path: Path, sql: str, parameters: Sequence[Any] = ()
) -> Generator[tuple[Any, ...], None, None]:
    """Begin one large read; the rows come one at a time, as they stand at this moment.

    In WAL mode a reader keeps the snapshot of the moment it began and stops nobody's writes, so no
    lock can be met after the first row.
    """
    with locks.translated(str(path)):
        connection = read_only(path)
        try:
            cursor = await locks.patiently(lambda: connection.execute(sql, parameters))
        except BaseException:
            connection.close()
            raise
    return _rows(path, connection, cursor)


def _rows(
    path: Path, connection: sqlite3.Connection, cursor: sqlite3.Cursor
) -> Generator[tuple[Any, ...], None, None]:
    try:
        with locks.translated(str(path)):
            yield from cursor
    finally:
        connection.close()
