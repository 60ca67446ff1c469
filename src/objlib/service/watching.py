"""Rounds of `sync` for as long as somebody wants: one at once, and one at each change on disk.

The decisions are pure: `after_outcome`, `after_error` and `due`. Only time mends some troubles,
such as no network, a refused key or a disk that was pulled out; these are waited for. Others wait
for the next change. What was said wrongly at the beginning ends the watch, because nobody would
mend it.

A change is what a scan would find, and nothing else: where something has moved, the folder is
walked as a scan does, and a round begins where the walk finds something else than at the last one.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from objlib.errors import (
    CatalogError,
    ConfigurationError,
    GuardRefused,
    LibraryGone,
    ObjlibError,
    TooManyDeletions,
)
from objlib.library.root import RootIdentity, identity_of
from objlib.library.selection import fingerprint
from objlib.library.watcher import Watcher, watched
from objlib.service.rounds import SyncOutcome
from objlib.threads import in_thread

if TYPE_CHECKING:
    from objlib.service.library import Library

#: Seconds of silence after which it is made sure that the folder is still the same one.
AWAKE_S = 5.0
#: Pauses after which the folder is looked at although the system tells of no change. Should it
#: ever have kept one to itself, this is how long it stays unnoticed.
LOOK_ANYWAY_PAUSES = 15
#: A look that found nothing new is followed by a rest of so many times its length: something that
#: nobody wants may change all the time.
REST_LOOKS = 10


def can_watch() -> bool:
    """Return whether the package is installed that watches folders."""
    return importlib.util.find_spec("watchfiles") is not None


class Next(Enum):
    """The step that follows a round or an error."""

    #: The watch is over; an error is raised.
    END = "the end"
    #: A round at the next change.
    CHANGE = "a round at the next change"
    #: A round at the next change, or after the pause.
    CHANGE_OR_PAUSE = "a round at the next change or after the pause"
    #: After the pause the folder is watched anew, beginning with a round.
    WATCH_ANEW = "watch anew after the pause"


class Due(Enum):
    """The next thing that is due while a folder is watched."""

    NOTHING = "nothing"
    #: A round, if the folder is not as it was at the last one.
    LOOK = "a look"
    ROUND = "a round"


def after_outcome(outcome: SyncOutcome) -> Next:
    """Return what follows a round that has come to an outcome."""
    if outcome.was_interrupted:
        return Next.END
    return Next.CHANGE_OR_PAUSE if outcome.is_worth_another else Next.CHANGE


def after_error(error: ObjlibError, *, is_first: bool) -> Next:
    """Return what follows an error.

    Args:
        is_first: no round has come to an outcome yet.
    """
    if isinstance(error, GuardRefused):  # a bug, which no pause mends
        return Next.END
    if is_first and isinstance(error, (ConfigurationError, CatalogError, LibraryGone)):
        return Next.END
    return Next.CHANGE if isinstance(error, TooManyDeletions) else Next.WATCH_ANEW


def due(
    after: Next,
    *,
    has_changed: bool,
    since_round_s: float,
    since_look_s: float,
    pause_s: float,
    is_told: bool,
) -> Due:
    """Return what is due.

    Args:
        after: what follows the last round.
        has_changed: the system says that something below the folder has.
        is_told: the system tells of changes at all.
    """
    if after is Next.CHANGE_OR_PAUSE and since_round_s >= pause_s:
        return Due.ROUND
    patience_s = pause_s * LOOK_ANYWAY_PAUSES if is_told else pause_s
    return Due.LOOK if has_changed or since_look_s >= patience_s else Due.NOTHING


@dataclass(frozen=True, slots=True)
class WatchBegun:
    """The first round is over, and the folder is watched from now on."""


@dataclass(frozen=True, slots=True)
class WatchPolls:
    """The system cannot tell of changes, so the folder is looked at now and then."""

    reason: str
    #: Seconds between two looks.
    every_s: float


@dataclass(frozen=True, slots=True)
class WatchTroubled:
    """A round has ended with an error that does not end the watch."""

    error: ObjlibError
    #: Seconds until it is tried again; None when only a change can mend it.
    again_in_s: float | None


WatchEvent: TypeAlias = WatchBegun | WatchPolls | WatchTroubled


async def watch(
    library: Library,
    carry_out: Callable[[bool], Awaitable[SyncOutcome]],
    tell: Callable[[WatchEvent], None],
) -> None:
    """Carry out rounds until one is interrupted.

    Args:
        carry_out: one round; given whether it is the first that may come to an outcome.
        tell: told what people should know.

    Raises:
        ObjlibError: what was wrong from the beginning and does not mend by itself.
    """
    pause_s = library.settings.watch_pause_s
    rounds = _Rounds(library, carry_out, tell, pause_s)
    problem: str | None = None
    while True:
        try:
            root = (await library.bound()).root
            identity = await in_thread(partial(identity_of, root))
            # Watched from before the look and the round, so that what changes meanwhile is not
            # missed; and anew after each, because the system loses sight of new folders when its
            # queue is full, and of all of them when a disk goes and comes back.
            wake_s = min(pause_s, AWAKE_S)
            async with watched(root, wake_s=wake_s, patience_s=pause_s) as watcher:
                if watcher.problem is not None and watcher.problem != problem:
                    tell(WatchPolls(watcher.problem, pause_s))
                problem = watcher.problem
                await rounds.look(root)
                if rounds.following is Next.END:
                    return
                await rounds.until_due(watcher, root, identity)
        except ObjlibError as error:
            if after_error(error, is_first=rounds.is_first) is Next.END:
                raise
            tell(WatchTroubled(error, pause_s))
            rounds.seen = None
            await asyncio.sleep(pause_s)


@dataclass(slots=True)
class _Rounds:
    """The rounds of a watch, and what they go by."""

    library: Library
    carry_out: Callable[[bool], Awaitable[SyncOutcome]]
    tell: Callable[[WatchEvent], None]
    pause_s: float
    is_first: bool = True
    following: Next = Next.CHANGE
    #: Fingerprint of the folder at the last round; None where a round is due however it looks.
    seen: bytes | None = None
    #: By the loop's clock, in seconds.
    ended_at: float = 0.0

    async def look(self, root: Path) -> None:
        """Walk the folder, and carry out a round if it is not as it was at the last one."""
        clock = asyncio.get_running_loop().time
        selection, database = self.library.selection, self.library.catalog.data_file
        begun_at = clock()
        found = await in_thread(lambda: fingerprint(selection.walk(root, database)))
        if found == self.seen:
            await asyncio.sleep(REST_LOOKS * (clock() - begun_at))
            return
        self.following = await self._round()
        self.seen, self.ended_at = found, clock()

    async def until_due(self, watcher: Watcher, root: Path, identity: RootIdentity) -> None:
        """Wait until a look is due, or a round.

        Raises:
            LibraryGone: the folder is not there any more.
        """
        clock = asyncio.get_running_loop().time
        looked_at = clock()
        is_due = Due.NOTHING
        while is_due is Due.NOTHING:
            has_changed = await watcher.has_changed()
            if await in_thread(partial(identity_of, root)) != identity:
                is_due = Due.ROUND  # another disk: what the last round saw is of no use
                break
            is_due = due(
                self.following,
                has_changed=has_changed,
                since_round_s=clock() - self.ended_at,
                since_look_s=clock() - looked_at,
                pause_s=self.pause_s,
                is_told=watcher.problem is None,
            )
        if is_due is Due.ROUND:
            self.seen = None

    async def _round(self) -> Next:
        try:
            outcome = await self.carry_out(self.is_first)
        except ObjlibError as error:
            if after_error(error, is_first=self.is_first) is not Next.CHANGE:
                raise
            self.tell(WatchTroubled(error, None))
            return Next.CHANGE
        if self.is_first:
            self.is_first = False
            self.tell(WatchBegun())
        return after_outcome(outcome)
