"""What holds for operators together: every task accounted for, no flood, no growth, any history."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import pytest
import reactivex as rx
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.subject import ReplaySubject, Subject

from objlib.errors import OCCConflictError, RateLimited, Transient
from objlib.reactive.bridge import LoopScheduler, completion, from_coroutine
from objlib.reactive.demand import Upstream, buffered, flat_map_limited, paged
from objlib.reactive.pacing import held_back, staggered
from objlib.reactive.retry import Retry, retry_when
from objlib.upload._operators import occ_transition, shutdown_gate, upload_with_retry
from tests.upload.virtual_loop import VirtualLoop, run


class Boom(Exception):
    """What ends a run in these tests."""


# --- a small run, made of all operators


class Run:
    """Rows in pages, sent with retries, marked, then watched; chance decides what each step does.

    Every coroutine notes its start and its end, so that none can be lost without a trace.
    """

    PAGE, SLOTS, WATCHES = 4, 3, 2

    def __init__(self, loop: VirtualLoop, scheduler: LoopScheduler, rows: int, seed: int) -> None:
        self.loop = loop
        self.scheduler = scheduler
        self.rows = rows
        self.chance = random.Random(seed)
        self.fetched = 0
        self.begun: list[int] = []
        self.active = {"send": 0, "watch": 0}
        self.started = 0
        self.ended: list[str] = []
        self.done: list[int] = []
        self.last_word: list[Any] = []
        self.upstream_fails_at: int | None = None
        self.stop: ReplaySubject[str] = ReplaySubject(1)
        self.kill: ReplaySubject[str] = ReplaySubject(1)

    def task(self, outcome: Callable[[], Any]) -> Callable[[], Any]:
        """Work of a chance length, with a clean-up that takes time, too."""

        async def work() -> Any:
            self.started += 1
            try:
                await asyncio.sleep(self.chance.choice([0.0, 0.5, 1.0, 3.0]))
                result = outcome()
            except asyncio.CancelledError:
                await asyncio.sleep(0.25)
                self.ended.append("cancelled")
                raise
            except Exception:
                self.ended.append("failed")
                raise
            self.ended.append("finished")
            return result

        return work

    def fetch_page(self, last: int | None) -> Observable[Sequence[int]]:
        begin = 0 if last is None else last + 1

        def rows() -> Sequence[int]:
            if self.upstream_fails_at is not None and begin >= self.upstream_fails_at:
                raise Boom
            page = range(begin, min(begin + self.PAGE, self.rows))
            self.fetched += len(page)
            return page

        return from_coroutine(self.task(rows))

    def sometimes(self, error: Exception, row: int) -> int:
        if self.chance.random() < 0.4:
            raise error
        return row

    def send(self, row: int) -> Observable[int]:
        self.begun.append(row)
        # Outside the source: the slots, one that waits for its turn, and the rest of a page.
        assert self.fetched - len(self.begun) <= self.PAGE + self.SLOTS

        def upload(record: int) -> Any:
            return self.task(lambda: self.sometimes(Transient("503"), record))()

        def mark(_: int) -> Observable[int]:
            conflict = OCCConflictError("a.txt", expected=("uploading", 1), found=None)
            return occ_transition(
                self.task(lambda: self.sometimes(conflict, row)), 50, rng=self.chance
            )

        sent = upload_with_retry(row, upload, retry=Retry(50, rng=self.chance)).pipe(
            ops.flat_map(mark)
        )
        return self.counted("send", self.SLOTS, sent)

    def watch(self, row: int) -> Observable[int]:
        return self.counted("watch", self.WATCHES, from_coroutine(self.task(lambda: row)))

    def counted(self, stage: str, limit: int, source: Observable[int]) -> Observable[int]:
        """`source`, with a check that no more than `limit` of them are subscribed to at once."""

        def subscribe(
            observer: abc.ObserverBase[int], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            self.active[stage] += 1
            assert self.active[stage] <= limit

            def leave() -> None:
                self.active[stage] -= 1

            return source.pipe(ops.finally_action(leave)).subscribe(observer, scheduler=scheduler)

        return rx.create(subscribe)

    def pipeline(self) -> Observable[int]:
        admission, flight = shutdown_gate(self.stop, self.kill)
        rows = paged(self.fetch_page)
        sent = flat_map_limited(
            lambda credits: rows(credits).pipe(staggered(0.2), admission), self.send, self.SLOTS
        )
        return flat_map_limited(buffered(sent), self.watch, self.WATCHES).pipe(flight)

    def subscribe(self) -> abc.DisposableBase:
        return self.pipeline().subscribe(
            self.done.append,
            self.last_word.append,
            lambda: self.last_word.append("|"),
            scheduler=self.scheduler,
        )

    async def at_rest(self) -> None:
        """All tasks have ended, each in a known way, and nothing happens afterwards."""
        await self.scheduler.drained()
        said = (len(self.done), len(self.last_word), self.started)
        await asyncio.sleep(1_000.0)
        assert said == (len(self.done), len(self.last_word), self.started)
        assert len(self.ended) == self.started
        assert self.active == {"send": 0, "watch": 0}
        assert asyncio.all_tasks(self.loop) == {asyncio.current_task()}


MOMENTS = st.floats(0.0, 40.0)
ROUNDING_S = 1e-9
"""What adding virtual seconds as floats may lose."""
SEEDS = st.integers(0, 2**32)


@settings(max_examples=40)
@given(rows=st.integers(0, 25), seed=SEEDS)
def test_every_row_comes_through_once_and_in_order_of_its_start(rows: int, seed: int) -> None:
    """For all rows and all failures that pass: started in order, done once each, nothing left."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        it = Run(loop, scheduler, rows, seed)
        it.subscribe()
        await asyncio.sleep(10_000.0)
        await it.at_rest()
        assert it.begun == list(range(rows))
        assert sorted(it.done) == it.begun
        assert it.last_word == ["|"]
        assert "cancelled" not in it.ended

    run(main)


@settings(max_examples=60)
@given(rows=st.integers(1, 25), seed=SEEDS, at=MOMENTS)
@example(rows=25, seed=1, at=0.0)
@example(rows=11, seed=3, at=23.886440884085832)
def test_a_dispose_at_any_moment_cancels_or_awaits_every_task(
    rows: int, seed: int, at: float
) -> None:
    """For all moments: what was running is cancelled at once, and nothing is emitted any more."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        it = Run(loop, scheduler, rows, seed)
        subscription = it.subscribe()
        await asyncio.sleep(at)
        subscription.dispose()
        said = [*it.done, *it.last_word]
        disposed_s = loop.elapsed_s()
        await scheduler.drained()
        assert loop.elapsed_s() - disposed_s <= 0.25 + ROUNDING_S
        await it.at_rest()
        assert [*it.done, *it.last_word] == said
        assert it.last_word in ([], ["|"])
        assert len(set(it.done)) == len(it.done)

    run(main)


@settings(max_examples=60)
@given(rows=st.integers(1, 40), seed=SEEDS, stop_at=MOMENTS, grace=st.none() | MOMENTS)
def test_a_stop_lets_what_has_begun_end_and_a_kill_lets_nothing(
    rows: int, seed: int, stop_at: float, grace: float | None
) -> None:
    """For all moments: nothing starts after the first signal or goes on after the second."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        it = Run(loop, scheduler, rows, seed)
        it.subscribe()
        await asyncio.sleep(stop_at)
        it.stop.on_next("SIGTERM")
        begun = list(it.begun)
        if grace is None:
            await asyncio.sleep(10_000.0)
            assert sorted(it.done) == begun
        else:
            await asyncio.sleep(grace)
            it.kill.on_next("SIGTERM")
            killed_s = loop.elapsed_s()
            await scheduler.drained()
            assert loop.elapsed_s() - killed_s <= 0.25 + ROUNDING_S
        await it.at_rest()
        assert it.begun == begun
        assert it.last_word == ["|"]
        assert set(it.done) <= set(begun)
        assert len(set(it.done)) == len(it.done)

    run(main)


@settings(max_examples=40)
@given(rows=st.integers(1, 25), seed=SEEDS, fails_at=st.integers(0, 25))
def test_a_page_that_fails_in_mid_flight_cancels_or_awaits_every_task(
    rows: int, seed: int, fails_at: int
) -> None:
    """For all places: the error arrives once, as the last word, and no task is left behind."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        it = Run(loop, scheduler, rows, seed)
        it.upstream_fails_at = fails_at
        it.subscribe()
        await asyncio.sleep(10_000.0)
        await it.at_rest()
        [end] = it.last_word
        # The page after the last row is asked for, too: it is the end.
        assert isinstance(end, Boom) if fails_at <= rows else end == "|"
        assert len(set(it.done)) == len(it.done)

    run(main)


# --- limits that never rest


@settings(max_examples=25)
@given(seed=SEEDS, rows=st.integers(1, 60))
def test_a_limit_that_changes_a_thousand_times_a_second_is_never_exceeded(
    seed: int, rows: int
) -> None:
    """For all changes: no start above the limit of that instant, order kept, all rows done."""

    async def main(_loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        chance = random.Random(seed)
        limit = active = 0
        began: list[int] = []
        done: list[int] = []

        def change(tick: int) -> int:
            nonlocal limit
            limit = chance.randrange(0, 6) if tick < 1_000 else 1
            return limit

        def project(row: int) -> Observable[int]:
            nonlocal active
            assert active < limit
            active += 1
            began.append(row)

            async def work() -> int:
                nonlocal active
                await asyncio.sleep(chance.random() / 50)
                active -= 1
                return row

            return from_coroutine(work)

        def fetch_page(last: int | None) -> Observable[Sequence[int]]:
            begin = 0 if last is None else last + 1
            # Later than the credit, so that rows come when the limit has changed, and are held.
            return rx.timer(0.0035).pipe(ops.map(lambda _: range(begin, min(begin + 7, rows))))

        limits = rx.interval(0.001).pipe(ops.map(change))
        result = flat_map_limited(paged(fetch_page), project, limits)
        await completion(result.pipe(ops.do_action(done.append)), scheduler)
        await scheduler.drained()
        assert began == list(range(rows))
        assert sorted(done) == began

    run(main)


# --- work and stack per item


def at_once(items: Sequence[Any], error: Exception | None = None) -> Observable[Any]:
    """Emits everything within `subscribe()` and ends."""

    def emit(observer: abc.ObserverBase[Any], _: Any) -> abc.DisposableBase:
        for item in items:
            observer.on_next(item)
        if error is None:
            observer.on_completed()
        else:
            observer.on_error(error)
        return Disposable()

    return rx.create(emit)


def answering(count: int) -> Upstream[int]:
    """Answers each credit at once, and the credit after its last item with the end."""
    return lambda credits: credits.pipe(ops.take(count))


def fan_out(count: int) -> Observable[Any]:
    return flat_map_limited(answering(count), lambda item: at_once([item]), 3)


def fan_out_that_pushes(count: int) -> Observable[Any]:
    items = at_once(range(count))
    return flat_map_limited(lambda _credits: items, lambda item: at_once([item]), 3)


def two_stages(count: int) -> Observable[Any]:
    return flat_map_limited(buffered(fan_out(count)), lambda item: at_once([item]), 2)


def pages(count: int) -> Observable[Any]:
    def fetch_page(last: int | None) -> Observable[Sequence[int]]:
        begin = 0 if last is None else last + 1
        return at_once([range(begin, min(begin + 10, count))])

    return paged(fetch_page)(at_once(range(count + 1)))


def retries(count: int) -> Observable[Any]:
    attempts = iter([*[at_once(["a"], Boom())] * (count - 1), at_once(["a"])])
    return rx.defer(lambda _scheduler: next(attempts)).pipe(retry_when(lambda errors: errors))


def buffer(count: int) -> Observable[Any]:
    credits: Subject[int] = Subject()
    ask = rx.defer(lambda _scheduler: rx.from_iterable(range(count)))
    return rx.merge(
        buffered(at_once(range(count)))(credits),
        ask.pipe(ops.do_action(credits.on_next), ops.ignore_elements()),
    )


def gated(count: int) -> Observable[Any]:
    admission, flight = shutdown_gate(rx.never(), rx.never())
    return at_once(range(count)).pipe(admission, flight)


def waiting_line(count: int) -> Observable[Any]:
    return at_once(range(count)).pipe(held_back(lambda: 0.0, rx.never()))


def operations(source: Observable[Any]) -> tuple[int, int, int]:
    """Subscribe to it: items that came, calls made (of C functions, too), and the deepest stack."""
    items: list[Any] = []
    calls = depth = deepest = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal calls, depth, deepest
        if event in ("call", "c_call"):
            calls += 1
        if event == "call":
            depth += 1
            deepest = max(deepest, depth)
        elif event == "return":
            depth -= 1

    sys.setprofile(count)
    try:
        source.subscribe(items.append)
    finally:
        sys.setprofile(None)
    return len(items), calls, deepest


@pytest.mark.parametrize(
    "make",
    [
        fan_out,
        fan_out_that_pushes,
        two_stages,
        pages,
        retries,
        buffer,
        gated,
        waiting_line,
    ],
)
def test_an_item_costs_the_same_and_stacks_as_high_whether_it_is_one_of_few_or_of_many(
    make: Callable[[int], Observable[Any]],
) -> None:
    """Four times the items: four times the calls, on the same stack. Neither n² nor recursion."""
    operations(make(200))  # what is made once is made here
    few, calls_for_few, deepest_for_few = operations(make(200))
    many, calls_for_many, deepest_for_many = operations(make(800))
    assert (few, many) == (200, 800)
    assert calls_for_many <= 4 * calls_for_few
    assert deepest_for_many == deepest_for_few


# --- signals in bad moments


def test_a_stop_from_within_an_item_closes_the_gate_behind_it() -> None:
    """The item that brings the signal about has passed; the one after it has not."""
    stop: ReplaySubject[str] = ReplaySubject(1)
    admission, _ = shutdown_gate(stop, rx.never())
    source: Subject[int] = Subject()
    seen: list[Any] = []

    def on_item(item: int) -> None:
        seen.append(item)
        if item == 1:
            stop.on_next("signal")
            source.on_next(99)

    source.pipe(admission).subscribe(on_item, seen.append, lambda: seen.append("|"))
    for item in range(3):
        source.on_next(item)
    assert seen == [0, 1, "|"]
    assert source.observers == []
    assert stop.observers == []


@pytest.mark.parametrize("error", [RateLimited("429"), Transient("503")])
def test_a_stop_during_a_back_off_waits_for_what_has_begun(error: Exception) -> None:
    """A file between two attempts is in flight: it is retried to its end, and none follows it."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        outcomes = iter([error, None])

        async def upload(_: str) -> str:
            if (failure := next(outcomes)) is not None:
                raise failure
            return "sent"

        stop: ReplaySubject[str] = ReplaySubject(1)
        admission, flight = shutdown_gate(stop, rx.never())
        begun: list[str] = []

        def send(name: str) -> Observable[str]:
            begun.append(name)
            return upload_with_retry(name, upload, retry=Retry(base_s=10.0, rng=random.Random(3)))

        rows = paged(lambda last: rx.just(["a", "b"] if last is None else []))
        result = flat_map_limited(lambda credits: rows(credits).pipe(admission), send, 1)
        seen: list[str] = []
        loop.call_later(0.5, stop.on_next, "signal")
        await completion(result.pipe(flight, ops.do_action(seen.append)), scheduler)
        assert begun == ["a"]
        assert seen == ["sent"]
        assert loop.elapsed_s() > 0.5

    run(main)
