"""Deaths between the steps of the event loop: at every statement, commit and request.

Several statements may run in one step, and what has been committed before the second is not undone
by dying there. `dense()` makes each a point at which a process can be killed, counted with the
steps. Code of the killed process that goes on to the end of its step reaches nothing: its
connections are closed and its requests are not carried.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2

from objlib.catalog.sqlite import connection as catalog_connection
from tests.simulator import wire
from tests.simulator.processes import Process, current_process

_LOCKING = ("BEGIN", "UPDATE", "INSERT", "DELETE")


def instant(process: Process | None) -> None:
    """One more point at which a process may be killed."""
    if process is None or process.has_ended:
        return
    process.steps += 1
    if process.steps == process.dies_at_step:
        process.kill()


class _Cursor(sqlite3.Cursor):
    connection: _Connection

    def fetchall(self) -> list[Any]:
        rows = super().fetchall()
        self.connection.note_commit()
        return rows


@dataclass(slots=True)
class Hooks:
    """What happens at statements and commits.

    Args:
        is_locked: whether a transaction finds the catalog locked by another program.
        on_commit: called when something has become final, before anything else runs.
    """

    is_locked: Callable[[], bool] = lambda: False
    on_commit: Callable[[], None] = lambda: None


class _Connection(sqlite3.Connection):
    _process: Process | None = None
    _hooks = Hooks()
    _is_patient = False
    _changes_seen = 0

    def belong_to(self, process: Process | None, hooks: Hooks, *, is_patient: bool) -> None:
        """Let the operating system close it when the process dies."""
        self._process, self._hooks, self._is_patient = process, hooks, is_patient
        if process is not None:
            process.on_death.append(self.close)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        instant(self._process)
        if self._is_patient and not self.in_transaction and sql.startswith(_LOCKING):
            self._refuse_if_locked()
        cursor = super().cursor(_Cursor)
        cursor.execute(sql, parameters)
        return cursor

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        instant(self._process)
        return super().executemany(sql, parameters)

    def note_commit(self) -> None:
        """After the last row of a statement; dying here leaves what it has committed."""
        if not self.in_transaction and self.total_changes != self._changes_seen:
            self._changes_seen = self.total_changes
            self._hooks.on_commit()
            instant(self._process)

    def _refuse_if_locked(self) -> None:
        if self._process is not None and not self._process.is_dead and self._hooks.is_locked():
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error


class _Sqlite:
    """The module `sqlite3`, with connections that can die."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks

    def connect(self, path: Any, **options: Any) -> sqlite3.Connection:
        connection = sqlite3.connect(path, factory=_Connection, **options)
        assert isinstance(connection, _Connection)
        is_patient = options.get("timeout") == 0  # the one that waits by itself
        connection.belong_to(current_process(), self._hooks, is_patient=is_patient)
        return connection

    def __getattr__(self, name: str) -> Any:
        return getattr(sqlite3, name)


_carry = wire._Transport.handle_async_request


async def _handle(self: wire._Transport, request: httpx2.Request) -> httpx2.Response:
    process = current_process()
    instant(process)
    if process is not None and process.is_dead:
        await asyncio.get_running_loop().create_future()
    return await _carry(self, request)


@contextlib.contextmanager
def dense(hooks: Hooks | None = None) -> Iterator[None]:
    """Make statements, commits and requests points of death, until the end of the block."""
    vars(catalog_connection)["sqlite3"] = _Sqlite(hooks or Hooks())
    wire._Transport.handle_async_request = _handle  # type: ignore[method-assign]
    try:
        yield
    finally:
        vars(catalog_connection)["sqlite3"] = sqlite3
        wire._Transport.handle_async_request = _carry  # type: ignore[method-assign]
