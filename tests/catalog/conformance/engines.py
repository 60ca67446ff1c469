"""The engines of a catalog that the conformance suite runs over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from objlib.catalog.opening import open_catalog
from objlib.catalog.protocol import Catalog
from tests.catalog.catalogs import tick

T = TypeVar("T")
#: Opens the catalog of a folder, a new one the first time.
Factory = Callable[[Path], Awaitable[Catalog]]


async def sqlite(folder: Path) -> Catalog:
    """Open the default engine, with its thread for large reads."""
    return await open_catalog(folder / "library.db", create=True, clock=tick)


async def sqlite_without_readers(folder: Path) -> Catalog:
    """Open the default engine as a simulation has it."""
    return await open_catalog(folder / "library.db", create=True, clock=tick, readers=False)


#: An engine joins by adding its factory here.
FACTORIES: list[Factory] = [sqlite, sqlite_without_readers]


@dataclass(frozen=True)
class Engine:
    """One engine with a catalog of its own, empty at first."""

    factory: Factory
    folder: Path

    def tell(self, story: Callable[[Catalog], Awaitable[T]]) -> T:
        """Tell a story to a connection to the catalog."""

        async def run() -> T:
            async with await self.factory(self.folder) as catalog:
                return await story(catalog)

        return asyncio.run(run())

    def tell_two(self, story: Callable[[Catalog, Catalog], Awaitable[T]]) -> T:
        """Tell a story to two connections to the one catalog."""

        async def run() -> T:
            async with (
                await self.factory(self.folder) as one,
                await self.factory(self.folder) as other,
            ):
                return await story(one, other)

        return asyncio.run(run())
