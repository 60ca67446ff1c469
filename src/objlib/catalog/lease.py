"""Who works on an in-flight row, and until when.

A lease names host, process, the process's start time and the run. On the same host the death of
the process voids it at once, so a rerun straight after `kill -9` need not wait; elsewhere, or when
the process cannot be looked at, it runs out by the clock. Process ids are reused, hence the start
time.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim on rows: the owner's name and the moment (seconds since the epoch) it runs out."""

    owner: str
    expires_at: float


def owner_of_this_process(run_id: str) -> str:
    """`host/pid/start time/run`: the name under which this run holds leases."""
    pid = os.getpid()
    return f"{socket.gethostname()}/{pid}/{psutil.Process(pid).create_time():.2f}/{run_id}"


def owner_is_dead(owner: str) -> bool:
    """True only when this host can tell that the owner's process has ended."""
    try:
        host, pid, started_at, _ = owner.split("/")
        if host != socket.gethostname():
            return False
        process = psutil.Process(int(pid))
        if process.status() == psutil.STATUS_ZOMBIE:
            return True  # killed, and its parent has not noticed yet
        return abs(process.create_time() - float(started_at)) > 1.0
    except psutil.NoSuchProcess:
        return True
    except (ValueError, psutil.Error):
        return False  # not a name of ours, or not ours to look at: let the clock decide


def is_void(
    owner: str | None,
    expires_at: float | None,
    now: float,
    is_dead: Callable[[str], bool] = owner_is_dead,
) -> bool:
    """Return whether anybody may take a row over from `owner`."""
    return owner is None or expires_at is None or expires_at <= now or is_dead(owner)
