"""Pacing: operators that hold items back until it is their time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import reactivex as rx
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import CompositeDisposable, Disposable, SerialDisposable

from objlib.reactive.bridge import Operator
from objlib.reactive.demand import in_turn

T = TypeVar("T")


def staggered(interval_s: float) -> Operator[T, T]:
    """Let items pass at least `interval_s` seconds apart, and the first at once.

    source      ab-------------c|
    result      a----b---------c----|     interval: five dashes

    Each item is followed by a pause in which the next one waits. An idle spell therefore saves up
    nothing: there is no burst after it. Put between a credit-fed source and a fan-out, what waits
    here holds no slot.
    """
    if interval_s <= 0:
        return lambda source: source

    def then_pause(item: T) -> Observable[T]:
        pause = cast(Observable[T], rx.timer(interval_s).pipe(ops.ignore_elements()))
        return rx.concat(rx.just(item), pause)

    return in_turn(then_pause)


def held_back(wait_s: Callable[[], float | None], changes: Observable[Any]) -> Operator[T, T]:
    """Let items pass one at a time, each when a pure question says that its wait is over.

    wait_s      2 s       None       0
    changes     ------------------c------
    source      a--b-----------------
    result      ----a-------------b------

    `wait_s` is asked when an item's turn comes, and again whenever `changes` emits. Its answer is
    seconds, or None for "until something changes". Items wait in order, and in a buffer without
    bound: put it where the number of those who wait is limited by other means.

    Raises (through `on_error`): errors of the source and of `changes`, and what `wait_s` raises.
    """

    def turn(item: T) -> Observable[T]:
        def subscribe(
            observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None
        ) -> abc.DisposableBase:
            # Written out, because each request of a run comes through here: as a composition of
            # `merge`, `map`, `switch_latest` and `take` it takes ten subscriptions.
            timer = SerialDisposable()
            turn_is_over = False

            def ask(_change: object) -> None:
                if turn_is_over:
                    return
                try:
                    delay_s = wait_s()
                except Exception as error:
                    observer.on_error(error)
                    return
                if delay_s is None:
                    timer.disposable = Disposable()
                elif delay_s <= 0:
                    let_pass(None)
                else:
                    waiting = rx.timer(delay_s)
                    timer.disposable = waiting.subscribe(let_pass, scheduler=scheduler)

            def let_pass(_tick: object) -> None:
                nonlocal turn_is_over
                turn_is_over = True  # passing on may change what is listened to here
                observer.on_next(item)
                observer.on_completed()

            listening = changes.subscribe(ask, observer.on_error, scheduler=scheduler)
            ask(None)
            return CompositeDisposable(listening, timer)

        return Observable(subscribe)

    return in_turn(turn)
