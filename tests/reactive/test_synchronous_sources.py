"""Sources that answer within `subscribe()`: whoever listens can still say that it is enough."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import reactivex as rx
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.subject import ReplaySubject

from objlib.reactive.demand import flat_map_limited, paged
from objlib.reactive.retry import retry_when
from objlib.upload._operators import shutdown_gate


def now(value: Any, error: Exception | None = None) -> Observable[Any]:
    """Emits within `subscribe()` and ends; `rx.just` would wait for its turn on the trampoline."""

    def subscribe(
        observer: abc.ObserverBase[Any], _scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        observer.on_next(value)
        if error is None:
            observer.on_completed()
        else:
            observer.on_error(error)
        return Disposable()

    return Observable(subscribe)


def endless(pulled: list[int]) -> Callable[[Observable[int]], Observable[int]]:
    """An upstream that answers every credit at once and never completes."""
    numbers = itertools.count()

    def answer(_credit: int) -> int:
        pulled.append(next(numbers))
        assert len(pulled) < 1_000, "nobody listens any more"
        return pulled[-1]

    return lambda credits: credits.pipe(ops.map(answer))


def test_a_fan_out_over_an_endless_source_can_be_disposed_from_below() -> None:
    """`take(3)` takes three, and at most the next one has been asked for."""
    pulled: list[int] = []
    taken: list[int] = []
    flat_map_limited(endless(pulled), now, 1).pipe(ops.take(3)).subscribe(taken.append)
    assert taken == [0, 1, 2]
    assert len(pulled) <= 4


def test_a_stream_of_limits_changes_nothing_about_that() -> None:
    """The limits emit within `subscribe()`, too."""
    pulled: list[int] = []
    taken: list[int] = []
    limits = rx.of(1, 2)
    flat_map_limited(endless(pulled), now, limits).pipe(ops.take(3)).subscribe(taken.append)
    assert taken == [0, 1, 2]
    assert len(pulled) <= 5


def test_retries_of_a_source_that_emits_and_fails_for_ever_can_be_disposed_from_below() -> None:
    """`take(3)` ends what would otherwise be an endless loop."""
    attempts = itertools.count()
    taken: list[int] = []

    def attempt(*_: Any) -> Observable[int]:
        number = next(attempts)
        if number == 1_000:  # nobody listens any more
            return rx.empty()
        return now(number, ValueError("again"))

    failing: Observable[int] = rx.defer(attempt)
    failing.pipe(retry_when(lambda errors: errors)).pipe(ops.take(3)).subscribe(taken.append)
    assert taken == [0, 1, 2]
    assert next(attempts) == 3


def test_a_gate_that_is_closed_already_lets_nothing_through() -> None:
    """Pages that answer at once do not slip past a signal that came before."""
    stopped: ReplaySubject[str] = ReplaySubject(1)
    stopped.on_next("stop")
    admission_gate, _ = shutdown_gate(stopped, rx.never())
    started: list[int] = []
    events: list[str] = []
    rows = paged(lambda last: now([1, 2, 3] if last is None else []))

    def project(row: int) -> Observable[int]:
        started.append(row)
        return now(row)

    flat_map_limited(lambda credits: rows(credits).pipe(admission_gate), project, 2).subscribe(
        lambda _row: events.append("row"), on_completed=lambda: events.append("completed")
    )
    assert started == []
    assert events == ["completed"]
