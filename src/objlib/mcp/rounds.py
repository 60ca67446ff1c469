"""The two tools that write, for those who allowed it: a plan with its price, and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from objlib.mcp.desk import Desk, Unanswerable
from objlib.mcp.quoting import clean, one_line
from objlib.mcp.shapes import NothingTaken, PlanGiven, SyncGiven, SyncTaken
from objlib.service import servers
from objlib.service.numbers import count, dollars, duration, size
from objlib.service.pilot import Phase, Pilot, Snapshot

#: Seconds between two messages about the progress.
BEAT_S = 1.0
FAILURES = 20

#: Tells what is done, the whole (None while it is not known), and a line about it.
Told: TypeAlias = Callable[[float, float | None, str], Awaitable[None]]


async def plan_sync(desk: Desk, _taken: NothingTaken, tell: Told) -> PlanGiven:
    """Look at the folder, and return what a sync would do and what it would cost."""
    pilot = (await desk.at()).pilot
    pilot.plan()
    await _to_its_end(pilot, tell)
    snapshot = pilot.snapshot()
    plan, price = snapshot.plan, snapshot.price
    if plan is None or price is None or snapshot.plan_id is None:
        raise Unanswerable(snapshot.problem or "the look at the folder was stopped")
    is_billed = servers.is_at_google(desk.settings)
    cost = f"about {dollars(price.dollars)} at Google" if is_billed else "it costs nothing"
    return PlanGiven(
        plan_id=snapshot.plan_id,
        files=plan.work.files,
        reasons=dict(plan.work.reasons),
        size_bytes=plan.work.size_bytes,
        leaving=plan.leaving,
        requests=price.requests,
        dollars=price.dollars if is_billed else 0.0,
        summary=(
            f"{count(plan.work.files, 'file')} to send, {size(plan.work.size_bytes)};"
            f" {count(plan.leaving, 'document')} to leave the store; {cost}."
        ),
    )


async def sync(desk: Desk, taken: SyncTaken, tell: Told) -> SyncGiven:
    """Do what a plan says, and return what came of it."""
    pilot = (await desk.at()).pilot
    pilot.start(taken.plan_id)
    await _to_its_end(pilot, tell)
    snapshot = pilot.snapshot()
    outcome, progress = snapshot.outcome, snapshot.progress
    if outcome is None:
        raise Unanswerable(snapshot.problem or "the sync was stopped before it began")
    ending = "in step" if outcome.is_clean else "not all is well"
    if outcome.was_interrupted:
        ending = "it was stopped; a new plan goes on from here"
    return SyncGiven(
        is_clean=outcome.is_clean,
        was_interrupted=outcome.was_interrupted,
        indexed=progress.indexed,
        failed=progress.failed,
        failures={clean(one.path): one_line(one.reason) for one in progress.failures[:FAILURES]},
        elapsed_s=round(snapshot.elapsed_s, 1),
        summary=(
            f"{count(progress.indexed, 'file')} indexed, {progress.failed:,} failed in"
            f" {duration(snapshot.elapsed_s)}: {ending}."
        ),
    )


async def _to_its_end(pilot: Pilot, tell: Told) -> None:
    """Wait for the end of a round, and tell how far it is. A call that is cancelled stops it."""
    step = 0
    try:
        while not await pilot.settled(BEAT_S):
            step += 1
            done, total, line = _how_far(pilot.snapshot(), step)
            await tell(done, total, line)
    except asyncio.CancelledError:
        pilot.stop()
        raise
    snapshot = pilot.snapshot()
    if snapshot.phase is Phase.FAILED:
        raise Unanswerable(snapshot.problem or "the round could not go on")


def _how_far(snapshot: Snapshot, step: int) -> tuple[float, float | None, str]:
    """Return what is done, of how much, and a line. What is done only ever grows."""
    if snapshot.phase is Phase.PLANNING:
        found = snapshot.scanned.found if snapshot.scanned is not None else 0
        return step, None, f"looking at the folder: {count(found, 'file')} so far"
    progress = snapshot.progress
    line = (
        f"{snapshot.doing or 'beginning'}: {progress.indexed:,} indexed,"
        f" {progress.failed:,} failed of {progress.total:,}"
    )
    return step, None, line
