"""Processes that share one event loop with virtual time, and can be killed at any step.

A process is a context: whatever its tasks and timers do carries it along. Killing one means that
none of its callbacks ever runs again, not even the clean-up of its tasks, and that its connection
to the catalog is closed, upon which SQLite rolls back what was not committed. That is what
`kill -9` leaves behind; its requests under way go on at the server, which is no part of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any

from tests.upload.virtual_loop import VirtualLoop

_CURRENT: ContextVar[Process | None] = ContextVar("process", default=None)


class Killed(Exception):
    """The process is dead. Raised by nothing inside it."""


@dataclass(eq=False, slots=True)
class Process:
    """One process. `owner` is the name under which it holds leases."""

    owner: str
    #: Killed instead of taking this step; None lets it live.
    dies_at_step: int | None = None
    steps: int = 0
    is_dead: bool = False
    #: What the operating system does for a process that dies.
    on_death: list[Callable[[], None]] = field(default_factory=list)
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    _ended: asyncio.Future[Any] | None = None

    async def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        """What `main` returns or raises; `Killed` if the process died first."""
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        context = copy_context()
        context.run(_CURRENT.set, self)
        task = loop.create_task(main, context=context)
        task.add_done_callback(self._finish, context=context)
        return await self._ended

    @property
    def has_ended(self) -> bool:
        """Whether it is over, in whatever way."""
        return self._ended is not None and self._ended.done()

    def kill(self) -> None:
        """Die now."""
        if self._ended is None or self._ended.done():
            return
        self.is_dead = True
        for close in self.on_death:
            close()
        self._ended.set_exception(Killed(self.owner))

    def step(self, callback: Callable[..., Any], *arguments: Any) -> None:
        """One turn of the event loop, unless that is where it dies."""
        if self.is_dead:
            return
        self.steps += 1
        if self.steps == self.dies_at_step:
            self.kill()
            return
        callback(*arguments)

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold on to a task: a collected one would run clean-up that a dead process never runs."""
        self._tasks.append(task)

    def bury(self) -> None:
        """Forget the tasks, at the end of everything."""
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._tasks.clear()

    def _finish(self, task: asyncio.Task[Any]) -> None:
        assert self._ended is not None
        if self._ended.done():
            return
        error = task.exception()
        if error is None:
            self._ended.set_result(task.result())
        else:
            self._ended.set_exception(error)


class ProcessLoop(VirtualLoop):
    """A virtual loop whose every callback belongs to a process, or to the world.

    `after_turn` is called after each turn of the loop: the place to look at what has changed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.after_turn: Callable[[], None] = lambda: None

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        process = _process_of(context)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        return super().call_soon(process.step, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        process = _process_of(context)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        return super().call_at(when, process.step, callback, *args, context=context)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().create_task(coro, **options)
        process = _process_of(options.get("context"))
        if process is not None:
            process.keep(task)
        return task

    def _run_once(self) -> None:
        super()._run_once()  # type: ignore[misc]
        self.after_turn()


def _process_of(context: Context | None) -> Process | None:
    return _CURRENT.get() if context is None else context.get(_CURRENT)


def current_process() -> Process | None:
    """Whose code is running; None for the world and the server."""
    return _CURRENT.get()


@contextlib.contextmanager
def funeral() -> Iterator[None]:
    """Collect what dead processes have left, without a word.

    Python runs the clean-up of their coroutines now, which nobody is there for any more, and tells
    of each that would rather go on.
    """
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _unraisable: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
            gc.collect()
    finally:
        sys.unraisablehook = hook


def outside_of_any_process() -> Context:
    """A context for what belongs to none, for instance the server."""
    context = copy_context()
    context.run(_CURRENT.set, None)
    return context
