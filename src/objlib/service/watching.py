"""Rounds of `sync` for as long as somebody wants: one at once, and one at each change on disk.

The decisions are pure: `after_outcome`, `after_error` and `is_due`. Only time mends some troubles,
such as no network, a refused key or a disk that was pulled out; these are waited for. Others wait
for the next change. What was said wrongly at the beginning ends the watch, because nobody would
mend it.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
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
from objlib.service.rounds import SyncOutcome

if TYPE_CHECKING:
    from objlib.service.library import Library

#: Seconds for which a folder must be quiet before changes are taken up: editors save in several
#: steps.
QUIET_S = 2.0


class Next(Enum):
    """The step that follows a round or an error."""

    #: The watch is over; an error is raised.
    END = "the end"
    #: A round at the next change.
    CHANGE = "a round at the next change"
    #: A round at the next change, or when the folder was quiet for the pause.
    CHANGE_OR_PAUSE = "a round at the next change or after the pause"
    #: After the pause the folder is watched anew, beginning with a round.
    WATCH_ANEW = "watch anew after the pause"


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


def is_due(after: Next, changes: int) -> bool:
    """Return whether the next round is due.

    Args:
        changes: number of paths that have changed; 0 when the folder was quiet for the pause.
    """
    return changes > 0 or after is Next.CHANGE_OR_PAUSE


@dataclass(frozen=True, slots=True)
class WatchBegun:
    """The first round is over, and the folder is watched from now on."""


@dataclass(frozen=True, slots=True)
class WatchTroubled:
    """A round has ended with an error that does not end the watch."""

    error: ObjlibError
    #: Seconds until it is tried again; None when only a change can mend it.
    again_in_s: float | None


WatchEvent: TypeAlias = WatchBegun | WatchTroubled


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
    is_first = True

    async def one_round() -> Next:
        nonlocal is_first
        try:
            outcome = await carry_out(is_first)
        except ObjlibError as error:
            if after_error(error, is_first=is_first) is not Next.CHANGE:
                raise
            tell(WatchTroubled(error, None))
            return Next.CHANGE
        if is_first:
            is_first = False
            tell(WatchBegun())
        return after_outcome(outcome)

    while True:
        try:
            # Watched from before the round, so that what changes during it is not missed; anew
            # after trouble, because a disk that comes back is another one to the system.
            async with changes_below((await library.bound()).root, pause_s) as next_changes:
                following = await one_round()
                while following is not Next.END:
                    if is_due(following, await next_changes()):
                        following = await one_round()
                return
        except ObjlibError as error:
            if after_error(error, is_first=is_first) is Next.END:
                raise
            tell(WatchTroubled(error, pause_s))
        await asyncio.sleep(pause_s)


def can_watch() -> bool:
    """Return whether the package is installed that watches folders."""
    return importlib.util.find_spec("watchfiles") is not None


@asynccontextmanager
async def changes_below(root: Path, pause_s: float) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Yield a question: how many paths below a folder have changed? It is answered when the folder
    is quiet again, or with 0 after `pause_s` of silence. Nothing is missed between two questions.

    Raises:
        ConfigurationError: the folder cannot be watched.
    """
    if not can_watch():
        raise ConfigurationError(
            "watching needs the package watchfiles: pip install 'objlib[watch]'"
        )
    from watchfiles import awatch

    pause_ms, quiet_ms = int(pause_s * 1000), int(QUIET_S * 1000)
    stopping = asyncio.Event()
    changes = awatch(
        root,
        step=quiet_ms,
        debounce=pause_ms,
        rust_timeout=pause_ms,
        yield_on_timeout=True,
        stop_event=stopping,
    )
    coming = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)  # now it watches

    async def next_changes() -> int:
        nonlocal coming
        try:
            number = len(await coming)
        except OSError as error:
            raise ConfigurationError(f"{root} cannot be watched: {error}") from error
        coming = asyncio.ensure_future(anext(changes))
        return number

    try:
        yield next_changes
    finally:
        stopping.set()  # a thread waits for changes; cancelling its task would not wake it
        await asyncio.wait([coming])
        if not coming.cancelled():
            coming.exception()
        await changes.aclose()
