"""`retryWhen` of ReactiveX, the notifiers that decide when to try again, and the one policy."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar, cast

import reactivex as rx
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import (
    CompositeDisposable,
    SerialDisposable,
    SingleAssignmentDisposable,
)
from reactivex.subject import Subject

from objlib.errors import RateLimited, Transient
from objlib.reactive.bridge import (
    LoopScheduler,
    Operator,
    completion,
    from_coroutine,
    once_subscribed,
)
from objlib.waits import Waits

T = TypeVar("T")

#: Turns a stream of errors into a stream of decisions to try again.
Notifier = Callable[[Observable[Exception]], Observable[Any]]
#: Told of each attempt that will be repeated: its error, its number from 1, the wait in seconds.
OnRetry = Callable[[Exception, int, float], None]


def retry_when(notifier: Notifier) -> Operator[T, T]:
    """Subscribe to the source again whenever a notifier, fed its errors, emits.

    source      --1--2--X                 X: goes to the notifier, not to the observer
    errors      --------e-------------
    notifier    ------------n---------    n: "again"
    source                  --1--2--|
    result      --1--2--------1--2--|

    The notifier is called once per subscription, at the first error (as RxJS does; RxJava builds it
    at subscription, which a source that never fails would pay for). What it emits is not looked at.
    An emission while an attempt is active is ignored. When the notifier completes, so does the
    result: a notifier that means "I give up" must fail, or an exhausted source looks finished.
    Attempts follow one another in a loop, so a source that fails at once, for ever, does not grow
    the stack.

    Raises (through `on_error`):
        Whatever the notifier fails with, or raises when it is called.

    Dispose: releases the active attempt and the notifier.

    Source: ReactiveX `retryWhen`, reactivex.io/documentation/operators/retry.html.
    """

    def operator(source: Observable[T]) -> Observable[T]:
        def subscribe(
            observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            attempt = SerialDisposable()
            notifications = SingleAssignmentDisposable()
            everything = CompositeDisposable(attempt, notifications)
            errors: Subject[Exception] = Subject()
            untold: Exception | None = None
            is_notified = False
            active = False
            wanted = True
            draining = False

            def drain() -> None:
                nonlocal active, wanted, draining
                if draining:
                    return
                draining = True
                try:
                    while wanted and not everything.is_disposed:
                        wanted, active = False, True
                        current = SingleAssignmentDisposable()
                        attempt.disposable = current
                        current.disposable = source.subscribe(
                            observer.on_next, on_error, on_completed, scheduler=scheduler
                        )
                finally:
                    draining = False

            def again(_: Any) -> None:
                nonlocal wanted
                if not active:
                    wanted = True
                    drain()

            def listen(
                listener: abc.ObserverBase[Exception], _: abc.SchedulerBase | None = None
            ) -> abc.DisposableBase:
                nonlocal untold
                listening = errors.subscribe(listener)
                if untold is not None:
                    error, untold = untold, None
                    listener.on_next(error)
                return listening

            def on_error(error: Exception) -> None:
                nonlocal active, is_notified, untold
                active = False
                if not is_notified:
                    is_notified = True
                    try:
                        decisions = notifier(Observable(listen))
                    except Exception as mistake:
                        give_up(mistake)
                        return
                    notifications.disposable = decisions.subscribe(
                        again, give_up, on_completed, scheduler=scheduler
                    )
                if errors.observers:
                    errors.on_next(error)
                else:  # `concat` and `merge` subscribe to their sources when we have returned
                    untold = error

            def give_up(error: Exception) -> None:
                everything.dispose()
                observer.on_error(error)

            def on_completed() -> None:
                everything.dispose()
                observer.on_completed()

            everything.add(once_subscribed(drain))
            return everything

        return Observable(subscribe)

    return operator


def waiting(
    wait_s: Callable[[Exception, int], float | None], hurry: Observable[Any] | None = None
) -> Notifier:
    """A notifier that asks a pure function how long to wait before the next attempt.

    errors      --e1-------e2-----e3
    wait_s        0.2      0.1    None
    result      -----n-------n----X        fails with e3

    Args:
        wait_s: (error, how many errors came before it) -> seconds, or None to give up with that
            error.
        hurry: ends a wait when it emits.
    """

    def notifier(errors: Observable[Exception]) -> Observable[Any]:
        def decide(error: Exception, earlier: int) -> Observable[Any]:
            delay_s = wait_s(error, earlier)
            return rx.throw(error) if delay_s is None else timer_until(delay_s, hurry)

        return errors.pipe(
            ops.map_indexed(decide),
            ops.concat_map(lambda decision: decision),
        )

    return notifier


def timer_until(delay_s: float, hurry: Observable[Any] | None) -> Observable[Any]:
    """Emit once after a delay, or when another observable emits, if that is sooner."""
    timer: Observable[Any] = rx.timer(delay_s)
    return timer if hurry is None else rx.merge(timer, hurry).pipe(ops.take(1))


def backoff(
    *,
    attempts: int,
    base_s: float,
    cap_s: float,
    retryable: tuple[type[Exception], ...],
    rng: random.Random | None,
    on_retry: OnRetry | None = None,
    hurry: Observable[Any] | None = None,
) -> Notifier:
    """Truncated exponential back-off with full jitter, above whatever the server asks for.

    wait = random(0, min(cap, base * 2^n)), or, when the error carries `retry_after_s` (`RetryInfo`,
    `Retry-After`), that plus the jitter, so that a crowd does not return together.

    Args:
        attempts: how often the source may run in all; at least 1.
        base_s, cap_s: seconds.
        retryable: other errors end the retries at once.
        rng: draws the jitter; None for the longest wait each time, where no crowd can form.
        on_retry: told (error, attempt that failed, wait in seconds) before each wait.
        hurry: ends a wait when it emits.

    Fails with the last error when the attempts are used up.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    if attempts < 1:
        raise ValueError(f"attempts must be at least 1, not {attempts}")

    def wait_s(error: Exception, earlier: int) -> float | None:
        if not isinstance(error, retryable) or earlier + 1 >= attempts:
            return None
        floor_s = getattr(error, "retry_after_s", None) or 0.0
        # 2**63 is past any cap; a larger exponent would only overflow.
        longest_s = min(cap_s, base_s * 2.0 ** min(earlier, 63))
        jittered_s = longest_s if rng is None else rng.uniform(0.0, longest_s)
        delay_s = float(floor_s + jittered_s)
        if on_retry is not None:
            on_retry(error, earlier + 1, delay_s)
        return delay_s

    return waiting(wait_s, hurry)


@dataclass(frozen=True, slots=True)
class Retry:
    """A policy for calls that are safe to repeat: who tries again how often, and how soon.

    The waits are those of `backoff`.
    """

    #: How often a call may run in all; at least 1.
    attempts: int = 5
    #: Seconds: the longest wait after the first error; it doubles with each further one.
    base_s: float = 1.0
    #: Seconds: the doubling ends here.
    cap_s: float = 60.0
    #: Draws the jitter; None for the longest wait each time, where no crowd can form.
    rng: random.Random | None = field(default_factory=random.Random)
    #: Errors after which a call is repeated. All others end the attempts at once.
    retryable: tuple[type[Exception], ...] = (RateLimited, Transient)
    #: Ends a wait when it emits; None for nothing that does.
    hurry: Observable[Any] | None = None

    @classmethod
    def of(cls, waits: Waits, rng: random.Random | None = None) -> Self:
        """Return the policy that the settings ask for."""
        return cls(
            base_s=waits.backoff_base_s, cap_s=waits.backoff_cap_s, rng=rng or random.Random()
        )

    def notifier(self, on_retry: OnRetry | None = None) -> Notifier:
        """Return the decisions of this policy, for `retry_when`."""
        return backoff(
            attempts=self.attempts,
            base_s=self.base_s,
            cap_s=self.cap_s,
            retryable=self.retryable,
            rng=self.rng,
            on_retry=on_retry,
            hurry=self.hurry,
        )

    async def call(self, fn: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine function under this policy and return its value.

        The tasks of all attempts have ended on return, also after an error or a cancellation.

        Raises: what the last attempt raised.
        """
        return await called(fn, self.notifier())


async def called(fn: Callable[[], Awaitable[T]], notifier: Notifier) -> T:
    """Run a coroutine function as often as a notifier says, and return its value.

    The tasks of all attempts have ended on return, also after an error or a cancellation.

    Raises: what the notifier fails with.
    """
    scheduler = LoopScheduler.running()
    tried = from_coroutine(fn).pipe(retry_when(notifier))
    try:
        return cast(T, await completion(tried, scheduler))
    finally:
        await scheduler.drained()
