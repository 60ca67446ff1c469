"""Finds, or makes, the store that a catalog is in step with, and the client that talks to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

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
from objlib.catalog.new_store import exchange_store, is_exchanged
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import claim_info, get_info, set_info
from objlib.config import Settings, is_without_service
from objlib.congestion.gate import RequestGate
from objlib.documents.payload import Source
from objlib.errors import (
    BackendUnavailable,
    ConfigurationError,
    Hint,
    NotFound,
    StoreNotFound,
    Unreachable,
)
from objlib.reactive.retry import Retry
from objlib.sync.first_look import look_first
from objlib.sync.new_store import leave_gone_store
from objlib.threads import in_thread
from objlib.upload.orchestrator import Options
from objlib.upload.run import expected_work

if TYPE_CHECKING:  # the SDK behind it takes half a second, and `scan` and `status` do without
    from objlib.gemini.client import FileSearchClient
    from objlib.gemini.resources import Store
    from objlib.telemetry.observer import Observer

T = TypeVar("T")

#: Key in `catalog_info`: the embedding model of the bound store.
EMBEDDING_MODEL = "embedding_model"
#: Embedding models that take pictures.
TAKING_PICTURES = frozenset({"gemini-embedding-2"})


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

    async def store(self, *, create: bool = False, in_place_of_gone: bool = False) -> Store:
        """Return the store that the catalog is bound to, and let go of one that is gone.

        Args:
            in_place_of_gone: the bound one is gone, and another one takes its place.

        Raises:
            BackendUnavailable: nobody answers; at the start that is the end, and said at once.
            ConfigurationError: the catalog is bound to another backend or store; or a store should
                take the place of one that is not gone.
            StoreNotFound: there is none, and none is to be made.
        """
        wanted = await self._wanted()

        async def bound() -> Store:
            if in_place_of_gone:
                await replace_gone_store(self._catalog, self.client, wanted)
            return await bind_store(self._catalog, self.client, wanted, create=create)

        store = await self._persistently(bound)
        if await is_exchanged(self._catalog):
            await leave_gone_store(self._catalog, store.name)
        return store

    async def settled_wishes(self, options: Options) -> Options:
        """Return the wishes for an upload, without a new store where there is one already.

        Raises:
            ConfigurationError: a new store is wished for, and the bound one is not gone.
        """
        if not options.new_store:
            return options
        wanted = await self._wanted()
        if await self._persistently(lambda: gone_store(self._catalog, self.client, wanted)):
            return options
        await self.store()  # which puts right what rows say of the gone one
        return replace(options, new_store=False)

    async def look_first(self, options: Options, store: Store | None = None) -> int:
        """Make sure that the store has not already what an upload would send.

        Args:
            store: as it was just looked up; else it is looked up where that matters.

        Returns and raises: as `objlib.sync.first_look.look_first`, and what `store` raises.
        """
        catalog = self._catalog
        if options.new_store:
            return 0  # what is about to be made has nothing in it
        sends = (await expected_work(catalog, options)).files > 0
        is_settled = await get_info(catalog, RECOVERING) is None and not await is_exchanged(catalog)
        if not sends and is_settled:
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

    async def _wanted(self) -> Binding:
        """Return the binding that the settings ask for, and connect at the first time."""
        chosen = backend.choose(self._settings)
        async with self._lock:
            if self._client is None:
                await self._connect(chosen)
        return Binding(chosen.identity, self._settings.store, self._settings.embedding_model)

    async def _persistently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call that is safe to repeat. Nobody answers at the start: that is the end."""

        async def called() -> T:
            try:
                return await call()
            except Unreachable as error:
                raise BackendUnavailable(str(error)) from error

        return await Retry.of(self._settings.waits).call(called)

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
        is_read_here=is_without_service(settings),
        hooks=settings.hooks(bound.root),
    )


@dataclass(frozen=True, slots=True)
class Binding:
    """A backend, and the display name of the store that a catalog is in step with."""

    backend: str
    display_name: str
    #: Of a store that is to be made; None for the service's own choice.
    embedding_model: str | None = None

    async def check(self, catalog: Catalog) -> None:
        """Raise `ConfigurationError` when the catalog is bound to another backend or store."""
        await refuse_other(catalog, BACKEND, self.backend, "backend")
        await refuse_other(catalog, STORE_DISPLAY_NAME, self.display_name, "store")


async def bind_store(
    catalog: Catalog, client: FileSearchClient, wanted: Binding, *, create: bool
) -> Store:
    """The store this catalog is in step with; found or (with `create`) made on first use.

    Raises:
        ConfigurationError: the catalog is bound to another backend or store.
        StoreNotFound: there is no such store.
    """
    await wanted.check(catalog)
    display_name = wanted.display_name
    name = await get_info(catalog, STORE_NAME)
    if name is not None:
        try:
            return await _noted(catalog, await client.get_store(name))
        except NotFound as error:
            raise StoreNotFound(
                f"the store {display_name!r} ({name}) that this catalog belongs to is gone from "
                "the backend",
                hint=Hint.UPLOAD_INTO_NEW_STORE,
            ) from error
    store = await client.find_store(display_name)
    is_ours = store is None
    if store is None:
        if not create:
            raise StoreNotFound(f"there is no store {display_name!r}", hint=Hint.CREATE_STORE)
        store = await client.create_store(display_name, wanted.embedding_model)
    bound = await claim_info(catalog, STORE_NAME, store.name)
    if bound != store.name:  # another process was faster
        if is_ours:  # and there is nothing in it
            await client.delete_empty_store(store.name)
        store = await client.get_store(bound)  # what was found may be going as its maker lost, too
    facts = {BACKEND: wanted.backend, STORE_DISPLAY_NAME: display_name, STORE_NAME: store.name}
    await set_info(catalog, **facts)
    return await _noted(catalog, store)


async def _noted(catalog: Catalog, store: Store) -> Store:
    """Remember what a store can take, for scans, which ask nobody."""
    if store.embedding_model != (await get_info(catalog, EMBEDDING_MODEL) or ""):
        await set_info(catalog, **{EMBEDDING_MODEL: store.embedding_model})
    return store


async def takes_pictures(catalog: Catalog, settings: Settings) -> bool:
    """Return whether the store of a catalog takes pictures; of one yet to be made, will take."""
    model = await get_info(catalog, EMBEDDING_MODEL) or settings.embedding_model or ""
    return model.removeprefix("models/") in TAKING_PICTURES


async def gone_store(catalog: Catalog, client: FileSearchClient, wanted: Binding) -> str | None:
    """Return the name of the bound store, which is gone; None if another one is in its place now.

    Raises:
        ConfigurationError: it is there, or there never was one.
    """
    await wanted.check(catalog)
    name = await get_info(catalog, STORE_NAME)
    if name is None:
        raise ConfigurationError(
            f"the catalog {catalog.description} belongs to no store yet, so none is gone",
            hint=Hint.LEAVE_OUT_NEW_STORE,
        )
    try:
        await client.get_store(name)
    except NotFound:
        return name
    if not await is_exchanged(catalog):
        raise ConfigurationError(
            f"the store {wanted.display_name!r} ({name}) that this catalog belongs to is there, "
            "so no new one takes its place",
            hint=Hint.LEAVE_OUT_NEW_STORE,
        )
    return None


async def replace_gone_store(catalog: Catalog, client: FileSearchClient, wanted: Binding) -> None:
    """Bind a catalog whose store is gone to the one of that display name: found, or made.

    Raises: what `gone_store` raises.
    """
    gone = await gone_store(catalog, client, wanted)
    if gone is None:
        return
    store = await client.find_store(wanted.display_name)
    is_ours = store is None
    store = store or await client.create_store(wanted.display_name, wanted.embedding_model)
    bound = await exchange_store(catalog, gone, store.name)
    await _noted(catalog, store)
    if bound != store.name and is_ours:  # another process was faster, and nothing is in ours
        await client.delete_empty_store(store.name)
