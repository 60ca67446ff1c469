"""Disks that come and go: a mount namespace of its own, where the system permits one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

#: Mounts a FUSE file system whose process is gone: each question is answered with ENOTCONN.
_DEAD = """
import ctypes, os, sys
driver = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={driver},rootmode=40000,user_id=0,group_id=0".encode()
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"dead", os.fsencode(sys.argv[1]), b"fuse", 6, options):
    sys.exit(os.strerror(ctypes.get_errno()))
"""


@dataclass(frozen=True, slots=True)
class Namespace:
    """Mounts that only the processes started in here see."""

    enter: tuple[str, ...]

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [*self.enter, "sh", "-c", 'cd "$0" && exec "$@"', str(Path.cwd()), *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )

    def run(self, *command: str) -> tuple[int, str]:
        """Run a command to its end; return its exit code and all that it said."""
        process = self.start(*command)
        out, err = process.communicate()
        return process.returncode, out + err

    def objlib(self, *arguments: str) -> tuple[int, str]:
        """Run objlib to its end."""
        return self.run(sys.executable, "-m", "objlib", *arguments)

    def mount(self, folder: Path, *options: str) -> None:
        """Mount a disk on a folder: an empty one, or with `--bind SOURCE` another folder."""
        kind = options or ("-t", "tmpfs", "none")
        code, said = self.run("mount", *kind, str(folder))
        assert code == 0, said

    def mount_dead(self, folder: Path) -> None:
        """Mount a file system on a folder whose process has died."""
        code, said = self.run(sys.executable, "-c", _DEAD, str(folder))
        if code:
            pytest.skip(f"no FUSE here: {said}")

    def unmount(self, folder: Path) -> None:
        """Unmount what was mounted last on a folder, in use or not."""
        code, said = self.run("umount", "--lazy", str(folder))
        assert code == 0, said


@contextmanager
def namespace() -> Iterator[Namespace]:
    """Yield a mount namespace that is gone afterwards."""
    as_root = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    try:
        holder = subprocess.Popen(
            ["unshare", *as_root, "--mount", "cat"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    credentials = ("--user", "--preserve-credentials") if as_root else ()
    enter = ("nsenter", f"--target={holder.pid}", *credentials, "--mount")
    try:
        # `unshare` becomes `cat` when it has made the namespace, or says why it cannot.
        while holder.poll() is None:
            if Path(f"/proc/{holder.pid}/comm").read_text() == "cat\n":
                break
        else:
            pytest.skip("no mount namespace is permitted here")
        yield Namespace(enter)
    finally:
        holder.kill()
        holder.communicate()
