"""Transitions: the real state manager beside the same UPDATEs in bare sqlite3; and contention."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Comparison, typical
from objlib.catalog.connection import Catalog
from objlib.catalog.queries import get_file, pending_page
from objlib.catalog.records import FileRecord
from objlib.catalog.writes import FileFacts, insert_files
from objlib.errors import OCCConflictError
from objlib.upload._operators import LoopScheduler, completion, occ_transition
from objlib.upload.fsm import State
from objlib.upload.lease import Lease
from objlib.upload.state import AsyncUploadStateManager

LEASE = Lease("bench", 4_000_000_000.0)


@dataclass(frozen=True, slots=True)
class Contention:
    """Several processes that claim and release the files of one catalog."""

    processes: int
    files: int
    seconds: float
    claims: int
    conflicts: int


def compare_transitions(work: Path, files: int, rounds: int) -> list[Comparison]:
    """Claim and release each file once: two transitions, the first of them on disk."""
    pairs = []
    for number in range(rounds):
        ours, bare = work / f"ours-{number}.db", work / f"bare-{number}.db"
        pairs.append((asyncio.run(_through_the_manager(ours, files)), _bare(bare, files)))
    ours_s, bare_s = typical(pairs)
    return [
        Comparison(
            "catalog, claim and release",
            files,
            ours_s,
            "the same statements, bare sqlite3",
            bare_s,
            target="-",
        )
    ]


async def _through_the_manager(path: Path, files: int) -> float:
    async with await Catalog.open(path, create=True) as catalog:
        await fill(catalog, files)
        records = await pending_page(catalog, None, files)
        state = AsyncUploadStateManager(catalog)
        started = time.perf_counter()
        for record in records:
            claimed = await state.begin_upload(record, upload_key="k", run_id="r", lease=LEASE)
            await state.release(claimed, reason="bench")
        return time.perf_counter() - started


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


def measure_contention(work: Path, processes: Sequence[int], files: int) -> list[Contention]:
    """The same files claimed and released by more and more processes at once.

    Each process takes every file once, in the same order, so they meet all the time.
    """
    found = []
    for number in processes:
        path = work / f"contended-{number}.db"
        asyncio.run(_create(path, files))
        call = [sys.executable, "-m", "benchmarks.catalog", str(path)]
        started = time.perf_counter()
        running = [subprocess.Popen(call, stdout=subprocess.PIPE) for _ in range(number)]
        said = [json.loads(process.communicate()[0]) for process in running]
        seconds = time.perf_counter() - started
        claims, conflicts = (sum(one[name] for one in said) for name in ("claims", "conflicts"))
        _check(path, claims)
        found.append(Contention(number, files, seconds, claims, conflicts))
    return found


def _check(path: Path, claims: int) -> None:
    """Every claim and every release is in the audit trail, once."""
    with contextlib.closing(sqlite3.connect(path)) as plain:
        (moves,) = plain.execute("SELECT COUNT(*) FROM transitions").fetchone()
        (versions,) = plain.execute("SELECT SUM(version) FROM files").fetchone()
    if not moves == versions == 2 * claims:
        raise RuntimeError(f"{claims} claims, but {moves} moves and {versions} versions")


async def _create(path: Path, files: int) -> None:
    async with await Catalog.open(path, create=True) as catalog:
        await fill(catalog, files)


async def fill(catalog: Catalog, files: int) -> None:
    """Rows that wait to be uploaded."""
    facts = [FileFacts(f"{n:06}.txt", 4_000, 1.0, n, 1, f"{n:064x}") for n in range(files)]
    await insert_files(catalog, facts)


async def _contend(path: Path) -> dict[str, int]:
    """Claim and release every file, with the operator that retries conflicts."""
    done = {"claims": 0, "conflicts": 0}
    scheduler = LoopScheduler.running()
    async with await Catalog.open(path) as catalog:
        state = AsyncUploadStateManager(catalog)
        for known in await pending_page(catalog, None, 1_000_000):

            async def once(known: FileRecord = known) -> None:
                record = await get_file(catalog, known.file_path)
                if record is None or record.gemini_state is not State.UNTRACKED:
                    return  # another process has it at this moment
                try:
                    claimed = await state.begin_upload(
                        record, upload_key="k", run_id="r", lease=LEASE
                    )
                except OCCConflictError:
                    done["conflicts"] += 1
                    raise
                done["claims"] += 1
                await state.release(claimed, reason="bench")

            await completion(occ_transition(once, max_attempts=20), scheduler)
    await scheduler.drained()
    return done


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_contend(Path(sys.argv[1])))))
