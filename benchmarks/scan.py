"""scan beside `find -printf` and `sha256sum`, which do the same walking and hashing."""

from __future__ import annotations

import asyncio
import random
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Comparison, typical
from objlib.catalog.connection import Catalog
from objlib.catalog.queries import stream_known_files
from objlib.library.metadata import DEFAULT_TEMPLATES
from objlib.library.scan import scan_library
from objlib.upload.state import AsyncUploadStateManager

FILES_PER_FOLDER = 100


def make_library(root: Path, files: int, *, words: int = 800, seed: int = 1) -> None:
    """A folder tree of distinct texts, about five kilobytes each."""
    rng = random.Random(seed)
    vocabulary = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(2_000)]
    for number in range(files):
        folder = root / f"Course {number // FILES_PER_FOLDER:04}" / "Year 1"
        folder.mkdir(parents=True, exist_ok=True)
        text = " ".join(rng.choices(vocabulary, k=words))
        (folder / f"Week {number % FILES_PER_FOLDER} - Talk {number}.txt").write_text(text)


def compare_scan(work: Path, files: int, rounds: int) -> list[Comparison]:
    """First scan beside find and sha256sum; rescan beside find and reading the catalog."""
    root = work / "scanned"
    make_library(root, files)
    quoted = shlex.quote(str(root))
    walk = f"find {quoted} -type f -printf '%p %s %T@ %i\\n'"
    hashing = f"{walk} > /dev/null; find {quoted} -type f -print0 | xargs -0 -P 2 sha256sum"
    first: list[tuple[float, float]] = []
    again: list[tuple[float, float]] = []
    for number in range(rounds):
        catalog = work / f"scan-{number}.db"
        first.append((scan_once(root, catalog), _shell(hashing)))
        again.append((scan_once(root, catalog), _shell(walk) + _read(catalog)))
    return [
        Comparison(
            "scan, first",
            files,
            *_paired(first, "find + sha256sum -P 2"),
            target="bound by SHA-256",
        ),
        Comparison(
            "scan, nothing changed",
            files,
            *_paired(again, "find -printf + reading the catalog"),
            target="2",
        ),
        *_beside_others(work, root, files, min(ours for ours, _ in again)),
    ]


def _beside_others(work: Path, root: Path, files: int, ours_s: float) -> Iterator[Comparison]:
    """What other programs take for a folder in which nothing has changed, where they are there."""
    source = shlex.quote(str(root))
    if shutil.which("rclone"):
        sync = f"rclone --config /dev/null sync {source} {shlex.quote(str(work / 'copy'))}"
        _shell(sync)
        again_s = min(_shell(sync) for _ in range(3))
        yield Comparison(
            "scan, nothing changed, and rclone",
            files,
            ours_s,
            "rclone sync to a folder",
            again_s,
            "-",
        )
    if shutil.which("restic"):
        restic = f"RESTIC_PASSWORD=x restic -q --no-cache -r {shlex.quote(str(work / 'repo'))}"
        _shell(f"{restic} init")
        _shell(f"{restic} backup {source}")
        again_s = min(_shell(f"{restic} backup {source}") for _ in range(3))
        yield Comparison(
            "scan, nothing changed, and restic", files, ours_s, "restic backup again", again_s, "-"
        )


def _paired(rounds: list[tuple[float, float]], baseline: str) -> tuple[float, str, float]:
    ours, theirs = typical(rounds)
    return ours, baseline, theirs


def scan_once(root: Path, database: Path) -> float:
    """Seconds of one scan."""

    async def scan() -> None:
        async with await Catalog.open(database, create=True) as catalog:
            await scan_library(
                catalog,
                root,
                templates=DEFAULT_TEMPLATES,
                lifecycle=AsyncUploadStateManager(catalog),
            )

    started = time.perf_counter()
    asyncio.run(scan())
    return time.perf_counter() - started


def _read(database: Path) -> float:
    """Seconds to read what a rescan compares with, row by row."""
    started = time.perf_counter()
    for _row in stream_known_files(database):
        pass
    return time.perf_counter() - started


def _shell(command: str) -> float:
    started = time.perf_counter()
    subprocess.run(["bash", "-c", f"({command}) > /dev/null"], check=True)
    return time.perf_counter() - started
