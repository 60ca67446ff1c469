"""The Rx operators of the pipeline, and the scheduler they run on. No other module defines one.

What reactivex lacks and this pipeline needs: a cold bridge from coroutines, `retry_when`, and a
`flat_map` whose concurrency is bounded and may change, fed by demand instead of by a flood.

Demand. A source that feeds a fan-out is an *upstream*: a function from a stream of credits to a
stream of items, one item per credit. Between the source and the fan-out, gates (`take_until`) and
pacing (`staggered`) are then ordinary operators, and at most `limit` items are outside the source.

Time. There is one clock, the event loop's. `AsyncIOScheduler.now` is the wall clock since
reactivex 5.1 while its timers run on loop time; `LoopScheduler.now` is the loop's time, so delays
hold on a loop with virtual time and across steps of the wall clock. Reactivex also orders what it
runs within one `subscribe()` by the wall clock and, when that was set back, sleeps on the loop's
thread until it has caught up: that queue is given a clock that nobody can set.

Threads. Everything here runs on the event loop's thread and takes no locks.

State is local to one subscription, work starts at subscription and not before, and every operator
returns one disposable that releases all it holds. Loops replace recursion: sources may answer
synchronously, a million times in a row.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar, cast

import reactivex as rx
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import (
    CompositeDisposable,
    Disposable,
    SerialDisposable,
    SingleAssignmentDisposable,
)
from reactivex.scheduler import CurrentThreadScheduler
from reactivex.scheduler.eventloop import AsyncIOScheduler
from reactivex.subject import Subject

from objlib.errors import OCCConflictError, RateLimited, Transient

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")

Operator = Callable[[Observable[A]], Observable[B]]

#: Answers each credit with one item; completes when it has no more.
Upstream = Callable[[Observable[int]], Observable[A]]

#: Turns a stream of errors into a stream of decisions to try again.
Notifier = Callable[[Observable[Exception]], Observable[Any]]


def _monotonic(scheduler: CurrentThreadScheduler) -> datetime:
    return scheduler.to_datetime(time.monotonic())


CurrentThreadScheduler.now = property(_monotonic)  # type: ignore[assignment, method-assign]


class Interrupted(Exception):
    """A bridged task was cancelled by somebody other than its own subscription."""


class LoopScheduler(AsyncIOScheduler):
    """An asyncio scheduler whose clock is the loop's, and which knows the tasks it has started.

    Disposing a subscription requests the cancellation of its task and returns before the task has
    cleaned up. Whoever ends a run therefore disposes first and then awaits `drained()`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._tasks: dict[asyncio.Task[Any], None] = {}  # a dict keeps order, a set does not

    @classmethod
    def running(cls) -> LoopScheduler:
        """A scheduler on the running event loop."""
        return cls(asyncio.get_running_loop())

    @property
    def now(self) -> datetime:
        """Loop time, as the datetime that Rx wants."""
        return self.to_datetime(self._loop.time())

    @property
    def time_s(self) -> float:
        """Loop time in seconds."""
        return self._loop.time()

    def start(self, work: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        """Run a coroutine as a task that `drained()` waits for."""

        async def run() -> T:
            return await work()

        task = self._loop.create_task(run())
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return task

    async def drained(self) -> None:
        """Wait until every started task has ended, cancelled ones included."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))


def from_coroutine(work: Callable[[], Awaitable[T]]) -> Observable[T]:
    """The one bridge from a coroutine to an observable, and it is cold.

    subscribe   S---------------
    work         [==========]
    result      ------------v|

    Each subscription calls `work` in a task of its own and emits its one value. Disposing cancels
    the task and nothing is emitted any more.

    Raises (through `on_error`):
        Whatever the work raises, also before its first await. `Interrupted` when somebody else
        cancels the task: `CancelledError` is the echo of a dispose and never an error of a file.
        `TypeError` unless the subscription was given a `LoopScheduler`: a task nobody registered
        is a task nobody awaits.
    """

    def subscribe(
        observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        if not isinstance(scheduler, LoopScheduler):
            observer.on_error(TypeError("from_coroutine needs a LoopScheduler at subscribe()"))
            return Disposable()
        released = False

        def deliver(task: asyncio.Task[T]) -> None:
            if released:
                if not task.cancelled():
                    task.exception()  # seen: the loop need not report it as never retrieved
            elif task.cancelled():
                observer.on_error(Interrupted())
            elif (error := task.exception()) is not None:
                observer.on_error(cast(Exception, error))
            else:
                observer.on_next(task.result())
                observer.on_completed()

        def release() -> None:
            nonlocal released
            released = True
            task.cancel()

        task = scheduler.start(work)
        task.add_done_callback(deliver)
        return Disposable(release)

    return Observable(subscribe)


async def completion(source: Observable[Any], scheduler: LoopScheduler) -> None:
    """Subscribe on `scheduler` and wait for the end: the bridge back, for whoever owns the run.

    Raises what the source fails with. Cancelling the wait disposes the subscription; what that
    cancels is still cleaning up until `scheduler.drained()`.
    """
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_error(error: Exception) -> None:
        if not ended.done():
            ended.set_exception(error)

    def on_completed() -> None:
        if not ended.done():
            ended.set_result(None)

    subscription = source.subscribe(lambda _item: None, on_error, on_completed, scheduler=scheduler)
    try:
        await ended
    finally:
        subscription.dispose()


def _once_subscribed(start: Callable[[], None]) -> abc.DisposableBase:
    """Run `start` when the subscription under way is complete, still within this call.

    What emits during `subscribe()` cannot be disposed by those it emits to: their disposable is not
    assigned yet. Reactivex runs every subscription on the current thread's trampoline; this runs on
    it too, one step later. So a gate that is closed already closes before anything has passed.
    """
    return CurrentThreadScheduler.singleton().schedule(lambda *_: start())


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

            everything.add(_once_subscribed(drain))
            return everything

        return Observable(subscribe)

    return operator


def waiting(wait_s: Callable[[Exception, int], float | None]) -> Notifier:
    """A notifier that asks a pure function how long to wait before the next attempt.

    errors      --e1-------e2-----e3
    wait_s        0.2      0.1    None
    result      -----n-------n----X        fails with e3

    Args:
        wait_s: (error, how many errors came before it) -> seconds, or None to give up with that
            error.
    """

    def notifier(errors: Observable[Exception]) -> Observable[Any]:
        def decide(error: Exception, earlier: int) -> Observable[Any]:
            delay_s = wait_s(error, earlier)
            return rx.throw(error) if delay_s is None else rx.timer(delay_s)

        return errors.pipe(
            ops.map_indexed(decide),
            ops.concat_map(lambda decision: decision),
        )

    return notifier


def backoff(
    *,
    attempts: int,
    base_s: float,
    cap_s: float,
    retryable: tuple[type[Exception], ...],
    rng: random.Random,
    on_retry: Callable[[Exception, int, float], None] | None = None,
) -> Notifier:
    """Truncated exponential back-off with full jitter, above whatever the server asks for.

    wait = random(0, min(cap, base * 2^n)), or, when the error carries `retry_after_s` (`RetryInfo`,
    `Retry-After`), that plus the jitter, so that a crowd does not return together.

    Args:
        attempts: how often the source may run in all; at least 1.
        base_s, cap_s: seconds.
        retryable: other errors end the retries at once.
        on_retry: told (error, attempt that failed, wait in seconds) before each wait.

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
        jittered_s = rng.uniform(0.0, min(cap_s, base_s * 2.0 ** min(earlier, 63)))
        delay_s = float(floor_s + jittered_s)
        if on_retry is not None:
            on_retry(error, earlier + 1, delay_s)
        return delay_s

    return waiting(wait_s)


def flat_map_limited(
    upstream: Upstream[A],
    project: Callable[[A], Observable[B]],
    limits: int | Observable[int],
) -> Observable[B]:
    """`flat_map` with bounded, changeable concurrency and real demand.

    limits      2-----------------1-----
    credits     cc----c-----c-----------     one credit per free slot
    upstream    -a-b----c-----d|
    project(a)   ==a==|
    project(b)     ====b====|
    project(c)        (held until the limit allows it)
    result      -----a------b--------c-d|

    Args:
        upstream: called once per subscription with the stream of credits. It answers each credit
            with one item, at once or later, and completes when it has no more.
        project: item -> observable. Its errors end the whole result and cancel the neighbours, so
            what may go wrong with one item should be a value.
        limits: how many projections may be active. A stream may change it at any time; before its
            first value, and at 0, nothing starts and nothing completes early. Lowering cancels
            nothing; raising starts at once. When the stream completes, its last value stays.

    Items start in the order in which they arrive, none is lost or doubled, and no projection starts
    while `limit` others are active. Credits out = limit - active - owed - held, so at most one
    credit per slot is out; cost per item is constant. Completes when the upstream has completed and
    nothing is active or held.

    Raises (through `on_error`):
        Errors of the upstream, of a projection, of `project` itself and of `limits`; `ValueError`
        for a negative limit. At the call: `ValueError` for a constant limit below 1, which could
        never finish.

    Dispose: releases upstream, limits and all active projections.
    """
    if isinstance(limits, int) and limits < 1:
        raise ValueError(f"a constant limit must be at least 1, not {limits}")

    def subscribe(
        observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        everything = CompositeDisposable()
        credits: Subject[int] = Subject()
        held: deque[A] = deque()
        limit = limits if isinstance(limits, int) else 0
        active = 0
        owed = 0
        issued = 0
        upstream_done = False
        draining = False

        def drain() -> None:
            nonlocal draining, owed, issued
            if draining:
                return
            draining = True
            try:
                while not everything.is_disposed:
                    if held and active < limit:
                        start(held.popleft())
                    elif not upstream_done and active + owed + len(held) < limit:
                        owed += 1
                        issued += 1
                        credits.on_next(issued)
                    else:
                        break
            finally:
                draining = False
            if upstream_done and not active and not held and not everything.is_disposed:
                everything.dispose()
                observer.on_completed()

        def start(item: A) -> None:
            nonlocal active
            try:
                projection = project(item)
            except Exception as mistake:
                fail(mistake)
                return
            if everything.is_disposed:  # `project` itself may bring the end about
                return
            active += 1
            inner = SingleAssignmentDisposable()
            everything.add(inner)

            def on_inner_completed() -> None:
                nonlocal active
                active -= 1
                everything.remove(inner)
                drain()

            inner.disposable = projection.subscribe(
                observer.on_next, fail, on_inner_completed, scheduler=scheduler
            )

        def on_item(item: A) -> None:
            nonlocal owed
            owed -= 1
            held.append(item)
            drain()

        def on_upstream_completed() -> None:
            nonlocal upstream_done
            upstream_done = True
            drain()

        def on_limit(value: int) -> None:
            nonlocal limit
            if value < 0:
                fail(ValueError(f"a limit must not be negative, got {value}"))
                return
            limit = value
            drain()

        def fail(error: Exception) -> None:
            everything.dispose()
            observer.on_error(error)

        source = SingleAssignmentDisposable()
        everything.add(source)
        try:
            items = upstream(credits)
        except Exception as mistake:
            fail(mistake)
            return everything
        source.disposable = items.subscribe(
            on_item, fail, on_upstream_completed, scheduler=scheduler
        )
        steering = SingleAssignmentDisposable()
        everything.add(steering)

        def set_in_motion() -> None:
            if isinstance(limits, int):
                drain()
            else:
                steering.disposable = limits.subscribe(
                    on_limit, fail, lambda: None, scheduler=scheduler
                )

        everything.add(_once_subscribed(set_in_motion))
        return everything

    return Observable(subscribe)


def paged(fetch_page: Callable[[T | None], Observable[Sequence[T]]]) -> Upstream[T]:
    """An upstream that reads pages, and reads one only when its buffer is empty.

    credits     c----c--c-------c
    pages       [a,b]-------[c]-[]
    result      -a---b-------c--|

    Args:
        fetch_page: last row handed out (None at the start) -> the page after it; an empty page is
            the end.

    Raises (through `on_error`): errors of `fetch_page` and of the credits;
        `SequenceContainsNoElementsError` when a fetch completes without a page.
    """

    def upstream(credits: Observable[int]) -> Observable[T]:
        def subscribe(
            observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            fetching = SerialDisposable()
            demanding = SingleAssignmentDisposable()
            everything = CompositeDisposable(fetching, demanding)
            buffer: deque[T] = deque()
            last: T | None = None
            demand = 0
            busy = False
            draining = False

            def drain() -> None:
                nonlocal draining, demand, last, busy
                if draining:
                    return
                draining = True
                try:
                    while demand and not everything.is_disposed:
                        if buffer:
                            demand -= 1
                            last = buffer.popleft()
                            observer.on_next(last)
                        elif not busy:
                            busy = True
                            fetch(last)
                        else:
                            break
                finally:
                    draining = False

            def fetch(after: T | None) -> None:
                try:
                    page = fetch_page(after)
                except Exception as mistake:
                    fail(mistake)
                    return
                if everything.is_disposed:
                    return
                current = SingleAssignmentDisposable()
                fetching.disposable = current
                current.disposable = page.pipe(ops.first()).subscribe(
                    on_page, fail, lambda: None, scheduler=scheduler
                )

            def on_page(page: Sequence[T]) -> None:
                nonlocal busy
                busy = False
                if page:
                    buffer.extend(page)
                    drain()
                else:
                    everything.dispose()
                    observer.on_completed()

            def on_credit(_: int) -> None:
                nonlocal demand
                demand += 1
                drain()

            def fail(error: Exception) -> None:
                everything.dispose()
                observer.on_error(error)

            demanding.disposable = credits.subscribe(
                on_credit, fail, lambda: None, scheduler=scheduler
            )
            return everything

        return Observable(subscribe)

    return upstream


def buffered(source: Observable[T]) -> Upstream[T]:
    """An upstream from a source that pushes: what nobody has asked for yet is held, in order.

    source      -a-b-c---d|
    credits     c------cc-----c
    result      -a-----bc-----d|

    The buffer is as large as the source makes it. Bound the source: here the stage before holds at
    most as many items as the stage after has slots.
    """

    def upstream(credits: Observable[int]) -> Observable[T]:
        def subscribe(
            observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            asking = SingleAssignmentDisposable()
            arriving = SingleAssignmentDisposable()
            everything = CompositeDisposable(asking, arriving)
            held: deque[T] = deque()
            demand = 0
            source_done = False
            draining = False

            def drain() -> None:
                nonlocal draining, demand
                if draining:
                    return
                draining = True
                try:
                    while held and demand and not everything.is_disposed:
                        demand -= 1
                        observer.on_next(held.popleft())
                finally:
                    draining = False
                if source_done and not held and not everything.is_disposed:
                    everything.dispose()
                    observer.on_completed()

            def on_credit(_: int) -> None:
                nonlocal demand
                demand += 1
                drain()

            def on_item(item: T) -> None:
                held.append(item)
                drain()

            def on_source_completed() -> None:
                nonlocal source_done
                source_done = True
                drain()

            def fail(error: Exception) -> None:
                everything.dispose()
                observer.on_error(error)

            asking.disposable = credits.subscribe(
                on_credit, fail, lambda: None, scheduler=scheduler
            )
            arriving.disposable = source.subscribe(
                on_item, fail, on_source_completed, scheduler=scheduler
            )
            return everything

        return Observable(subscribe)

    return upstream


def _in_turn(project: Callable[[A], Observable[B]]) -> Operator[A, B]:
    """`concat_map`, but what waits is taken from the front of its line in constant time."""
    return lambda source: flat_map_limited(lambda _credits: source, project, 1)


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

    return _in_turn(then_pause)


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

    return _in_turn(turn)


class Gate(Protocol):
    """One half of a shutdown gate, good for a stream of anything."""

    def __call__(self, source: Observable[T]) -> Observable[T]: ...


def shutdown_gate(
    stop_accepting: Observable[Any], force_kill: Observable[Any]
) -> tuple[Gate, Gate]:
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
    return from_coroutine(fn).pipe(
        retry_when(
            backoff(
                attempts=max_attempts,
                base_s=base_delay,
                cap_s=1.0,
                retryable=(OCCConflictError,),
                rng=rng or random.Random(),
            )
        )
    )


def upload_with_retry(
    record: A,
    upload_fn: Callable[[A], Awaitable[B]],
    max_attempts: int = 5,
    *,
    base_s: float = 1.0,
    cap_s: float = 60.0,
    rng: random.Random | None = None,
    on_retry: Callable[[Exception, int, float], None] | None = None,
) -> Observable[B]:
    """Run one remote step of a file, and run it again after a 429 or a passing failure.

    upload_fn   ---429          ---v|
    result      --------------------v|   waits at least as long as the server says

    Only errors that are safe to repeat are repeated (`RateLimited`, `Transient`): the client calls
    a lost answer to an import `InDoubt`, and that goes through at once, as does everything else.

    Raises (through `on_error`): the last error when the attempts are used up.
    """
    return from_coroutine(lambda: upload_fn(record)).pipe(
        retry_when(
            backoff(
                attempts=max_attempts,
                base_s=base_s,
                cap_s=cap_s,
                retryable=(RateLimited, Transient),
                rng=rng or random.Random(),
                on_retry=on_retry,
            )
        )
    )
