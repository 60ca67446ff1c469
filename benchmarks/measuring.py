"""Time, processor and memory of a piece of work, in this process or in one of its own."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import ParamSpec, TypeVar

#: Off where nothing is measured: tests of the benchmarks would mostly start processes.
IN_PROCESSES = True

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a piece of work took."""

    seconds: float
    cpu_s: float
    #: By how much the process was larger than at the beginning.
    memory_mb: float = 0.0


class _Watch:
    """Runs from its making on."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()  # as an upload does; what a benchmark loaded is not what it measures
        self._before_mb = _reset_peak_mb()
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stopped(self) -> Cost:
        seconds, cpu_s = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return Cost(seconds, cpu_s, max(0.0, _peak_mb() - self._before_mb))


def measured(work: Callable[[], object]) -> Cost:
    """Do it once."""
    watch = _Watch()
    work()
    return watch.stopped()


async def measured_async(work: Callable[[], Awaitable[object]]) -> Cost:
    """Do it once, on the running loop."""
    watch = _Watch()
    await work()
    return watch.stopped()


def shell(command: str) -> Cost:
    """Run a command line and throw its output away."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(["bash", "-c", f"({command}) > /dev/null"], check=True)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, cpu_s)


def apart(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a module's function in a fresh process, so that the growth of memory is its own."""
    if not IN_PROCESSES:
        return function(*args, **kwargs)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def typical(rounds: Sequence[tuple[Cost, Cost]]) -> tuple[Cost, Cost]:
    """The round with the median ratio, as (ours, theirs): pairs stay together."""
    middle = median(ours.seconds / theirs.seconds for ours, theirs in rounds)
    return min(rounds, key=lambda pair: abs(pair[0].seconds / pair[1].seconds - middle))


def _reset_peak_mb() -> float:
    """Let the peak be what is held now, where the system can, and say how much it is."""
    with contextlib.suppress(OSError):  # not Linux, or not allowed: the peak so far has to do
        Path("/proc/self/clear_refs").write_text("5")
    return _peak_mb()


def _peak_mb() -> float:
    # `ru_maxrss` of a fresh process begins with what its parent held.
    status = Path(f"/proc/{os.getpid()}/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return peak_mb(os.getpid())


def peak_mb(process: int) -> float:
    """The most memory a process ever held (VmHWM), on Linux."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
