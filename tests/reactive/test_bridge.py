"""LoopScheduler, from_coroutine, completion: coroutines become observables and come back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import reactivex as rx
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.scheduler.eventloop import AsyncIOScheduler
from reactivex.subject import Subject

from objlib.reactive.bridge import Interrupted, LoopScheduler, completion, from_coroutine
from tests.upload.virtual_loop import VirtualLoop, run


class Boom(Exception):
    """What these tests raise."""


class Record:
    """Subscribes and writes down what arrives, with the virtual second of its arrival."""

    def __init__(
        self, loop: VirtualLoop, source: Observable[Any], scheduler: abc.SchedulerBase | None
    ) -> None:
        self.seen: list[tuple[float, Any]] = []
        self.subscription = source.subscribe(
            lambda value: self.seen.append((loop.elapsed_s(), value)),
            lambda error: self.seen.append((loop.elapsed_s(), error)),
            lambda: self.seen.append((loop.elapsed_s(), "|")),
            scheduler=scheduler,
        )


def sleeping(seconds: float, value: str = "v") -> Callable[[], Awaitable[str]]:
    """Work that takes its time."""

    async def work() -> str:
        await asyncio.sleep(seconds)
        return value

    return work


# --- the virtual loop itself


def test_an_hour_passes_at_once_and_to_the_second() -> None:
    """Time jumps to the next timer, in the order of the timers."""

    async def main(loop: VirtualLoop, _: LoopScheduler) -> None:
        order: list[float] = []
        for delay_s in (3600.0, 2.5, 40.0):
            loop.call_later(delay_s, lambda: order.append(loop.elapsed_s()))
        await asyncio.sleep(100_000.0)
        assert order == [2.5, 40.0, 3600.0]
        assert loop.elapsed_s() == 100_000.0

    run(main)


def test_a_wait_that_nothing_can_end_is_called_a_deadlock() -> None:
    """With neither a timer nor a ready callback the loop raises where a real one would hang."""

    async def main(_loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        await completion(rx.never(), scheduler)

    with pytest.raises(RuntimeError, match="deadlock"):
        run(main)


# --- LoopScheduler


def test_the_schedulers_now_is_the_loops_time() -> None:
    """Its clock is the loop's, not the wall's, and moves with it."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        before = scheduler.now
        assert before.timestamp() == loop.time()
        await asyncio.sleep(90.0)
        assert (scheduler.now - before).total_seconds() == 90.0

    run(main)


def test_the_schedulers_seconds_are_the_loops() -> None:
    """`time_s` is what waits are computed with: the same clock, as a number."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        assert scheduler.time_s == loop.time()
        await asyncio.sleep(2.5)
        assert scheduler.time_s == loop.time()

    run(main)


def test_a_scheduler_of_the_running_loop_keeps_that_loops_time() -> None:
    """`running()` needs no loop handed in, and is one that bridged tasks accept."""

    async def main(loop: VirtualLoop, _: LoopScheduler) -> None:
        scheduler = LoopScheduler.running()
        record = Record(loop, from_coroutine(sleeping(2.0)), scheduler)
        await scheduler.drained()
        assert record.seen == [(2.0, "v"), (2.0, "|")]
        assert scheduler.now.timestamp() == loop.time()

    run(main)


def test_a_delay_on_the_virtual_loop_ends_when_it_should() -> None:
    """`delay`, which compares absolute times, takes its sixty virtual seconds and no more."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        await completion(rx.just("x").pipe(ops.delay(60.0)), scheduler)
        assert loop.elapsed_s() == 60.0

    run(main)


def test_a_periodic_timer_keeps_its_period_on_the_virtual_loop() -> None:
    """The ticks of `timer(5, period=10)` are ten seconds apart."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        ticks: list[float] = []
        source = rx.timer(5.0, 10.0).pipe(
            ops.take(4), ops.do_action(lambda _: ticks.append(loop.elapsed_s()))
        )
        await completion(source, scheduler)
        assert ticks == [5.0, 15.0, 25.0, 35.0]

    run(main)


def test_drained_waits_for_the_clean_up_of_cancelled_tasks() -> None:
    """Dispose returns at once; `drained` returns when the cancelled task has done its clean-up."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        cleaned: list[float] = []

        async def work() -> None:
            try:
                await asyncio.sleep(100.0)
            finally:
                await asyncio.sleep(3.0)
                cleaned.append(loop.elapsed_s())

        subscription = from_coroutine(work).subscribe(scheduler=scheduler)
        await asyncio.sleep(1.0)
        subscription.dispose()
        assert cleaned == []

        await scheduler.drained()

        assert cleaned == [4.0]
        assert loop.elapsed_s() == 4.0

    run(main)


def test_drained_waits_for_the_slowest_and_for_what_starts_meanwhile() -> None:
    """A task that is started while `drained` waits is waited for as well."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        chain = from_coroutine(sleeping(2.0)).pipe(
            ops.flat_map(lambda _: from_coroutine(sleeping(5.0)))
        )
        chain.subscribe(scheduler=scheduler)
        from_coroutine(sleeping(1.0)).subscribe(scheduler=scheduler)

        await scheduler.drained()

        assert loop.elapsed_s() == 7.0

    run(main)


def test_drained_returns_at_once_when_all_tasks_have_ended() -> None:
    """Ended tasks are forgotten, failed and cancelled ones too."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        async def fails() -> None:
            raise Boom

        await scheduler.drained()
        from_coroutine(sleeping(1.0)).subscribe(scheduler=scheduler)
        from_coroutine(fails).subscribe(on_error=lambda _: None, scheduler=scheduler)
        from_coroutine(sleeping(9.0)).subscribe(scheduler=scheduler).dispose()
        await asyncio.sleep(2.0)
        assert scheduler._tasks == {}  # kept, they would fill the memory of a long run
        await scheduler.drained()
        assert loop.elapsed_s() == 2.0

    run(main)


def test_drained_outlasts_a_task_that_fails() -> None:
    """A failing task neither ends the wait for the others nor raises out of it."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        async def fails() -> None:
            await asyncio.sleep(1.0)
            raise Boom

        from_coroutine(fails).subscribe(on_error=lambda _: None, scheduler=scheduler)
        from_coroutine(sleeping(4.0)).subscribe(scheduler=scheduler)
        await scheduler.drained()
        assert loop.elapsed_s() == 4.0

    run(main)


# --- from_coroutine


def test_work_starts_at_subscription_in_a_task_and_gives_one_value() -> None:
    """Building the observable calls nothing; the value arrives with its completion."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        calls: list[float] = []

        async def work() -> str:
            calls.append(loop.elapsed_s())
            await asyncio.sleep(2.0)
            return "v"

        source = from_coroutine(work)
        await asyncio.sleep(1.0)
        assert calls == []

        record = Record(loop, source, scheduler)
        assert calls == []  # a task of its own, never within subscribe()
        await scheduler.drained()

        assert calls == [1.0]
        assert record.seen == [(3.0, "v"), (3.0, "|")]

    run(main)


def test_each_subscription_has_a_task_of_its_own() -> None:
    """Two subscriptions call the work twice, and disposing one leaves the other alone."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        calls = 0

        async def work() -> int:
            nonlocal calls
            calls += 1
            mine = calls
            await asyncio.sleep(1.0)
            return mine

        source = from_coroutine(work)
        first, second = (Record(loop, source, scheduler) for _ in range(2))
        await asyncio.sleep(0.5)
        first.subscription.dispose()
        await scheduler.drained()

        assert calls == 2
        assert first.seen == []
        assert second.seen == [(1.0, 2), (1.0, "|")]

    run(main)


def test_what_the_work_raises_arrives_as_the_error() -> None:
    """The very exception, at the time it was raised."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        boom = Boom()

        async def work() -> None:
            await asyncio.sleep(2.0)
            raise boom

        record = Record(loop, from_coroutine(work), scheduler)
        await scheduler.drained()
        assert record.seen == [(2.0, boom)]

    run(main)


def test_a_factory_that_raises_before_it_has_a_coroutine_is_an_error_of_the_observable() -> None:
    """`work()` itself raising arrives through on_error and not out of subscribe()."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        boom = Boom()

        def work() -> Awaitable[str]:
            raise boom

        record = Record(loop, from_coroutine(work), scheduler)
        await scheduler.drained()
        assert record.seen == [(0.0, boom)]

    run(main)


def test_dispose_cancels_the_work_and_nothing_is_emitted() -> None:
    """The work sees CancelledError at the time of the dispose; the observer sees nothing."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        cancelled: list[float] = []

        async def work() -> None:
            try:
                await asyncio.sleep(100.0)
            except asyncio.CancelledError:
                cancelled.append(loop.elapsed_s())
                raise

        record = Record(loop, from_coroutine(work), scheduler)
        await asyncio.sleep(1.0)
        record.subscription.dispose()
        await scheduler.drained()
        assert cancelled == [1.0]
        assert record.seen == []

    run(main)


def test_work_disposed_before_its_first_tick_never_runs() -> None:
    """Nor does its coroutine exist, so nothing warns that it was never awaited."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        calls: list[str] = []

        async def body() -> None:
            calls.append("body")

        def work() -> Awaitable[None]:
            calls.append("factory")
            return body()

        record = Record(loop, from_coroutine(work), scheduler)
        record.subscription.dispose()
        await scheduler.drained()
        assert calls == []
        assert record.seen == []

    run(main)


def swallows() -> str:
    """A task's last word after its cancellation: a value."""
    return "v"


def complains() -> str:
    """A task's last word after its cancellation: an error nobody will ask for."""
    raise Boom


@pytest.mark.parametrize("last_word", [swallows, complains])
def test_what_a_disposed_task_says_last_is_not_heard(last_word: Callable[[], str]) -> None:
    """Neither the observer nor the loop's exception handler learns of it."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        async def work() -> str:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(100.0)
            return last_word()

        record = Record(loop, from_coroutine(work), scheduler)
        await asyncio.sleep(1.0)
        record.subscription.dispose()
        await scheduler.drained()
        assert loop.elapsed_s() == 1.0
        assert record.seen == []

    run(main)


@pytest.mark.parametrize("last_word", [swallows, complains])
def test_a_result_that_is_ready_but_not_delivered_is_dropped_by_a_dispose(
    last_word: Callable[[], str],
) -> None:
    """The task has ended, its callbacks are still queued, and the dispose comes between."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        async def work() -> str:
            loop.call_soon(lambda: record.subscription.dispose())
            return last_word()

        record = Record(loop, from_coroutine(work), scheduler)
        await scheduler.drained()
        assert record.seen == []

    run(main)


def test_a_task_cancelled_by_somebody_else_is_interrupted() -> None:
    """CancelledError never reaches an observer; `Interrupted`, an ordinary error, does."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        async def cancels_itself() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(1.0)

        async def awaits_what_is_cancelled() -> None:
            future = loop.create_future()
            loop.call_later(2.0, future.cancel)
            await future

        for work in (cancels_itself, awaits_what_is_cancelled):
            record = Record(loop, from_coroutine(work), scheduler)
            await scheduler.drained()
            assert [type(what) for _, what in record.seen] == [Interrupted]

    run(main)


def test_without_a_loop_scheduler_there_is_a_type_error_and_no_task() -> None:
    """A task that nobody registered is a task that nobody awaits, so none is made."""

    async def main(loop: VirtualLoop, _: LoopScheduler) -> None:
        calls: list[str] = []

        async def work() -> None:
            calls.append("work")

        for scheduler in (None, AsyncIOScheduler(loop)):
            record = Record(loop, from_coroutine(work), scheduler)
            await asyncio.sleep(1.0)
            [(_at, error)] = record.seen
            assert isinstance(error, TypeError)
            assert str(error) == "from_coroutine needs a LoopScheduler at subscribe()"
        assert calls == []

    run(main)


def test_dispose_after_the_end_changes_nothing() -> None:
    """The value stays delivered, once."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        record = Record(loop, from_coroutine(sleeping(1.0)), scheduler)
        await scheduler.drained()
        record.subscription.dispose()
        await asyncio.sleep(1.0)
        assert record.seen == [(1.0, "v"), (1.0, "|")]

    run(main)


def test_a_cancelled_group_cleans_up_in_the_order_in_which_it_started() -> None:
    """No set decides an order anywhere, so a seeded run replays."""

    async def main(_loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        order: list[int] = []

        def waits(number: int) -> Observable[None]:
            async def work() -> None:
                try:
                    await asyncio.sleep(100.0)
                finally:
                    order.append(number)

            return from_coroutine(work)

        subscription = rx.merge(*[waits(n) for n in range(50)]).subscribe(scheduler=scheduler)
        await asyncio.sleep(1.0)
        subscription.dispose()
        await scheduler.drained()
        assert order == list(range(50))

    run(main)


# --- completion


class Tap:
    """A source that writes down its scheduler and its release, around a subject."""

    def __init__(self) -> None:
        self.subject: Subject[Any] = Subject()
        self.schedulers: list[abc.SchedulerBase | None] = []
        self.released = 0
        self.source: Observable[Any] = rx.create(self._subscribe)

    def _subscribe(
        self, observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None
    ) -> abc.DisposableBase:
        self.schedulers.append(scheduler)
        inner = self.subject.subscribe(observer)

        def release() -> None:
            self.released += 1
            inner.dispose()

        return Disposable(release)


def test_completion_waits_for_the_end_and_returns_the_last_value() -> None:
    """It subscribes once, on the scheduler it is given, and returns when the source completes."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        tap = Tap()
        loop.call_later(1.0, tap.subject.on_next, "a")
        loop.call_later(2.0, tap.subject.on_next, "b")
        loop.call_later(3.0, tap.subject.on_completed)
        assert await completion(tap.source, scheduler) == "b"
        assert loop.elapsed_s() == 3.0
        assert tap.schedulers == [scheduler]
        assert tap.released == 1

    run(main)


def test_completion_raises_what_the_source_fails_with() -> None:
    """The very error, and the subscription is released."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        boom, tap = Boom(), Tap()
        loop.call_later(1.0, tap.subject.on_error, boom)
        with pytest.raises(Boom) as caught:
            await completion(tap.source, scheduler)
        assert caught.value is boom
        assert tap.released == 1

    run(main)


@pytest.mark.parametrize(("source", "last"), [(rx.empty(), None), (rx.from_iterable([1, 2, 3]), 3)])
def test_completion_returns_for_a_source_that_is_at_its_end(
    source: Observable[Any], last: int | None
) -> None:
    """A source that ends at once takes no time; one without a value gives None."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        assert await completion(source, scheduler) == last
        assert loop.elapsed_s() == 0.0

    run(main)


def test_cancelling_the_wait_disposes_the_subscription() -> None:
    """The bridged task behind it is cancelled, and `drained` waits for its clean-up."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        ended: list[float] = []

        async def work() -> None:
            try:
                await asyncio.sleep(100.0)
            finally:
                await asyncio.sleep(1.0)
                ended.append(loop.elapsed_s())

        waiting = loop.create_task(completion(from_coroutine(work), scheduler))
        await asyncio.sleep(2.0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert ended == []
        await scheduler.drained()
        assert ended == [3.0]

    run(main)


@pytest.mark.parametrize("end", ["completes", "fails"])
def test_a_source_that_ends_while_the_wait_is_being_cancelled_does_no_harm(end: str) -> None:
    """Between the cancellation and its arrival the end comes too late and is dropped."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        tap = Tap()
        waiting = loop.create_task(completion(tap.source, scheduler))
        await asyncio.sleep(1.0)
        waiting.cancel()
        if end == "completes":
            tap.subject.on_completed()
        else:
            tap.subject.on_error(Boom())
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert tap.released == 1

    run(main)
