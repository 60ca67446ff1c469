"""A wall clock that is set back, again and again, in the middle of everything."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops
from reactivex.scheduler import CurrentThreadScheduler

from objlib.reactive.bridge import LoopScheduler, completion, from_coroutine
from objlib.reactive.demand import flat_map_limited, paged
from objlib.reactive.pacing import held_back, staggered
from tests.upload.virtual_loop import VirtualLoop, run


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
    trampoline = CurrentThreadScheduler.singleton()

    def queue(*_: object) -> None:
        for n in range(5):
            trampoline.schedule(lambda *_, n=n: order.append(n))

    trampoline.schedule(queue)
    assert order == [0, 1, 2, 3, 4]
