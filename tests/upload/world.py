"""One builder makes the world: a library on disk, a catalog, an embedded store with faults, a run.

Everything is real but the distance: the SDK talks HTTP to the ASGI app in this process. On a
`VirtualLoop` the wall clock of both sides is the loop's time.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from objlib.backend import EMBEDDED_URL, in_process
from objlib.catalog.opening import open_catalog
from objlib.catalog.protocol import Catalog, utc_now
from objlib.congestion import pressure
from objlib.congestion.gate import RequestGate
from objlib.documents.payload import Source
from objlib.filestore import Fault, FaultPlan, FileStore, create_app
from objlib.gemini.client import FileSearchClient
from objlib.gemini.resources import Document
from objlib.library.metadata import DEFAULT_TEMPLATES
from objlib.library.scan import scan_library
from objlib.reactive.bridge import LoopScheduler
from objlib.sync.listing import SyncReport, survey
from objlib.upload import events as ev
from objlib.upload.orchestrator import Options
from objlib.upload.reports import Progress, advance
from objlib.upload.run import Identity, UploadRun
from objlib.upload.state import AsyncUploadStateManager
from objlib.waits import Waits
from tests.conftest import write_library
from tests.upload.virtual_loop import VirtualLoop

LIBRARY_ID = "a-library"

#: Routes that faults strike.
IMPORT = "POST *:importFile"
UPLOAD = "POST /upload/*"
GET_DOCUMENT = "GET *documents/{document}"

#: Short enough for tests that go through failures.
WAITS = Waits(
    settle_s=0.2,
    lease_s=30.0,
    poll_deadline_s=0.4,
    poll_s=0.01,
    retry_pass_delay_s=0.02,
    backoff_base_s=0.01,
    backoff_cap_s=0.02,
    breaker_cooldown_s=0.02,
)


@dataclass(slots=True)
class World:
    """What a story happens in."""

    root: Path
    catalog: Catalog
    store: FileStore
    client: FileSearchClient
    gate: RequestGate
    store_name: str
    requests: Counter[str]
    waits: Waits = WAITS
    seen: list[ev.Event] = field(default_factory=list)

    def new_run(self, *, identity: Identity | None = None, **options: Any) -> UploadRun:
        """A run that has not started; its events are kept in `seen`."""
        run = UploadRun(
            catalog=self.catalog,
            client=self.client,
            options=Options(**options),
            gate=self.gate,
            store_name=self.store_name,
            source=Source(self.root, LIBRARY_ID),
            waits=self.waits,
            rng=random.Random(1),
            identity=identity,
        )
        run.stream.events.subscribe(self.seen.append)
        return run

    async def upload(self, **options: Any) -> Progress:
        """One run to its end; how it went."""
        before = len(self.seen)
        await self.new_run(**options).until_done()
        progress = Progress()
        for event in self.seen[before:]:
            progress = advance(progress, event)
        return progress

    async def scan(self) -> None:
        """Bring the catalog up to date."""
        lifecycle = AsyncUploadStateManager(self.catalog)
        await scan_library(
            self.catalog, self.root, templates=DEFAULT_TEMPLATES, lifecycle=lifecycle
        )

    async def survey(self) -> SyncReport:
        """How store and catalog compare."""
        store = await self.client.get_store(self.store_name)
        return await survey(self.catalog, self.client, store, LIBRARY_ID)

    async def states(self) -> dict[str, int]:
        """State -> number of rows."""
        rows = await self.catalog.fetch_all(
            "SELECT gemini_state, COUNT(*) FROM files GROUP BY gemini_state"
        )
        return {str(state): int(number) for state, number in rows}

    async def expire_leases(self) -> None:
        """Let every lease run out, as time would: those of a living process are waited for."""
        await self.catalog.execute("UPDATE files SET lease_expires_at = 0")

    async def documents(self) -> list[Document]:
        """Everything in the store, oldest first."""
        pages = self.client.document_pages(self.store_name)
        return [document async for page in pages for document in page]

    def events(self, *kinds: type[ev.Event]) -> list[ev.Event]:
        """The events of some kinds, in order."""
        return [event for event in self.seen if isinstance(event, kinds)]

    def count(self, ending: str) -> int:
        """Requests whose route ends like this."""
        return sum(number for route, number in self.requests.items() if route.endswith(ending))


def _loop_clock(loop: VirtualLoop) -> Callable[[], datetime]:
    """The time of day on a loop whose time jumps."""
    return lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=loop.elapsed_s())


@asynccontextmanager
async def make_world(
    folder: Path,
    *,
    files: int = 6,
    faults: Sequence[Fault] = (),
    waits: Waits = WAITS,
    indexing_delay_s: float = 0.0,
    requests_per_minute: float | None = None,
    indexing_max: int = pressure.INDEXING_MAX,
    wrap: Callable[[httpx2.AsyncBaseTransport], httpx2.AsyncBaseTransport] = lambda inner: inner,
    **changed_waits: float,
) -> AsyncIterator[World]:
    """A scanned library and an empty store. Faults strike from the first upload on.

    Args:
        wrap: puts something between client and server, where no fault of the server will do.
    """
    root = folder / "library"
    write_library(root, files)
    loop = asyncio.get_running_loop()
    clock = _loop_clock(loop) if isinstance(loop, VirtualLoop) else utc_now
    store = FileStore.open(
        folder / "filestore.db",
        clock=lambda: clock().timestamp(),
        rng=random.Random(7),
        indexing_delay_s=indexing_delay_s,
    )
    store_id = store.create_store("a-store", "models/gemini-embedding-001")
    app = create_app(store, faults=FaultPlan(faults, seed=1))
    catalog = await open_catalog(folder / "library.db", create=True, clock=clock, readers=False)
    waits = replace(waits, **changed_waits)
    scheduler = LoopScheduler.running()
    start = pressure.starting(
        now=scheduler.time_s,
        requests_per_minute=requests_per_minute,
        cool_down_s=waits.breaker_cooldown_s,
        indexing_max=indexing_max,
    )
    gate = RequestGate(start, scheduler)
    client = FileSearchClient(
        api_key="test", base_url=EMBEDDED_URL, transport=wrap(in_process(app)), gate=gate
    )
    world = World(
        root=root,
        catalog=catalog,
        store=store,
        client=client,
        gate=gate,
        store_name=f"fileSearchStores/{store_id}",
        requests=app.state.requests,
        waits=waits,
    )
    try:
        await world.scan()
        yield world
    finally:
        await client.aclose()
        gate.close()
        await catalog.close()
        store.close()


async def assert_all_canonical(world: World, files: int = 6) -> None:
    """Every row indexed, every document canonical, nothing left over."""
    assert await world.states() == {"indexed": files}
    report = await world.survey()
    assert report.is_clean, report
    assert len(await world.documents()) == files
    leases = await world.catalog.fetch_all(
        "SELECT COUNT(*) FROM files WHERE lease_owner IS NOT NULL OR gemini_file_id IS NOT NULL"
    )
    assert leases == [(0,)]
