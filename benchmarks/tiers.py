"""A whole library at each quota tier: hours, requests and dollars, beside the printed estimate.

The real orchestrator, operators, catalog and pressure control under virtual time, on a library of
hard links to one short text, which the catalog takes for five kilobytes each. Answers take 0.2 s, a
document is indexed after 8 s, and whatever is above the tier's requests a minute is refused. The
backend is a model (`benchmarks.modelled`), which a smaller upload over the whole wire confirms.

Dollars and tokens follow from the bytes and the published price; nothing about them is simulated.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tests.upload.virtual_loop import VirtualLoop

from benchmarks.filled import LIBRARY_ID, STORE, TEXT_BYTES, fill_catalog, make_linked_library
from benchmarks.measuring import Cost, apart, measured
from benchmarks.modelled import ModelledClient
from benchmarks.results import Result, Target
from benchmarks.simulated import EPOCH, SEED, simulate
from benchmarks.sizes import Sizes
from objlib.catalog.sqlite.connection import SqliteCatalog
from objlib.catalog.tallies import tally_by_state
from objlib.congestion.gate import RequestGate
from objlib.congestion.pressure import TIERS, starting
from objlib.documents.payload import Source
from objlib.filestore import Fault, Kind
from objlib.filestore.schedules import TokenBucket
from objlib.reactive.bridge import LoopScheduler
from objlib.upload.estimate import REQUESTS_PER_FILE, Estimate, estimate
from objlib.upload.orchestrator import Options
from objlib.upload.run import UploadRun, expected_work
from objlib.waits import Waits

PART = "simulation"
INDEXING_S = 8.0
LATENCY_S = 0.2
CONCURRENCY = 64
#: The tiers that cost something.
SIMULATED = ("1", "2", "3")
#: Every tier costs the same processor a file, so that the largest library need not meet them all.
_ALL_TIERS_UP_TO = 100_000


class _Undurable(SqliteCatalog):
    """A catalog that never waits for the disk: there is nothing to survive."""

    @asynccontextmanager
    async def transaction(self, *, durable: bool = False) -> AsyncIterator[None]:
        async with super().transaction():
            yield


@dataclass(frozen=True, slots=True)
class Outcome:
    """One upload. `virtual_s` is what the clock of the run said, `cost` what it took here."""

    files: int
    expected: Estimate
    virtual_s: float
    requests: int
    refused_share_later: float
    cost: Cost


def measure(work: Path, sizes: Sizes) -> Iterator[Result]:
    """Each tier at each size; and that the model tells what the whole wire does."""
    yield _agreement(work / "agreement", sizes.simulated_wire)
    for size in sizes.simulated:
        folder = work / f"simulated-{size}"
        for tier in SIMULATED if size <= _ALL_TIERS_UP_TO else SIMULATED[-1:]:
            yield _result(tier, apart(upload_at, TIERS[tier], folder, size))
        shutil.rmtree(folder)


def _result(tier: str, found: Outcome) -> Result:
    """Virtual seconds beside the estimate; the processor is what a file cost here."""
    rate = TIERS[tier]
    price = found.expected
    return Result(
        PART,
        f"tier {tier}, {rate:,.0f} requests a minute",
        found.files,
        found.virtual_s,
        count=found.files,
        cpu_s=found.cost.cpu_s,
        memory_mb=found.cost.memory_mb,
        requests=found.requests,
        baseline="estimate of --dry-run",
        baseline_s=60 * price.minutes(rate, tier),
        targets=(
            Target("ratio", 1 / 0.95),
            Target("refused after minute 1, %", 1),
            Target("memory MB", 50),
        ),
        more={
            "hours": found.virtual_s / 3600,
            "of what the quota allows, %": 100
            * (60 * found.files * REQUESTS_PER_FILE / rate)
            / found.virtual_s,
            "requests estimated": float(price.requests),
            "refused after minute 1, %": 100 * found.refused_share_later,
            "dollars": price.dollars,
        },
    )


def _agreement(work: Path, files: int) -> Result:
    """The same upload over the whole wire: the model's virtual seconds beside the wire's."""
    rate = TIERS["1"]
    quota = Fault(Kind.QUOTA, per_minute=[(0.0, rate)], burst=burst(rate))
    with tempfile.TemporaryDirectory() as folder:
        trace = simulate(
            Path(folder),
            files,
            [Fault(Kind.LATENCY, seconds=LATENCY_S), quota],
            lambda scheduler: open_gate(scheduler, rate),
            indexing_s=INDEXING_S,
            concurrency=CONCURRENCY,
        )
    assert len(trace.indexed) == files, trace.failed
    found = apart(upload_at, rate, work, files)
    shutil.rmtree(work)
    return Result(
        PART,
        "the modelled backend, tier 1",
        files,
        found.virtual_s,
        count=files,
        cpu_s=found.cost.cpu_s,
        requests=found.requests,
        baseline="SDK, HTTP and the embedded server",
        baseline_s=trace.ended_s,
        targets=(Target("ratio", 1.03),),
        more={"requests of the baseline": float(len(trace.requests))},
    )


def burst(rate: float) -> int:
    """How many requests of a quota may come at once."""
    return round(rate / 10)


def open_gate(scheduler: LoopScheduler, rate: float) -> RequestGate:
    """A gate with the budget of a tier."""
    start = starting(now=scheduler.time_s, concurrency=CONCURRENCY, requests_per_minute=rate)
    return RequestGate(start, scheduler)


def upload_at(rate: float, work: Path, files: int) -> Outcome:
    """Upload a linked library under a quota of so many requests a minute."""
    root, database = work / "library", work / f"at-{rate:g}.db"
    if not root.exists():
        make_linked_library(root, files)
    content = (root / "0000" / "note-0000000.txt").read_bytes()
    fill_catalog(
        database,
        files,
        "untracked",
        content_hash=hashlib.sha256(content).hexdigest(),
        size_bytes=TEXT_BYTES,
    )
    outcome: list[Outcome] = []

    def run() -> None:
        loop = VirtualLoop()
        try:
            outcome.append(loop.run_until_complete(_run(loop, rate, root, database, files)))
        finally:
            loop.close()

    cost = measured(run)
    (said,) = outcome
    return Outcome(
        said.files, said.expected, said.virtual_s, said.requests, said.refused_share_later, cost
    )


async def _run(loop: VirtualLoop, rate: float, root: Path, database: Path, files: int) -> Outcome:
    gate = open_gate(LoopScheduler(loop), rate)
    client = ModelledClient(
        gate,
        TokenBucket(rate, burst(rate)),
        latency_s=LATENCY_S,
        indexing_s=INDEXING_S,
    )
    async with await _Undurable.open(
        database,
        clock=lambda: EPOCH + timedelta(seconds=loop.time()),
        readers=False,
    ) as catalog:
        options = Options(concurrency=CONCURRENCY)
        expected = estimate(await expected_work(catalog, options))
        run = UploadRun(
            catalog=catalog,
            client=client,
            options=options,
            gate=gate,
            store_name=STORE,
            source=Source(root, LIBRARY_ID),
            waits=Waits(),
            rng=random.Random(SEED),
        )
        began = loop.time()
        await run.until_done()
        virtual_s = loop.time() - began
        tally = await tally_by_state(catalog)
        assert tally["indexed"].files == files, tally
    gate.close()
    later = client.later_refused / client.later if client.later else 0.0
    return Outcome(files, expected, virtual_s, client.requests, later, Cost(0, 0))
