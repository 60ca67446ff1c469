"""The bridge between coroutines and observables, and the scheduler that both run on.

Time. There is one clock, the event loop's. `AsyncIOScheduler.now` is the wall clock since
reactivex 5.1 while its timers run on loop time; `LoopScheduler.now` is the loop's time, so delays
hold on a loop with virtual time and across steps of the wall clock. Reactivex also orders what it
runs within one `subscribe()` by the wall clock and, when that was set back, sleeps on the loop's
thread until it has caught up. `TRAMPOLINE` is the same queue by another entrance, whose clock only
moves forwards, and all that enters Rx from the loop enters there.

Threads. Everything here runs on the event loop's thread and takes no locks.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar, cast

from reactivex import Observable, abc
from reactivex.disposable import Disposable
from reactivex.internal.constants import UTC_ZERO
from reactivex.scheduler import CurrentThreadScheduler
from reactivex.scheduler.eventloop import AsyncIOScheduler
from reactivex.scheduler.scheduleditem import ScheduledItem
from reactivex.scheduler.trampoline import Trampoline

A = TypeVar("A")
B = TypeVar("B")
S = TypeVar("S")
T = TypeVar("T")

Operator = Callable[[Observable[A]], Observable[B]]


class _OfThread(threading.local):
    """Finds the thread's queue once; reactivex looks it up in weak dictionaries each time."""

    def __init__(self) -> None:
        self.trampoline = CurrentThreadScheduler.singleton().get_trampoline()


class _SteadyTrampoline(CurrentThreadScheduler):
    """The queue that reactivex keeps for each thread, by an entrance whose clock is never set back.

    What is queued here is due at once, behind all that was queued before, and nothing sleeps. While
    it runs, `subscribe()` finds the queue at work and does not use its own entrance.
    """

    def __init__(self) -> None:
        super().__init__()
        self._latest = UTC_ZERO
        self._of_thread = _OfThread()

    @property
    def now(self) -> datetime:
        """The latest that the wall clock has ever shown; others in the queue go by that one."""
        self._latest = max(self._latest, super().now)
        return self._latest

    def get_trampoline(self) -> Trampoline:
        return self._of_thread.trampoline

    def schedule(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        # Written out, because each item of a run comes through here: no conversions of time.
        item = ScheduledItem(self, state, action, self.now)
        self._of_thread.trampoline.run(item)
        return item.disposable


#: For whatever emits or subscribes in a callback of the loop, and for subjects that replay.
TRAMPOLINE = _SteadyTrampoline()


def on_trampoline(action: Callable[[], abc.DisposableBase | None]) -> abc.DisposableBase:
    """Run an action and then what it has queued, and return its disposable.

    Within another such run the action runs at once, and what it has queued after that run.
    """
    return TRAMPOLINE.ensure_trampoline(lambda *_: action()) or Disposable()


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

    def invoke_action(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        """Run what was scheduled, on the trampoline."""
        return on_trampoline(lambda: action(self, state))

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

        def end(task: asyncio.Task[T]) -> None:
            on_trampoline(lambda: deliver(task))

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
        task.add_done_callback(end)
        return Disposable(release)

    return Observable(subscribe)


async def completion(source: Observable[T], scheduler: LoopScheduler) -> T | None:
    """Subscribe on `scheduler`, wait for the end and return the last value; None without any.

    This is the bridge back, for the owner of a run. Raises what the source fails with. Cancelling
    the wait disposes the subscription; what that cancels is still cleaning up until
    `scheduler.drained()`.
    """
    ended: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
    last: T | None = None

    def on_next(item: T) -> None:
        nonlocal last
        last = item

    def on_error(error: Exception) -> None:
        if not ended.done():
            ended.set_exception(error)

    def on_completed() -> None:
        if not ended.done():
            ended.set_result(last)

    subscription = on_trampoline(
        lambda: source.subscribe(on_next, on_error, on_completed, scheduler=scheduler)
    )
    try:
        return await ended
    finally:
        subscription.dispose()


def once_subscribed(start: Callable[[], None]) -> abc.DisposableBase:
    """Run `start` when the subscription under way is complete, still within this call.

    What emits during `subscribe()` cannot be disposed by those it emits to: their disposable is not
    assigned yet. Reactivex runs every subscription on the current thread's trampoline; this runs on
    it too, one step later. So a gate that is closed already closes before anything has passed.
    """
    return TRAMPOLINE.schedule(lambda *_: start())
