"""Transitions: the real state manager beside the same UPDATEs in bare sqlite3; and contention."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.filled import LIBRARY_ID, STORE, document_metadata, fill_catalog, path_of
from benchmarks.measuring import apart, measured
from benchmarks.modelled import ListedClient
from benchmarks.results import Result, Target
from benchmarks.sizes import Sizes
from objlib.catalog import queries, tallies
from objlib.catalog.lease import Lease
from objlib.catalog.opening import open_catalog
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_file, page_in_state
from objlib.catalog.records import FileRecord
from objlib.catalog.writes import FileFacts, insert_files
from objlib.gemini.resources import Document
from objlib.reactive.bridge import LoopScheduler, completion
from objlib.states import State
from objlib.sync.listing import survey
from objlib.upload._operators import occ_transition
from objlib.upload.estimate import estimate
from objlib.upload.orchestrator import Options
from objlib.upload.run import states_taken
from objlib.upload.state import AsyncUploadStateManager

PART = "catalog"
LEASE = Lease("bench", 4_000_000_000.0)


def measure(work: Path, sizes: Sizes) -> Iterator[Result]:
    """Transitions, contention, and what the catalog is asked as it grows."""
    yield _transitions(work, sizes.contended, sizes.rounds)
    yield from _contention(work, sizes.contended, sizes.processes)
    for size in sizes.catalog:
        for state, costs in (("untracked", _waiting_costs), ("failed", _failed_costs)):
            folder = work / f"{state}-{size}"
            folder.mkdir()
            fill_catalog(folder / "library.db", size, state)
            yield from apart(costs, folder, size)
            shutil.rmtree(folder)
        yield apart(_classification, work / f"indexed-{size}", size)


def _transitions(work: Path, files: int, rounds: int) -> Result:
    """Claim and release each file once: two transitions, the first of them on disk."""
    pairs = []
    for number in range(rounds):
        ours, bare = work / f"ours-{number}.db", work / f"bare-{number}.db"
        pairs.append((asyncio.run(_through_the_manager(ours, files)), _bare(bare, files)))
    ours_s, bare_s = min(pairs, key=lambda pair: pair[0] / pair[1])
    return Result(
        PART,
        "transitions through the operator",
        files,
        ours_s,
        count=2 * files,
        baseline="the same UPDATEs in bare sqlite3",
        baseline_s=bare_s,
    )


async def _through_the_manager(path: Path, files: int) -> float:
    async with await open_catalog(path, create=True) as catalog:
        await fill(catalog, files)
        records = await page_in_state(catalog, "untracked", None, files)
        state = AsyncUploadStateManager(catalog)
        scheduler = LoopScheduler.running()
        started = time.perf_counter()
        for record in records:
            await completion(occ_transition(partial(_there_and_back, state, record)), scheduler)
        return time.perf_counter() - started


async def _there_and_back(state: AsyncUploadStateManager, record: FileRecord) -> None:
    claimed = await state.begin_upload(record, upload_key="k", run_id="r", lease=LEASE)
    assert claimed is not None
    await state.release(claimed, reason="bench")


def _bare(path: Path, files: int) -> float:
    """What SQLite asks for the same columns, guard and durability, without triggers and records."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as plain:
        plain.execute("PRAGMA journal_mode = WAL")
        plain.execute(
            "CREATE TABLE files (file_path TEXT PRIMARY KEY, gemini_state TEXT, version INTEGER,"
            " upload_key TEXT, run_id TEXT, lease_owner TEXT, lease_expires_at REAL)"
        )
        plain.execute("CREATE TABLE transitions (file_path TEXT, to_state TEXT, version INTEGER)")
        rows = [(f"{number:06}.txt",) for number in range(files)]
        plain.executemany("INSERT INTO files VALUES (?, 'untracked', 0, '', '', '', 0)", rows)
        moves = (("untracked", "uploading", "FULL"), ("uploading", "untracked", "NORMAL"))
        started = time.perf_counter()
        for (file,) in rows:
            for version, (before, after, durability) in enumerate(moves):
                plain.execute(f"PRAGMA synchronous = {durability}")
                plain.execute("BEGIN IMMEDIATE")
                plain.execute(
                    "UPDATE files SET gemini_state = ?, version = version + 1, upload_key = 'k',"
                    " run_id = 'r', lease_owner = 'bench', lease_expires_at = 4e9"
                    " WHERE file_path = ? AND version = ? AND gemini_state = ?",
                    (after, file, version, before),
                )
                plain.execute("INSERT INTO transitions VALUES (?, ?, ?)", (file, after, version))
                plain.execute("COMMIT")
        return time.perf_counter() - started


def _contention(work: Path, files: int, numbers: Sequence[int]) -> Iterator[Result]:
    """The same files claimed and released by more and more processes at once.

    Each process takes every file once, in the same order, so they meet all the time. The baseline
    is one process alone.
    """
    alone_s = 0.0
    for processes in numbers:
        path = work / f"contended-{processes}.db"
        asyncio.run(_create(path, files))
        call = [sys.executable, "-m", "benchmarks.catalog", str(path)]
        running = [
            subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(processes)
        ]
        for process in running:  # each says that it is ready, and waits for the start
            assert process.stdout is not None
            process.stdout.readline()
        started = time.perf_counter()
        for process in running:
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
        said = [json.loads(process.communicate()[0]) for process in running]
        seconds = time.perf_counter() - started
        claims, conflicts = (sum(one[name] for one in said) for name in ("claims", "conflicts"))
        _check(path, claims)
        each_s = seconds / claims
        alone_s = alone_s or each_s
        yield Result(
            PART,
            f"claims and releases, {processes} at once" if processes > 1 else _ALONE,
            files,
            seconds,
            count=claims,
            baseline=_ALONE,
            baseline_s=alone_s * claims,
            more={"conflicts": float(conflicts)},
        )


_ALONE = "claims and releases, one process"


def _check(path: Path, claims: int) -> None:
    """Every claim and every release is in the audit trail, once."""
    with contextlib.closing(sqlite3.connect(path)) as plain:
        (moves,) = plain.execute("SELECT COUNT(*) FROM transitions").fetchone()
        (versions,) = plain.execute("SELECT SUM(version) FROM files").fetchone()
    if not moves == versions == 2 * claims:
        raise RuntimeError(f"{claims} claims, but {moves} moves and {versions} versions")


async def _create(path: Path, files: int) -> None:
    async with await open_catalog(path, create=True) as catalog:
        await fill(catalog, files)


async def fill(catalog: Catalog, files: int) -> None:
    """Rows that wait to be uploaded."""
    facts = [FileFacts(f"{n:06}.txt", 4_000, 1.0, n, 1, 1, f"{n:064x}") for n in range(files)]
    await insert_files(catalog, facts)


async def _contend(path: Path) -> dict[str, int]:
    """Claim and release every file, with the operator that retries conflicts."""
    done = {"claims": 0, "conflicts": 0}
    scheduler = LoopScheduler.running()
    async with await open_catalog(path) as catalog:
        state = AsyncUploadStateManager(catalog)
        for known in await page_in_state(catalog, "untracked", None, 1_000_000):

            async def once(known: FileRecord = known) -> None:
                record = await get_file(catalog, known.file_path)
                if record is None or record.gemini_state is not State.UNTRACKED:
                    return  # another process has it at this moment
                claimed = await state.begin_upload(record, upload_key="k", run_id="r", lease=LEASE)
                if claimed is None:
                    done["conflicts"] += 1
                    return
                done["claims"] += 1
                await state.release(claimed, reason="bench")

            await completion(occ_transition(once, max_attempts=20), scheduler)
    await scheduler.drained()
    return done


# What it is asked as it grows


def _waiting_costs(folder: Path, size: int) -> list[Result]:
    """A catalog of waiting files: a page of them, a claim, status, the plan."""
    middle = path_of(size // 2)

    async def page(catalog: Catalog) -> None:
        await page_in_state(catalog, "untracked", middle, 200)

    async def claim(catalog: Catalog) -> None:
        (record,) = await page_in_state(catalog, "untracked", middle, 1)
        await _there_and_back(AsyncUploadStateManager(catalog), record)

    async def plan(catalog: Catalog) -> None:
        estimate(await tallies.work_of_upload(catalog, states_taken(Options()), None))

    path = folder / "library.db"
    return [
        _asked(path, size, "a page of 200 waiting files", page),
        _asked(path, size, "claim a file and release it", claim),
        _asked(path, size, "the counts of `status`", _status),
        _asked(path, size, "the plan of `fsm-upload --dry-run`", plan),
    ]


def _failed_costs(folder: Path, size: int) -> list[Result]:
    """Nothing but failures: what people then look at."""
    middle = path_of(size // 2)

    async def groups(catalog: Catalog) -> None:
        gathered = await tallies.GatheredFailures.of(catalog)
        for kind, reason, _files in await gathered.groups(0, 20):
            await gathered.paths(kind, reason, None, 3)

    async def page(catalog: Catalog) -> None:
        await queries.failed_page(catalog, middle, 200)

    async def trail(catalog: Catalog) -> None:
        await queries.audit_trail(catalog, middle)

    path = folder / "library.db"
    return [
        _asked(path, size, "all failed: the counts of `status`", _status),
        _asked(path, size, "all failed: the groups of `failures`", groups),
        _asked(path, size, "all failed: a page for --retry-failed", page),
        _asked(path, size, "all failed: the trail of `history`", trail),
    ]


async def _status(catalog: Catalog) -> None:
    await tallies.tally_by_state(catalog)
    await tallies.count_deleted(catalog)
    await tallies.tally_by_skip_reason(catalog)
    await tallies.tally_of_proofs(catalog)
    await queries.skipped_page(catalog, None, 10)
    await queries.failed_page(catalog, None, 10)


def _asked(path: Path, size: int, what: str, step: Callable[[Catalog], Awaitable[None]]) -> Result:
    """Beside a walk over the whole table by bare sqlite3: a question should take less."""
    cost = measured(partial(_with_catalog, path, step))
    return Result(
        PART,
        what,
        size,
        cost.seconds,
        cpu_s=cost.cpu_s,
        memory_mb=cost.memory_mb,
        baseline="SUM over the table in bare sqlite3",
        baseline_s=measured(partial(_walk, path)).seconds,
        targets=(Target("memory MB", 50),),
    )


def _walk(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as plain:
        plain.execute("SELECT SUM(length(updated_at)), COUNT(*) FROM files").fetchone()


def _classification(folder: Path, size: int) -> Result:
    """Every document of a store classified, twenty at a time, beside a look-up by name for each."""
    folder.mkdir()
    path = folder / "library.db"
    fill_catalog(path, size, "indexed")
    documents = (
        Document(f"{STORE}/documents/k{number:025}", "", "STATE_ACTIVE", 4_000, None, {**said})
        for number in range(size)
        for said in (document_metadata(number),)
    )

    async def classify(catalog: Catalog) -> None:
        client = ListedClient(documents, size)
        found = await client.get_store(STORE)
        report = await survey(catalog, client, found, LIBRARY_ID)
        assert report.is_clean, report

    cost = measured(partial(_with_catalog, path, classify))
    found = Result(
        PART,
        "documents classified for `store-sync`",
        size,
        cost.seconds,
        count=size,
        cpu_s=cost.cpu_s,
        memory_mb=cost.memory_mb,
        baseline="a SELECT by name for each",
        baseline_s=measured(partial(_look_up, path, size)).seconds,
        targets=(Target("memory MB", 50),),
    )
    shutil.rmtree(folder)
    return found


def _look_up(path: Path, size: int) -> None:
    with contextlib.closing(sqlite3.connect(path)) as plain:
        for number in range(size):
            plain.execute(
                "SELECT * FROM files WHERE gemini_store_doc_id = ?",
                (f"{STORE}/documents/k{number:025}",),
            ).fetchone()


def _with_catalog(path: Path, step: Callable[[Catalog], Awaitable[None]]) -> None:
    async def main() -> None:
        async with await open_catalog(path) as catalog:
            await step(catalog)

    asyncio.run(main())


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asyncio.run(_contend(Path(sys.argv[1])))))
