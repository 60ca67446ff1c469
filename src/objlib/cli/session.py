"""What every command that talks to a store opens first, and closes last."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from objlib import backend
from objlib.catalog.connection import Catalog
from objlib.cli.options import Invocation
from objlib.config import Settings
from objlib.upload.binding import BoundLibrary, bind_store, bound_library
from objlib.upload.client import GeminiFileSearchClient, Store


@dataclass(frozen=True, slots=True)
class Session:
    """An open catalog and the store it is in step with."""

    catalog: Catalog
    library: BoundLibrary
    client: GeminiFileSearchClient
    store: Store


@contextlib.asynccontextmanager
async def session(
    invocation: Invocation, settings: Settings, *, create_store: bool, connections: int = 10
) -> AsyncIterator[Session]:
    """Say which store is in use, and open catalog, backend and store."""
    chosen = backend.choose(settings)
    invocation.notices().print(f"Store: {chosen.description}", markup=False)
    async with await Catalog.open(settings.db) as catalog:
        library = await bound_library(catalog)
        async with backend.connected(chosen, connections=connections) as client:
            store = await bind_store(
                catalog,
                client,
                backend=chosen.identity,
                display_name=settings.store,
                create=create_store,
            )
            yield Session(catalog, library, client, store)
