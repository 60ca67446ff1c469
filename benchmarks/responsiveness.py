"""How long the event loop is held up: a ticker beside a scan, an upload and a survey.

A program that embeds a library, a web server for instance, does its own work on the same loop. The
ticker wants its turn every millisecond; a gap is how much later it came. The store is a server in a
process of its own, so what is measured is the library and not what it talks to.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.filled import make_library
from benchmarks.results import Result, Target
from benchmarks.sizes import Sizes
from objlib import Library
from objlib.config import load_settings

PART = "responsiveness"
TICK_S = 0.001
#: The longest gap that a program should notice.
_HELD_UP = Target("longest gap, ms", 50)
_BASELINE = "the ticker alone"
_LINE = "The sluice {:07} of this long text is kept by somebody whom nobody has ever met. "


@dataclass(slots=True)
class Ticker:
    """Wants its turn every millisecond, and notes by how much later it came."""

    late_s: list[float] = field(default_factory=list)

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(TICK_S)
            self.late_s.append(max(0.0, time.perf_counter() - before - TICK_S))

    @property
    def longest_s(self) -> float:
        """The longest gap."""
        return max(self.late_s, default=0.0)

    @property
    def p99_s(self) -> float:
        """The gap that 99 in 100 do not exceed."""
        ordered = sorted(self.late_s) or [0.0]
        return ordered[int(0.99 * (len(ordered) - 1))]


def measure(work: Path, sizes: Sizes) -> Iterator[Result]:
    """A scan of many files, the upload of one long text, and a survey of many documents."""
    work.mkdir(parents=True, exist_ok=True)
    make_library(work / "many", sizes.scanned[-1])
    (work / "long").mkdir()
    lines = sizes.long_text_bytes // len(_LINE.format(0))
    text = "".join(_LINE.format(number) for number in range(lines))
    (work / "long" / "long.txt").write_text(text)
    make_library(work / "some", sizes.uploaded)
    with _server(work / "server.db") as url:
        yield from asyncio.run(_measured(work, url, sizes))


async def _measured(work: Path, url: str, sizes: Sizes) -> list[Result]:
    alone = Ticker()
    async with _beside(alone):
        await asyncio.sleep(0.5)

    async def result(what: str, size: int, call: Callable[[], Awaitable[object]]) -> Result:
        ticker = Ticker()
        started = time.perf_counter()
        async with _beside(ticker):
            await call()
        return Result(
            PART,
            what,
            size,
            max(ticker.p99_s, 1e-6),
            baseline=_BASELINE,
            baseline_s=max(alone.p99_s, 1e-6),
            targets=(_HELD_UP,),
            more={
                "longest gap, ms": round(ticker.longest_s * 1e3, 3),
                "p99, ms": round(ticker.p99_s * 1e3, 3),
                "took, s": round(time.perf_counter() - started, 3),
            },
        )

    rows = []
    async with _opened(work, "many", url) as library:
        rows.append(await result("scan, first", sizes.scanned[-1], library.scan))
        rows.append(await result("scan, again", sizes.scanned[-1], library.scan))
    async with _opened(work, "long", url) as library:
        await library.scan()
        await _connected(library)
        gc.freeze()  # as docs/api.md advises: a full collection takes a tenth of a second
        rows.append(await result("upload of a long text", sizes.long_text_bytes, library.upload))
    async with _opened(work, "some", url) as library:
        await library.scan()
        rows.append(await result("upload", sizes.uploaded, library.upload))
        rows.append(await result("survey", sizes.uploaded, library.survey))
    return rows


async def _connected(library: Library) -> None:
    """Load the SDK, half a second that a program spends once."""
    await library.upload(limit=0)


@contextlib.asynccontextmanager
async def _beside(ticker: Ticker) -> AsyncIterator[None]:
    ticking = asyncio.ensure_future(ticker.run())
    await asyncio.sleep(TICK_S)
    try:
        yield
    finally:
        ticking.cancel()
        await asyncio.wait([ticking])


@contextlib.asynccontextmanager
async def _opened(work: Path, name: str, url: str) -> AsyncIterator[Library]:
    settings = load_settings(db=work / f"{name}.db", base_url=url, store=name, poll_s=0.05)
    async with Library.open(work / name, settings=settings) as library:
        yield library


@contextlib.contextmanager
def _server(data: Path) -> Iterator[str]:
    """An embedded store on a port of this machine."""
    command = [sys.executable, "-m", "objlib", "serve", "--data", str(data), "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if "PROXY" not in name.upper()}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            url = None
            while url is None:
                line = process.stdout.readline()
                assert line, "the server did not start"
                url = re.search(r"http://\S+\d", line)
            yield url[0]
        finally:
            process.terminate()
