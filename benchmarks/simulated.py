"""An upload under virtual time: the real pipeline, SDK, catalog and server, on a clock that jumps.

Everything runs that runs in life; only waiting takes no time. The same seed gives the same run.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
from tests.upload.virtual_loop import VirtualLoop

from objlib.backend import EMBEDDED_URL, in_process
from objlib.catalog.opening import open_catalog
from objlib.congestion.gate import RequestGate
from objlib.congestion.pressure import Pressure
from objlib.documents.payload import Source
from objlib.filestore import Fault, FaultPlan, FileStore, create_app
from objlib.gemini.client import FileSearchClient
from objlib.library.metadata import DEFAULT_TEMPLATES
from objlib.library.scan import scan_library
from objlib.reactive.bridge import LoopScheduler
from objlib.upload import events as ev
from objlib.upload.orchestrator import Options
from objlib.upload.run import UploadRun
from objlib.upload.state import AsyncUploadStateManager
from objlib.waits import Waits

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
SEED = 1

#: Makes the gate of a run, on its loop.
MakeGate = Callable[[LoopScheduler], RequestGate]


@dataclass(slots=True)
class Trace:
    """What happened in one run; times are virtual seconds since its beginning."""

    files: int
    #: (when, HTTP status) of every answer.
    requests: list[tuple[float, int]] = field(default_factory=list)
    limits: list[tuple[float, Pressure]] = field(default_factory=list)
    indexed: list[float] = field(default_factory=list)
    shown_failed: list[float] = field(default_factory=list)
    failed: int = 0
    #: In the store at the end.
    documents: int = 0
    ended_s: float = 0.0

    @property
    def refused_share(self) -> float:
        """Of all requests, those that were answered 429."""
        return sum(status == 429 for _, status in self.requests) / len(self.requests)

    def refused_share_after(self, start_s: float) -> float:
        """The same, of the requests after a moment; 0 where there are none."""
        late = [status == 429 for at, status in self.requests if at >= start_s]
        return sum(late) / len(late) if late else 0.0

    def accepted_between(self, start_s: float, end_s: float) -> int:
        """Requests that were not refused in a span of time."""
        return sum(start_s <= at < end_s and status != 429 for at, status in self.requests)

    def refused_between(self, start_s: float, end_s: float) -> int:
        """Requests that were refused in a span of time."""
        return sum(start_s <= at < end_s and status == 429 for at, status in self.requests)


class _Recorded(httpx2.AsyncBaseTransport):
    def __init__(self, inner: httpx2.AsyncBaseTransport, record: Callable[[int], None]) -> None:
        self._inner = inner
        self._record = record

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        self._record(response.status_code)
        return response


def make_files(root: Path, files: int) -> None:
    """A library of short texts."""
    for number in range(files):
        path = root / f"{number // 100:02}" / f"note-{number:05}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Note {number}. One arch carries the next, and number {number} them all.")


def simulate(
    work: Path,
    files: int,
    faults: Sequence[Fault],
    make_gate: MakeGate,
    *,
    indexing_s: float,
    concurrency: int = 8,
) -> Trace:
    """Upload `files` files to an empty store with these faults, to the end."""
    root = work / "library"
    make_files(root, files)
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(
            _run(loop, work, root, Trace(files), faults, make_gate, indexing_s, concurrency)
        )
    finally:
        loop.close()


async def _run(
    loop: VirtualLoop,
    work: Path,
    root: Path,
    trace: Trace,
    faults: Sequence[Fault],
    make_gate: MakeGate,
    indexing_s: float,
    concurrency: int,
) -> Trace:
    store = FileStore.open(
        work / "filestore.db",
        clock=lambda: EPOCH.timestamp() + loop.time(),
        rng=random.Random(SEED),
        indexing_delay_s=indexing_s,
    )
    plan = FaultPlan(faults, seed=SEED)
    app = create_app(store, faults=plan, sleep=asyncio.sleep)
    catalog = await open_catalog(
        work / "library.db",
        create=True,
        clock=lambda: EPOCH + timedelta(seconds=loop.time()),
        readers=False,
    )
    await scan_library(
        catalog, root, templates=DEFAULT_TEMPLATES, lifecycle=AsyncUploadStateManager(catalog)
    )
    began = loop.time()

    def at() -> float:
        return loop.time() - began

    gate = make_gate(LoopScheduler(loop))
    transport = _Recorded(in_process(app), lambda status: trace.requests.append((at(), status)))
    store_id = store.create_store("simulated", "models/gemini-embedding-001")
    plan.start()
    async with FileSearchClient(
        api_key="simulated", base_url=EMBEDDED_URL, transport=transport, gate=gate
    ) as client:
        run = UploadRun(
            catalog=catalog,
            client=client,
            options=Options(concurrency=concurrency),
            gate=gate,
            store_name=f"fileSearchStores/{store_id}",
            source=Source(root, "simulated"),
            waits=Waits(),
            rng=random.Random(SEED),
        )

        def note(event: ev.Event) -> None:
            match event:
                case ev.FileIndexed():
                    trace.indexed.append(at())
                case ev.DocumentShownFailed():
                    trace.shown_failed.append(at())
                case ev.FileFailed():
                    trace.failed += 1

        run.stream.events.subscribe(note)
        gate.states.subscribe(lambda state: trace.limits.append((at(), state)))
        await run.until_done()
    trace.ended_s = at()
    ((trace.documents,),) = store.all("SELECT COUNT(*) FROM documents")
    gate.close()
    await catalog.close()
    store.close()
    return trace
