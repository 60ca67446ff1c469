"""Runs: work that takes a while, to be waited for, listened to, or held in the hand.

    report = await library.scan()                         the report, and nothing on the way
    async for event in library.upload(limit=20): ...      what happens, as it happens
    async with library.verify() as run: ...               run.events, run.progress, run.stop()

All three roads lead out the same way. Whoever leaves a run, at its end, by `break`, an exception or
a cancellation, or by closing the library, stops it: it takes nothing new, finishes what is in
flight, frees its leases and ends its stream. A cancellation that comes while it finishes cancels
what is in flight, and one more cancels the run itself.

A listener's end comes from the end of the work and from nothing else, so a run that fails before
its first event, or after its last one, leaves nobody waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from reactivex import Observable
from reactivex import operators as ops
from reactivex.subject import Subject

from objlib.errors import CatalogError
from objlib.reactive.bridge import LoopScheduler, completion
from objlib.reactive.hot import guarded
from objlib.upload.shutdown import Shutdown

T = TypeVar("T")
R = TypeVar("R")

ABANDONED = "nobody listens any more"
#: Turns of the loop until a run that was left by `break` learns of it: in the first one asyncio
#: makes a task that closes the generator, in the second one that task begins.
TURNS_OF_A_BREAK = 2


@dataclass(frozen=True, slots=True)
class Work(Generic[T, R]):
    """The work of a run: prepared, and not begun."""

    #: Hot: what happens.
    happenings: Observable[T]
    #: Does it all. Whatever it has started is over when it returns or raises.
    until_done: Callable[[], Awaitable[None]]
    shutdown: Shutdown
    #: The report on what has happened so far.
    report: Callable[[], R]


def work_of(
    source: Callable[[Shutdown], Observable[T]], add: Callable[[R, T], R], nothing: R
) -> Work[T, R]:
    """Return the work of subscribing to a cold source once and telling all that it emits.

    Args:
        source: given a shutdown whose `stop_accepting` it obeys.
        add: the report after one more item.
        nothing: the report at the beginning.
    """
    shutdown, told, reports = Shutdown(), Subject[T](), [nothing]

    def tell(item: T) -> None:
        reports[0] = add(reports[0], item)
        told.on_next(item)

    async def until_done() -> None:
        scheduler = LoopScheduler.running()
        alive = source(shutdown).pipe(ops.take_until(shutdown.force_kill), ops.do_action(tell))
        try:
            await completion(alive, scheduler)
        finally:
            await scheduler.drained()

    return Work(told, until_done, shutdown, lambda: reports[0])


class Runs:
    """The runs of one library that are under way. Closing it stops them all."""

    def __init__(self) -> None:
        self._stops: dict[asyncio.Future[None], Shutdown] = {}
        self.is_closed = False

    def check_open(self) -> None:
        """Raise `CatalogError` once the library is closed."""
        if self.is_closed:
            raise CatalogError("this library is closed; open it again with Library.open")

    def start(self, work: Work[Any, Any]) -> asyncio.Future[None]:
        """Begin a piece of work; the result is over when it is."""
        self.check_open()
        task = asyncio.ensure_future(work.until_done())
        self._stops[task] = work.shutdown
        task.add_done_callback(self._forget)
        return task

    async def settled(self) -> None:
        """Wait for the runs that have been left, so that the next one finds their files free."""
        if self._stops:
            for _ in range(TURNS_OF_A_BREAK):
                await asyncio.sleep(0)
        for task, shutdown in list(self._stops.items()):
            if shutdown.is_stopping:
                await over(task, shutdown)

    async def close(self) -> None:
        """Stop all runs and wait for them; none can be started any more."""
        self.is_closed = True
        for shutdown in self._stops.values():
            shutdown.stop("the library is being closed")
        for task, shutdown in list(self._stops.items()):
            await over(task, shutdown)

    def _forget(self, task: asyncio.Future[None]) -> None:
        del self._stops[task]
        if not task.cancelled():
            task.exception()  # seen: whoever waits for the run is told, and nobody has to


async def over(task: asyncio.Future[None], shutdown: Shutdown) -> None:
    """Wait until a task is over, whatever comes of it.

    A cancellation meanwhile kills what is in flight, another one the task; it is passed on when
    all is over.
    """
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            if cancelled is not None or shutdown.is_killed:
                task.cancel()
            cancelled = error
            shutdown.stop(ABANDONED)
            shutdown.signal()
    if cancelled is not None:
        raise cancelled


class Run(Generic[T, R]):
    """One piece of work of a library. See `objlib.service.runs` for the three roads into it."""

    def __init__(self, runs: Runs, prepare: Callable[[], Awaitable[Work[T, R]]]) -> None:
        self._runs = runs
        self._prepare = prepare
        self._work: Work[T, R] | None = None
        self._task: asyncio.Future[None] | None = None
        self._observable: Subject[T] = Subject()
        self._is_told = False

    # In the hand

    async def __aenter__(self) -> Self:
        if self._work is not None:
            raise RuntimeError("a run is entered once; call the library again for another")
        self._runs.check_open()
        await self._runs.settled()
        self._work = await self._prepare()
        self._task = self._runs.start(self._work)
        self._work.happenings.subscribe(self._observable.on_next)
        self._task.add_done_callback(lambda _task: self._observable.on_completed())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
        if error is None and not self._is_told:
            await self.finished()

    @property
    def observable(self) -> Observable[T]:
        """The events, hot and guarded: an observer that raises loses its subscription.

        It completes when the run is over, however it ended: the error is raised where the run is
        waited for.
        """
        return guarded(self._observable)

    @property
    async def events(self) -> AsyncIterator[T]:
        """The events from now on; at the end, what ended the run is raised. Leaving it early
        does not stop the run."""
        happened: asyncio.Queue[tuple[T] | None] = asyncio.Queue()
        subscription = self._observable.subscribe(
            lambda event: happened.put_nowait((event,)),
            on_completed=lambda: happened.put_nowait(None),
        )
        try:
            while (event := await happened.get()) is not None:
                yield event[0]
        finally:
            subscription.dispose()
        await self.finished()

    @property
    def has_begun(self) -> bool:
        """True if the run was entered, and has a progress."""
        return self._work is not None

    @property
    def progress(self) -> R:
        """The report on what has been done so far."""
        return self._entered.report()

    @property
    def shutdown(self) -> Shutdown:
        """Two signals: the first one drains the run, the second one kills it."""
        return self._entered.shutdown

    @property
    def is_stopping(self) -> bool:
        """True if the run takes nothing new any more."""
        return self._entered.shutdown.is_stopping

    def stop(self, reason: str = "asked to stop") -> None:
        """Take nothing new; what is in flight is finished."""
        if self._task is not None and not self._task.done():
            self.shutdown.stop(reason)

    async def finished(self) -> R:
        """Wait for the end and return the report.

        Raises: what ended the run before its end.
        """
        work = self._entered
        assert self._task is not None
        try:
            await asyncio.shield(self._task)  # a waiter that is cancelled does not end the run
        except Exception:
            self._is_told = True
            raise
        return work.report()

    @property
    def _entered(self) -> Work[T, R]:
        if self._work is None:
            raise RuntimeError("this run has not begun: enter it with `async with`")
        return self._work

    # Listened to, waited for, given up

    async def __aiter__(self) -> AsyncIterator[T]:
        async with self:
            async for event in self.events:
                yield event

    def __await__(self) -> Generator[Any, None, R]:
        async def whole() -> R:
            async with self:
                return await self.finished()

        return whole().__await__()

    async def aclose(self) -> None:
        """Stop the run, if it is under way, and wait until it is over."""
        if self._task is not None:
            self.stop(ABANDONED)
            await over(self._task, self.shutdown)
