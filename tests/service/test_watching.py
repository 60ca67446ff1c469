"""The decisions of a watch, and its loop."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from objlib import DocumentClass, Library, Progress, Synced, SyncReport, Uploaded, Work
from objlib.catalog.verdicts import Verdicts
from objlib.errors import (
    AccessRefused,
    BackendUnavailable,
    CatalogError,
    ConfigurationError,
    LibraryGone,
    ObjlibError,
    TooManyDeletions,
)
from objlib.service.rounds import SyncOutcome
from objlib.service.watching import (
    LOOK_ANYWAY_PAUSES,
    Due,
    Next,
    WatchBegun,
    WatchEvent,
    WatchTroubled,
    after_error,
    after_outcome,
    due,
    watch,
)
from tests.conftest import write_library


@pytest.mark.parametrize(
    ("error", "at_first", "later"),
    [
        (ConfigurationError("no such folder"), Next.END, Next.WATCH_ANEW),
        (CatalogError("locked"), Next.END, Next.WATCH_ANEW),
        (LibraryGone("not mounted"), Next.END, Next.WATCH_ANEW),
        (TooManyDeletions("3 of 6"), Next.END, Next.CHANGE),
        (AccessRefused("wrong key"), Next.WATCH_ANEW, Next.WATCH_ANEW),
        (BackendUnavailable("nobody answers"), Next.WATCH_ANEW, Next.WATCH_ANEW),
    ],
)
def test_what_time_mends_is_waited_for(error: ObjlibError, at_first: Next, later: Next) -> None:
    """What is said wrongly ends the watch at first; later somebody else has changed the world."""
    assert after_error(error, is_first=True) is at_first
    assert after_error(error, is_first=False) is later


def test_files_that_are_left_alone_are_no_reason_for_another_round() -> None:
    """Each would list the whole store. The next one begins with the next change."""
    nothing = dict.fromkeys(DocumentClass, 0)
    clean = SyncReport("fileSearchStores/s", "library", nothing, 0, 0, 0, cast(Verdicts, None))
    uploaded = Uploaded(Progress(), Work({}), 0, 0, 0.0, 0, 0, was_interrupted=False)
    left_alone = SyncOutcome(uploaded, Synced(clean), left_alone=3)
    assert not left_alone.is_worth_another
    assert after_outcome(left_alone) is Next.CHANGE


def test_an_unfinished_round_is_carried_out_again_by_itself() -> None:
    """One that was interrupted ends the watch."""
    interrupted = SyncOutcome(was_interrupted=True)
    unfinished = SyncOutcome()
    assert after_outcome(interrupted) is Next.END
    assert after_outcome(unfinished) is Next.CHANGE_OR_PAUSE


@pytest.mark.parametrize(
    ("after", "is_told", "has_changed", "since_round_s", "since_look_s", "wanted"),
    [
        (Next.CHANGE, True, False, 899, 899, Due.NOTHING),
        (Next.CHANGE, True, True, 1, 1, Due.LOOK),
        (Next.CHANGE, True, False, 900, 60 * LOOK_ANYWAY_PAUSES, Due.LOOK),
        (Next.CHANGE, False, False, 59, 59, Due.NOTHING),
        (Next.CHANGE, False, False, 3600, 60, Due.LOOK),
        (Next.CHANGE_OR_PAUSE, True, False, 59, 59, Due.NOTHING),
        (Next.CHANGE_OR_PAUSE, True, True, 59, 1, Due.LOOK),
        (Next.CHANGE_OR_PAUSE, True, False, 60, 1, Due.ROUND),
        (Next.CHANGE_OR_PAUSE, False, False, 60, 1, Due.ROUND),
    ],
)
def test_what_is_due_depends_on_what_is_told_and_on_time(
    after: Next,
    is_told: bool,
    has_changed: bool,
    since_round_s: float,
    since_look_s: float,
    wanted: Due,
) -> None:
    """Without a word of the system the folder is looked at: often where it never says a word."""
    assert wanted is due(
        after,
        has_changed=has_changed,
        since_round_s=since_round_s,
        since_look_s=since_look_s,
        pause_s=60,
        is_told=is_told,
    )


def test_a_watch_outlives_what_time_mends_and_ends_when_a_round_is_interrupted(
    workplace: Path,
) -> None:
    """Each trouble is told with the pause; the beginning is told once, after the first round."""
    pytest.importorskip("watchfiles")
    write_library(workplace / "library", 1)
    told: list[WatchEvent] = []
    trouble = BackendUnavailable("nobody answers")
    rounds: list[ObjlibError | SyncOutcome] = [
        trouble,
        trouble,
        SyncOutcome(),
        TooManyDeletions("3 of 6"),
    ]

    async def story() -> None:
        async with Library.open(workplace / "library", watch_pause_s=0.02) as library:

            async def carry_out(is_first: bool) -> SyncOutcome:
                assert is_first == (WatchBegun() not in told)
                if not rounds:
                    return SyncOutcome(was_interrupted=True)
                if len(rounds) == 1:  # its trouble waits for a change
                    asyncio.get_running_loop().call_soon(
                        (workplace / "library" / "New.txt").write_text, "Something new.\n"
                    )
                what = rounds.pop(0)
                if isinstance(what, ObjlibError):
                    raise what
                return what

            await watch(library, carry_out, told.append)

    asyncio.run(asyncio.wait_for(story(), 60))
    assert told[:3] == [
        WatchTroubled(trouble, 0.02),
        WatchTroubled(trouble, 0.02),
        WatchBegun(),
    ]
    (last,) = told[3:]
    assert isinstance(last, WatchTroubled)
    assert (type(last.error), last.again_in_s) == (TooManyDeletions, None)


def test_what_is_said_wrongly_ends_it_at_once(workplace: Path) -> None:
    """Nobody would mend it."""
    write_library(workplace / "library", 1)

    async def story() -> None:
        async with Library.open(workplace / "library") as library:

            async def carry_out(_is_first: bool) -> SyncOutcome:
                raise ConfigurationError("say --yes")

            await watch(library, carry_out, lambda _event: None)

    with pytest.raises(ConfigurationError, match="say --yes"):
        asyncio.run(story())
