"""The catalog as everything above it sees it, whichever engine keeps it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self


def utc_now() -> datetime:
    """Return the time by the wall clock: for what people read, never for waiting."""
    return datetime.now(UTC)


class Session(Protocol):
    """One line to the database: statements, one after the other.

    Raises nothing but `CatalogError` of what the engine says; what a guard refuses is its
    `GuardRefused`.
    """

    async def fetch_all(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of one statement."""
        ...

    async def fetch_one(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Return the first row of one statement, or None."""
        ...

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run one statement that answers nothing."""
        ...

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many rows."""
        ...


class Catalog(Session, Protocol):
    """An open catalog: statements, transactions and a clock. Raises `CatalogError`.

    Its own statements are short and run in turn with its transactions; `execute` and `execute_many`
    belong inside one.
    """

    #: The wall clock: for what people read and what servers stamp, never for waiting.
    clock: Callable[[], datetime]

    @property
    def description(self) -> str:
        """The catalog as messages name it, without a password."""
        ...

    @property
    def data_file(self) -> Path | None:
        """The database's own file, which a scan skips; None for a server."""
        ...

    @property
    def reader(self) -> Session:
        """A session for reads that can be large: it does not hold up the loop.

        It sees what is committed, cannot write the catalog, and keeps its temporary tables, which
        no other session sees.
        """
        ...

    def now(self) -> str:
        """Return the wall clock's time as the catalog writes it: ISO 8601, UTC."""
        ...

    async def write_one(self, sql: str, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
        """Run one writing statement as a transaction of its own; return its first row."""
        ...

    async def stream(
        self, sql: str, parameters: Sequence[Any] = ()
    ) -> Generator[tuple[Any, ...], None, None]:
        """Begin a read of any size; its rows come one at a time, as they stand at this moment.

        The rows are not held in memory, and reading them stops nobody's writes. Close the
        generator when it is not read to its end.
        """
        ...

    def transaction(self, *, durable: bool = False) -> AbstractAsyncContextManager[None]:
        """Bracket statements that belong together; roll back if the body raises.

        Args:
            durable: reach the disk before returning.
        """
        ...

    async def close(self) -> None:
        """Release the database. The catalog is of no use afterwards."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
