"""Waiting for one another: a latch that opens once, and work that many ask for but one does.

Both belong to one event loop and take no locks. A waiter that is cancelled harms nobody else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from reactivex.subject import AsyncSubject

from objlib.reactive.bridge import Interrupted, LoopScheduler, completion

A = TypeVar("A")
T = TypeVar("T")


@dataclass(eq=False, slots=True)
class Latch(Generic[T]):
    """A latch opens once, with a value or an error, for all who wait, now or later.

    opened      -----------v
    waiter 1    --[========v
    waiter 2    ---------------[v
    """

    _end: AsyncSubject[T] = field(default_factory=AsyncSubject)

    @property
    def is_open(self) -> bool:
        """True once there is a value or an error; the first one stays."""
        return self._end.is_stopped

    def open(self, value: T) -> None:
        """Let everybody pass, with this value."""
        self._end.on_next(value)
        self._end.on_completed()

    def fail(self, error: Exception) -> None:
        """Let everybody pass, with this error."""
        self._end.on_error(error)

    async def opened(self) -> T:
        """Wait until the latch opens, and return its value.

        Raises: the error that it was opened with.
        """
        return cast(T, await completion(self._end, LoopScheduler.running()))


@dataclass(eq=False, slots=True)
class _Flight(Generic[A, T]):
    """The questions that one piece of work answers, and its end."""

    questions: list[A]
    landed: Latch[T] = field(default_factory=Latch)


@dataclass(eq=False, slots=True)
class SingleFlight(Generic[A, T]):
    """Work that answers many questions at once, one piece of it at a time.

    questions   a----b-c----------d
    work        [=a=====][=b,c==] [=d=]
    answers             a       bc    d

    Whoever asks while the work is under way waits for the next round, together with all others who
    do: what the round under way has passed already it would not see. The first of a round does the
    work, in its own task.
    """

    #: Answers all questions of a round.
    work: Callable[[Sequence[A]], Awaitable[T]]
    #: Makes the error that the others of a round get when the first one was cancelled.
    cut_off: Callable[[], Exception] = Interrupted
    _boarding: _Flight[A, T] | None = None
    _flying: _Flight[A, T] | None = None

    async def ask(self, question: A) -> T:
        """Return the answer of a round that begins now or later.

        Raises: what the work raises, to everybody of the round; `cut_off`.
        """
        flight = self._boarding
        if flight is not None:
            flight.questions.append(question)
            return await flight.landed.opened()
        flight = self._boarding = _Flight([question])
        try:
            if self._flying is not None:
                with contextlib.suppress(Exception):  # its own askers are told
                    await self._flying.landed.opened()
            self._boarding, self._flying = None, flight
            answer = await self.work(flight.questions)
        except BaseException as error:
            flight.landed.fail(error if isinstance(error, Exception) else self.cut_off())
            raise
        finally:
            if self._boarding is flight:
                self._boarding = None
            if self._flying is flight:
                self._flying = None
        flight.landed.open(answer)
        return answer

    async def ended(self) -> None:
        """Wait for the end of the round under way, if there is one.

        Raises: what its askers are told.
        """
        if self._flying is not None:
            await self._flying.landed.opened()
