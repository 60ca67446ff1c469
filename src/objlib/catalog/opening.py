"""Opens a catalog with the engine that its address names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from objlib.catalog.protocol import Catalog, utc_now
from objlib.catalog.sqlite.connection import SqliteCatalog


async def open_catalog(
    path: Path,
    *,
    create: bool = False,
    clock: Callable[[], datetime] = utc_now,
    readers: bool = True,
) -> Catalog:
    """Open the catalog at `path`, migrating it if it is older.

    Args:
        readers: run large reads in a thread. A simulation must not have one.

    Raises:
        CatalogError: it is missing (without `create`), not a catalog, locked, unwritable,
            or written by a newer objlib.
    """
    return await SqliteCatalog.open(path, create=create, clock=clock, readers=readers)
