"""A wall clock that is set back, again and again, in the middle of everything."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops

from objlib.filestore import Fault, Kind
from objlib.reactive.bridge import (
    TRAMPOLINE,
    LoopScheduler,
    completion,
    from_coroutine,
    on_trampoline,
    once_subscribed,
)
from objlib.reactive.demand import flat_map_limited, paged
from objlib.reactive.pacing import held_back, staggered
from objlib.waits import Waits
from tests.upload.virtual_loop import VirtualLoop, run
from tests.upload.world import make_world


@pytest.fixture
def clock_runs_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks at the wall clock finds it an hour earlier; whoever sleeps for it fails."""
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def set_back() -> datetime:
        nonlocal now
        now -= timedelta(hours=1)
        return now

    def sleep(_condition: threading.Condition, timeout: float | None = None) -> bool:
        raise AssertionError(f"slept {timeout} s on the loop's thread")

    monkeypatch.setattr("reactivex.scheduler.scheduler.default_now", set_back)
    monkeypatch.setattr(threading.Condition, "wait", sleep)


@pytest.mark.usefixtures("clock_runs_backwards")
def test_a_wall_clock_that_is_set_back_neither_delays_nor_reorders_anything() -> None:
    """Pages, pacing, waits, fan-out and tasks keep to the loop's time."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        starts: list[float] = []
        seen: list[int] = []

        async def page(last: int | None) -> Sequence[int]:
            await asyncio.sleep(1.0)
            return [0, 1, 2] if last is None else []

        def project(row: int) -> Observable[int]:
            async def work() -> int:
                starts.append(loop.elapsed_s())
                await asyncio.sleep(3.0)
                return row

            return from_coroutine(work)

        rows = paged(lambda last: from_coroutine(lambda: page(last)))
        result = flat_map_limited(
            lambda credits: rows(credits).pipe(staggered(2.0), held_back(lambda: 0.5, rx.never())),
            project,
            3,
        )
        await completion(result.pipe(ops.do_action(seen.append)), scheduler)
        assert starts == [1.5, 3.5, 5.5]
        assert seen == [0, 1, 2]

    run(main)


@pytest.mark.usefixtures("clock_runs_backwards")
def test_what_is_queued_within_a_subscription_keeps_its_order() -> None:
    """First in, first out, without a sleep in between."""
    order: list[int] = []

    def queue() -> None:
        for n in range(5):
            once_subscribed(partial(order.append, n))
            rx.just(n).subscribe(order.append, scheduler=TRAMPOLINE)

    on_trampoline(queue)
    assert order == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_importing_objlib_leaves_the_clock_of_reactivex_alone() -> None:
    """A program that embeds objlib keeps its own schedulers."""
    asked = (
        "from reactivex.scheduler import CurrentThreadScheduler as Scheduler, TrampolineScheduler\n"
        "before = [vars(kind).copy() for kind in Scheduler.__mro__[:-1]]\n"
        "import objlib.reactive.bridge, objlib.service, objlib.upload.run\n"
        "assert before == [vars(kind) for kind in Scheduler.__mro__[:-1]]\n"
        "assert Scheduler.now is TrampolineScheduler.now\n"
        "assert abs(Scheduler.singleton().now.timestamp() - __import__('time').time()) < 3600\n"
    )
    subprocess.run([sys.executable, "-c", asked], check=True)


@pytest.mark.usefixtures("clock_runs_backwards")
def test_a_whole_run_does_not_notice_a_wall_clock_that_is_set_back(tmp_path: Path) -> None:
    """Refusals, a failed document, a budget and a signal: nothing sleeps on the thread."""

    async def scene(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        faults = [
            Fault(Kind.LATENCY, seconds=0.2),
            Fault(Kind.RATE_LIMIT, from_s=1.0, until_s=60.0),
            Fault(Kind.DOCUMENT_FAILED, times=1),
        ]
        async with make_world(
            tmp_path, files=12, faults=faults, waits=Waits(), requests_per_minute=600.0
        ) as world:
            first = world.new_run(concurrency=2)
            loop.call_later(5.0, first.shutdown.signal)
            await first.until_done()
            assert (await world.states())["untracked"] > 0
            await world.upload(concurrency=4, stagger_s=0.5, retry_failed=True)
            assert await world.states() == {"indexed": 12}

    run(scene)
