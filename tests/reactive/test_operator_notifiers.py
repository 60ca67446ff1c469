"""retry_when with notifiers that listen late: no error is lost between the source and them."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import reactivex as rx
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from objlib.reactive.retry import Notifier, retry_when


class Boom(Exception):
    """What the sources of these tests fail with."""


BOOM = Boom("boom")
ENOUGH = Boom("enough")


class Failing:
    """Fails within `subscribe()`, each time with an error of its own, and then completes."""

    def __init__(self, failures: int) -> None:
        self.errors = [Boom(str(n)) for n in range(failures)]
        self.attempts = 0
        self.source: Observable[str] = rx.create(self._subscribe)

    def _subscribe(
        self, observer: abc.ObserverBase[str], _: abc.SchedulerBase | None
    ) -> abc.DisposableBase:
        self.attempts += 1
        if self.attempts <= len(self.errors):
            observer.on_error(self.errors[self.attempts - 1])
        else:
            observer.on_next("made it")
            observer.on_completed()
        return Disposable()


def twice_then_enough(errors: Observable[Exception]) -> Observable[Any]:
    """The pattern of many an example: so many times, and then an error."""
    return rx.concat(errors.pipe(ops.take(2)), rx.throw(ENOUGH))


@pytest.mark.parametrize(
    "notifier",
    [
        lambda errors: rx.merge(errors, rx.never()),
        lambda errors: rx.concat(rx.empty(), errors),
        twice_then_enough,
    ],
    ids=["merge", "concat", "take and concat"],
)
def test_the_first_error_waits_for_a_notifier_that_listens_late(
    notifier: Notifier,
) -> None:
    """`concat` and `merge` listen when the subscription under way is complete, and miss nothing."""
    failing = Failing(2)
    seen: list[Any] = []
    failing.source.pipe(retry_when(notifier)).subscribe(
        seen.append, seen.append, lambda: seen.append("|")
    )
    assert seen == ["made it", "|"]
    assert failing.attempts == 3


def test_two_retries_and_then_an_error_are_three_attempts_and_that_error() -> None:
    """It ends: an error that went unheard would leave the result waiting for ever."""
    failing = Failing(9)
    seen: list[Any] = []
    failing.source.pipe(retry_when(twice_then_enough)).subscribe(seen.append, seen.append)
    assert seen == [ENOUGH]
    assert failing.attempts == 3


def test_each_error_is_told_once_and_in_order() -> None:
    """The one that waited, too, and to the first listener only."""
    failing = Failing(3)
    told: list[list[Exception]] = [[], []]

    def notifier(errors: Observable[Exception]) -> Observable[Any]:
        late = rx.concat(rx.empty(), errors)
        return rx.merge(
            late.pipe(ops.do_action(told[0].append)),
            errors.pipe(ops.do_action(told[1].append)),
        )

    failing.source.pipe(retry_when(notifier)).subscribe()
    assert failing.attempts == 4
    heard = [error for hearing in told for error in hearing]
    assert set(heard) == set(failing.errors)
    for hearing in told:
        assert hearing == [error for error in failing.errors if error in hearing]


def test_an_error_that_nobody_listens_to_is_kept_for_whoever_does() -> None:
    """The latest one, once: a notifier that opens its ears later decides about that."""
    attempts: list[Subject[str]] = [Subject(), Subject(), Subject()]
    remaining = iter(attempts)
    ears: Subject[int] = Subject()
    told: list[Exception] = []

    def notifier(errors: Observable[Exception]) -> Observable[Any]:
        return ears.pipe(ops.flat_map(lambda _: errors), ops.do_action(told.append))

    rx.defer(lambda _scheduler: next(remaining)).pipe(retry_when(notifier)).subscribe()
    attempts[0].on_error(BOOM)
    assert told == []
    ears.on_next(1)
    assert told == [BOOM]
    assert len(attempts[1].observers) == 1
    attempts[1].on_error(ENOUGH)
    ears.on_next(2)
    assert told == [BOOM, ENOUGH]
    assert len(attempts[2].observers) == 1


def test_a_listener_that_has_left_is_let_go() -> None:
    """A notifier may subscribe to the errors anew each time; what it left is not kept for ever."""

    class Listener:
        def on_next(self, _error: Exception) -> None: ...

    left: list[weakref.ref[Listener]] = []

    def come_and_go(errors: Observable[Exception]) -> Observable[object]:
        listener = Listener()
        left.append(weakref.ref(listener))
        errors.subscribe(listener.on_next).dispose()
        return rx.never()

    subscription = Failing(1).source.pipe(retry_when(come_and_go)).subscribe()
    gc.collect()
    assert [reference() for reference in left] == [None]
    subscription.dispose()
