"""retry_when: a notifier, fed the errors, decides when the source is subscribed to again."""

from __future__ import annotations

from typing import Any

import pytest
import reactivex as rx
from hypothesis import given
from hypothesis import strategies as st
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.subject import Subject
from reactivex.testing import ReactiveTest, TestScheduler

from objlib.reactive.retry import Notifier, retry_when

on_next = ReactiveTest.on_next
on_error = ReactiveTest.on_error
on_completed = ReactiveTest.on_completed
subscribe = ReactiveTest.subscribe


class Boom(Exception):
    """What the sources of these tests fail with."""


BOOM = Boom("boom")
OTHER = Boom("other")


def says(decisions: Observable[Any]) -> Notifier:
    """A notifier with a mind of its own: it does not look at the errors."""
    return lambda _errors: decisions


def after(ticks: float) -> Notifier:
    """A notifier that answers each error `ticks` later."""
    return lambda errors: errors.pipe(ops.delay(ticks))


def at_once(*script: str) -> Observable[Any]:
    """Emits everything within subscribe(): values, then "X" (fails), "|" (completes) or neither."""

    def emit(observer: abc.ObserverBase[Any], _: Any) -> abc.DisposableBase:
        for word in script:
            if word == "X":
                observer.on_error(BOOM)
            elif word == "|":
                observer.on_completed()
            else:
                observer.on_next(word)
        return Disposable()

    return rx.create(emit)


def attempts(*sources: Observable[Any]) -> Observable[Any]:
    """A source that is another one at each subscription."""
    remaining = iter(sources)
    return rx.defer(lambda _scheduler: next(remaining))


def test_each_failed_attempt_is_followed_by_a_fresh_subscription() -> None:
    """The source is released at its error and subscribed to 50 ticks later, as long as asked."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_next(10, "a"), on_error(20, BOOM))

    result = scheduler.start(lambda: source.pipe(retry_when(after(50.0))), disposed=400)

    assert result.messages == [on_next(210, "a"), on_next(280, "a"), on_next(350, "a")]
    assert source.subscriptions == [subscribe(200, 220), subscribe(270, 290), subscribe(340, 360)]


@pytest.mark.parametrize(
    ("messages", "expected", "end"),
    [
        (
            [on_next(10, "a"), on_next(20, "b"), on_completed(30)],
            [on_next(210, "a"), on_next(220, "b"), on_completed(230)],
            230,
        ),
        ([on_completed(30)], [on_completed(230)], 230),
        ([on_next(10, "a")], [on_next(210, "a")], 1000),
        ([], [], 1000),
    ],
    ids=["values", "empty", "unfinished", "never"],
)
def test_a_source_that_does_not_fail_passes_untouched_and_costs_no_notifier(
    messages: list[Any], expected: list[Any], end: int
) -> None:
    """Its messages are the result, and the notifier is never called."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(*messages)

    def notifier(_: Observable[Exception]) -> Observable[Any]:
        raise AssertionError("called without an error")

    result = scheduler.start(lambda: source.pipe(retry_when(notifier)))

    assert result.messages == expected
    assert source.subscriptions == [subscribe(200, end)]


def test_the_notifier_is_called_once_and_not_before_the_first_error() -> None:
    """One stream of decisions serves all the attempts of a subscription."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_error(20, BOOM))
    called_at: list[float] = []

    def notifier(errors: Observable[Exception]) -> Observable[Any]:
        called_at.append(scheduler.clock)
        return errors.pipe(ops.delay(10.0))

    scheduler.start(lambda: source.pipe(retry_when(notifier)), disposed=300)

    assert called_at == [220]
    assert len(source.subscriptions) == 4


def test_the_notifier_hears_every_error_once_and_in_order() -> None:
    """Also the first one, which arrived before there was a notifier."""
    scheduler = TestScheduler()
    errors = [Boom(str(n)) for n in range(4)]
    source = attempts(
        *[scheduler.create_cold_observable(on_error(10, error)) for error in errors[:3]],
        scheduler.create_cold_observable(on_completed(10)),
    )
    heard: list[Exception] = []

    result = scheduler.start(
        lambda: source.pipe(retry_when(lambda errors: errors.pipe(ops.do_action(heard.append))))
    )

    assert heard == errors[:3]
    assert result.messages == [on_completed(240)]


def test_an_emission_while_an_attempt_is_active_is_ignored() -> None:
    """Of five decisions the two that fall into a pause count; the others are not saved up."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_error(20, BOOM))
    decisions = scheduler.create_hot_observable(
        on_next(210, 0), on_next(230, 0), on_next(235, 0), on_next(249, 0), on_next(260, 0)
    )

    result = scheduler.start(lambda: source.pipe(retry_when(says(decisions))))

    assert result.messages == []
    assert source.subscriptions == [subscribe(200, 220), subscribe(230, 250), subscribe(260, 280)]
    assert decisions.subscriptions == [subscribe(220, 1000)]


def test_several_emissions_for_one_error_make_one_attempt() -> None:
    """The first of them starts the attempt during which the others are ignored."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_error(20, BOOM))

    scheduler.start(
        lambda: source.pipe(
            retry_when(lambda errors: errors.pipe(ops.flat_map(lambda _: at_once("n", "n", "n"))))
        ),
        disposed=250,
    )

    assert source.subscriptions == [subscribe(200, 220), subscribe(220, 240), subscribe(240, 250)]


@pytest.mark.parametrize("ends_at", [225, 245], ids=["in a pause", "during an attempt"])
def test_the_result_completes_when_the_notifier_does(ends_at: int) -> None:
    """At once, and an attempt that is still running is released."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_next(5, "a"), on_error(20, BOOM))
    decisions = scheduler.create_hot_observable(
        on_next(230, 0) if ends_at > 230 else on_next(900, 0), on_completed(ends_at)
    )

    result = scheduler.start(lambda: source.pipe(retry_when(says(decisions))))

    second = [(on_next(235, "a"), subscribe(230, 245))] if ends_at > 230 else []
    assert result.messages == [
        on_next(205, "a"),
        *[message for message, _ in second],
        on_completed(ends_at),
    ]
    assert source.subscriptions == [subscribe(200, 220), *[period for _, period in second]]
    assert decisions.subscriptions == [subscribe(220, ends_at)]


@pytest.mark.parametrize("ends_at", [225, 245], ids=["in a pause", "during an attempt"])
def test_the_result_fails_when_the_notifier_does(ends_at: int) -> None:
    """With the notifier's error, at once, and nothing stays subscribed."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_error(20, BOOM))
    decisions = scheduler.create_hot_observable(
        on_next(230 if ends_at > 230 else 900, 0), on_error(ends_at, OTHER)
    )

    result = scheduler.start(lambda: source.pipe(retry_when(says(decisions))))

    assert result.messages == [on_error(ends_at, OTHER)]
    assert result.messages[0].value.exception is OTHER  # type: ignore[union-attr]
    assert source.subscriptions[-1].unsubscribe == (245 if ends_at > 230 else 220)
    assert decisions.subscriptions == [subscribe(220, ends_at)]


def test_a_notifier_that_raises_ends_the_result_with_what_it_raised() -> None:
    """Its exception goes to the observer and not into the source."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_error(20, BOOM))

    def notifier(_: Observable[Exception]) -> Observable[Any]:
        raise OTHER

    result = scheduler.start(lambda: source.pipe(retry_when(notifier)))

    assert result.messages == [on_error(220, OTHER)]
    assert source.subscriptions == [subscribe(200, 220)]


def test_the_notifier_is_released_when_the_source_completes() -> None:
    """A late decision does not bring a finished source back."""
    scheduler = TestScheduler()
    second = scheduler.create_cold_observable(on_next(5, "b"), on_completed(10))
    source = attempts(scheduler.create_cold_observable(on_error(20, BOOM)), second)
    decisions = scheduler.create_hot_observable(on_next(230, 0), on_next(300, 0))

    result = scheduler.start(lambda: source.pipe(retry_when(says(decisions))))

    assert result.messages == [on_next(235, "b"), on_completed(240)]
    assert second.subscriptions == [subscribe(230, 240)]
    assert decisions.subscriptions == [subscribe(220, 240)]


def test_dispose_during_an_attempt_releases_source_and_notifier() -> None:
    """Nothing is emitted afterwards."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_error(20, BOOM))
    second = scheduler.create_cold_observable(on_next(10, "a"), on_next(20, "b"))
    decisions = scheduler.create_hot_observable(on_next(230, 0), on_next(260, 0))

    result = scheduler.start(
        lambda: attempts(source, second).pipe(retry_when(says(decisions))), disposed=245
    )

    assert result.messages == [on_next(240, "a")]
    assert second.subscriptions == [subscribe(230, 245)]
    assert decisions.subscriptions == [subscribe(220, 245)]


def test_dispose_while_waiting_releases_the_timer() -> None:
    """The wait between two attempts is a subscription too, and no attempt follows it."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_error(20, BOOM))
    timer = scheduler.create_cold_observable(on_next(100, 0), on_completed(100))

    result = scheduler.start(
        lambda: source.pipe(
            retry_when(lambda errors: errors.pipe(ops.flat_map(lambda _: timer))),
        ),
        disposed=250,
    )

    assert result.messages == []
    assert source.subscriptions == [subscribe(200, 220)]
    assert timer.subscriptions == [subscribe(220, 250)]


def test_a_dispose_by_the_observer_stops_everything() -> None:
    """`take(2)` ends the result in the middle of an attempt, which is released at that moment."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_next(10, "a"), on_error(20, BOOM))
    decisions = scheduler.create_hot_observable(on_next(230, 0), on_next(300, 0))

    result = scheduler.start(lambda: source.pipe(retry_when(says(decisions)), ops.take(2)))

    assert result.messages == [on_next(210, "a"), on_next(240, "a"), on_completed(240)]
    assert source.subscriptions == [subscribe(200, 220), subscribe(230, 240)]
    assert decisions.subscriptions == [subscribe(220, 240)]


def test_a_notifier_that_disposes_the_result_gets_no_further_attempt() -> None:
    """Its emission comes too late: all was released in the line before."""
    attempted = 0
    decisions: Subject[int] = Subject()

    def count(observer: abc.ObserverBase[Any], _: Any) -> abc.DisposableBase:
        nonlocal attempted
        attempted += 1
        observer.on_error(BOOM)
        return Disposable()

    subscription = rx.create(count).pipe(retry_when(says(decisions))).subscribe()
    decisions.pipe(ops.take(1)).subscribe(lambda _: None)
    decisions.on_next(0)
    assert attempted == 2
    subscription.dispose()
    decisions.on_next(0)
    assert attempted == 2
    assert decisions.observers == []


@pytest.mark.parametrize(("end", "expected"), [("|", ["|"]), ("X", [BOOM])], ids=["ends", "fails"])
def test_a_decision_in_the_same_breath_as_the_end_is_not_followed(
    end: str, expected: list[Any]
) -> None:
    """The notifier says "again" and ends, within one error: the end stands, without an attempt."""
    attempted = 0
    seen: list[Any] = []

    def fail(observer: abc.ObserverBase[Any], _: Any) -> abc.DisposableBase:
        nonlocal attempted
        attempted += 1
        observer.on_error(OTHER)
        return Disposable()

    rx.create(fail).pipe(retry_when(says(at_once("n", end)))).subscribe(
        seen.append, seen.append, lambda: seen.append("|")
    )

    assert seen == expected
    assert attempted == 1


@pytest.mark.parametrize("end", ["source completes", "notifier completes", "notifier fails"])
def test_everything_is_released_before_the_end_is_told(end: str) -> None:
    """Whoever hears of the end may start again at once, beside nothing that is left over."""
    first: Subject[str] = Subject()
    second: Subject[str] = Subject()
    decisions: Subject[int] = Subject()
    left: list[list[Any]] = []

    def look(*_: Any) -> None:
        left.append([*second.observers, *decisions.observers])

    attempts(first, second).pipe(retry_when(says(decisions))).subscribe(
        on_error=look, on_completed=look
    )
    first.on_error(BOOM)
    decisions.on_next(0)
    assert len(second.observers) == len(decisions.observers) == 1
    if end == "source completes":
        second.on_completed()
    elif end == "notifier completes":
        decisions.on_completed()
    else:
        decisions.on_error(OTHER)

    assert left == [[]]


def test_a_second_subscription_shares_nothing_with_the_first() -> None:
    """Each has its notifier and its own count of errors."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_error(20, BOOM))
    notifiers = 0

    def twice(errors: Observable[Exception]) -> Observable[Any]:
        nonlocal notifiers
        notifiers += 1
        return errors.pipe(
            ops.map_indexed(lambda error, n: error if n < 2 else None),
            ops.flat_map(lambda error: rx.just(0) if error else rx.throw(OTHER)),
        )

    pipeline = source.pipe(retry_when(twice))
    second = scheduler.create_observer()
    scheduler.schedule_absolute(210, lambda *_: pipeline.subscribe(second, scheduler=scheduler))
    first = scheduler.start(lambda: pipeline)

    assert notifiers == 2
    assert first.messages == [on_error(260, OTHER)]
    assert second.messages == [on_error(270, OTHER)]
    assert len(source.subscriptions) == 6


def test_a_finished_result_can_be_subscribed_to_again() -> None:
    """The same pipeline, one after the other: the second run begins from nothing."""
    source = attempts(at_once("a", "X"), at_once("b", "|"), at_once("c", "X"), at_once("d", "|"))
    pipeline = source.pipe(retry_when(lambda errors: errors))
    runs: list[list[Any]] = [[], []]
    for seen in runs:
        pipeline.subscribe(seen.append, seen.append, lambda seen=seen: seen.append("|"))  # type: ignore[misc]
    assert runs == [["a", "b", "|"], ["c", "d", "|"]]


def test_twenty_thousand_failures_in_a_row_do_not_grow_the_stack() -> None:
    """A source that fails within subscribe(), answered within on_next(), is retried in a loop."""
    failures = 20_000
    attempted = 0
    seen: list[Any] = []

    def fail_often(observer: abc.ObserverBase[str], _: Any) -> abc.DisposableBase:
        nonlocal attempted
        attempted += 1
        if attempted <= failures:
            observer.on_error(BOOM)
        else:
            observer.on_next("made it")
            observer.on_completed()
        return Disposable()

    rx.create(fail_often).pipe(retry_when(lambda errors: errors)).subscribe(
        seen.append, seen.append, lambda: seen.append("|")
    )

    assert attempted == failures + 1
    assert seen == ["made it", "|"]


def test_failures_within_a_decision_do_not_grow_the_stack_either() -> None:
    """The first attempt fails later, and from then on everything happens inside one on_next()."""
    first: Subject[str] = Subject()
    later = iter([at_once("X")] * 20_000 + [at_once("made it", "|")])
    sources = iter([first])
    seen: list[Any] = []
    rx.defer(lambda _scheduler: next(sources, None) or next(later)).pipe(
        retry_when(lambda errors: errors)
    ).subscribe(seen.append, seen.append, lambda: seen.append("|"))

    first.on_error(BOOM)

    assert seen == ["made it", "|"]


def test_a_decision_made_before_the_error_was_told_is_an_attempt_all_the_same() -> None:
    """A notifier that emits when it is subscribed to starts one attempt, not none and not two."""
    seen: list[Any] = []
    eager = rx.concat(at_once("n", "|"), rx.never())

    attempts(at_once("a", "X"), at_once("b", "|"), at_once("one too many")).pipe(
        retry_when(says(eager))
    ).subscribe(seen.append, seen.append, lambda: seen.append("|"))

    assert seen == ["a", "b", "|"]


@pytest.mark.parametrize(("end", "expected"), [("|", ["a", "|"]), ("X", ["a", BOOM])])
def test_a_notifier_that_ends_as_soon_as_it_is_subscribed_to_ends_the_result(
    end: str, expected: list[Any]
) -> None:
    """Its synchronous end arrives once, and no further attempt is made."""
    seen: list[Any] = []
    attempts(at_once("a", "X"), at_once("one too many")).pipe(
        retry_when(says(at_once(end)))
    ).subscribe(seen.append, seen.append, lambda: seen.append("|"))
    assert seen == expected


def test_source_and_notifier_are_given_the_subscribers_scheduler() -> None:
    """At every attempt: a timer that lacks a scheduler would run on a thread."""
    scheduler = TestScheduler()
    given_to: list[tuple[str, abc.SchedulerBase | None]] = []

    def noting(name: str, source: Observable[Any]) -> Observable[Any]:
        def note(
            observer: abc.ObserverBase[Any], its: abc.SchedulerBase | None
        ) -> abc.DisposableBase:
            given_to.append((name, its))
            return source.subscribe(observer, scheduler=its)

        return rx.create(note)

    source = noting("source", attempts(at_once("X"), at_once("X"), at_once("|")))
    source.pipe(retry_when(lambda errors: noting("notifier", errors))).subscribe(
        scheduler=scheduler
    )

    assert given_to == [
        ("source", scheduler),
        ("notifier", scheduler),
        ("source", scheduler),
        ("source", scheduler),
    ]


@given(
    script=st.lists(st.tuples(st.lists(st.integers(), max_size=3), st.booleans()), max_size=8),
    pause=st.sampled_from([0.0, 1.0, 30.0]),
    synchronous=st.booleans(),
)
def test_the_result_is_all_attempts_up_to_the_first_that_completes(
    script: list[tuple[list[int], bool]], pause: float, synchronous: bool
) -> None:
    """For all scripts of attempts nothing is lost, doubled or out of order at the seams."""
    scheduler = TestScheduler()
    ends = [completes for _, completes in script]
    needed = ends.index(True) + 1 if True in ends else len(script) + 1
    script = [*script, ([], True)]
    subscribed = 0

    def attempt(values: list[int], completes: bool) -> Observable[int]:
        def emit(
            observer: abc.ObserverBase[int], its: abc.SchedulerBase | None
        ) -> abc.DisposableBase:
            nonlocal subscribed
            subscribed += 1
            end = rx.empty() if completes else rx.throw(BOOM)
            if synchronous:
                for value in values:
                    observer.on_next(value)
                return end.subscribe(observer)
            return rx.concat(rx.from_iterable(values), end).subscribe(observer, scheduler=its)

        return rx.create(emit)

    source = attempts(*[attempt(values, completes) for values, completes in script])
    result = scheduler.start(lambda: source.pipe(retry_when(after(pause))), disposed=5000)

    wanted = [value for values, _ in script[:needed] for value in values]
    assert [m.value.value for m in result.messages[:-1]] == wanted  # type: ignore[union-attr]
    assert result.messages[-1].value.kind == "C"  # type: ignore[union-attr]
    assert subscribed == needed
