"""staggered, shutdown_gate, buffered: what stands between a source and a fan-out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import reactivex as rx
from hypothesis import given
from hypothesis import strategies as st
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.subject import ReplaySubject, Subject
from reactivex.testing import ReactiveTest, TestScheduler

from objlib.reactive.bridge import LoopScheduler, completion, from_coroutine
from objlib.reactive.demand import Upstream, buffered, flat_map_limited, paged
from objlib.reactive.pacing import staggered
from objlib.upload._operators import shutdown_gate
from tests.upload.virtual_loop import VirtualLoop, run

on_next = ReactiveTest.on_next
on_error = ReactiveTest.on_error
on_completed = ReactiveTest.on_completed
subscribe = ReactiveTest.subscribe


class Boom(Exception):
    """What goes wrong in these tests."""


BOOM = Boom("boom")


def numbers(total: int, fetched: list[int]) -> Upstream[int]:
    """Rows 0 to `total` in pages of five that take three ticks; `fetched` counts the rows read."""

    def fetch_page(last: int | None) -> Observable[Sequence[int]]:
        begin = 0 if last is None else last + 1
        page = range(begin, min(begin + 5, total))
        fetched.append(len(page))
        return rx.just(page).pipe(ops.delay(3.0))

    return paged(fetch_page)


# --- staggered


def test_the_first_item_passes_at_once_and_the_others_an_interval_apart() -> None:
    """Three items in three ticks leave fifty ticks apart; the end comes after the last pause."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(
        on_next(10, "a"), on_next(11, "b"), on_next(12, "c"), on_completed(20)
    )
    result = scheduler.start(lambda: source.pipe(staggered(50.0)))
    assert result.messages == [
        on_next(210, "a"),
        on_next(260, "b"),
        on_next(310, "c"),
        on_completed(360),
    ]
    assert source.subscriptions == [subscribe(200, 220)]


@pytest.mark.parametrize("interval_s", [1.0, 2.5])
def test_a_short_interval_is_kept_as_well(interval_s: float) -> None:
    """Every interval above zero paces."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(*[on_next(10, n) for n in range(3)])
    result = scheduler.start(lambda: source.pipe(staggered(interval_s)))
    assert result.messages == [on_next(210 + n * interval_s, n) for n in range(3)]  # type: ignore[arg-type]


def test_an_idle_spell_is_followed_by_no_burst() -> None:
    """Six intervals without an item save up nothing."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(
        on_next(10, "a"), *[on_next(310 + n, "bcd"[n]) for n in range(3)]
    )
    result = scheduler.start(lambda: source.pipe(staggered(50.0)))
    assert result.messages == [
        on_next(210, "a"),
        on_next(510, "b"),
        on_next(560, "c"),
        on_next(610, "d"),
    ]


def test_an_item_within_a_pause_waits_for_the_rest_of_it() -> None:
    """And not for a whole interval of its own."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_next(10, "a"), on_next(40, "b"))
    result = scheduler.start(lambda: source.pipe(staggered(50.0)))
    assert result.messages == [on_next(210, "a"), on_next(260, "b")]


@pytest.mark.parametrize("interval_s", [0.0, -1.0])
def test_without_an_interval_nothing_is_held(interval_s: float) -> None:
    """It is the source itself, so pacing that is switched off costs nothing."""
    source: Observable[int] = rx.never()
    operator = staggered(interval_s)  # type: ignore[var-annotated]
    assert operator(source) is source


@pytest.mark.parametrize(
    ("messages", "expected", "end"),
    [
        ([on_completed(10)], [on_completed(210)], 210),
        ([], [], 1000),
        ([on_error(10, BOOM)], [on_error(210, BOOM)], 210),
        ([on_next(10, "a"), on_error(20, BOOM)], [on_next(210, "a"), on_error(220, BOOM)], 220),
    ],
    ids=["empty", "never", "error", "error within a pause"],
)
def test_a_source_without_further_items_ends_without_a_pause(
    messages: list[Any], expected: list[Any], end: int
) -> None:
    """Pauses follow items; an error does not wait for one."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(*messages)
    result = scheduler.start(lambda: source.pipe(staggered(50.0)))
    assert result.messages == expected
    assert source.subscriptions == [subscribe(200, end)]


def test_dispose_within_a_pause_releases_the_source_and_emits_nothing_more() -> None:
    """Also not what was waiting."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_next(10, "a"), on_next(11, "b"))
    result = scheduler.start(lambda: source.pipe(staggered(50.0)), disposed=240)
    assert result.messages == [on_next(210, "a")]
    assert source.subscriptions == [subscribe(200, 240)]


def test_two_staggered_subscriptions_do_not_wait_for_each_other() -> None:
    """The interval is kept within a subscription."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, "a"), on_next(220, "b"))
    pipeline = source.pipe(staggered(50.0))
    second = scheduler.create_observer()
    scheduler.schedule_absolute(215, lambda *_: pipeline.subscribe(second, scheduler=scheduler))
    first = scheduler.start(lambda: pipeline)
    assert first.messages == [on_next(210, "a"), on_next(260, "b")]
    assert second.messages == [on_next(220, "b")]


def test_what_waits_for_its_turn_holds_no_slot() -> None:
    """With three slots and short work one item is in flight at a time: starts are paced."""
    scheduler = TestScheduler()
    starts: list[float] = []
    active = [0]

    def project(item: int) -> Observable[int]:
        starts.append(scheduler.clock)
        active[0] += 1
        assert active[0] == 1
        return rx.timer(10.0).pipe(
            ops.map(lambda _: item),
            ops.finally_action(lambda: active.__setitem__(0, active[0] - 1)),
        )

    rows = numbers(7, [])
    result = scheduler.start(
        lambda: flat_map_limited(lambda credits: rows(credits).pipe(staggered(25.0)), project, 3)
    )
    assert starts == [203 + 25 * n for n in range(7)]
    assert [m.value.value for m in result.messages[:-1]] == list(range(7))  # type: ignore[union-attr]


@given(
    gaps=st.lists(st.integers(0, 60), max_size=12),
    interval=st.integers(1, 40),
)
def test_every_item_leaves_at_its_arrival_or_an_interval_after_the_one_before(
    gaps: list[int], interval: int
) -> None:
    """For all arrivals: nothing lost, order kept, and never earlier or later than that."""
    scheduler = TestScheduler()
    arrivals = [210 + sum(gaps[: n + 1]) for n in range(len(gaps))]
    source = scheduler.create_hot_observable(*[on_next(at, n) for n, at in enumerate(arrivals)])

    result = scheduler.start(lambda: source.pipe(staggered(float(interval))), disposed=5000)

    expected: list[int] = []
    for arrival in arrivals:
        expected.append(max(arrival, expected[-1] + interval) if expected else arrival)
    assert result.messages == [on_next(at, n) for n, at in enumerate(expected)]


# --- shutdown_gate


def test_the_admission_gate_completes_the_source_at_the_first_signal() -> None:
    """Source and signal are both released; the second signal is not its concern."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, 1), on_next(310, 2))
    stop = scheduler.create_hot_observable(on_next(300, "s"))
    kill = scheduler.create_hot_observable(on_next(250, "k"))
    admission, _ = shutdown_gate(stop, kill)
    result = scheduler.start(lambda: source.pipe(admission))
    assert result.messages == [on_next(210, 1), on_completed(300)]
    assert source.subscriptions == [subscribe(200, 300)]
    assert stop.subscriptions == [subscribe(200, 300)]
    assert kill.subscriptions == []


def test_the_flight_gate_completes_the_result_at_the_second_signal() -> None:
    """The first signal is not its concern."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, 1), on_next(310, 2), on_next(410, 3))
    stop = scheduler.create_hot_observable(on_next(300, "s"))
    kill = scheduler.create_hot_observable(on_next(400, "k"))
    _, flight = shutdown_gate(stop, kill)
    result = scheduler.start(lambda: source.pipe(flight))
    assert result.messages == [on_next(210, 1), on_next(310, 2), on_completed(400)]
    assert source.subscriptions == [subscribe(200, 400)]
    assert kill.subscriptions == [subscribe(200, 400)]
    assert stop.subscriptions == []


@pytest.mark.parametrize("which", [0, 1], ids=["admission", "flight"])
@pytest.mark.parametrize("end", [on_completed(300), on_error(300, BOOM)], ids=["end", "error"])
def test_without_a_signal_a_gate_is_open(which: int, end: Any) -> None:
    """Values, end and error pass, and the gate then lets go of the signal."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, 1), end)
    signals: list[Any] = [scheduler.create_hot_observable(on_next(500, "late")) for _ in range(2)]
    gate = shutdown_gate(signals[0], signals[1])[which]
    result = scheduler.start(lambda: source.pipe(gate))
    assert result.messages == [on_next(210, 1), end]
    assert signals[which].subscriptions == [subscribe(200, 300)]


def test_a_signal_stream_that_ends_without_a_signal_leaves_the_gate_open() -> None:
    """Only a value is a signal."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(310, 1), on_completed(320))
    admission, _ = shutdown_gate(scheduler.create_hot_observable(on_completed(300)), rx.never())
    assert scheduler.start(lambda: source.pipe(admission)).messages == [
        on_next(310, 1),
        on_completed(320),
    ]


@pytest.mark.parametrize("which", [0, 1], ids=["admission", "flight"])
def test_a_pass_that_starts_after_the_signal_sees_it(which: int) -> None:
    """A ReplaySubject keeps the signal, so a late source is closed at its subscription."""
    scheduler = TestScheduler()
    signals: list[ReplaySubject[str]] = [ReplaySubject(1), ReplaySubject(1)]
    scheduler.schedule_absolute(150, lambda *_: signals[which].on_next("signal"))
    source = scheduler.create_hot_observable(on_next(210, 1))
    gate = shutdown_gate(*signals)[which]
    result = scheduler.start(lambda: source.pipe(gate))
    assert result.messages == [on_completed(200)]
    assert source.subscriptions == [subscribe(200, 200)]


def test_a_fan_out_that_starts_after_the_signal_starts_nothing() -> None:
    """A retry pass after Ctrl-C reads no page: its bridged read ends before it has begun."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        stop: ReplaySubject[str] = ReplaySubject(1)
        stop.on_next("signal")
        admission, _ = shutdown_gate(stop, rx.never())
        happened: list[str] = []

        async def read() -> Sequence[int]:
            happened.append("read")
            return [1, 2, 3]

        def project(item: int) -> Observable[int]:
            happened.append("start")
            return rx.just(item)

        rows = paged(lambda _: from_coroutine(read))
        await completion(
            flat_map_limited(lambda credits: rows(credits).pipe(admission), project, 3), scheduler
        )
        await scheduler.drained()
        assert happened == []
        assert loop.elapsed_s() == 0.0

    run(main)


def test_the_admission_gate_lets_what_is_in_flight_end_and_nothing_start() -> None:
    """Of forty rows with three slots, those started by the signal at 245 are the last."""
    scheduler = TestScheduler()
    fetched: list[int] = []
    rows = numbers(40, fetched)
    starts: list[float] = []

    def project(item: int) -> Observable[int]:
        starts.append(scheduler.clock)
        return rx.timer(20.0).pipe(ops.map(lambda _: item))

    stop = scheduler.create_hot_observable(on_next(245, "s"))
    admission, flight = shutdown_gate(stop, rx.never())
    result = scheduler.start(
        lambda: flat_map_limited(lambda credits: rows(credits).pipe(admission), project, 3).pipe(
            flight
        )
    )

    assert max(starts) < 245
    assert result.messages == [
        *[on_next(223, n) for n in range(3)],
        *[on_next(243, n) for n in (3, 4)],
        on_next(246, 5),
        *[on_next(263, n) for n in range(6, 6 + len(starts) - 6)],
        on_completed(result.messages[-1].time),
    ]
    assert len(result.messages) - 1 == len(starts)
    assert sum(fetched) <= len(starts) + 5


def test_a_gate_behind_the_pacing_starts_nothing_after_the_signal() -> None:
    """What waits for its turn has not begun; in front of the pacing it would start all the same."""

    def starts_with(*stages: Any) -> list[float]:
        scheduler = TestScheduler()
        starts: list[float] = []

        def project(item: int) -> Observable[int]:
            starts.append(scheduler.clock)
            return rx.timer(500.0).pipe(ops.map(lambda _: item))

        stop = scheduler.create_hot_observable(on_next(240, "s"))
        admission, _ = shutdown_gate(stop, rx.never())
        order = [admission if stage == "gate" else stage for stage in stages]
        rows = numbers(40, [])
        scheduler.start(lambda: flat_map_limited(lambda c: rows(c).pipe(*order), project, 4))
        return starts

    assert starts_with(staggered(25.0), "gate") == [203, 228]
    assert starts_with("gate", staggered(25.0)) == [203, 228, 253, 278]


def test_the_second_signal_releases_what_is_in_flight() -> None:
    """The result completes at once and the projections are disposed in that tick."""
    scheduler = TestScheduler()
    inner = scheduler.create_cold_observable(on_next(300, "late"))
    stop = scheduler.create_hot_observable(on_next(250, "s"))
    kill = scheduler.create_hot_observable(on_next(260, "k"))
    admission, flight = shutdown_gate(stop, kill)
    rows = numbers(40, [])
    result = scheduler.start(
        lambda: flat_map_limited(
            lambda credits: rows(credits).pipe(admission), lambda _: inner, 2
        ).pipe(flight)
    )
    assert result.messages == [on_completed(260)]
    assert inner.subscriptions == [subscribe(203, 260)] * 2


def test_dispose_of_a_gated_source_releases_the_signal() -> None:
    """A gate that is gone does not stay subscribed to Ctrl-C."""
    scheduler = TestScheduler()
    stop = scheduler.create_hot_observable(on_next(400, "s"))
    admission, _ = shutdown_gate(stop, rx.never())
    result = scheduler.start(lambda: rx.never().pipe(admission), disposed=300)
    assert result.messages == []
    assert stop.subscriptions == [subscribe(200, 300)]


# --- buffered


def test_what_is_pushed_before_it_is_asked_for_is_held_in_order() -> None:
    """Items leave at their credit or at their arrival, whichever is later."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(
        on_next(210, "a"), on_next(220, "b"), on_next(330, "c"), on_completed(340)
    )
    credits = scheduler.create_hot_observable(
        on_next(205, 1), on_next(300, 2), on_next(310, 3), on_next(320, 4)
    )
    result = scheduler.start(lambda: buffered(source)(credits))
    assert result.messages == [
        on_next(210, "a"),
        on_next(300, "b"),
        on_next(330, "c"),
        on_completed(340),
    ]
    assert source.subscriptions == [subscribe(200, 340)]
    assert credits.subscriptions == [subscribe(200, 340)]


def test_an_ended_source_completes_when_its_last_item_has_been_asked_for() -> None:
    """Its end, at 230, overtakes nothing that is held."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(
        on_next(210, "a"), on_next(220, "b"), on_completed(230)
    )
    credits = scheduler.create_hot_observable(on_next(300, 1), on_next(400, 2), on_next(500, 3))
    result = scheduler.start(lambda: buffered(source)(credits))
    assert result.messages == [on_next(300, "a"), on_next(400, "b"), on_completed(400)]
    assert credits.subscriptions == [subscribe(200, 400)]


@pytest.mark.parametrize(
    ("messages", "expected", "end"),
    [
        ([on_completed(210)], [on_completed(210)], 210),
        ([], [], 1000),
        ([on_next(210, "a"), on_error(220, BOOM)], [on_error(220, BOOM)], 220),
    ],
    ids=["empty", "never", "error"],
)
def test_an_end_with_nothing_held_and_every_error_pass_at_once(
    messages: list[Any], expected: list[Any], end: int
) -> None:
    """An error does not wait for what is held to be asked for."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(*messages)
    credits = scheduler.create_hot_observable(on_next(300, 1))
    result = scheduler.start(lambda: buffered(source)(credits))
    assert result.messages == expected
    assert source.subscriptions == [subscribe(200, end)]
    assert credits.subscriptions == [subscribe(200, end)]


def test_dispose_releases_source_and_credits_and_what_is_held() -> None:
    """A later credit brings nothing."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, "a"), on_next(220, "b"))
    credits = scheduler.create_hot_observable(on_next(215, 1), on_next(300, 2))
    result = scheduler.start(lambda: buffered(source)(credits), disposed=250)
    assert result.messages == [on_next(215, "a")]
    assert source.subscriptions == [subscribe(200, 250)]
    assert credits.subscriptions == [subscribe(200, 250)]


def test_two_buffered_subscriptions_have_a_buffer_each() -> None:
    """The source is subscribed to twice, and neither takes an item from the other."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_next(10, "a"), on_completed(20))
    upstream = buffered(source)
    second = scheduler.create_observer()
    credits = scheduler.create_hot_observable(on_next(400, 1))
    scheduler.schedule_absolute(
        300, lambda *_: upstream(credits).subscribe(second, scheduler=scheduler)
    )
    first = scheduler.start(lambda: upstream(credits))
    assert first.messages == second.messages == [on_next(400, "a"), on_completed(400)]
    assert source.subscriptions == [subscribe(200, 220), subscribe(300, 320)]


def test_the_source_of_a_buffer_is_given_the_subscribers_scheduler() -> None:
    """It is a pipeline of its own, with timers of its own."""
    scheduler = TestScheduler()
    given_to: list[abc.SchedulerBase | None] = []

    def note(_observer: abc.ObserverBase[Any], its: abc.SchedulerBase | None) -> abc.DisposableBase:
        given_to.append(its)
        return Disposable()

    buffered(rx.create(note))(rx.never()).subscribe(scheduler=scheduler)
    assert given_to == [scheduler]


@given(events=st.lists(st.booleans(), max_size=40))
def test_a_buffer_gives_the_first_items_for_the_credits_so_far(events: list[bool]) -> None:
    """For all interleavings of pushes and credits; and the end comes after the last item."""
    source: Subject[int] = Subject()
    credits: Subject[int] = Subject()
    seen: list[Any] = []
    pushed = asked_for = 0
    buffered(source)(credits).subscribe(seen.append, seen.append, lambda: seen.append("|"))
    for is_push in events:
        if is_push:
            source.on_next(pushed)
            pushed += 1
        else:
            asked_for += 1
            credits.on_next(asked_for)
        assert seen == list(range(min(pushed, asked_for)))
    source.on_completed()
    for number in range(max(0, pushed - asked_for)):
        assert "|" not in seen
        credits.on_next(number)
    assert seen == [*range(pushed), "|"]


def test_two_stages_in_a_row_hold_no_more_between_them_than_their_slots() -> None:
    """Upload with three slots, watch with two: every row arrives, once, and each in its slot."""
    scheduler = TestScheduler()
    uploaded: list[int] = []
    watching: set[int] = set()

    def upload(item: int) -> Observable[int]:
        return rx.timer(4.0).pipe(ops.map(lambda _: item), ops.do_action(uploaded.append))

    def watch(item: int) -> Observable[int]:
        watching.add(item)
        assert len(watching) <= 2

        def seen(_: int) -> int:
            watching.remove(item)
            return item

        return rx.timer(10.0).pipe(ops.map(seen))

    uploads = flat_map_limited(numbers(20, []), upload, 3)
    result = scheduler.start(lambda: flat_map_limited(buffered(uploads), watch, 2), disposed=2000)

    assert uploaded == list(range(20))
    assert [m.value.value for m in result.messages[:-1]] == list(range(20))  # type: ignore[union-attr]
    assert result.messages[-1].value.kind == "C"  # type: ignore[union-attr]
