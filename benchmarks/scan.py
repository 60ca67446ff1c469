"""scan beside the programs that do the same walking and hashing, as a library grows.

Each scan runs in a process of its own. What other tools take for a folder in which nothing has
changed is there where they are installed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shlex
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from benchmarks.filled import (
    make_deep_library,
    make_library,
    make_library_of_long_texts,
    path_of,
)
from benchmarks.measuring import Cost, apart, measured, shell, typical
from benchmarks.results import Result, Target
from benchmarks.sizes import Sizes
from objlib.catalog.opening import open_catalog
from objlib.catalog.queries import stream_known_files
from objlib.library.metadata import DEFAULT_TEMPLATES
from objlib.library.scan import scan_library
from objlib.upload.state import AsyncUploadStateManager

PART = "scan"
#: Copies of a library that other tools make; beyond this they take longer than they tell.
_OTHERS_UP_TO = 100_000
#: One round is enough where it takes a minute.
_ONE_ROUND_FROM = 100_000
_FIRST = "find, then sha256sum by xargs -P 2"
_AGAIN = "find -printf, and reading the catalog"
_CHANGED = f"{_AGAIN}, and sha256sum of what changed"
_FLAT = Target("memory MB", 50)


def measure(work: Path, sizes: Sizes) -> Iterator[Result]:
    """First scans and rescans at every size, then a huge folder, a deep tree and long texts."""
    for size in sizes.scanned:
        root = work / f"library-{size}"
        apart(make_library, root, size)
        rounds = 1 if size >= _ONE_ROUND_FROM else sizes.rounds
        yield from _scans(work, root, size, rounds)
        if size <= _OTHERS_UP_TO:
            yield from _others(work, root, size)
        shutil.rmtree(root)
    huge, deep = work / "huge", work / "deep"
    apart(make_library, huge, sizes.huge_folder, per_folder=sizes.huge_folder)
    make_deep_library(deep, sizes.deep)
    for name, root, size in (
        ("one huge folder", huge, sizes.huge_folder),
        ("folders in folders", deep, sizes.deep),
    ):
        for result in _scans(work, root, size, 1, changes=False):
            yield replace(result, what=f"{name}, {result.what}")
        shutil.rmtree(root)
    yield _long_texts(work, sizes.long_texts, sizes.rounds)


def _long_texts(work: Path, files: int, rounds: int) -> Result:
    """Where bytes are the bound and not files: beside their hashes alone, by a thread a core."""
    root = work / "long"
    make_library_of_long_texts(root, files)
    pairs = []
    for number in range(rounds):
        bound = apart(_hash_all, root)
        pairs.append((apart(scan_once, root, work / f"long-{number}.db"), bound))
    shutil.rmtree(root)
    baseline = "SHA-256 alone, a thread for each core"
    return _result("texts of 1 MB, first", files, typical(pairs), baseline)


def _hash_all(root: Path) -> Cost:
    def digest(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def hash_all() -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _digest in pool.map(digest, root.iterdir()):
                pass

    return measured(hash_all)


def _scans(
    work: Path, root: Path, size: int, rounds: int, *, changes: bool = True
) -> Iterator[Result]:
    source = shlex.quote(str(root))
    walk = f"find {source} -type f -printf '%p %s %T@ %i\\n'"
    hashing = f"{walk} > /dev/null; find {source} -type f -print0 | xargs -0 -n 200 -P 2 sha256sum"
    first: list[tuple[Cost, Cost]] = []
    again: list[tuple[Cost, Cost]] = []
    for number in range(rounds):
        catalog = work / f"{root.name}-{number}.db"
        # The baseline first: it brings the files into the disk's cache, for both.
        theirs = shell(hashing)
        first.append((apart(scan_once, root, catalog), theirs))
        for _ in range(3 if rounds == 1 else 1):
            ours, walked = apart(scan_once, root, catalog), shell(walk)
            again.append((ours, _sum(walked, apart(_read, catalog))))
    yield _result("first", size, typical(first), _FIRST)
    yield _result("nothing changed", size, typical(again), _AGAIN, Target("ratio", 2))
    if changes:
        stamp = work / "stamp"
        stamp.touch()
        for number in range(0, size, 100):
            (root / path_of(number)).write_text(f"Note {number} is another one now.")
        newer = f"find {source} -type f -newer {shlex.quote(str(stamp))} -print0"
        ours = apart(scan_once, root, catalog)
        theirs = _sum(shell(f"{walk}; {newer} | xargs -0 -P 2 sha256sum"), apart(_read, catalog))
        yield _result("1 % changed", size, (ours, theirs), _CHANGED)
    for left in work.glob(f"{root.name}-*.db*"):
        left.unlink()


def _result(
    what: str, size: int, pair: tuple[Cost, Cost], baseline: str, *targets: Target
) -> Result:
    ours, theirs = pair
    return Result(
        PART,
        what,
        size,
        ours.seconds,
        count=size,
        cpu_s=ours.cpu_s,
        memory_mb=ours.memory_mb,
        baseline=baseline,
        baseline_s=theirs.seconds,
        targets=(*targets, _FLAT),
        more={"CPU s of the baseline": theirs.cpu_s},
    )


def _others(work: Path, root: Path, size: int) -> Iterator[Result]:
    """What other programs take for a folder in which nothing has changed, where they are there."""
    source = shlex.quote(str(root))
    copy, repository = work / "copy", work / "repository"
    rclone = f"rclone --config /dev/null sync {source} {shlex.quote(str(copy))}"
    restic = f"RESTIC_PASSWORD=x restic -q --no-cache -r {shlex.quote(str(repository))}"
    backup = f"{restic} backup {source}"
    catalog = work / "others.db"
    for tool, prepare, again in (
        ("rclone", rclone, rclone),
        ("restic", f"{restic} init; {backup}", backup),
    ):
        if not shutil.which(tool):
            continue
        shell(prepare)
        apart(scan_once, root, catalog)
        pairs = [(apart(scan_once, root, catalog), shell(again)) for _ in range(3)]
        baseline = "rclone sync to a folder" if tool == "rclone" else "restic backup"
        yield _result(f"nothing changed, beside {tool}", size, typical(pairs), baseline)
    for left in work.glob("others.db*"):
        left.unlink()
    for folder in (copy, repository):
        shutil.rmtree(folder, ignore_errors=True)


def scan_once(root: Path, database: Path) -> Cost:
    """One scan."""

    async def scan() -> None:
        async with await open_catalog(database, create=True) as catalog:
            await scan_library(
                catalog,
                root,
                templates=DEFAULT_TEMPLATES,
                lifecycle=AsyncUploadStateManager(catalog),
            )

    return measured(lambda: asyncio.run(scan()))


def _read(database: Path) -> Cost:
    """Read what a rescan compares with, row by row."""

    async def read() -> None:
        async with await open_catalog(database) as catalog:
            for _row in await stream_known_files(catalog):
                pass

    return measured(lambda: asyncio.run(read()))


def _sum(one: Cost, other: Cost) -> Cost:
    return Cost(one.seconds + other.seconds, one.cpu_s + other.cpu_s)
