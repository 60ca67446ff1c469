"""What a catalog is to everything above it, whichever engine keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self


def utc_now() -> datetime:
    """Return the time by the wall clock: for what people read, never for waiting."""
    return datetime.now(UTC)


class Catalog(Protocol):
    """An open catalog: statements, transactions and a clock. Raises `CatalogError`."""

    #: The file that keeps it.
    path: Path
    #: The wall clock: for what people read and what servers stamp, never for waiting.
    clock: Callable[[], datetime]

    def now(self) -> str:
        """The wall clock as the catalog writes it: ISO 8601, UTC."""
        ...

    async def fetch_all(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of one statement."""
        ...

    async def fetch_one(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Return the first row of one statement, or None."""
        ...

    async def write_one(self, sql: str, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
        """Run one writing statement as a transaction of its own; return its first row."""
        ...

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run one statement that answers nothing; call it inside a transaction."""
        ...

    async def execute_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many rows; call it inside a transaction."""
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
