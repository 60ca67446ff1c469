"""One round of `sync` at a time, held for a front end that comes and goes: a page in a browser.

    idle -> planning -> planned -> running -> draining -> over
               \\___________________________________________/ failed

Whoever looks gets a snapshot of where it stands. A plan has an id, so that what starts is what was
shown, and two tabs cannot start the same one twice.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
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

_log = logging.getLogger(__name__)


class Phase(Enum):
    """The place where a round stands."""

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
_LOOK_S = 0.05


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
        #: The run that is under way, once it has begun.
        self._run: Run[Any, Any] | None = None
        self._began_at = 0.0
        self._last = Snapshot()
        #: Plans and rounds that have ended, each of which may have changed the catalog.
        self.ended = 0

    def snapshot(self) -> Snapshot:
        """Return where the round stands."""
        if self._last.phase not in AT_WORK:
            return self._last
        now = replace(self._last, elapsed_s=self._clock() - self._began_at)
        if self._run is None:
            return now
        if now.phase is Phase.PLANNING:
            return replace(now, scanned=self._run.progress.scan)
        return replace(now, phase=Phase.DRAINING) if self._run.is_stopping else now

    def plan(self) -> None:
        """Begin to look at the folder. Raises `ConfigurationError` while a round is at work."""
        self._check_free()
        self._begin(Snapshot(Phase.PLANNING), self._planning())

    def start(self, plan_id: str) -> None:
        """Begin what a plan says.

        Raises:
            ConfigurationError: a round is at work, or the plan is not the one shown last.
        """
        self._check_free()
        last = self._last
        if last.phase is not Phase.PLANNED or last.plan is None or plan_id != last.plan_id:
            raise ConfigurationError("that plan is old; make a new one, and look at it")
        self._begin(replace(last, phase=Phase.RUNNING), self._running(last.plan))

    def drain(self) -> None:
        """Take nothing new; what is on its way is finished. Without a round nothing happens."""
        if self._run is not None:
            self._run.stop("stopped on the page")

    def stop(self) -> None:
        """Take nothing new, and when that was asked for before, let go of what is on its way."""
        if self._run is not None:
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
            await self.settled(_LOOK_S)

    async def close(self) -> None:
        """Stop the round, and wait for its end."""
        while not await self.settled(0.0):
            self.drain()  # before the work has begun it says nothing
            await self.settled(_LOOK_S)

    def _check_free(self) -> None:
        if self._last.phase in AT_WORK:
            raise ConfigurationError("a round is at work already; it is shown here")

    def _begin(self, first: Snapshot, work: Coroutine[Any, Any, Snapshot]) -> None:
        self._last, self._began_at, self._run = first, self._clock(), None
        self._task = asyncio.ensure_future(self._told(work))

    async def _told(self, work: Coroutine[Any, Any, Snapshot]) -> None:
        """Do the work; an error becomes the end of the round, for whoever looks."""
        ended = replace(self._last, phase=Phase.FAILED, problem="it was cancelled")
        try:
            ended = await work
        except ObjlibError as error:
            ended = replace(self._last, phase=Phase.FAILED, problem=str(error))
        except Exception as error:  # nobody waits for the task: the log and the page tell it
            _log.exception("a round failed")
            ended = replace(self._last, phase=Phase.FAILED, problem=f"a bug in objlib: {error!r}")
        finally:
            self.ended += 1
            self._run = None
            self._last = replace(ended, elapsed_s=self._clock() - self._began_at)

    async def _planning(self) -> Snapshot:
        async with self._library.plan_sync() as run:
            self._run = run
            plan = await run.finished()
            if run.is_stopping:
                return Snapshot()
        price = estimate(plan.work)
        return Snapshot(Phase.PLANNED, plan_id=secrets.token_hex(8), plan=plan, price=price)

    async def _running(self, plan: SyncPlan) -> Snapshot:
        async with self._library.sync(plan) as run:
            self._run = run
            async for event in run.events:
                if isinstance(event, SyncPhase):
                    self._last = replace(self._last, doing=event.value)
                elif isinstance(event, ev.Event):
                    progress = advance(self._last.progress, event)
                    self._last = replace(self._last, progress=progress)
            outcome = run.progress
        last = self._last
        return Snapshot(Phase.OVER, doing=last.doing, progress=last.progress, outcome=outcome)
