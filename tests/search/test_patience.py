"""Asking again: what passes soon is waited for and said, the rest is told at once."""

from __future__ import annotations

import random

import reactivex as rx
from reactivex import Observable
from reactivex.testing import ReactiveTest, TestScheduler

from objlib.errors import AccessRefused, RateLimited, Transient
from objlib.reactive.retry import retry_when
from objlib.search.patience import ATTEMPTS, LONGEST_WAIT_S, patient
from objlib.waits import Waits

on_error = ReactiveTest.on_error


class Last(random.Random):
    """The longest wait each time."""

    def uniform(self, a: float, b: float) -> float:
        return b


def failing(*errors: Exception) -> Observable[int]:
    """A source that fails with one error after the other, and then answers."""
    left = list(errors)
    return rx.defer(lambda _: rx.throw(left.pop(0)) if left else rx.of(1))


def asked(*errors: Exception) -> tuple[list[object], list[tuple[int, float]]]:
    """The messages, and (attempt, wait) of each time that it was asked again."""
    scheduler = TestScheduler()
    told: list[tuple[int, float]] = []
    notifier = patient(
        Waits(), Last(), lambda _error, attempt, wait_s: told.append((attempt, wait_s))
    )
    result = scheduler.start(lambda: failing(*errors).pipe(retry_when(notifier)), disposed=10_000)
    return [message.value for message in result.messages], told


def test_what_passes_is_asked_again_and_said() -> None:
    """A 429 after the time that it names, a 503 after a second; each is told before."""
    messages, told = asked(RateLimited("429", 3.0), Transient("503"))
    assert str(messages[0]).startswith("OnNext(1")
    assert told == [(1, 4.0), (2, 2.0)]


def test_nobody_is_made_to_wait_for_long() -> None:
    """Not for the quota of the day, a long wait, or a refused key; and not for ever."""
    for error in (
        RateLimited("429", 3.0, is_of_the_day=True),
        RateLimited("429", LONGEST_WAIT_S + 1),
        AccessRefused("403"),
    ):
        messages, told = asked(error)
        assert "OnError" in str(messages[0])
        assert told == []
    messages, told = asked(*[Transient("503")] * 9)
    assert len(told) == ATTEMPTS - 1
    assert "OnError" in str(messages[0])
    assert sum(wait_s for _, wait_s in told) < 15
