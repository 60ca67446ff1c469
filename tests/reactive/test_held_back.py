"""held_back: items pass one at a time, each when a pure question says that its wait is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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

from objlib.reactive.bridge import LoopScheduler
from objlib.reactive.pacing import held_back
from tests.upload.virtual_loop import VirtualLoop, run

on_next = ReactiveTest.on_next
on_error = ReactiveTest.on_error
on_completed = ReactiveTest.on_completed
subscribe = ReactiveTest.subscribe


class Boom(Exception):
    """What goes wrong in these tests."""


BOOM = Boom("boom")


class Question:
    """Answers with what is written, in order, and notes when it was asked."""

    def __init__(self, scheduler: TestScheduler, *answers: float | None) -> None:
        self.scheduler = scheduler
        self.answers = iter(answers)
        self.asked: list[float] = []

    def __call__(self) -> float | None:
        self.asked.append(self.scheduler.clock)
        return next(self.answers)


def test_an_item_whose_wait_is_over_passes_in_the_tick_of_its_arrival() -> None:
    """Zero and less are no wait, and nobody goes on listening for changes."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(
        on_next(210, "a"), on_next(220, "b"), on_completed(230)
    )
    changes: Any = scheduler.create_hot_observable()
    wait_s = Question(scheduler, 0.0, -0.5)

    result = scheduler.start(lambda: source.pipe(held_back(wait_s, changes)))

    assert result.messages == [on_next(210, "a"), on_next(220, "b"), on_completed(230)]
    assert wait_s.asked == [210, 220]
    assert changes.subscriptions == [subscribe(210, 210), subscribe(220, 220)]
    assert source.subscriptions == [subscribe(200, 230)]


def test_each_item_waits_for_as_long_as_was_answered_when_its_turn_came() -> None:
    """The second is asked about when the first has passed, and not when it arrives."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(
        on_next(210, "a"), on_next(211, "b"), on_next(212, "c"), on_completed(213)
    )
    wait_s = Question(scheduler, 20.0, 1.0, 30.0)

    result = scheduler.start(lambda: source.pipe(held_back(wait_s, rx.never())))

    assert result.messages == [
        on_next(230, "a"),
        on_next(231, "b"),
        on_next(261, "c"),
        on_completed(261),
    ]
    assert wait_s.asked == [210, 230, 231]


def test_a_wait_without_an_end_lasts_until_something_changes() -> None:
    """A change is an occasion to ask again, whatever it carries."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, "a"), on_completed(220))
    changes: Any = scheduler.create_hot_observable(
        on_next(300, None), on_next(400, "whatever"), on_next(500, "late")
    )
    wait_s = Question(scheduler, None, None, 50.0)

    result = scheduler.start(lambda: source.pipe(held_back(wait_s, changes)))

    assert result.messages == [on_next(450, "a"), on_completed(450)]
    assert wait_s.asked == [210, 300, 400]
    assert changes.subscriptions == [subscribe(210, 450)]


@pytest.mark.parametrize(
    ("second_answer", "passes_at"),
    [(5.0, 255), (200.0, 450), (0.0, 250)],
    ids=["shorter", "longer", "over"],
)
def test_a_change_replaces_the_wait_that_is_under_way(second_answer: float, passes_at: int) -> None:
    """The timer of the first answer, due at 310, is released."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, "a"))
    changes = scheduler.create_hot_observable(on_next(250, "change"))

    result = scheduler.start(
        lambda: source.pipe(held_back(Question(scheduler, 100.0, second_answer), changes))
    )

    assert result.messages == [on_next(passes_at, "a")]


def test_a_change_may_take_back_the_end_of_a_wait() -> None:
    """A circuit that opens while an item waits for its turn stops it."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, "a"))
    changes = scheduler.create_hot_observable(on_next(250, "opens"))
    result = scheduler.start(
        lambda: source.pipe(held_back(Question(scheduler, 100.0, None), changes))
    )
    assert result.messages == []


def test_changes_that_come_to_their_end_leave_the_last_answer_standing() -> None:
    """A timer still fires; without one the item waits for ever, which is no completion."""
    for answer, expected in [(100.0, [on_next(310, "a"), on_completed(310)]), (None, [])]:
        scheduler = TestScheduler()
        source = scheduler.create_hot_observable(on_next(210, "a"), on_completed(220))
        changes: Any = scheduler.create_hot_observable(on_completed(250))
        question = Question(scheduler, answer)
        result = scheduler.start(
            lambda source=source, question=question, changes=changes: source.pipe(  # type: ignore[misc]
                held_back(question, changes)
            )
        )
        assert result.messages == expected


@pytest.mark.parametrize("who", ["source", "changes"])
def test_an_error_ends_the_wait(who: str) -> None:
    """At once, with everything released; it does not stand in line."""
    scheduler = TestScheduler()
    fails = [on_error(300, BOOM)]
    source = scheduler.create_hot_observable(
        on_next(210, "a"), on_next(220, "b"), *(fails if who == "source" else [])
    )
    changes: Any = scheduler.create_hot_observable(*(fails if who == "changes" else []))

    result = scheduler.start(lambda: source.pipe(held_back(Question(scheduler, None), changes)))

    assert result.messages == [on_error(300, BOOM)]
    assert source.subscriptions == [subscribe(200, 300)]
    assert changes.subscriptions == [subscribe(210, 300)]


def test_a_question_that_raises_ends_the_result() -> None:
    """With what it raised: at an item's turn, and at a change."""
    for raises_at, answers in [(210, []), (300, [None])]:
        scheduler = TestScheduler()
        remaining: list[float | None] = list(answers)

        def wait_s(remaining: list[float | None] = remaining) -> float | None:
            if not remaining:
                raise BOOM
            return remaining.pop()

        source = scheduler.create_hot_observable(on_next(210, "a"), on_next(220, "b"))
        changes = scheduler.create_hot_observable(on_next(300, "change"))
        result = scheduler.start(
            lambda source=source, wait_s=wait_s, changes=changes: source.pipe(  # type: ignore[misc]
                held_back(wait_s, changes)
            )
        )
        assert result.messages == [on_error(raises_at, BOOM)]


@pytest.mark.parametrize("answer", [100.0, None], ids=["on a timer", "until a change"])
def test_dispose_of_a_wait_releases_source_and_changes(answer: float | None) -> None:
    """Nothing passes afterwards, and the question is not asked for who stands behind."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, "a"), on_next(220, "b"))
    changes = scheduler.create_hot_observable(on_next(400, "change"))
    wait_s = Question(scheduler, answer)

    result = scheduler.start(lambda: source.pipe(held_back(wait_s, changes)), disposed=300)

    assert result.messages == []
    assert wait_s.asked == [210]
    assert source.subscriptions == [subscribe(200, 300)]
    assert changes.subscriptions == [subscribe(210, 300)]


def test_a_source_without_items_asks_nothing() -> None:
    """Empty and silent alike."""
    for messages in ([on_completed(210)], []):
        scheduler = TestScheduler()
        source: Any = scheduler.create_hot_observable(*messages)
        wait_s = Question(scheduler)
        operator = held_back(wait_s, rx.never())  # type: ignore[var-annotated]
        result = scheduler.start(lambda source=source, op=operator: source.pipe(op))  # type: ignore[misc]
        assert result.messages == messages
        assert wait_s.asked == []


def test_two_subscriptions_wait_each_in_a_line_of_its_own() -> None:
    """The second item of one is not behind the first of the other."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, "a"), on_next(220, "b"))
    pipeline = source.pipe(held_back(lambda: 100.0, rx.never()))
    second = scheduler.create_observer()
    scheduler.schedule_absolute(215, lambda *_: pipeline.subscribe(second, scheduler=scheduler))

    first = scheduler.start(lambda: pipeline)

    assert first.messages == [on_next(310, "a"), on_next(410, "b")]
    assert second.messages == [on_next(320, "b")]


def test_the_changes_are_given_the_subscribers_scheduler() -> None:
    """Like everything that an operator subscribes to."""
    scheduler = TestScheduler()
    given_to: list[abc.SchedulerBase | None] = []

    def note(_observer: abc.ObserverBase[Any], its: abc.SchedulerBase | None) -> abc.DisposableBase:
        given_to.append(its)
        return Disposable()

    source = scheduler.create_hot_observable(on_next(210, "a"))
    scheduler.start(lambda: source.pipe(held_back(lambda: None, rx.create(note))))
    assert given_to == [scheduler]


def test_a_change_from_within_an_item_makes_it_pass_once() -> None:
    """What lets an item pass counts it, which changes the answer: for the next one, not for it."""
    changes: Subject[int] = Subject()
    items: Subject[str] = Subject()
    passed: list[str] = []
    budget = 2

    def let_pass(item: str) -> None:
        nonlocal budget
        budget -= 1
        passed.append(item)
        changes.on_next(budget)

    items.pipe(held_back(lambda: 0.0 if budget else None, changes)).subscribe(let_pass)
    for item in "abc":
        items.on_next(item)
    assert passed == ["a", "b"]
    budget = 1
    changes.on_next(budget)
    assert passed == ["a", "b", "c"]
    assert changes.observers == []


def test_a_dispose_from_within_an_item_stops_those_behind_it() -> None:
    """`take(1)`, with three in line and every wait over in the same moment."""
    changes: Subject[int] = Subject()
    asked = 0
    passed: list[int] = []

    def wait_s() -> float | None:
        nonlocal asked
        asked += 1
        return None if asked == 1 else 0.0

    rx.from_iterable(range(3)).pipe(held_back(wait_s, changes), ops.take(1)).subscribe(
        passed.append
    )
    changes.on_next(0)
    assert passed == [0]
    assert asked == 2
    assert changes.observers == []


Windows = list[tuple[int, bool]]


def opening(windows: Windows) -> Callable[[float], bool]:
    """Whether the gate is open at a time, for a list of (how long, open or not)."""

    def is_open(time: float) -> bool:
        end = 200
        for ticks, state in windows:
            end += ticks
            if time < end:
                return state
        return True

    return is_open


@given(
    gaps=st.lists(st.integers(0, 30), max_size=10),
    windows=st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=8),
    pause=st.integers(0, 15),
)
def test_items_pass_in_order_each_at_the_first_moment_that_allows_it(
    gaps: list[int], windows: Windows, pause: int
) -> None:
    """For all arrivals, openings and pauses after a pass: none lost, doubled, early or late."""
    scheduler = TestScheduler()
    is_open = opening(windows)
    arrivals = [215 + sum(gaps[: n + 1]) for n in range(len(gaps))]
    flips = [200 + sum(ticks for ticks, _ in windows[: n + 1]) for n in range(len(windows))]
    # The changes come first in their tick: an item that arrives with one sees the new answer.
    changes = scheduler.create_hot_observable(*[on_next(at, at) for at in flips])
    source = scheduler.create_hot_observable(*[on_next(at, n) for n, at in enumerate(arrivals)])
    due = 0.0
    passed: list[tuple[float, int]] = []

    def wait_s() -> float | None:
        return max(0.0, due - scheduler.clock) if is_open(scheduler.clock) else None

    def note(item: Any) -> None:
        nonlocal due
        due = scheduler.clock + pause
        passed.append((scheduler.clock, item))

    scheduler.start(
        lambda: source.pipe(held_back(wait_s, changes), ops.do_action(note)), disposed=5000
    )

    expected: list[tuple[float, int]] = []
    for n, arrival in enumerate(arrivals):
        at = max(arrival, expected[-1][0] + pause) if expected else arrival
        while not is_open(at):
            at += 1
        expected.append((at, n))
    assert passed == expected


@pytest.mark.parametrize("steps", range(6))
def test_a_change_at_any_step_after_the_question_is_heard(steps: int) -> None:
    """There is no step of the loop between asking and listening in which a change is lost."""

    async def scene(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        answers: list[float | None] = [None]
        changes: Subject[None] = Subject()
        passed: list[str] = []

        def change(left: int) -> None:
            if left:
                loop.call_soon(change, left - 1)
                return
            answers[0] = 0.0
            changes.on_next(None)

        waiting = rx.just("item").pipe(held_back(lambda: answers[0], changes))
        waiting.subscribe(passed.append, scheduler=scheduler)
        change(steps)
        await asyncio.sleep(1.0)
        assert passed == ["item"]

    run(scene)


def test_ten_thousand_items_that_were_held_pass_at_one_change() -> None:
    """In a loop: the line is as long as it is, the stack is not."""
    changes: Subject[int] = Subject()
    passed: list[int] = []
    is_open = False
    source: Observable[int] = rx.from_iterable(range(10_000))
    source.pipe(held_back(lambda: 0.0 if is_open else None, changes)).subscribe(passed.append)
    assert passed == []
    is_open = True
    changes.on_next(0)
    assert passed == list(range(10_000))
