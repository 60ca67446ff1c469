"""The page and the plug: how long a page takes and what it weighs, and how soon both are there.

`objlib web` runs as a process of its own over a catalog of any size; a page is asked for over one
connection until its counts are kept, and then measured. The time of the first look is told beside.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from types import MappingProxyType

import httpx2

from benchmarks.filled import fill_catalog, path_of
from benchmarks.results import Result, Target
from benchmarks.sizes import Sizes

PART = "page"
#: Size of a library -> the most seconds of a page of files.
_TARGETS = {"/files": 0.02}
_PAGES = (
    *("/", "/files", "/files?f=course:Course+7", "/file?path={path}", "/passage/{key}"),
    *("/run", "/failures", "/verify", "/health"),
)
_KB, _KB_MAX = "KB", 30
_STATIC = {"/static/page.js": 8, "/static/page.css": 12}
_TOKEN = "measured"
_BASELINE = "a static file of the same server"
#: Files on their way in the snapshot whose cost is measured.
_IN_FLIGHT = 50
_DESCRIBED = """
    UPDATE files SET metadata_json = json_object('title', 'Note ' || file_path,
        'course', 'Course ' || (CAST(substr(file_path, 11, 7) AS INTEGER) % 20),
        'year', 1900 + CAST(substr(file_path, 11, 7) AS INTEGER) % 100)"""


def measure(work: Path, sizes: Sizes) -> Iterator[Result]:
    """Every page at every size, a snapshot of an open `/run`, and both starts."""
    for size in sizes.catalog:
        yield from _pages(work / str(size), size, sizes.rounds)
    yield _snapshot(sizes.rounds)
    yield from _starts(work / str(sizes.catalog[0]), sizes.catalog[0], sizes.rounds)


def _pages(folder: Path, size: int, rounds: int) -> Iterator[Result]:
    _fill(folder, size)
    with _web(folder) as (address, _), httpx2.Client(base_url=address, timeout=600) as client:
        client.get("/", params={"token": _TOKEN})
        baseline_s = median(_get(client, "/static/page.js")[0] for _ in range(10 * rounds))
        for page in _PAGES:
            wanted = page.format(path=path_of(0), key=f"k{0:025d}")
            first_s, _ = _get(client, wanted)
            _until_kept(client, wanted)
            looks = [_get(client, wanted) for _ in range(10 * rounds)]
            weight = len(looks[-1][1]) / 1000
            limit_s = _TARGETS.get(page)
            yield Result(
                PART,
                f"GET {page}",
                size,
                median(took_s for took_s, _ in looks),
                baseline=_BASELINE,
                baseline_s=baseline_s,
                targets=(
                    Target(_KB, _KB_MAX),
                    *((Target("seconds", limit_s),) if limit_s else ()),
                ),
                more={"first look, ms": first_s * 1000, _KB: weight},
            )
        for path, most in _STATIC.items():
            yield Result(
                PART,
                f"GET {path}",
                size,
                median(_get(client, path)[0] for _ in range(10 * rounds)),
                baseline=_BASELINE,
                baseline_s=baseline_s,
                targets=(Target(_KB, most),),
                more={_KB: len(_get(client, path)[1]) / 1000},
            )


def _get(client: httpx2.Client, address: str) -> tuple[float, bytes]:
    started = time.perf_counter()
    answer = client.get(address)
    took_s = time.perf_counter() - started
    if answer.status_code != 200:
        raise RuntimeError(f"{address}: {answer.status_code} {answer.text[:500]}")
    return took_s, answer.content


def _until_kept(client: httpx2.Client, address: str) -> None:
    """Look until nothing is being counted, as somebody does who reads a page and comes back."""
    deadline = time.perf_counter() + 60
    while b"being counted" in _get(client, address)[1]:
        if time.perf_counter() > deadline:
            raise TimeoutError(address)
        time.sleep(0.05)


def _fill(folder: Path, size: int) -> None:
    """A catalog of so many indexed files; the first one is on disk."""
    (folder / "data").mkdir(parents=True)
    catalog = folder / "data" / "library.db"
    fill_catalog(catalog, size, "indexed")
    first = folder / "library" / path_of(0)
    first.parent.mkdir(parents=True)
    first.write_text("Arches stand. " * 2_000)
    with contextlib.closing(sqlite3.connect(catalog)) as plain:
        plain.execute("PRAGMA synchronous = OFF")
        plain.execute(_DESCRIBED)
        root = str((folder / "library").resolve())
        plain.execute("INSERT INTO catalog_info VALUES ('library_root', ?)", (root,))
        plain.commit()


@contextlib.contextmanager
def _web(folder: Path) -> Iterator[tuple[str, float]]:
    """The page of a folder: its address, and the seconds until it said so."""
    command = [sys.executable, "-m", "objlib", "web", "--port", "0", "--token", _TOKEN]
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, env=_environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://[\d.]+:\d+", process.stdout.readline())
            assert found is not None, "it did not say its address"
            yield found[0], time.perf_counter() - started
        finally:
            process.terminate()


def _snapshot(rounds: int) -> Result:
    """What one open `/run` costs an upload: a snapshot a second, as large as it gets."""
    from objlib.config import Settings
    from objlib.service.pilot import Phase, Snapshot
    from objlib.upload.reports import Progress
    from objlib.web.desk import Desk
    from objlib.web.door import Door
    from objlib.web.rendering import environment

    in_flight = {path_of(number): "uploading" for number in range(_IN_FLIGHT)}
    progress = Progress(total=1_000_000, in_flight=MappingProxyType(in_flight))  # type: ignore[arg-type]
    shown = {
        "run": Snapshot(Phase.RUNNING, doing="uploading", progress=progress),
        "about": {"elsewhere": None, "named": 8},
        "desk": Desk(Settings(), Door("127.0.0.1", 1)),
        "form_token": "0" * 64,
    }

    def once() -> None:
        json.dumps(environment().get_template("_run.html").render(shown))

    def bare() -> None:
        json.dumps({"in_flight": in_flight})

    seconds = _each(once, 100 * rounds)
    return Result(
        PART,
        "a snapshot of an open /run, one a second",
        _IN_FLIGHT,
        seconds,
        baseline="the names alone as JSON",
        baseline_s=_each(bare, 100 * rounds),
        targets=(Target("% of an upload's time", 2),),
        more={"% of an upload's time": 100 * seconds},
    )


def _each(work: Callable[[], None], times: int) -> float:
    work()
    took = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return median(took)


def _starts(folder: Path, size: int, rounds: int) -> Iterator[Result]:
    bare_s = median(_bare(folder) for _ in range(rounds))
    starts = {
        "objlib web, until it listens": _web_start,
        "objlib mcp, until it answers": _mcp_start,
    }
    for what, start in starts.items():
        start(folder)  # and the files are in the disk's cache
        yield Result(
            PART,
            what,
            size,
            median(start(folder) for _ in range(rounds)),
            baseline="python -c pass",
            baseline_s=bare_s,
        )


def _bare(folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], cwd=folder, check=True)
    return time.perf_counter() - started


def _web_start(folder: Path) -> float:
    with _web(folder) as (_, took_s):
        return took_s


def _mcp_start(folder: Path) -> float:
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"},
        },
    }
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "objlib", "mcp"],
        cwd=folder,
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(hello) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        took_s = time.perf_counter() - started
        process.stdin.close()
        if "result" not in answer:
            raise RuntimeError(f"objlib mcp said {answer!r}")
        return took_s


def _environment() -> dict[str, str]:
    """Without a key, so that nothing leaves this machine."""
    foreign = ("GEMINI_", "GOOGLE_", "OBJLIB_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
