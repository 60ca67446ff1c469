"""Finds, or makes, the store that a catalog is in step with, and the client that talks to it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from objlib import backend, telemetry
from objlib.catalog.accounts import RECOVERING
from objlib.catalog.binding import (
    BACKEND,
    STORE_DISPLAY_NAME,
    STORE_NAME,
    BoundLibrary,
    bound_library,
    refuse_other,
)
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import claim_info, get_info, set_info
from objlib.config import Settings
from objlib.congestion.gate import RequestGate
from objlib.documents.payload import Source
from objlib.errors import BackendUnavailable, Hint, NotFound, StoreNotFound, Unreachable
from objlib.reactive.retry import Retry
from objlib.sync.first_look import look_first
from objlib.threads import in_thread
from objlib.upload.orchestrator import Options
from objlib.upload.run import expected_work

if TYPE_CHECKING:  # the SDK behind it takes half a second, and `scan` and `status` do without
    from objlib.gemini.client import FileSearchClient
    from objlib.gemini.resources import Store
    from objlib.telemetry.observer import Observer


class Connection:
    """The way of one library to its store. Connects at the first question for the store."""

    def __init__(
        self, catalog: Catalog, settings: Settings, resources: contextlib.AsyncExitStack
    ) -> None:
        """A connection that is not there yet.

        Args:
            resources: closes what was opened.
        """
        self._catalog = catalog
        self._settings = settings
        self._resources = resources
        self._client: FileSearchClient | None = None
        self.observer: Observer | None = None
        self._gate: RequestGate | None = None
        self._lock = asyncio.Lock()  # two that ask at once get one client

    @property
    def client(self) -> FileSearchClient:
        """The client, once something has asked for the store."""
        assert self._client is not None, "ask for the store first"
        return self._client

    @property
    def gate(self) -> RequestGate:
        """The gate that the client's requests pass."""
        assert self._gate is not None, "ask for the store first"
        return self._gate

    async def store(self, *, create: bool = False) -> Store:
        """Return the store that the catalog is bound to.

        Raises:
            BackendUnavailable: nobody answers; at the start that is the end, and said at once.
            ConfigurationError: the catalog is bound to another backend or store.
            StoreNotFound: there is none, and none is to be made.
        """
        chosen = backend.choose(self._settings)
        async with self._lock:
            if self._client is None:
                await self._connect(chosen)

        async def bound() -> Store:
            try:
                return await bind_store(
                    self._catalog,
                    self.client,
                    backend=chosen.identity,
                    display_name=self._settings.store,
                    create=create,
                )
            except Unreachable as error:
                raise BackendUnavailable(str(error)) from error

        return await Retry.of(self._settings.waits).call(bound)

    async def look_first(self, options: Options, store: Store | None = None) -> int:
        """Make sure that the store has not already what an upload would send.

        Args:
            store: as it was just looked up; else it is looked up where that matters.

        Returns and raises: as `objlib.sync.first_look.look_first`, and what `store` raises.
        """
        catalog = self._catalog
        sends = (await expected_work(catalog, options)).files > 0
        if not sends and await get_info(catalog, RECOVERING) is None:
            return 0
        source = source_of(self._settings, await bound_library(catalog))
        try:
            found = store or await self.store()
        except StoreNotFound:
            if await get_info(catalog, STORE_NAME) is not None:
                raise
            return 0  # there is none yet, so there is nothing in it
        return await Retry.of(self._settings.waits).call(
            lambda: look_first(catalog, self.client, found, source, sends=sends)
        )

    async def _connect(self, chosen: backend.Backend) -> None:
        self._gate = RequestGate.open(
            concurrency=self._settings.concurrency,
            requests_per_minute=self._settings.request_budget,
            cool_down_s=self._settings.breaker_cooldown_s,
        )
        self._resources.callback(self._gate.close)
        self._client = await self._resources.enter_async_context(
            backend.connected(chosen, self._gate)
        )
        self.observer = telemetry.new_observer()
        if self.observer is not None:
            self.observer.follow_calls(self._client.calls)


def source_of(settings: Settings, bound: BoundLibrary, library_id: str | None = None) -> Source:
    """Return the library that files are sent from; with an id, as that library."""
    return Source(
        bound.root,
        library_id or bound.library_id,
        settings.identity_header,
        settings.follow_links_to,
        offload=in_thread,
    )


async def bind_store(
    catalog: Catalog,
    client: FileSearchClient,
    *,
    backend: str,
    display_name: str,
    create: bool,
) -> Store:
    """The store this catalog is in step with; found or (with `create`) made on first use.

    Raises:
        ConfigurationError: the catalog is bound to another backend or store.
        StoreNotFound: there is no such store.
    """
    await refuse_other(catalog, BACKEND, backend, "backend")
    await refuse_other(catalog, STORE_DISPLAY_NAME, display_name, "store")
    name = await get_info(catalog, STORE_NAME)
    if name is not None:
        try:
            return await client.get_store(name)
        except NotFound as error:
            raise StoreNotFound(
                f"the store {display_name!r} ({name}) that this catalog belongs to is gone from "
                "the backend",
                hint=Hint.START_NEW_CATALOG,
            ) from error
    store = await client.find_store(display_name)
    is_ours = store is None
    if store is None:
        if not create:
            raise StoreNotFound(f"there is no store {display_name!r}", hint=Hint.CREATE_STORE)
        store = await client.create_store(display_name)
    bound = await claim_info(catalog, STORE_NAME, store.name)
    if bound != store.name:  # another process was faster
        if is_ours:  # and there is nothing in it
            await client.delete_empty_store(store.name)
        store = await client.get_store(bound)  # what was found may be going as its maker lost, too
    facts = {BACKEND: backend, STORE_DISPLAY_NAME: display_name, STORE_NAME: store.name}
    await set_info(catalog, **facts)
    return store
