"""Leases: who is dead, who merely is elsewhere, and who cannot be told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from objlib.catalog.lease import is_void, owner_is_dead, owner_of_this_process

HERE = socket.gethostname()
PRINT_OWNER = (
    "import sys; from objlib.catalog.lease import owner_of_this_process as o;"
    " print(o('run'), flush=True); sys.stdin.read()"
)


@pytest.fixture
def stranger() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A living process and the name under which it holds its leases."""
    with subprocess.Popen(
        [sys.executable, "-c", PRINT_OWNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def test_a_living_owner_is_not_dead_and_a_killed_one_is(
    stranger: tuple[subprocess.Popen[str], str],
) -> None:
    """The lease of a process holds while it lives and is void the moment it was killed."""
    process, owner = stranger
    assert not owner_is_dead(owner)
    assert not is_void(owner, 1e12, 0.0)

    process.kill()
    process.wait()

    assert owner_is_dead(owner)
    assert is_void(owner, 1e12, 0.0)


@pytest.mark.skipif(sys.platform == "win32", reason="zombies are POSIX")
def test_a_killed_owner_whose_parent_has_not_noticed_is_dead(
    stranger: tuple[subprocess.Popen[str], str],
) -> None:
    """A zombie keeps its number and its start time, but it does no more work."""
    process, owner = stranger
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    assert owner_is_dead(owner)


def test_this_process_is_alive_under_its_own_name() -> None:
    """Host, process, start time and run, in this order, and not dead."""
    owner = owner_of_this_process("run-7")

    host, pid, started_at, run_id = owner.split("/")
    assert (host, pid, run_id) == (HERE, str(os.getpid()), "run-7")
    assert float(started_at) > 0
    assert not owner_is_dead(owner)


@pytest.mark.parametrize("shift_s", [-86_400.0, -2.0, 2.0, 86_400.0])
def test_a_process_that_merely_has_the_number_is_somebody_else(shift_s: float) -> None:
    """A number that was given out again does not keep a dead owner alive."""
    started_at = psutil.Process().create_time() + shift_s

    assert owner_is_dead(f"{HERE}/{os.getpid()}/{started_at:.2f}/run")


@pytest.mark.parametrize("shift_s", [-0.5, 0.0, 0.5])
def test_a_start_time_may_be_off_by_rounding(shift_s: float) -> None:
    """The kernel counts in ticks; half a second is the same process."""
    started_at = psutil.Process().create_time() + shift_s

    assert not owner_is_dead(f"{HERE}/{os.getpid()}/{started_at:.2f}/run")


@pytest.mark.parametrize(
    "owner",
    [
        f"elsewhere.{HERE}/{os.getpid()}/1.00/run",
        "",
        "somebody",
        f"{HERE}/1",
        f"{HERE}/x/1.00/run",
        f"{HERE}//1.00/run",
        f"{HERE}/-5/1.00/run",
        f"{HERE}/{os.getpid()}/soon/run",
        f"{HERE}/{os.getpid()}/nan/run",
        f"{HERE}/{os.getpid()}/1.00/run/more",
    ],
    # Not the texts: they hold the number of this process.
    ids="elsewhere nothing word number no-pid empty-pid negative soon nan more".split(),
)
def test_where_nothing_can_be_told_the_clock_decides(owner: str) -> None:
    """Other hosts and names that are none of ours are never declared dead; their time runs out."""
    assert not owner_is_dead(owner)
    assert not is_void(owner, 100.0, 99.9)
    assert is_void(owner, 100.0, 100.0)
    assert is_void(owner, 100.0, 100.1)


@pytest.mark.parametrize(
    ("owner", "expires_at"), [(None, None), (None, 1e12), ("elsewhere/1/1.00/run", None)]
)
def test_half_a_lease_is_none(owner: str | None, expires_at: float | None) -> None:
    """A row without owner or end, as the earlier generation left them, is anybody's."""
    assert is_void(owner, expires_at, 0.0)


def test_a_lease_that_ran_out_is_void_although_its_owner_lives() -> None:
    """An owner that no longer sends its heartbeat has let go."""
    asked: list[str] = []

    def is_dead(owner: str) -> bool:
        asked.append(owner)
        return False

    owner = owner_of_this_process("run")
    assert is_void(owner, 100.0, 101.0, is_dead)
    assert not is_void(owner, 100.0, 99.0, is_dead)
    assert asked == [owner]
