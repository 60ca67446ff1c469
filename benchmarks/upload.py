"""The pipeline beside a bare `asyncio.TaskGroup` loop over the same SDK calls on the same server.

The loop uploads, imports, looks at the document and deletes the raw file: what the pipeline does,
without a catalog, without leases, retries or events. Both run on an embedded server of their own
with empty data, in the same process, and get the same bytes and the same metadata.
"""

from __future__ import annotations

import asyncio
import io
import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx2

from benchmarks import tiers
from benchmarks.filled import make_library
from benchmarks.measuring import Cost, apart, measured, measured_async, typical
from benchmarks.results import Result, Target
from benchmarks.simulated import MakeGate, Trace, simulate
from benchmarks.sizes import Sizes
from objlib.backend import EMBEDDED_URL, in_process
from objlib.catalog.opening import open_catalog
from objlib.congestion.gate import RequestGate
from objlib.congestion.pressure import starting
from objlib.documents.payload import KEY, LIBRARY, PATH, SHA256, Source
from objlib.filestore import Fault, FaultPlan, FileStore, Kind, create_app
from objlib.gemini.client import FileSearchClient
from objlib.gemini.resources import Metadata
from objlib.library.identity import identity_header
from objlib.library.metadata import DEFAULT_TEMPLATES, extract_metadata
from objlib.library.scan import scan_library
from objlib.reactive.bridge import LoopScheduler
from objlib.upload.estimate import REQUESTS_PER_FILE
from objlib.upload.orchestrator import Options
from objlib.upload.run import UploadRun
from objlib.upload.state import AsyncUploadStateManager
from objlib.waits import Waits

CONCURRENCY = 8
PART = "upload"
#: Requests a minute, of the virtual runs.
QUOTAS = (60.0, 600.0, 6_000.0)
INDEXING_S = 0.0
#: Refused, or lost on the way back.
TROUBLE = {
    "5 % answered 503": (Fault(Kind.ERROR, status=503, probability=0.05),),
    "3 % of answers lost": (Fault(Kind.DROP_AFTER, probability=0.03),),
}


def measure(work: Path, sizes: Sizes) -> Iterator[Result]:
    """With an instant server, at a distance, under quotas, and on a bad day."""
    yield asyncio.run(_instant(work, sizes.uploaded, sizes.rounds))
    for latency_s, share in sizes.distances.items():
        files = max(CONCURRENCY, round(sizes.uploaded * share))
        yield asyncio.run(_distant(work, files, latency_s))
    for rate in QUOTAS:
        yield apart(_under_quota, sizes.simulated_wire, rate)
    for what, faults in TROUBLE.items():
        yield apart(_in_trouble, sizes.simulated_wire, what, faults)


async def _instant(work: Path, files: int, rounds: int) -> Result:
    """The pipeline and the loop in turns; requests are counted on the wire, by purpose."""
    root = work / "uploaded"
    make_library(root, files)
    pairs = []
    wire: Counter[str] = Counter()
    for number in range(rounds):
        ours, wire = await _pipeline(root, work / f"ours-{number}")
        pairs.append((ours, await _bare_loop(root, work / f"bare-{number}")))
    ours, theirs = typical(pairs)
    assert (other := wire["other"]) == 0, f"{other} requests of unknown purpose"
    return Result(
        PART,
        "instant server",
        files,
        ours.seconds,
        count=files,
        cpu_s=ours.cpu_s,
        memory_mb=ours.memory_mb,
        requests=wire.total(),
        baseline="the same SDK calls in a TaskGroup",
        baseline_s=theirs.seconds,
        targets=(Target("ratio", 1.25), Target("requests each", 5)),
        more={
            "CPU s of the baseline": theirs.cpu_s,
            **{f"{purpose}, a file": count / files for purpose, count in sorted(wire.items())},
        },
    )


async def _distant(work: Path, files: int, latency_s: float) -> Result:
    """Slow answers, beside what latency and concurrency allow.

    A file holds its upload slot for three calls; the last document and raw file cost two more.
    """
    root = work / f"distant-{latency_s}"
    make_library(root, files)
    ours, wire = await _pipeline(root, work / f"distant-store-{latency_s}", latency_s=latency_s)
    return Result(
        PART,
        f"{latency_s * 1000:.0f} ms an answer, {CONCURRENCY} at a time",
        files,
        ours.seconds,
        count=files,
        cpu_s=ours.cpu_s,
        memory_mb=ours.memory_mb,
        requests=wire.total(),
        baseline="latency / concurrency",
        baseline_s=math.ceil(files / CONCURRENCY) * 3 * latency_s + 2 * latency_s,
        targets=(Target("ratio", 1 / 0.95),),
    )


def _under_quota(files: int, rate: float) -> Result:
    """Virtual seconds under so many requests a minute, beside five requests a file at that rate.

    Documents are active at once: how many may be indexed at a time is another bound.
    """
    quota = Fault(Kind.QUOTA, per_minute=[(0.0, rate)], burst=tiers.burst(rate))
    distance = Fault(Kind.LATENCY, seconds=0.2)
    return _simulated(
        f"quota of {rate:,.0f} requests a minute",
        files,
        [distance, quota],
        lambda scheduler: tiers.open_gate(scheduler, rate),
        concurrency=tiers.CONCURRENCY,
        baseline="5 requests a file at that rate",
        baseline_s=files * REQUESTS_PER_FILE / rate * 60,
        targets=(Target("ratio", 1 / 0.95), Target("refused after minute 1, %", 1)),
    )


def _in_trouble(files: int, what: str, faults: Sequence[Fault]) -> Result:
    """Virtual seconds with faults, beside the same upload without them."""

    def gate(scheduler: LoopScheduler) -> RequestGate:
        return RequestGate(starting(now=scheduler.time_s, concurrency=CONCURRENCY), scheduler)

    distance = Fault(Kind.LATENCY, seconds=0.2)
    with tempfile.TemporaryDirectory() as folder:
        calm = simulate(Path(folder), files, [distance], gate, indexing_s=INDEXING_S)
    return _simulated(
        what,
        files,
        [distance, *faults],
        gate,
        baseline="the same without faults",
        baseline_s=calm.ended_s,
        targets=(Target("left failed", 0), Target("documents more than files", 0)),
    )


def _simulated(
    what: str,
    files: int,
    faults: Sequence[Fault],
    make_gate: MakeGate,
    *,
    baseline: str,
    baseline_s: float,
    targets: tuple[Target, ...],
    concurrency: int = CONCURRENCY,
) -> Result:
    trace: list[Trace] = []

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            trace.append(
                simulate(
                    Path(folder),
                    files,
                    faults,
                    make_gate,
                    indexing_s=INDEXING_S,
                    concurrency=concurrency,
                )
            )

    cost = measured(run)
    (found,) = trace
    return Result(
        PART,
        f"{what}, simulated",
        files,
        found.ended_s,
        count=files,
        cpu_s=cost.cpu_s,
        memory_mb=cost.memory_mb,
        requests=len(found.requests),
        baseline=baseline,
        baseline_s=baseline_s,
        targets=targets,
        more={
            "refused, %": 100 * found.refused_share,
            "refused after minute 1, %": 100 * found.refused_share_after(60.0),
            "left failed": float(files - len(found.indexed)),
            "documents more than files": float(found.documents - files),
        },
    )


async def _pipeline(root: Path, folder: Path, latency_s: float = 0.0) -> tuple[Cost, Counter[str]]:
    folder.mkdir()
    store = FileStore.open(folder / "filestore.db")
    gate = RequestGate.open(concurrency=CONCURRENCY, requests_per_minute=None, cool_down_s=30.0)
    wire: Counter[str] = Counter()
    async with (
        await open_catalog(folder / "library.db", create=True) as catalog,
        _client(store, latency_s, gate, wire) as client,
    ):
        lifecycle = AsyncUploadStateManager(catalog)
        await scan_library(catalog, root, templates=DEFAULT_TEMPLATES, lifecycle=lifecycle)
        name = (await client.create_store("bench")).name
        wire.clear()
        run = UploadRun(
            catalog=catalog,
            client=client,
            options=Options(concurrency=CONCURRENCY),
            gate=gate,
            store_name=name,
            source=Source(root, "bench"),
            waits=Waits(),
        )
        cost = await measured_async(run.until_done)
    gate.close()
    store.close()
    return cost, wire


async def _bare_loop(root: Path, folder: Path) -> Cost:
    folder.mkdir()
    store = FileStore.open(folder / "filestore.db")
    slots = asyncio.Semaphore(CONCURRENCY)
    async with _client(store) as client:
        name = (await client.create_store("bench")).name

        async def one(path: Path, number: int) -> None:
            async with slots:
                body, metadata = _as_sent(root, path)
                raw = await client.upload_file(
                    io.BytesIO(body), name=f"bench{number}", mime_type="text/plain"
                )
                operation = await client.import_file(name, file_name=raw.name, metadata=metadata)
                implied = operation.name.replace("/operations/", "/documents/")
                document = None
                while document is None or not document.is_active:
                    document = await client.get_document(implied)
                await client.delete_file(raw.name)

        paths = sorted(path for path in root.rglob("*.txt"))

        async def every_one() -> None:
            async with asyncio.TaskGroup() as group:
                for number, path in enumerate(paths):
                    group.create_task(one(path, number))

        cost = await measured_async(every_one)
    store.close()
    return cost


def _as_sent(root: Path, path: Path) -> tuple[bytes, Metadata]:
    """The bytes and the metadata that the pipeline sends for this file."""
    relative = path.relative_to(root).as_posix()
    metadata = extract_metadata(relative)
    header = identity_header(relative, metadata)
    own = {KEY: "k" * 26, PATH: relative, SHA256: "0" * 64, LIBRARY: "bench"}
    return header.encode() + path.read_bytes(), {**metadata, **own}


def _client(
    store: FileStore,
    latency_s: float = 0.0,
    gate: RequestGate | None = None,
    wire: Counter[str] | None = None,
) -> FileSearchClient:
    faults = FaultPlan([Fault(Kind.LATENCY, seconds=latency_s)] if latency_s else [])
    transport = _Counted(in_process(create_app(store, faults=faults)), wire)
    return FileSearchClient(api_key="bench", base_url=EMBEDDED_URL, transport=transport, gate=gate)


class _Counted(httpx2.AsyncBaseTransport):
    """Counts requests by what they are for."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, wire: Counter[str] | None) -> None:
        self._inner = inner
        self._wire = wire

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._wire is not None:
            self._wire[purpose(request)] += 1
        return await self._inner.handle_async_request(request)


def purpose(request: httpx2.Request) -> str:
    """What a request of an upload is for."""
    path = request.url.path
    match request.method:
        case "POST" if request.headers.get("x-goog-upload-command") == "start":
            return "start of the upload"
        case "POST" if "x-goog-upload-command" in request.headers:
            return "content"
        case "POST" if path.endswith(":importFile"):
            return "import"
        case "GET" if "/documents/" in path:
            return "look at the document"
        case "DELETE" if path.startswith("/v1beta/files/"):
            return "deletion of the raw file"
        case _:
            return "other"
