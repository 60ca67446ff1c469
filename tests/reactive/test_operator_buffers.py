"""buffered, asked from within: a credit that comes during an item is answered in a loop."""

from __future__ import annotations

from typing import Any

import pytest
import reactivex as rx
from reactivex import abc
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.subject import Subject
from reactivex.testing import ReactiveTest, TestScheduler

from objlib.reactive.demand import buffered

on_next = ReactiveTest.on_next
on_error = ReactiveTest.on_error
on_completed = ReactiveTest.on_completed
subscribe = ReactiveTest.subscribe


class Boom(Exception):
    """What goes wrong in these tests."""


BOOM = Boom("boom")


def test_an_item_that_brings_its_own_next_credit_is_followed_in_a_loop() -> None:
    """Two hundred thousand times: the stack stays as it is, and the line is left from its front.

    A line that is a list would move all that is held at each item: 20 billion moves.
    """
    total = 200_000
    source: Subject[int] = Subject()
    credits: Subject[int] = Subject()
    seen: list[Any] = []

    def on_item(item: int) -> None:
        seen.append(item)
        credits.on_next(item)

    buffered(source)(credits).subscribe(on_item, seen.append, lambda: seen.append("|"))
    for item in range(total):
        source.on_next(item)
    assert seen == []
    credits.on_next(0)
    source.on_completed()
    assert seen == [*range(total), "|"]


def test_an_error_of_the_credits_ends_the_buffer() -> None:
    """Whoever wants the items has failed; the source is released."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(210, "a"), on_next(220, "b"))
    credits = scheduler.create_hot_observable(on_next(215, 1), on_error(300, BOOM))
    result = scheduler.start(lambda: buffered(source)(credits))
    assert result.messages == [on_next(215, "a"), on_error(300, BOOM)]
    assert source.subscriptions == [subscribe(200, 300)]


def test_the_end_of_the_credits_is_not_the_end_of_the_items() -> None:
    """What was asked for before is still delivered when it comes."""
    scheduler = TestScheduler()
    source = scheduler.create_hot_observable(on_next(300, "a"), on_next(310, "b"))
    credits: Any = scheduler.create_hot_observable(on_next(210, 1), on_completed(220))
    result = scheduler.start(lambda: buffered(source)(credits))
    assert result.messages == [on_next(300, "a")]


def test_a_dispose_from_within_an_item_hands_out_no_further_item() -> None:
    """Two credits are open, and the second item stays where it is."""
    source: Subject[int] = Subject()
    credits: Subject[int] = Subject()
    seen: list[int] = []

    def on_item(item: int) -> None:
        seen.append(item)
        subscription.dispose()

    subscription = buffered(source)(credits).subscribe(on_item)
    source.on_next(0)
    source.on_next(1)
    rx.from_iterable(range(2)).pipe(ops.do_action(credits.on_next)).subscribe()
    assert seen == [0]
    assert source.observers == []
    assert credits.observers == []


@pytest.mark.parametrize("end", ["source completes", "source fails", "credits fail"])
def test_everything_is_released_before_the_end_is_told(end: str) -> None:
    """Whoever hears of the end may start again at once, beside nothing that is left over."""
    source: Subject[int] = Subject()
    credits: Subject[int] = Subject()
    left: list[list[Any]] = []

    def look(*_: Any) -> None:
        left.append([*source.observers, *credits.observers])

    buffered(source)(credits).subscribe(on_error=look, on_completed=look)
    assert len(source.observers) == len(credits.observers) == 1
    if end == "source completes":
        source.on_completed()
    elif end == "source fails":
        source.on_error(BOOM)
    else:
        credits.on_error(BOOM)
    assert left == [[]]


def test_the_credits_of_a_buffer_are_given_the_subscribers_scheduler() -> None:
    """Whoever asks may have timers, too."""
    scheduler = TestScheduler()
    given_to: list[abc.SchedulerBase | None] = []

    def note(_observer: abc.ObserverBase[int], its: abc.SchedulerBase | None) -> abc.DisposableBase:
        given_to.append(its)
        return Disposable()

    buffered(rx.never())(rx.create(note)).subscribe(scheduler=scheduler)
    assert given_to == [scheduler]
