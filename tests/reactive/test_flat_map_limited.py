"""flat_map_limited: bounded, changeable concurrency, fed by demand."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import reactivex as rx
from hypothesis import given
from hypothesis import strategies as st
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable, SingleAssignmentDisposable
from reactivex.subject import BehaviorSubject, Subject
from reactivex.testing import ReactiveTest, TestScheduler

from objlib.reactive.demand import flat_map_limited, paged

on_next = ReactiveTest.on_next
on_error = ReactiveTest.on_error
on_completed = ReactiveTest.on_completed
subscribe = ReactiveTest.subscribe


class Boom(Exception):
    """What goes wrong in these tests."""


BOOM = Boom("boom")


class Counter:
    """An upstream that answers each credit with the next item, and writes down when it got it."""

    def __init__(self, scheduler: TestScheduler, items: Sequence[Any], after: float = 0.0) -> None:
        self.scheduler = scheduler
        self.items = items
        self.after = after
        self.credits: list[float] = []
        self.streams: list[Observable[int]] = []
        self.released_at: list[float] = []

    def __call__(self, credits: Observable[int]) -> Observable[Any]:
        self.streams.append(credits)
        items = credits.pipe(
            ops.do_action(lambda _: self.credits.append(self.scheduler.clock)),
            ops.finally_action(lambda: self.released_at.append(self.scheduler.clock)),
            ops.zip_with_iterable(self.items),
            ops.map(second),
        )
        return items.pipe(ops.delay(self.after)) if self.after else items


def second(pair: Any) -> Any:
    """What `zip_with_iterable` put beside the credit."""
    return pair[1]


def lasting(scheduler: TestScheduler, ticks: int, value: Any = "v") -> Any:
    """A cold inner observable: one value after `ticks`, and its end."""
    return scheduler.create_cold_observable(on_next(ticks, value), on_completed(ticks))


def instantly(value: Any) -> Observable[Any]:
    """Emits its value and completes within subscribe()."""

    def emit(observer: abc.ObserverBase[Any], _: Any) -> abc.DisposableBase:
        observer.on_next(value)
        observer.on_completed()
        return Disposable()

    return rx.create(emit)


def test_as_many_items_are_projected_at_once_as_the_limit_says() -> None:
    """The next one starts in the tick that frees a slot, and no credit is ahead of it."""
    scheduler = TestScheduler()
    inner = {n: lasting(scheduler, ticks, n) for n, ticks in [(1, 50), (2, 30), (3, 40), (4, 10)]}
    upstream = Counter(scheduler, [1, 2, 3, 4])

    result = scheduler.start(lambda: flat_map_limited(upstream, inner.__getitem__, 2))

    assert result.messages == [
        on_next(230, 2),
        on_next(250, 1),
        on_next(260, 4),
        on_next(270, 3),
        on_completed(270),
    ]
    assert [inner[n].subscriptions for n in (1, 2, 3, 4)] == [
        [subscribe(200, 250)],
        [subscribe(200, 230)],
        [subscribe(230, 270)],
        [subscribe(250, 260)],
    ]
    assert upstream.credits == [200, 200, 230, 250, 260]
    assert upstream.released_at == [260]


def test_a_limit_of_one_is_concat() -> None:
    """Each item starts when the one before it has ended."""
    scheduler = TestScheduler()
    inner = [lasting(scheduler, 10, "a"), lasting(scheduler, 20, "b")]
    result = scheduler.start(
        lambda: flat_map_limited(Counter(scheduler, [0, 1]), inner.__getitem__, 1)
    )
    assert result.messages == [on_next(210, "a"), on_next(230, "b"), on_completed(230)]
    assert [i.subscriptions for i in inner] == [[subscribe(200, 210)], [subscribe(210, 230)]]


def test_values_of_the_projections_interleave_as_they_come() -> None:
    """Many values of one item, none of another: the result is their merge."""
    scheduler = TestScheduler()
    inner = [
        scheduler.create_cold_observable(on_next(10, "a1"), on_next(30, "a2"), on_completed(31)),
        scheduler.create_cold_observable(on_next(20, "b1"), on_completed(21)),
        scheduler.create_cold_observable(on_completed(5)),
    ]
    result = scheduler.start(
        lambda: flat_map_limited(Counter(scheduler, [0, 1, 2]), inner.__getitem__, 3)
    )
    assert result.messages == [
        on_next(210, "a1"),
        on_next(220, "b1"),
        on_next(230, "a2"),
        on_completed(231),
    ]


def test_an_upstream_without_items_completes_the_result() -> None:
    """It is asked for as many as there are slots, and no projection is made."""
    scheduler = TestScheduler()
    upstream = Counter(scheduler, [])
    result = scheduler.start(lambda: flat_map_limited(upstream, lambda _: rx.never(), 3))
    assert result.messages == [on_completed(200)]
    assert upstream.credits == [200]


def test_an_upstream_that_completes_unasked_completes_the_result() -> None:
    """Without a credit, when its end comes with its subscription."""
    scheduler = TestScheduler()
    credits_seen: list[int] = []

    def upstream(credits: Observable[int]) -> Observable[Any]:
        def complete(observer: abc.ObserverBase[Any], _: Any) -> abc.DisposableBase:
            credits.subscribe(credits_seen.append)
            observer.on_completed()
            return Disposable()

        return rx.create(complete)

    result = scheduler.start(lambda: flat_map_limited(upstream, lambda _: rx.never(), 3))
    assert result.messages == [on_completed(200)]
    assert credits_seen == []


def test_an_upstream_that_never_answers_is_asked_once_per_slot() -> None:
    """Unanswered credits are not repeated, and all is released at the dispose."""
    scheduler = TestScheduler()
    credits_seen: list[int] = []
    silent: Any = scheduler.create_hot_observable()

    def upstream(credits: Observable[int]) -> Any:
        credits.subscribe(credits_seen.append)
        return silent

    result = scheduler.start(lambda: flat_map_limited(upstream, lambda _: rx.never(), 3))
    assert result.messages == []
    assert credits_seen == [1, 2, 3]
    assert silent.subscriptions == [subscribe(200, 1000)]


def test_the_result_completes_only_when_the_last_projection_has() -> None:
    """The upstream's end, at 210, leaves what is in flight alone."""
    scheduler = TestScheduler()
    inner = lasting(scheduler, 100, "a")
    upstream = scheduler.create_hot_observable(on_next(205, 0), on_completed(210))
    result = scheduler.start(lambda: flat_map_limited(lambda _: upstream, lambda _: inner, 2))
    assert result.messages == [on_next(305, "a"), on_completed(305)]
    assert upstream.subscriptions == [subscribe(200, 210)]


def test_what_is_held_is_projected_after_the_upstream_has_ended() -> None:
    """The upstream's end, with nothing active but one item held by the limit, is not the end."""
    scheduler = TestScheduler()
    limits = scheduler.create_hot_observable(on_next(210, 1), on_next(220, 0), on_next(300, 1))
    upstream = scheduler.create_hot_observable(on_next(230, 0), on_completed(240))
    inner = lasting(scheduler, 10, "a")

    result = scheduler.start(lambda: flat_map_limited(lambda _: upstream, lambda _: inner, limits))

    assert result.messages == [on_next(310, "a"), on_completed(310)]
    assert inner.subscriptions == [subscribe(300, 310)]
    assert limits.subscriptions == [subscribe(200, 310)]


# --- limits


def test_nothing_is_asked_for_before_the_first_limit() -> None:
    """Until then there is neither a credit nor an end; then as many credits as it says."""
    scheduler = TestScheduler()
    upstream = Counter(scheduler, [1, 2, 3])
    limits = scheduler.create_hot_observable(on_next(150, 9), on_next(400, 2))
    result = scheduler.start(
        lambda: flat_map_limited(upstream, lambda n: lasting(scheduler, 10, n), limits)
    )
    assert upstream.credits == [400, 400, 410, 410]
    assert result.messages == [
        on_next(410, 1),
        on_next(410, 2),
        on_next(420, 3),
        on_completed(420),
    ]


def test_items_that_come_unasked_before_the_first_limit_are_held() -> None:
    """An upstream that pushes is not obeyed: its items start when the limit allows it."""
    scheduler = TestScheduler()
    inner = [lasting(scheduler, 50, n) for n in range(2)]
    upstream = scheduler.create_hot_observable(on_next(210, 0), on_next(220, 1), on_completed(230))
    limits = scheduler.create_hot_observable(on_next(300, 1))
    result = scheduler.start(
        lambda: flat_map_limited(lambda _: upstream, inner.__getitem__, limits)
    )
    assert [i.subscriptions for i in inner] == [[subscribe(300, 350)], [subscribe(350, 400)]]
    assert result.messages == [on_next(350, 0), on_next(400, 1), on_completed(400)]


def test_a_limit_that_never_comes_parks_for_ever() -> None:
    """A stream of limits that ends without a value does not end the result."""
    scheduler = TestScheduler()
    upstream = Counter(scheduler, [1])
    limits = scheduler.create_hot_observable(on_completed(300))
    result = scheduler.start(lambda: flat_map_limited(upstream, lambda _: rx.never(), limits))
    assert result.messages == []
    assert upstream.credits == []
    assert upstream.released_at == [1000]


def test_raising_the_limit_starts_more_at_once() -> None:
    """In the very tick; those already active are not touched."""
    scheduler = TestScheduler()
    inner = [lasting(scheduler, 100, n) for n in range(4)]
    limits = scheduler.create_hot_observable(on_next(210, 1), on_next(250, 3))
    upstream = Counter(scheduler, range(4))
    scheduler.start(lambda: flat_map_limited(upstream, inner.__getitem__, limits))
    assert [i.subscriptions for i in inner] == [
        [subscribe(210, 310)],
        [subscribe(250, 350)],
        [subscribe(250, 350)],
        [subscribe(310, 410)],
    ]


def test_lowering_the_limit_cancels_nothing_and_holds_at_the_next_start() -> None:
    """Three in flight end in their own time; the fourth waits until fewer than one are active."""
    scheduler = TestScheduler()
    inner = [lasting(scheduler, ticks, n) for n, ticks in enumerate([30, 60, 90, 10])]
    limits = scheduler.create_hot_observable(on_next(210, 3), on_next(220, 1))
    upstream = Counter(scheduler, range(4))

    result = scheduler.start(lambda: flat_map_limited(upstream, inner.__getitem__, limits))

    assert [i.subscriptions for i in inner] == [
        [subscribe(210, 240)],
        [subscribe(210, 270)],
        [subscribe(210, 300)],
        [subscribe(300, 310)],
    ]
    assert upstream.credits == [210, 210, 210, 300, 310]
    assert result.messages[-1] == on_completed(310)


def test_items_that_arrive_after_the_limit_was_lowered_are_held_in_order() -> None:
    """Three credits were out; the limit is one by the time they are answered."""
    scheduler = TestScheduler()
    inner = [lasting(scheduler, 10, n) for n in range(3)]
    limits = scheduler.create_hot_observable(on_next(210, 3), on_next(220, 1))
    upstream = Counter(scheduler, range(3), after=20.0)

    result = scheduler.start(lambda: flat_map_limited(upstream, inner.__getitem__, limits))

    assert [i.subscriptions for i in inner] == [
        [subscribe(230, 240)],
        [subscribe(240, 250)],
        [subscribe(250, 260)],
    ]
    assert upstream.credits == [210, 210, 210, 260]
    assert result.messages[-1] == on_completed(280)


def test_a_limit_of_zero_parks_without_ending() -> None:
    """What is active goes on, nothing starts, nothing completes, until the limit is raised."""
    scheduler = TestScheduler()
    inner = [lasting(scheduler, 20, n) for n in range(2)]
    limits = scheduler.create_hot_observable(on_next(210, 1), on_next(220, 0), on_next(500, 1))
    upstream = Counter(scheduler, range(2))

    result = scheduler.start(lambda: flat_map_limited(upstream, inner.__getitem__, limits))

    assert [i.subscriptions for i in inner] == [[subscribe(210, 230)], [subscribe(500, 520)]]
    assert result.messages == [on_next(230, 0), on_next(520, 1), on_completed(520)]


def test_the_same_limit_again_changes_nothing() -> None:
    """No credit is issued twice for one slot."""
    scheduler = TestScheduler()
    limits = scheduler.create_hot_observable(*[on_next(210 + n, 2) for n in range(20)])
    upstream = Counter(scheduler, range(5))
    scheduler.start(lambda: flat_map_limited(upstream, lambda _: rx.never(), limits))
    assert upstream.credits == [210, 210]


def test_the_last_limit_stays_when_their_stream_ends() -> None:
    """At two, for the rest of the items."""
    scheduler = TestScheduler()
    limits = scheduler.create_hot_observable(on_next(210, 1), on_next(220, 2), on_completed(230))
    upstream = Counter(scheduler, range(5))
    result = scheduler.start(
        lambda: flat_map_limited(upstream, lambda n: lasting(scheduler, 50, n), limits)
    )
    assert result.messages == [
        on_next(260, 0),
        on_next(270, 1),
        on_next(310, 2),
        on_next(320, 3),
        on_next(360, 4),
        on_completed(360),
    ]


def test_an_error_of_the_limits_ends_the_result_and_cancels_what_is_active() -> None:
    """Without a limit to respect there is no going on."""
    scheduler = TestScheduler()
    inner = lasting(scheduler, 500)
    limits = scheduler.create_hot_observable(on_next(210, 1), on_error(300, BOOM))
    upstream = Counter(scheduler, range(5))
    result = scheduler.start(lambda: flat_map_limited(upstream, lambda _: inner, limits))
    assert result.messages == [on_error(300, BOOM)]
    assert inner.subscriptions == [subscribe(210, 300)]
    assert upstream.released_at == [300]


def test_a_negative_limit_ends_the_result() -> None:
    """It is a mistake of whoever computes limits, and says so."""
    scheduler = TestScheduler()
    inner = lasting(scheduler, 500)
    limits = scheduler.create_hot_observable(on_next(210, 1), on_next(300, -1), on_next(310, 2))
    upstream = Counter(scheduler, range(5))
    result = scheduler.start(lambda: flat_map_limited(upstream, lambda _: inner, limits))
    [message] = result.messages
    assert message.time == 300
    error = message.value.exception  # type: ignore[union-attr]
    assert isinstance(error, ValueError)
    assert str(error) == "a limit must not be negative, got -1"
    assert inner.subscriptions == [subscribe(210, 300)]
    assert limits.subscriptions == [subscribe(200, 300)]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_constant_limit_below_one_is_refused_at_the_call(limit: int) -> None:
    """It could never finish, so it does not even begin."""
    with pytest.raises(ValueError, match=f"at least 1, not {limit}$"):
        flat_map_limited(lambda _: rx.empty(), rx.just, limit)


def test_a_thousand_changes_of_the_limit_leave_the_count_right() -> None:
    """However it went up and down, afterwards exactly the last limit is in flight."""
    bench = Bench()
    for change in range(1000):
        bench.limits.on_next(change * 7 % 13)
        bench.answer(2)
        bench.finish(change)
    bench.settle(limit=5)
    assert len(bench.active) == 5
    bench.run_out(limit=5)
    assert bench.started == list(range(bench.answered))
    assert sorted(bench.seen[:-1]) == bench.started
    assert bench.seen[-1] == "|"


# --- errors


def test_an_error_of_the_upstream_cancels_what_is_in_flight() -> None:
    """Mid-flight, at once."""
    scheduler = TestScheduler()
    inner = lasting(scheduler, 500)
    upstream = scheduler.create_hot_observable(on_next(210, 0), on_error(300, BOOM))
    limits = scheduler.create_hot_observable(on_next(205, 2))
    result = scheduler.start(lambda: flat_map_limited(lambda _: upstream, lambda _: inner, limits))
    assert result.messages == [on_error(300, BOOM)]
    assert inner.subscriptions == [subscribe(210, 300)]
    assert limits.subscriptions == [subscribe(200, 300)]


def test_an_error_of_one_projection_cancels_its_neighbours() -> None:
    """And the upstream: hence errors of one item should be values."""
    scheduler = TestScheduler()
    inner = [
        scheduler.create_cold_observable(on_next(10, "a"), on_error(40, BOOM)),
        scheduler.create_cold_observable(on_next(20, "b"), on_next(60, "too late")),
    ]
    upstream = Counter(scheduler, range(9))
    result = scheduler.start(lambda: flat_map_limited(upstream, inner.__getitem__, 2))
    assert result.messages == [on_next(210, "a"), on_next(220, "b"), on_error(240, BOOM)]
    assert [i.subscriptions for i in inner] == [[subscribe(200, 240)]] * 2
    assert upstream.credits == [200, 200]
    assert upstream.released_at == [240]


def test_a_project_that_raises_ends_the_result() -> None:
    """With what it raised; its neighbours are cancelled and no further item is asked for."""
    scheduler = TestScheduler()
    inner = lasting(scheduler, 500)
    upstream = Counter(scheduler, [0, 1, 2])

    def project(item: int) -> Observable[Any]:
        if item == 1:
            raise BOOM
        return inner  # type: ignore[no-any-return]

    result = scheduler.start(lambda: flat_map_limited(upstream, project, 3))
    assert result.messages == [on_error(200, BOOM)]
    assert inner.subscriptions == [subscribe(200, 200)]
    assert upstream.credits == [200, 200]


def test_an_upstream_that_raises_when_called_ends_the_result() -> None:
    """At the subscription, and the limits are left alone."""
    scheduler = TestScheduler()
    limits: Any = scheduler.create_hot_observable()

    def upstream(_: Observable[int]) -> Observable[Any]:
        raise BOOM

    result = scheduler.start(lambda: flat_map_limited(upstream, rx.just, limits))
    assert result.messages == [on_error(200, BOOM)]
    assert limits.subscriptions == []


# --- dispose and subscribe


def test_dispose_releases_upstream_limits_and_all_that_is_active() -> None:
    """Nothing is emitted afterwards, and what is held never starts."""
    scheduler = TestScheduler()
    inner = [
        scheduler.create_cold_observable(on_next(10, n), on_next(300, "late")) for n in range(3)
    ]
    limits = scheduler.create_hot_observable(on_next(210, 3), on_next(220, 2), on_next(400, 9))
    upstream = scheduler.create_hot_observable(*[on_next(230 + n, n) for n in range(3)])

    result = scheduler.start(
        lambda: flat_map_limited(lambda _: upstream, inner.__getitem__, limits), disposed=300
    )

    assert result.messages == [on_next(240, 0), on_next(241, 1)]
    assert [i.subscriptions for i in inner] == [[subscribe(230, 300)], [subscribe(231, 300)], []]
    assert limits.subscriptions == [subscribe(200, 300)]
    assert upstream.subscriptions == [subscribe(200, 300)]


def test_dispose_before_the_first_limit_releases_everything() -> None:
    """Also when nothing has happened yet."""
    scheduler = TestScheduler()
    limits = scheduler.create_hot_observable(on_next(400, 2))
    upstream = Counter(scheduler, [1])
    result = scheduler.start(
        lambda: flat_map_limited(upstream, rx.just, limits),
        disposed=300,
    )
    assert result.messages == []
    assert upstream.credits == []
    assert upstream.released_at == [300]
    assert limits.subscriptions == [subscribe(200, 300)]


def test_dispose_while_a_credit_is_out_leaves_its_answer_unheard() -> None:
    """The item that was on its way is not projected."""
    scheduler = TestScheduler()
    projected: list[int] = []
    upstream = Counter(scheduler, [1, 2], after=50.0)

    def project(item: int) -> Observable[int]:
        projected.append(item)
        return rx.just(item)

    result = scheduler.start(lambda: flat_map_limited(upstream, project, 2), disposed=230)
    assert result.messages == []
    assert projected == []
    assert upstream.released_at == [230]


def test_the_observer_may_dispose_from_within_a_value() -> None:
    """`take(2)` ends it in the middle: no further credit, no further start."""
    scheduler = TestScheduler()
    inner = [lasting(scheduler, 10, n) for n in range(9)]
    upstream = Counter(scheduler, range(9))
    result = scheduler.start(
        lambda: flat_map_limited(upstream, inner.__getitem__, 1).pipe(ops.take(2))
    )
    assert result.messages == [on_next(210, 0), on_next(220, 1), on_completed(220)]
    assert upstream.credits == [200, 210]
    assert upstream.released_at == [220]
    assert inner[2].subscriptions == []


def test_a_dispose_from_within_project_starts_nothing() -> None:
    """The observable that `project` returns is not subscribed to any more."""
    limits: Subject[int] = Subject()
    pulled, begun = [0], 0

    def project(_: int) -> Observable[Any]:
        subscription.dispose()
        return beginning()

    def beginning() -> Observable[Any]:
        def begin(_observer: abc.ObserverBase[Any], _: Any) -> abc.DisposableBase:
            nonlocal begun
            begun += 1
            return Disposable()

        return rx.create(begin)

    subscription = flat_map_limited(counting(9, pulled), project, limits).subscribe()
    limits.on_next(2)

    assert begun == 0
    assert pulled == [1]
    assert limits.observers == []


def test_a_dispose_from_within_project_leaves_what_is_held_alone() -> None:
    """Two items wait for the limit; the first of them ends it all, and the second never starts."""
    limits: Subject[int] = Subject()
    items: Subject[int] = Subject()
    projected: list[int] = []

    def project(item: int) -> Observable[Any]:
        projected.append(item)
        subscription.dispose()
        return rx.never()

    subscription = flat_map_limited(lambda _: items, project, limits).subscribe()
    items.on_next(0)
    items.on_next(1)
    limits.on_next(2)

    assert projected == [0]


@pytest.mark.parametrize("end", ["completes", "fails", "limits fail"])
def test_everything_is_released_before_the_end_is_told(end: str) -> None:
    """Whoever hears of the end may start again at once, beside nothing that is left over."""
    items: Subject[int] = Subject()
    limits: Subject[int] = Subject()
    inner: list[Subject[str]] = [Subject(), Subject()]
    left: list[list[Any]] = []

    def look(*_: Any) -> None:
        left.append([*items.observers, *limits.observers, *inner[0].observers])

    flat_map_limited(lambda _: items, inner.__getitem__, limits).subscribe(
        on_error=look, on_completed=look
    )
    limits.on_next(2)
    items.on_next(0)
    items.on_next(1)
    assert len(limits.observers) == len(inner[0].observers) == len(inner[1].observers) == 1
    if end == "completes":
        inner[0].on_completed()
        items.on_completed()
        inner[1].on_completed()
    elif end == "fails":
        inner[1].on_error(BOOM)
    else:
        limits.on_error(BOOM)

    assert left == [[]]


def test_a_projection_that_has_ended_is_forgotten() -> None:
    """A run of thousands holds as little afterwards as one of ten."""

    def held() -> int:
        gc.collect()
        return sum(isinstance(thing, SingleAssignmentDisposable) for thing in gc.get_objects())

    limits: Subject[int] = Subject()
    items: Subject[int] = Subject()
    subscription = flat_map_limited(lambda _: items, instantly, limits).subscribe()
    limits.on_next(2)
    before = held()
    for item in range(2_000):
        items.on_next(item)
    assert held() - before < 20
    subscription.dispose()


def test_two_subscriptions_share_nothing() -> None:
    """Each calls the upstream, has its own credits, slots and items."""
    scheduler = TestScheduler()
    upstream = Counter(scheduler, [1, 2, 3])
    pipeline = flat_map_limited(upstream, lambda n: lasting(scheduler, 100, n), 2)
    second = scheduler.create_observer()
    scheduler.schedule_absolute(250, lambda *_: pipeline.subscribe(second, scheduler=scheduler))

    first = scheduler.start(lambda: pipeline)

    times = [(100, 1), (100, 2), (200, 3)]
    assert first.messages == [*[on_next(200 + t, n) for t, n in times], on_completed(400)]
    assert second.messages == [*[on_next(250 + t, n) for t, n in times], on_completed(450)]
    assert len(upstream.streams) == 2
    assert upstream.streams[0] is not upstream.streams[1]


def test_nothing_is_called_before_the_subscription() -> None:
    """Building the pipeline calls neither the upstream nor anything else."""
    called: list[str] = []

    def upstream(_: Observable[int]) -> Observable[Any]:
        called.append("upstream")
        return rx.empty()

    pipeline = flat_map_limited(upstream, rx.just, 1)
    assert called == []
    pipeline.subscribe()
    assert called == ["upstream"]


def test_upstream_projections_and_limits_are_given_the_subscribers_scheduler() -> None:
    """A timer in any of them must run on the loop and not on a thread."""
    scheduler = TestScheduler()
    given_to: dict[str, abc.SchedulerBase | None] = {}

    def noting(name: str, source: Observable[Any]) -> Observable[Any]:
        def note(
            observer: abc.ObserverBase[Any], its: abc.SchedulerBase | None
        ) -> abc.DisposableBase:
            given_to[name] = its
            return source.subscribe(observer, scheduler=its)

        return rx.create(note)

    flat_map_limited(
        lambda credits: noting("upstream", credits),
        lambda _: noting("projection", rx.never()),
        noting("limits", BehaviorSubject(1)),
    ).subscribe(scheduler=scheduler)

    assert given_to == dict.fromkeys(["upstream", "limits", "projection"], scheduler)


# --- re-entrancy


def test_a_limit_that_changes_while_a_projection_starts_is_obeyed_at_once() -> None:
    """`project` lowers the limit to one from within: no second item is started or asked for."""
    bench = Bench(synchronous=True)
    bench.on_project = lambda _: bench.limits.on_next(1)
    bench.limits.on_next(5)
    assert bench.started == [0]
    assert bench.credits == 1
    bench.on_project = lambda _: None
    bench.limits.on_next(3)
    assert bench.started == [0, 1, 2]


def test_a_limit_that_is_raised_while_a_projection_starts_is_used_at_once() -> None:
    """From within `project`, and without starting anything twice or out of order."""
    bench = Bench(synchronous=True)
    bench.on_project = lambda item: bench.limits.on_next(4) if item == 0 else None
    bench.limits.on_next(1)
    assert bench.started == [0, 1, 2, 3]


def test_a_limit_that_is_changed_by_a_value_of_the_result_is_obeyed() -> None:
    """Feedback, as pressure does it: the third value of five stops the admissions."""
    bench = Bench(synchronous=True, instant=True)
    bench.on_value = lambda item: bench.limits.on_next(0) if item == 2 else None
    bench.limits.on_next(1)
    assert bench.seen == [0, 1, 2]
    assert bench.credits == 3
    bench.on_value = lambda item: bench.limits.on_next(0) if item == 4 else None
    bench.limits.on_next(2)
    assert bench.seen == [0, 1, 2, 3, 4]


def test_an_error_from_within_project_is_the_last_word() -> None:
    """The limits fail while `project` runs: one error, no further credit, nothing left active."""
    bench = Bench(synchronous=True)
    bench.on_project = lambda _: bench.limits.on_error(BOOM)
    bench.limits.on_next(3)
    assert bench.seen == [BOOM]
    assert bench.credits == 1
    assert [projection.observers for projection in bench.active.values()] == [[]]


def test_a_limit_that_is_known_at_subscription_starts_at_subscription() -> None:
    """A stream that replays its last value, and an upstream and projections that answer at once."""
    seen: list[Any] = []
    flat_map_limited(counting(5), instantly, BehaviorSubject(2)).subscribe(
        seen.append, seen.append, lambda: seen.append("|")
    )
    assert seen == [0, 1, 2, 3, 4, "|"]


def counting(total: int, pulled: list[int] | None = None) -> Callable[..., Observable[int]]:
    """An upstream that answers within on_next(); the credit after its last item completes it."""

    def upstream(credits: Observable[int]) -> Observable[int]:
        def answer(observer: abc.ObserverBase[int], _: Any) -> abc.DisposableBase:
            def on_credit(number: int) -> None:
                if number > total:
                    observer.on_completed()
                    return
                if pulled is not None:
                    pulled[0] = number
                observer.on_next(number - 1)

            return credits.subscribe(on_credit)

        return rx.create(answer)

    return upstream


class Finished(Observable[Any]):
    """Completes at once, with little machinery: it is subscribed to a million times."""

    def subscribe(self, *callbacks: Any, **_: Any) -> abc.DisposableBase:
        callbacks[2]()
        return NOTHING


NOTHING = Disposable()


def test_a_million_synchronous_items_neither_recurse_nor_pile_up() -> None:
    """Everything answers at once, in a loop, and no item is pulled before its slot is free."""
    total = 1_000_000
    finished = Finished()
    pulled, started, furthest_ahead = [0], 0, 0
    ends: list[Any] = []

    def project(item: int) -> Observable[Any]:
        nonlocal started, furthest_ahead
        assert item == started
        started += 1
        furthest_ahead = max(furthest_ahead, pulled[0] - started)
        return finished

    flat_map_limited(counting(total, pulled), project, 10).subscribe(
        on_error=ends.append, on_completed=lambda: ends.append("|")
    )

    assert started == total
    assert ends == ["|"]
    assert furthest_ahead == 0


def test_rows_of_a_thousand_pages_are_never_more_than_a_page_ahead() -> None:
    """With `paged` in front, what is outside the source is a page and the slots."""
    total, size = 50_000, 50
    finished = Finished()
    fetched, started, furthest_ahead = 0, 0, 0
    ends: list[Any] = []

    def fetch_page(last: int | None) -> Observable[Sequence[int]]:
        nonlocal fetched
        begin = 0 if last is None else last + 1
        page = range(begin, min(begin + size, total))
        fetched += len(page)
        return instantly(page)

    def project(item: int) -> Observable[Any]:
        nonlocal started, furthest_ahead
        assert item == started
        started += 1
        furthest_ahead = max(furthest_ahead, fetched - started)
        return finished

    flat_map_limited(paged(fetch_page), project, 10).subscribe(
        on_error=ends.append, on_completed=lambda: ends.append("|")
    )

    assert started == total
    assert ends == ["|"]
    assert furthest_ahead == size - 1


# --- for all


class Bench:
    """One run whose every event is made by hand; the promises are checked at each of them."""

    def __init__(
        self, *, total: int | None = None, synchronous: bool = False, instant: bool = False
    ) -> None:
        self.total = total
        self.synchronous = synchronous
        self.instant = instant
        self.limits: Subject[int] = Subject()
        self.limit = 0
        self.items: Subject[int] = Subject()
        self.credits = 0
        self.answered = 0
        self.started: list[int] = []
        self.active: dict[int, Subject[int]] = {}
        self.seen: list[Any] = []
        self.on_project: Callable[[int], None] = lambda _: None
        self.on_value: Callable[[int], None] = lambda _: None
        self.limits.subscribe(self._note_limit, lambda _: None)
        self.subscription = flat_map_limited(self.upstream, self._project, self.limits).subscribe(
            self._value, self.seen.append, lambda: self.seen.append("|")
        )

    def upstream(self, credits: Observable[int]) -> Observable[int]:
        def connect(observer: abc.ObserverBase[int], _: Any) -> abc.DisposableBase:
            self.items = Subject()
            self.items.subscribe(observer)
            return credits.subscribe(self._credit)

        return rx.create(connect)

    def _note_limit(self, limit: int) -> None:
        self.limit = limit

    def _credit(self, number: int) -> None:
        self.credits += 1
        assert number == self.credits
        held = self.answered - len(self.started)
        owed = self.credits - self.answered
        assert len(self.active) + owed + held <= self.limit, "a credit without a free slot"
        if self.synchronous:
            self.answer(1)

    def _project(self, item: int) -> Observable[int]:
        assert len(self.active) < self.limit, "a start above the limit"
        self.started.append(item)
        self.on_project(item)
        if self.instant:
            return instantly(item)
        self.active[item] = Subject()
        return self.active[item]

    def _value(self, item: int) -> None:
        self.seen.append(item)
        self.on_value(item)

    def answer(self, count: int) -> None:
        """The upstream answers up to `count` of its credits."""
        for _ in range(min(count, self.credits - self.answered)):
            if self.total is not None and self.answered >= self.total:
                self.items.on_completed()
                return
            self.answered += 1
            self.items.on_next(self.answered - 1)

    def finish(self, index: int) -> None:
        """One active projection emits its item and completes."""
        if self.active:
            item = list(self.active)[index % len(self.active)]
            projection = self.active[item]
            projection.on_next(item)
            del self.active[item]
            projection.on_completed()

    def settle(self, limit: int) -> None:
        """The limit is set, what is above it ends, and the slots below it are filled."""
        self.limits.on_next(limit)
        while len(self.active) > limit:
            self.finish(0)
        while len(self.active) < limit and self.credits > self.answered:
            self.answer(1)

    def run_out(self, limit: int) -> None:
        """The upstream ends where it is; everything that it gave is projected and ends."""
        self.total = self.answered
        self.limits.on_next(limit)
        self.items.on_completed()
        while self.active:
            self.finish(0)


STEPS = st.one_of(
    st.tuples(st.just("limit"), st.integers(0, 6)),
    st.tuples(st.just("answer"), st.integers(1, 4)),
    st.tuples(st.just("finish"), st.integers(0, 9)),
)


@given(steps=st.lists(STEPS, max_size=60), synchronous=st.booleans())
def test_no_history_loses_doubles_or_reorders_an_item_or_breaks_a_limit(
    steps: list[tuple[str, int]], synchronous: bool
) -> None:
    """For all interleavings; the bench checks limit and credits at every start and credit."""
    bench = Bench(synchronous=synchronous)
    for kind, number in steps:
        if kind == "limit":
            bench.limits.on_next(number)
        elif kind == "answer":
            bench.answer(number)
        else:
            bench.finish(number)
        held = bench.answered - len(bench.started)
        owed = bench.credits - bench.answered
        in_use = len(bench.active) + owed + held
        assert in_use >= bench.limit, "a free slot without a credit"
        assert held == 0 or len(bench.active) >= bench.limit, "held below the limit"
        assert "|" not in bench.seen

    bench.run_out(limit=3)

    assert bench.started == list(range(bench.answered))
    assert sorted(bench.seen[:-1]) == bench.started
    assert bench.seen[-1] == "|"
    assert bench.limits.observers[1:] == []


@given(
    total=st.integers(0, 30),
    limit=st.integers(1, 6),
    changes=st.dictionaries(st.integers(0, 29), st.integers(1, 6)),
    lasts=st.lists(st.booleans(), min_size=30, max_size=30),
)
def test_changes_from_within_and_projections_that_end_at_once_break_nothing(
    total: int, limit: int, changes: dict[int, int], lasts: list[bool]
) -> None:
    """For all limits set while an item starts, with an upstream that answers within its credit."""
    bench = Bench(total=total, synchronous=True)

    def change(item: int) -> None:
        bench.instant = not lasts[item]
        if item in changes:
            bench.limits.on_next(changes[item])

    bench.on_project = change
    bench.limits.on_next(limit)
    while bench.active:
        bench.finish(0)

    assert bench.started == list(range(total))
    assert sorted(bench.seen[:-1]) == bench.started
    assert bench.seen[-1] == "|"


@given(
    sizes=st.lists(st.integers(1, 5), max_size=8),
    limits=st.lists(st.integers(0, 4), min_size=1, max_size=8),
)
def test_paged_rows_are_never_further_ahead_than_a_page_and_the_slots(
    sizes: list[int], limits: list[int]
) -> None:
    """For all page sizes and limits: fetched - started <= largest limit + one page."""
    scheduler = TestScheduler()
    ends = [sum(sizes[:n]) for n in range(len(sizes) + 1)]
    fetched = started = 0

    def fetch_page(last: int | None) -> Observable[Sequence[int]]:
        nonlocal fetched
        page = 0 if last is None else ends.index(last + 1)
        rows = range(ends[page], ends[page + 1]) if page < len(sizes) else range(0)
        fetched += len(rows)
        return rx.just(rows).pipe(ops.delay(3.0))

    def project(row: int) -> Observable[int]:
        nonlocal started
        assert row == started
        started += 1
        assert fetched - started <= max(limits) + max(sizes)
        return rx.timer(7.0).pipe(ops.map(lambda _: row))

    steering = scheduler.create_hot_observable(
        *[on_next(201 + 5 * n, limit) for n, limit in enumerate([*limits, 2])]
    )
    result = scheduler.start(
        lambda: flat_map_limited(paged(fetch_page), project, steering), disposed=2000
    )

    values = [m.value.value for m in result.messages[:-1]]  # type: ignore[union-attr]
    assert sorted(values) == list(range(sum(sizes)))
    assert result.messages[-1].value.kind == "C"  # type: ignore[union-attr]
