"""What things cost as a library grows: time and memory at a thousand, ten thousand, … files.

    python -m benchmarks.growth [--sizes 1000 10000 …] [--only KIND …]

Each figure comes from a process of its own, so that the growth of its memory is that of the work
alone; what the work needs is prepared by another. Prepared catalogs and stores are filled by plain
SQL, since uploading a million files to measure a listing would take hours; what is measured is the
product's own code.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table

from benchmarks.plots import plot_growth
from benchmarks.scan import scan_once
from objlib.backend import EMBEDDED_URL, in_process
from objlib.catalog import queries
from objlib.catalog.connection import Catalog
from objlib.catalog.migrations import SCHEMA_VERSION
from objlib.filestore import FileStore, create_app, passages
from objlib.filestore.passages import Chunk
from objlib.filestore.words import closed_up, terms
from objlib.sync.listing import survey
from objlib.upload.client import GeminiFileSearchClient
from objlib.upload.estimate import estimate
from objlib.upload.lease import Lease
from objlib.upload.orchestrator import Options
from objlib.upload.run import states_taken
from objlib.upload.state import AsyncUploadStateManager

SIZES = (1_000, 10_000, 100_000)
RESULTS = Path("build/growth.json")
PLOT = Path("docs/images/growth.svg")
PLOTTED = (
    "scan: first",
    "scan: nothing changed",
    "store-sync: list and classify",
    "search: a question, median",
    "catalog: the counts of `status`",
    "catalog: claim one file and release it",
)
STORE = "fileSearchStores/bench-000000000000"
QUESTIONS = 40
VOCABULARY = 20_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What one piece of work took. `requests` is 0 where none are made."""

    what: str
    size: int
    wall_s: float
    cpu_s: float
    grown_mb: float
    requests: int = 0


# What is measured


def catalog_costs(work: Path, size: int) -> Iterator[Cost]:
    """A catalog of waiting files: a page of them, one claim, status, the plan."""

    async def page(catalog: Catalog) -> None:
        await queries.pending_page(catalog, f"{size // 2:07}", 200)

    async def claim(catalog: Catalog) -> None:
        (record,) = await queries.pending_page(catalog, f"{size // 3:07}", 1)
        state = AsyncUploadStateManager(catalog)
        lease = Lease("bench", time.time() + 60)
        claimed = await state.begin_upload(record, upload_key="k" * 26, run_id="r", lease=lease)
        await state.release(claimed, reason="bench")

    async def status(catalog: Catalog) -> None:
        await queries.tally_by_state(catalog)
        await queries.count_deleted(catalog)
        await queries.tally_by_skip_reason(catalog)
        await queries.tally_of_proofs(catalog)

    async def plan(catalog: Catalog) -> None:
        estimate(await queries.work_of_upload(catalog, states_taken(Options()), None))

    async def failures(catalog: Catalog) -> None:
        await queries.failure_groups(catalog)

    for what, step in (
        ("catalog: a page of 200 waiting files", page),
        ("catalog: claim one file and release it", claim),
        ("catalog: the counts of `status`", status),
        ("catalog: the plan of `fsm-upload --dry-run`", plan),
        ("catalog: the groups of `failures`", failures),
    ):
        yield measured(what, size, partial(_with_catalog, work, step))


def store_sync_costs(work: Path, size: int) -> Iterator[Cost]:
    """Every document listed, twenty a page, and classified."""
    requests = 0

    async def step(catalog: Catalog) -> None:
        nonlocal requests
        with contextlib.closing(FileStore.open(work / "filestore.db")) as store:
            transport = in_process(create_app(store))
            async with GeminiFileSearchClient(
                api_key="bench", base_url=EMBEDDED_URL, transport=transport
            ) as client:
                found = await client.get_store(STORE)
                report = await survey(catalog, client, found, "bench")
                requests = client.requests
        assert report.is_clean, report

    cost = measured("store-sync: list and classify", size, lambda: _with_catalog(work, step))
    yield Cost(**{**asdict(cost), "requests": requests})


def search_costs(work: Path, size: int) -> Iterator[Cost]:
    """Questions to the embedded store over HTTP in-process: the median and the slowest."""

    async def ask() -> list[float]:
        rng, took = random.Random(7), []
        with contextlib.closing(FileStore.open(work / "filestore.db")) as store:
            transport = in_process(create_app(store))
            async with httpx2.AsyncClient(transport=transport, base_url=EMBEDDED_URL) as http:
                for _ in range(QUESTIONS):
                    tool = {"fileSearch": {"fileSearchStoreNames": [STORE]}}
                    question = " ".join(_words(rng, 5))
                    body = {"contents": [{"parts": [{"text": question}]}], "tools": [tool]}
                    started = time.perf_counter()
                    answer = await http.post("/v1beta/models/m:generateContent", json=body)
                    took.append(time.perf_counter() - started)
                    answer.raise_for_status()
        return took

    took: list[float] = []
    cost = measured("search", size, lambda: took.extend(asyncio.run(ask())))
    of_all = asdict(cost) | {"cpu_s": cost.cpu_s / QUESTIONS}
    yield Cost(**of_all | {"what": "search: a question, median", "wall_s": median(took)})
    slow = quantiles(took, n=20)[-1]
    yield Cost(**of_all | {"what": "search: a question, 95th percentile", "wall_s": slow})


def scan_costs(work: Path, size: int) -> Iterator[Cost]:
    """A library of small files: the first scan, and one with nothing, and one with 1 % changed."""
    root, catalog = work / "library", work / "library.db"
    yield measured("scan: first", size, lambda: scan_once(root, catalog))
    yield measured("scan: nothing changed", size, lambda: scan_once(root, catalog))
    for number in range(0, size, 100):
        _file(root, number).write_text(f"Note {number} is another one now.")
    yield measured("scan: 1 % changed", size, lambda: scan_once(root, catalog))


# What it needs


def prepare_waiting(work: Path, size: int) -> None:
    """A catalog of files that wait."""
    _fill_catalog(work, size, state="untracked")


def prepare_indexed(work: Path, size: int) -> None:
    """A catalog of indexed files, and a store with their documents and some text in each."""
    _fill_catalog(work, size, state="indexed")
    rng = random.Random(1)
    with contextlib.closing(FileStore.open(work / "filestore.db")) as store:
        with store.transaction():
            store.insert(
                "INSERT INTO stores (id, display_name, embedding_model, created_at)"
                " VALUES (?, 'bench', 'models/gemini-embedding-001', 0)",
                STORE.partition("/")[2],
            )
        for first in range(0, size, 5_000):
            with store.transaction():
                for number in range(first, min(size, first + 5_000)):
                    _add_document(store, number, " ".join(_words(rng, 120)))


def prepare_files(work: Path, size: int) -> None:
    """A library of small files, a thousand in a folder."""
    for number in range(size):
        path = _file(work / "library", number)
        if number % 1_000 == 0:
            path.parent.mkdir(parents=True)
        path.write_text(f"Note {number}. One arch carries the next.")


KINDS: dict[str, tuple[Callable[[Path, int], None], Callable[[Path, int], Iterator[Cost]]]] = {
    "catalog": (prepare_waiting, catalog_costs),
    "store-sync": (prepare_indexed, store_sync_costs),
    "search": (prepare_indexed, search_costs),
    "scan": (prepare_files, scan_costs),
}


def _fill_catalog(work: Path, size: int, *, state: str) -> None:
    path = work / "library.db"

    async def create() -> None:
        await (await Catalog.open(path, create=True)).close()

    asyncio.run(create())
    with contextlib.closing(sqlite3.connect(path)) as plain:
        for (name,) in plain.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            plain.execute(f"DROP TRIGGER {name}")  # put back when the catalog is opened
        assert plain.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        plain.execute(
            "INSERT INTO files (file_path, filename, content_hash, file_size, mtime, mime_type,"
            " metadata_json, gemini_state, version, gemini_state_updated_at, upload_key,"
            " gemini_store_doc_id, created_at, updated_at)"
            " WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :size)"
            " SELECT printf('%07d.txt', i), printf('%07d.txt', i), printf('%064x', i), 4000, i,"
            " 'text/plain', json_object('title', 'Note ' || i), :state,"
            " CASE :state WHEN 'indexed' THEN 3 ELSE 0 END, '2026-01-01T00:00:00',"
            " CASE :state WHEN 'indexed' THEN printf('k%025d', i) END,"
            " CASE :state WHEN 'indexed' THEN :store || printf('/documents/k%025d', i) END,"
            " '2026-01-01', '2026-01-01' FROM n",
            {"size": size, "state": state, "store": STORE},
        )
        plain.execute("INSERT INTO catalog_info VALUES ('library_id', 'bench')")
        plain.commit()


def _add_document(store: FileStore, number: int, text: str) -> None:
    key = f"k{number:025}"
    metadata = {
        "objlib_key": key,
        "objlib_path": f"{number:07}.txt",
        "objlib_sha256": f"{number:064x}",
        "objlib_library": "bench",
    }
    custom = [{"key": name, "stringValue": value} for name, value in metadata.items()]
    position = store.insert(
        "INSERT INTO documents (store_id, id, display_name, mime_type, size_bytes, metadata_json,"
        " created_at, ready_at, visible_at) VALUES (?, ?, ?, 'text/plain', 4000, ?, 0, 0, 0)",
        *(STORE.partition("/")[2], key, key, json.dumps(custom)),
    )
    passages.add(store, position, 0, [Chunk(text, " ".join(terms(closed_up(text))), None)])


def _words(rng: random.Random, count: int) -> list[str]:
    """Words as a language has them: few are frequent, many are rare."""
    return [f"w{int(VOCABULARY ** rng.random())}" for _ in range(count)]


def _file(root: Path, number: int) -> Path:
    return root / f"{number // 1_000:04}" / f"note-{number:07}.txt"


# How it is measured


def measured(what: str, size: int, work: Callable[[], object]) -> Cost:
    """The time of a piece of work, and by how much the process was larger than ever before."""
    before, started, began = _peak_mb(), time.perf_counter(), time.process_time()
    work()
    return Cost(
        what,
        size,
        wall_s=time.perf_counter() - started,
        cpu_s=time.process_time() - began,
        grown_mb=_peak_mb() - before,
    )


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _with_catalog(work: Path, step: Callable[[Catalog], Any]) -> None:
    async def main() -> None:
        async with await Catalog.open(work / "library.db") as catalog:
            await step(catalog)

    asyncio.run(main())


def costs(kinds: list[str], sizes: list[int]) -> list[Cost]:
    """All of it, each kind and size prepared and measured by processes of their own."""
    found: list[Cost] = []
    for kind in kinds:
        for size in sizes:
            with tempfile.TemporaryDirectory() as work:
                call = [sys.executable, "-m", "benchmarks.growth", "--work", work]
                call += ["--only", kind, "--sizes", str(size)]
                subprocess.run([*call, "--step", "prepare"], check=True)
                said = subprocess.run(
                    [*call, "--step", "measure"], check=True, capture_output=True, text=True
                )
                found += [Cost(**cost) for cost in json.loads(said.stdout)]
                print(f"{kind} at {size:,}: done", file=sys.stderr)
    return found


def _with_earlier(found: list[Cost]) -> list[Cost]:
    """Also what an earlier run has found for other sizes: a million files take their time."""
    earlier = [Cost(**cost) for cost in json.loads(RESULTS.read_text())] if RESULTS.exists() else []
    fresh = {(cost.what, cost.size) for cost in found}
    return [cost for cost in earlier if (cost.what, cost.size) not in fresh] + found


def _curve(found: list[Cost], what: str) -> list[tuple[int, float]]:
    return sorted((cost.size, cost.wall_s) for cost in found if cost.what == what)


def show(found: list[Cost]) -> None:
    """A row for each piece of work, a column for each size."""
    sizes = sorted({cost.size for cost in found})
    table = Table("what", *(f"{size:,}" for size in sizes))
    for what in dict.fromkeys(cost.what for cost in found):
        cells = []
        for size in sizes:
            cost = next((c for c in found if (c.what, c.size) == (what, size)), None)
            cells.append("-" if cost is None else _cell(cost))
        table.add_row(what, *cells)
    Console(width=140).print(table)


def _cell(cost: Cost) -> str:
    seconds = cost.wall_s
    shown = f"{seconds * 1000:,.1f} ms" if seconds < 1 else f"{seconds:,.1f} s"
    requests = f", {cost.requests:,} requests" if cost.requests else ""
    return f"{shown}, +{cost.grown_mb:.0f} MB{requests}"


def main() -> None:
    """Measure and show, or one step of that."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--only", choices=KINDS, nargs="+", default=list(KINDS))
    parser.add_argument("--plot", action="store_true", help=f"draw {PLOT}")
    parser.add_argument("--step", choices=["prepare", "measure"], help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step is None:
        found = _with_earlier(costs(arguments.only, arguments.sizes))
        show(found)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps([asdict(cost) for cost in found], indent=2))
        print(f"written to {RESULTS}")
        if arguments.plot:
            plot_growth(PLOT, {what: _curve(found, what) for what in PLOTTED})
        return
    prepare, measure = KINDS[arguments.only[0]]
    if arguments.step == "prepare":
        prepare(arguments.work, arguments.sizes[0])
    else:
        print(json.dumps([asdict(cost) for cost in measure(arguments.work, arguments.sizes[0])]))


if __name__ == "__main__":
    main()
