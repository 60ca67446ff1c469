"""Leases: who is dead, who merely is elsewhere, and who cannot be told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from objlib.catalog.lease import is_void, owner_is_dead, owner_of_this_process, this_place

HERE = socket.gethostname()
_BOOT, _NAMESPACE = owner_of_this_process("run").split("/")[1:3]
PRINT_OWNER = (
    "import sys; from objlib.catalog.lease import owner_of_this_process as o;"
    " print(o('run'), flush=True); sys.stdin.read()"
)
ASK = "import sys; from objlib.catalog.lease import owner_is_dead as d; print(d(sys.argv[1]))"

needs_proc = pytest.mark.skipif(this_place() is None, reason="needs the /proc of Linux")


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


@needs_proc
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


@needs_proc
def test_a_killed_owner_whose_parent_has_not_noticed_is_dead(
    stranger: tuple[subprocess.Popen[str], str],
) -> None:
    """A zombie keeps its number and its start time, but it does no more work."""
    process, owner = stranger
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    assert owner_is_dead(owner)


@needs_proc
def test_this_process_is_alive_under_its_own_name() -> None:
    """Host, boot, namespace, process, ticks and run, in this order, and not dead."""
    owner = owner_of_this_process("run-7")

    host, boot_id, namespace, pid, ticks, run_id = owner.split("/")
    assert (host, pid, run_id) == (HERE, str(os.getpid()), "run-7")
    assert boot_id and namespace and int(ticks) > 0
    assert not owner_is_dead(owner)


@needs_proc
@pytest.mark.parametrize("shift", [-1, 1, 8_640_000])
def test_a_process_that_merely_has_the_number_is_somebody_else(shift: int) -> None:
    """A number that was given out again does not keep a dead owner alive: ticks are exact."""
    *place, pid, ticks, run = owner_of_this_process("run").split("/")

    assert owner_is_dead("/".join([*place, pid, str(int(ticks) + shift), run]))


def in_namespaces(*options: str) -> list[str]:
    """Return the beginning of a command that runs another in namespaces of its own."""
    command = ["unshare", *options, "--"]
    try:
        tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("needs `unshare`, of Linux")
    if tried.returncode:
        pytest.skip(f"needs the right to make namespaces, as root has it: {tried.stderr.strip()}")
    return command


@pytest.mark.parametrize("options", [["--mount-proc"], []], ids=["own-proc", "foreign-proc"])
def test_an_owner_in_another_container_is_not_dead(options: list[str]) -> None:
    """Two containers on the host's network have one host name and two process tables. Neither
    declares the other's owner dead: its number says nothing here."""
    command = [*in_namespaces("--pid", "--fork", *options), sys.executable, "-c", PRINT_OWNER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as inside:
        assert inside.stdin is not None and inside.stdout is not None
        owner = inside.stdout.readline().strip()
        asked = subprocess.run(
            [*command[:-1], ASK, owner_of_this_process("run")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert owner.startswith(f"{HERE}/")
        assert not owner_is_dead(owner)
        assert asked.stdout.split() == ["False"]
        inside.stdin.close()


def test_a_clock_that_steps_kills_nobody(tmp_path: Path) -> None:
    """When the wall clock is set, the moment of the kernel's start moves with it in `/proc/stat`.
    A live owner stays alive."""
    lines = Path("/proc/stat").read_text().splitlines()
    moved = [f"btime {int(line.split()[1]) + 2}" if "btime" in line else line for line in lines]
    (tmp_path / "stat").write_text("\n".join(moved) + "\n")
    mounting = 'mount --bind "$1" /proc/stat && shift && exec "$@"'
    asking = [sys.executable, "-c", ASK, owner_of_this_process("run")]

    asked = subprocess.run(
        [*in_namespaces("--mount"), "sh", "-c", mounting, "sh", tmp_path / "stat", *asking],
        capture_output=True,
        text=True,
        check=True,
    )

    assert asked.stdout.split() == ["False"]


def test_without_a_process_table_nobody_is_dead() -> None:
    """Where boot and namespace are not known, as on macOS, a lease has to run out."""
    owner = owner_of_this_process("run")
    unplaced = f"{HERE}///1//run"

    assert not owner_is_dead(owner, place=lambda: None, start_of=lambda _pid: None)
    assert not owner_is_dead(unplaced, place=lambda: None, start_of=lambda _pid: None)


@pytest.mark.parametrize(
    "owner",
    [
        f"elsewhere.{HERE}/{_BOOT}/{_NAMESPACE}/999999999/1/run",
        f"{HERE}/another-boot/{_NAMESPACE}/999999999/1/run",
        f"{HERE}/{_BOOT}/pid:[1]/999999999/1/run",
        f"{HERE}/999999999/1.00/run",
        "",
        "somebody",
        f"{HERE}/1",
        f"{HERE}/{_BOOT}/{_NAMESPACE}/x/1/run",
        f"{HERE}/{_BOOT}/{_NAMESPACE}//1/run",
        f"{HERE}/{_BOOT}/{_NAMESPACE}/-5/1/run",
        f"{HERE}/{_BOOT}/{_NAMESPACE}/{os.getpid()}/soon/run",
        f"{HERE}/{_BOOT}/{_NAMESPACE}/{os.getpid()}/nan/run",
        f"{HERE}/{_BOOT}/{_NAMESPACE}/{os.getpid()}/1/run/more",
    ],
    # Not the texts: they hold the number of this process.
    ids=(
        "elsewhere boot namespace older nothing word number no-pid empty-pid negative soon nan more"
    ).split(),
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
