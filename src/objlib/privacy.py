"""Keeps databases from the other users of a machine: files 0600, a folder of our own 0700.

Only bits of group and others are taken away, and only from what belongs to us. A folder is ours
when objlib made it, or when nothing but databases of objlib lies in it. One with the set-group-ID
bit is shared on purpose, and so are the files in it. What cannot be changed (a disk without modes,
one that is read-only) is left as it is.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OURS = re.compile(r".+\.db(-wal|-shm|-journal|\.v\d+\.bak|\.converted)?")


def prepare_private(database: Path) -> None:
    """Make the folder of a database that is not there yet, and its empty file, for us alone."""
    if database.exists():
        return
    folder = database.parent
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=stat.S_IRWXU, exist_ok=True)
    if not _is_shared(folder):
        with contextlib.suppress(OSError):  # SQLite says it better
            database.touch(mode=stat.S_IRUSR | stat.S_IWUSR, exist_ok=False)


def make_private(database: Path) -> None:
    """Take a database, what SQLite keeps beside it and its backups from group and others."""
    folder = database.parent
    with contextlib.suppress(OSError):
        if _is_shared(folder):
            return
        for path in folder.glob(f"{_literally(database.name)}*"):
            if _OURS.fullmatch(path.name) or path.name == database.name:
                _tighten(path)
        is_ours = all(_OURS.fullmatch(path.name) for path in folder.iterdir())
        if is_ours and folder.resolve() != Path.cwd():
            _tighten(folder)


def _is_shared(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_ISGID)


def _literally(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def _tighten(path: Path) -> None:
    with contextlib.suppress(OSError, AttributeError):  # there are no users to ask on Windows
        now = path.lstat()
        is_plain = stat.S_ISREG(now.st_mode) or stat.S_ISDIR(now.st_mode)
        if is_plain and now.st_uid == os.geteuid() and now.st_mode & _OTHERS:
            path.chmod(stat.S_IMODE(now.st_mode) & ~_OTHERS)
