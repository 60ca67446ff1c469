"""Notices that something below a folder may have changed. Only a walk can tell if it matters.

The system tells of changes where it can: not of those that other machines make on a network drive,
and not where there are more folders than it watches. There somebody has to look now and then.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

#: Seconds for which a folder must be quiet before a change is told: editors save in several steps.
QUIET_S = 2.0

_MOUNTS = Path("/proc/self/mountinfo")
#: Types of file systems that others change as well, without a word to this system.
_SHARED = re.compile(
    r"nfs\d?|cifs|smb\w*|afs|9p|ceph|glusterfs|lustre|davfs|virtiofs|vboxsf|prl_fs|fuse(\..+)?"
)
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Watcher:
    """A folder that is watched."""

    #: The reason for which the system cannot tell of changes; None where it can.
    problem: str | None
    #: Waits for a change or for a while of silence; returns True for a change.
    has_changed: Callable[[], Awaitable[bool]]


@asynccontextmanager
async def watched(root: Path, *, wake_s: float, patience_s: float) -> AsyncIterator[Watcher]:
    """Watch a folder while the context lasts. No change is missed between two questions.

    Args:
        wake_s: seconds of silence after which a question is answered.
        patience_s: seconds after which changes are told although they go on.
    """
    from watchfiles import awatch

    async def silence() -> bool:
        await asyncio.sleep(wake_s)
        return False

    mounts = _MOUNTS.read_text("utf-8", "surrogateescape") if _MOUNTS.exists() else ""
    if (problem := shared_disk(root, mounts)) is not None:
        yield Watcher(problem, silence)
        return
    stopping = asyncio.Event()
    changes = awatch(
        root,
        watch_filter=None,  # the usual one hides what a scan takes
        step=int(QUIET_S * 1000),
        debounce=int(patience_s * 1000),
        rust_timeout=int(wake_s * 1000),
        yield_on_timeout=True,
        stop_event=stopping,
    )
    coming = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)  # now it watches, or has failed to

    async def has_changed() -> bool:
        nonlocal coming
        try:
            something = bool(await coming)
        except (OSError, RuntimeError, ExceptionGroup):  # a name that is no text, a folder too many
            return True
        coming = asyncio.ensure_future(anext(changes))
        return something

    try:
        if coming.done() and (error := coming.exception()) is not None:
            reason = str(error).partition(" about [")[0].rstrip(".")
            yield Watcher(f"the system cannot watch it ({reason})", silence)
        else:
            yield Watcher(None, has_changed)
    finally:
        stopping.set()  # a thread waits for changes; cancelling its task would not wake it
        await asyncio.wait([coming])
        if not coming.cancelled():
            coming.exception()
        await changes.aclose()


def shared_disk(root: Path, mounts: str) -> str | None:
    """Return the reason for which a folder may be changed from elsewhere; None if there is none.

    Args:
        mounts: the content of /proc/self/mountinfo.
    """
    place = os.path.realpath(root)
    around, below = ("", ""), ("", "")
    for line in mounts.splitlines():
        own, _, source = line.partition(" - ")
        point = _ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), own.split(" ")[4])
        kind = source.partition(" ")[0]
        if _is_below(place, point) and len(point) >= len(around[0]):
            around = (point, kind)  # a later mount covers an earlier one
        elif _is_below(point, place) and _SHARED.fullmatch(kind):
            below = (point, kind)
    for point, kind in (around, below):
        if _SHARED.fullmatch(kind):
            return f"{point} is a drive that others may change ({kind})"
    return None


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
