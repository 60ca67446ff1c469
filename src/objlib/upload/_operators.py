"""The operators of the pipeline that know of files: transitions, calls and shutdown."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar, cast

from reactivex import Observable
from reactivex import operators as ops

from objlib.errors import OCCConflictError
from objlib.reactive.bridge import LoopScheduler, completion, from_coroutine
from objlib.reactive.retry import OnRetry, Retry, retry_when

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")

#: Seconds: a row is soon free again, so waiting for it never takes longer.
OCC_CAP_S = 1.0


class StreamGate(Protocol):
    """One half of a shutdown gate, good for a stream of anything."""

    def __call__(self, source: Observable[T]) -> Observable[T]: ...


def shutdown_gate(
    stop_accepting: Observable[Any], force_kill: Observable[Any]
) -> tuple[StreamGate, StreamGate]:
    """Two gates: one for before a fan-out, one for after it.

    stop_accepting  ------s
    upstream        -a--b-|          nothing new starts; what is in flight goes on
    force_kill      ----------k
    result          ---a----b-|      what is still in flight is released (its tasks cancelled)

    Both signals must replay to late subscribers (a `ReplaySubject(1)`), since a pass that starts
    after the signal has to see it. The first gate is only as good as its source is lazy: behind a
    source that floods it stops nothing.

    Returns:
        (admission gate, flight gate).
    """
    return (
        lambda source: source.pipe(ops.take_until(stop_accepting)),
        lambda source: source.pipe(ops.take_until(force_kill)),
    )


async def settled(source: Observable[T]) -> T:
    """Wait for the one value of an observable; every task it has started is over afterwards.

    For a wait in the middle of a stage that hardly any file has. Raises what the source fails with.
    """
    scheduler = LoopScheduler.running()
    try:
        return cast(T, await completion(source, scheduler))
    finally:
        await scheduler.drained()


def occ_transition(
    fn: Callable[[], Awaitable[T]],
    max_attempts: int = 5,
    base_delay: float = 0.1,
    rng: random.Random | None = None,
) -> Observable[T]:
    """Run a transition, and run it again when somebody else moved the row first.

    fn          -X        -X    -v|      X: OCCConflictError
    result      ------------------v|

    Only `fn` runs again, nothing upstream of it, so `fn` reads the row afresh each time and returns
    normally when it sees that the work is already done.

    Args:
        max_attempts: in all.
        base_delay: seconds; waits are jittered, doubling up to 1 s.

    Raises (through `on_error`): the last `OCCConflictError`; any other error at once.
    """
    policy = Retry(max_attempts, base_delay, OCC_CAP_S, rng or random.Random(), (OCCConflictError,))
    return from_coroutine(fn).pipe(retry_when(policy.notifier()))


def upload_with_retry(
    record: A,
    upload_fn: Callable[[A], Awaitable[B]],
    max_attempts: int = 5,
    *,
    retry: Retry | None = None,
    on_retry: OnRetry | None = None,
) -> Observable[B]:
    """Run one remote step of a file, and run it again after a 429 or a passing failure.

    upload_fn   ---429          ---v|
    result      --------------------v|   waits at least as long as the server says

    Only errors that are safe to repeat are repeated (`RateLimited`, `Transient`): the client calls
    a lost answer to an import `InDoubt`, and that goes through at once, as does everything else.

    Args:
        max_attempts: in all; a `retry` has its own number.
        retry: the policy; without one, that of `Retry`'s defaults.
        on_retry: told (error, attempt that failed, wait in seconds) before each wait.

    Raises (through `on_error`): the last error when the attempts are used up.
    """
    policy = retry or Retry(max_attempts)
    tried = from_coroutine(lambda: upload_fn(record))
    return tried.pipe(retry_when(policy.notifier(on_retry)))
