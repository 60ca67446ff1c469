"""One round of `sync` at a time, held for a front end that comes and goes: a page in a browser.

    idle -> planning -> planned -> running -> draining -> over
               \\___________________________________________/ failed

Whoever looks gets a snapshot of where it stands. A plan has an id, so that what starts is what was
shown, and two tabs cannot start the same one twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from objlib.errors import ConfigurationError, ObjlibError
from objlib.library.scan_report import ScanReport
from objlib.service.library import Library
from objlib.service.rounds import SyncOutcome, SyncPhase, SyncPlan
from objlib.service.runs import Run
from objlib.upload import events as ev
from objlib.upload.estimate import Estimate, estimate
from objlib.upload.reports import Progress, advance


class Phase(Enum):
    """Where a round stands."""

    IDLE = "idle"
    PLANNING = "planning"
    PLANNED = "planned"
    RUNNING = "running"
    DRAINING = "finishing"
    OVER = "over"
    FAILED = "failed"


#: A round that is at work.
AT_WORK = (Phase.PLANNING, Phase.RUNNING, Phase.DRAINING)


#: Seconds between two looks at a round that is to be over.
_ABANDONING_S = 0.05


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A round at one moment."""

    phase: Phase = Phase.IDLE
    #: The id of the plan that is shown, once there is one.
    plan_id: str | None = None
    #: The scan so far, while planning.
    scanned: ScanReport | None = None
    plan: SyncPlan | None = None
    #: The price of the plan.
    price: Estimate | None = None
    #: What the round is doing, in its own words.
    doing: str | None = None
    progress: Progress = field(default_factory=Progress)
    #: Seconds since the round began, up to its end.
    elapsed_s: float = 0.0
    outcome: SyncOutcome | None = None
    #: Why it failed, for people.
    problem: str | None = None


class Pilot:
    """Plans, starts and stops the rounds of one library."""

    def __init__(self, library: Library, clock: Callable[[], float] = time.monotonic) -> None:
        self._library = library
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._run: Run[Any, Any] | None = None
        self._phase = Phase.IDLE
        self._plan: SyncPlan | None = None
        self._plan_id: str | None = None
        self._doing: str | None = None
        self._progress = Progress()
        self._began_at: float | None = None
        self._ended_at: float | None = None
        self._outcome: SyncOutcome | None = None
        self._problem: str | None = None

    def snapshot(self) -> Snapshot:
        """Return where the round stands."""
        phase = self._phase
        if phase is Phase.RUNNING and self._run is not None and self._run.has_begun:
            phase = Phase.DRAINING if self._run.is_stopping else phase
        scanned = None
        if phase is Phase.PLANNING and self._run is not None and self._run.has_begun:
            scanned = self._run.progress.scan
        end = self._clock() if self._ended_at is None else self._ended_at
        return Snapshot(
            phase,
            self._plan_id,
            scanned,
            self._plan,
            None if self._plan is None else estimate(self._plan.work),
            self._doing,
            self._progress,
            0.0 if self._began_at is None else end - self._began_at,
            self._outcome,
            self._problem,
        )

    def plan(self) -> None:
        """Begin to look at the folder. Raises `ConfigurationError` while a round is at work."""
        self._begin(Phase.PLANNING, self._planning)
        self._plan, self._plan_id, self._outcome = None, None, None

    def start(self, plan_id: str) -> None:
        """Begin what a plan says.

        Raises:
            ConfigurationError: a round is at work, or the plan is not the one shown last.
        """
        if self._phase is not Phase.PLANNED or plan_id != self._plan_id or self._plan is None:
            if self._phase in AT_WORK:
                raise ConfigurationError("a round is at work already; it is shown here")
            raise ConfigurationError("that plan is old; make a new one, and look at it")
        plan = self._plan
        self._begin(Phase.RUNNING, lambda: self._running(plan))

    def drain(self) -> None:
        """Take nothing new; what is on its way is finished. Without a round nothing happens."""
        if self._run is not None and self._run.has_begun:
            self._run.stop("stopped on the page")

    def stop(self) -> None:
        """Take nothing new, and when that was asked for before, let go of what is on its way."""
        if self._run is not None and self._run.has_begun:
            self._run.shutdown.signal()

    async def settled(self, within_s: float) -> bool:
        """Wait for the end of the round, and return whether it has come."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=within_s)
        return self._task is None or self._task.done()

    async def abandon(self) -> None:
        """Let go of what is on its way, at once, and wait until its files are free."""
        while not await self.settled(0.0):
            self.stop()  # the first time it drains; before the work has begun it says nothing
            await self.settled(_ABANDONING_S)

    async def close(self) -> None:
        """Stop the round, and wait for its end."""
        self.drain()
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _begin(self, phase: Phase, work: Callable[[], Awaitable[None]]) -> None:
        if self._phase in AT_WORK:
            raise ConfigurationError("a round is at work already; it is shown here")
        self._phase, self._problem, self._doing = phase, None, None
        self._progress = Progress()
        self._began_at, self._ended_at, self._run = self._clock(), None, None
        self._task = asyncio.ensure_future(self._told(work))

    async def _told(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work; an error becomes the end of the round, for whoever looks."""
        try:
            await work()
        except ObjlibError as error:
            self._phase, self._problem = Phase.FAILED, str(error)
        except Exception as error:
            self._phase, self._problem = Phase.FAILED, f"a bug in objlib: {error!r}"
            raise
        finally:
            self._ended_at = self._clock()
            self._run = None

    async def _planning(self) -> None:
        async with self._library.plan_sync() as run:
            self._run = run
            plan = await run.finished()
            was_stopped = run.is_stopping
        if was_stopped:
            self._phase = Phase.IDLE
            return
        self._plan, self._plan_id = plan, secrets.token_hex(8)
        self._phase = Phase.PLANNED

    async def _running(self, plan: SyncPlan) -> None:
        async with self._library.sync(plan) as run:
            self._run = run
            async for event in run.events:
                if isinstance(event, SyncPhase):
                    self._doing = event.value
                elif isinstance(event, ev.Event):
                    self._progress = advance(self._progress, event)
            self._outcome = run.progress
        self._plan, self._plan_id = None, None
        self._phase = Phase.OVER
