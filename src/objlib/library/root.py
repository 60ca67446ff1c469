"""The root folder of a library: whether it is there, and whether it is still the same one.

A disk that is unmounted leaves an empty folder behind, and one whose driver has died (FUSE, a
network share) answers every question with an error. Neither means that the files were deleted.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple

from objlib.errors import LibraryGone

#: Answers of a disk that works: there is nothing of that name, or no folder.
_NO_FOLDER = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


class RootIdentity(NamedTuple):
    """Device and inode of a folder. Another disk in its place has others."""

    device: int
    inode: int


def identity_of(root: Path) -> RootIdentity:
    """Return the identity of a library's folder.

    Raises:
        LibraryGone: it is not there, or its disk does not answer.
    """
    try:
        found = root.stat()
        with os.scandir(root) as entries:
            next(entries, None)  # a dead disk may still answer for its root from a cache
    except OSError as error:
        raise library_gone(root, error) from error
    return RootIdentity(found.st_dev, found.st_ino)


def is_folder(path: Path) -> bool:
    """Return True if a folder is there.

    Raises:
        LibraryGone: its disk does not answer, so nobody can tell.
    """
    try:
        return stat.S_ISDIR(path.stat().st_mode)  # `is_dir` tells no error from Python 3.14 on
    except ValueError:  # a NUL in the name
        return False
    except OSError as error:
        if error.errno in _NO_FOLDER:
            return False
        raise library_gone(path, error) from error


def library_gone(root: Path, error: OSError | None = None) -> LibraryGone:
    """Return the error for a library's folder that cannot be believed.

    Args:
        error: the answer of its disk; None for an empty folder.
    """
    reason = "" if error is None else f" ({(error.strerror or str(error)).lower()})"
    return LibraryGone(
        f"the library at {root} is gone{reason}; is its disk mounted? Nothing was lost: what was "
        "not sent waits for the next run"
    )
