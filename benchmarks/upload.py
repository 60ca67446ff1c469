"""The pipeline beside a bare `asyncio.TaskGroup` loop over the same SDK calls on the same server.

The loop uploads, imports, looks at the document and deletes the raw file: what the pipeline does,
without a catalog, without leases, retries or events. Both run on an embedded server of their own
with empty data, in the same process, and get the same bytes and the same metadata.
"""

from __future__ import annotations

import asyncio
import io
import math
import time
from pathlib import Path

from benchmarks.figures import Comparison, typical
from benchmarks.scan import make_library
from objlib.backend import EMBEDDED_URL, in_process
from objlib.catalog.connection import Catalog
from objlib.filestore import Fault, FaultPlan, FileStore, Kind, create_app
from objlib.library.identity import identity_header
from objlib.library.metadata import DEFAULT_TEMPLATES, extract_metadata
from objlib.library.scan import scan_library
from objlib.upload.client import GeminiFileSearchClient, Metadata
from objlib.upload.gate import RequestGate
from objlib.upload.orchestrator import Options
from objlib.upload.payload import KEY, LIBRARY, PATH, SHA256, Source
from objlib.upload.run import UploadRun
from objlib.upload.state import AsyncUploadStateManager
from objlib.upload.waits import Waits

CONCURRENCY = 8
#: Seconds an answer -> share of the files: a second each would take minutes with all of them.
LATENCIES = {0.05: 1.0, 0.2: 1.0, 1.0: 0.2}


async def compare_upload(work: Path, files: int, rounds: int) -> list[Comparison]:
    """Seconds for the pipeline and for the loop, with an instant server."""
    root = work / "uploaded"
    make_library(root, files)
    pairs = []
    requests = 0
    for number in range(rounds):
        ours, requests = await _pipeline(root, work / f"ours-{number}")
        pairs.append((ours, await _bare_loop(root, work / f"bare-{number}")))
    ours, theirs = typical(pairs)
    return [
        Comparison(
            f"upload, instant server, {requests / files:.1f} requests a file",
            files,
            ours,
            "TaskGroup",
            theirs,
            target="1.25",
        )
    ]


async def compare_latency(work: Path, files: int) -> list[Comparison]:
    """Seconds with slow answers, beside what latency and concurrency allow.

    A file holds its upload slot for three calls; the last document and raw file cost two more.
    """
    found = []
    for latency_s, share in LATENCIES.items():
        number = max(CONCURRENCY, round(files * share))
        root = work / f"distant-{latency_s}"
        make_library(root, number)
        ours, _ = await _pipeline(root, work / f"distant-store-{latency_s}", latency_s=latency_s)
        found.append(
            Comparison(
                f"upload, {latency_s * 1000:.0f} ms an answer, {CONCURRENCY} at a time",
                number,
                ours,
                "latency / concurrency",
                math.ceil(number / CONCURRENCY) * 3 * latency_s + 2 * latency_s,
                target="1.05",
            )
        )
    return found


async def _pipeline(root: Path, folder: Path, latency_s: float = 0.0) -> tuple[float, int]:
    folder.mkdir()
    store = FileStore.open(folder / "filestore.db")
    gate = RequestGate.open(concurrency=CONCURRENCY, requests_per_minute=None, cool_down_s=30.0)
    async with (
        await Catalog.open(folder / "library.db", create=True) as catalog,
        _client(store, latency_s, gate) as client,
    ):
        lifecycle = AsyncUploadStateManager(catalog)
        await scan_library(catalog, root, templates=DEFAULT_TEMPLATES, lifecycle=lifecycle)
        name = (await client.create_store("bench")).name
        before = client.requests
        run = UploadRun(
            catalog=catalog,
            client=client,
            gate=gate,
            store_name=name,
            source=Source(root, "bench"),
            waits=Waits(),
        )
        started = time.perf_counter()
        await run.until_done(Options(concurrency=CONCURRENCY))
        elapsed = time.perf_counter() - started
        requests = client.requests - before
    gate.close()
    store.close()
    return elapsed, requests


async def _bare_loop(root: Path, folder: Path) -> float:
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
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number, path in enumerate(paths):
                group.create_task(one(path, number))
        elapsed = time.perf_counter() - started
    store.close()
    return elapsed


def _as_sent(root: Path, path: Path) -> tuple[bytes, Metadata]:
    """The bytes and the metadata that the pipeline sends for this file."""
    relative = path.relative_to(root).as_posix()
    metadata = extract_metadata(relative)
    header = identity_header(relative, metadata)
    own = {KEY: "k" * 26, PATH: relative, SHA256: "0" * 64, LIBRARY: "bench"}
    return header.encode() + path.read_bytes(), {**metadata, **own}


def _client(
    store: FileStore, latency_s: float = 0.0, gate: RequestGate | None = None
) -> GeminiFileSearchClient:
    faults = FaultPlan([Fault(Kind.LATENCY, seconds=latency_s)] if latency_s else [])
    transport = in_process(create_app(store, faults=faults))
    return GeminiFileSearchClient(
        api_key="bench", base_url=EMBEDDED_URL, transport=transport, gate=gate
    )
