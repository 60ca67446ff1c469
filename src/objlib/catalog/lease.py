"""Who works on an in-flight row, and until when.

A lease names its owner beyond doubt: host, boot of the kernel, PID namespace, process, the clock
ticks from boot to the process's start, and the run. A process table tells of its own namespace
alone: another container on the same host has other processes under the same numbers. So the table
may say "dead" only of an owner of this boot and this namespace; then a rerun straight after
`kill -9` need not wait. Any other lease has to run out by the clock, and so has a lease of an
older objlib, which named neither. Ticks since boot do not move when the wall clock is set.

Without Linux's `/proc` nothing is known of boot and namespace, and every lease has to run out.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
#: States of a process that does no more work: its parent has not noticed its end yet.
_ENDED_STATES = "ZXx"


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim on rows: the owner's name and the moment (seconds since the epoch) it runs out."""

    owner: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Place:
    """The place whose process table this process can read. Equal places share one table."""

    host: str
    #: Another one after each start of the kernel.
    boot_id: str
    #: The PID namespace, and the time namespace, which ticks are counted in.
    namespace: str


#: Tells of a process number the ticks from boot to its start; None when no such process runs.
#: Raises `OSError` or `ValueError` where that cannot be told.
StartOf = Callable[[int], int | None]


def this_place() -> Place | None:
    """Return the place of this process, or None where its process table proves nothing."""
    try:
        if str((_PROC / "self").readlink()) != str(os.getpid()):
            return None  # a `/proc` of another namespace: its numbers are not ours
        namespaces = _PROC / "self" / "ns"
        names = [str((namespaces / "pid").readlink())]
        with contextlib.suppress(FileNotFoundError):  # Linux before 5.6 has one time for all
            names.append(str((namespaces / "time").readlink()))
        boot_id = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return Place(socket.gethostname(), boot_id, "+".join(names)) if boot_id else None


def start_of(pid: int) -> int | None:
    """Return the ticks from boot to the start of a process; None when no such process runs.

    Raises:
        OSError, ValueError: it cannot be told.
    """
    try:
        # `/proc` may hide the processes of other users, and a signal tells of them all the same.
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    stat = (_PROC / str(pid) / "stat").read_text()
    state, *fields = stat[stat.rindex(")") + 1 :].split()  # the name may hold anything
    return None if state in _ENDED_STATES else int(fields[18])


def owner_of_this_process(run_id: str) -> str:
    """`host/boot/namespace/process/ticks/run`: the name under which this run holds leases."""
    place = this_place()
    pid = os.getpid()
    if place is None:
        return f"{socket.gethostname()}///{pid}//{run_id}"
    return f"{place.host}/{place.boot_id}/{place.namespace}/{pid}/{start_of(pid)}/{run_id}"


def owner_is_dead(
    owner: str,
    place: Callable[[], Place | None] = this_place,
    start_of: StartOf = start_of,
) -> bool:
    """Return True only when this process can tell that the owner's process has ended."""
    try:
        host, boot_id, namespace, pid, ticks, _run = owner.split("/")
        number, started_at = int(pid), int(ticks)
        if number <= 0 or Place(host, boot_id, namespace) != place():
            return False
        return start_of(number) != started_at
    except (ValueError, OverflowError, OSError):
        return False  # not a name of ours, or not ours to look at: let the clock decide


def is_void(
    owner: str | None,
    expires_at: float | None,
    now: float,
    is_dead: Callable[[str], bool] = owner_is_dead,
) -> bool:
    """Return True if anybody may take a row over from `owner`."""
    return owner is None or expires_at is None or expires_at <= now or is_dead(owner)
