"""What processes do: the commands, composed as `objlib.service.library.Library` composes them."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from objlib.backend import EMBEDDED_URL
from objlib.catalog.opening import open_catalog
from objlib.catalog.protocol import Catalog
from objlib.catalog.sqlite.connection import SqliteCatalog
from objlib.congestion.gate import RequestGate
from objlib.documents.payload import Source
from objlib.gemini.client import FileSearchClient
from objlib.library.metadata import DEFAULT_TEMPLATES
from objlib.library.scan import scan_library
from objlib.reactive.retry import Retry
from objlib.sync.apply import Repair
from objlib.sync.listing import SyncReport, survey
from objlib.sync.plan import MaxDelete
from objlib.upload.orchestrator import Options
from objlib.upload.run import Identity, UploadRun
from objlib.upload.state import AsyncUploadStateManager
from tests.simulator.processes import Process
from tests.simulator.scenario import Action

if TYPE_CHECKING:
    from tests.simulator.world import SimulatedWorld

LIBRARY = "the-library"


async def scan(world: SimulatedWorld, process: Process, _action: Action) -> None:
    """objlib scan"""
    async with opened(world, process) as catalog:
        await scan_library(
            catalog,
            world.root,
            templates=DEFAULT_TEMPLATES,
            lifecycle=AsyncUploadStateManager(catalog),
            workers=1,
        )


async def upload(world: SimulatedWorld, process: Process, action: Action) -> None:
    """objlib fsm-upload, and with a limit of 0 objlib recover"""
    options = Options(**dict(action.options))
    async with (
        opened(world, process) as catalog,
        connected(world, options.concurrency) as (client, gate),
    ):
        run = UploadRun(
            catalog=catalog,
            client=client,
            options=options,
            gate=gate,
            store_name=world.store_name,
            source=Source(world.root, LIBRARY),
            waits=world.scenario.waits,
            rng=random.Random(f"{world.scenario.seed} {process.owner}"),
            identity=Identity(f"run of {process.owner}", process.owner, world.is_dead),
        )
        run.stream.events.subscribe(lambda event: world.note(f"  {process.owner} {event!r}"))
        for after_s, other in action.meanwhile:
            world.later(after_s, other, run.shutdown.signal)
        await run.until_done()


async def store_sync(world: SimulatedWorld, process: Process, _action: Action) -> None:
    """objlib store-sync --apply"""
    async with opened(world, process) as catalog, connected(world, 8) as (client, _):
        repair = Repair(
            catalog,
            client,
            await survey_store(world, catalog, client),
            root=world.root,
            waits=world.scenario.waits,
            rng=random.Random(f"{world.scenario.seed} {process.owner}"),
        )
        await repair.check(MaxDelete.parse("100%"))
        world.note(f"  {process.owner} {await repair.carry_out()}")


async def survey_only(world: SimulatedWorld, process: Process, _action: Action) -> SyncReport:
    """objlib store-sync"""
    async with opened(world, process) as catalog, connected(world, 8) as (client, _):
        return await survey_store(world, catalog, client)


async def survey_store(
    world: SimulatedWorld, catalog: Catalog, client: FileSearchClient
) -> SyncReport:
    """How store and catalog compare."""
    retry = Retry.of(world.scenario.waits, random.Random(world.scenario.seed))
    store = await retry.call(lambda: client.get_store(world.store_name))
    return await retry.call(lambda: survey(catalog, client, store, LIBRARY))


@contextlib.asynccontextmanager
async def opened(world: SimulatedWorld, process: Process) -> AsyncIterator[Catalog]:
    """The catalog; the operating system closes it for a process that is killed."""
    catalog = await open_catalog(
        world.catalog_path, create=True, clock=world.client_clock, readers=False
    )
    assert isinstance(catalog, SqliteCatalog)
    process.on_death.append(catalog._connection.close)
    async with catalog:
        yield catalog


@contextlib.asynccontextmanager
async def connected(
    world: SimulatedWorld, concurrency: int
) -> AsyncIterator[tuple[FileSearchClient, RequestGate]]:
    """A client and the gate that its requests pass."""
    gate = RequestGate.open(
        concurrency=concurrency,
        requests_per_minute=None,
        cool_down_s=world.scenario.waits.breaker_cooldown_s,
    )
    client = FileSearchClient(
        api_key="test", base_url=EMBEDDED_URL, transport=world.wire.transport(), gate=gate
    )
    try:
        yield client, gate
    finally:
        gate.close()
        await client.aclose()
