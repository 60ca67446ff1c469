"""Opens the files of a library, and nothing that lies outside of it.

A link may be swapped between a look at it and the opening, so the opening itself decides. It goes
down from the root folder by folder and takes no link on its way. A path with a link in it is
resolved first, and then the way to the place it leads to is gone in the same manner. Nothing is
waited for: a named pipe is opened without its other end, and refused for what it is.

Where the system cannot open relative to a folder (Windows), the place is checked before the
opening only.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

LEADS_OUT = (
    "a symbolic link that leads out of the library; put the file itself here, or name the folder "
    "it leads to in follow_links_to"
)

#: Opens a path: what `open` takes as its opener.
Opener = Callable[[str, int], int]

#: Non-blocking: a named pipe would else be opened for ever.
READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
#: A folder that may be searched but not listed is a way, too.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | _NO_LINK
#: Errors of an opening that met a link: Linux and macOS, FreeBSD, and for a link to a folder.
_MET_A_LINK = {errno.ELOOP, errno.EMLINK, errno.ENOTDIR}


class LeadsOut(OSError):
    """A path leads out of the library, by a symbolic link in it."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EPERM, LEADS_OUT, path)


class NotRegular(OSError):
    """Something is no file: a named pipe, a socket, a device."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EINVAL, "not a regular file any more; scan again", path)


@dataclass(frozen=True, slots=True)
class Reach:
    """Says where the files of a library may lie: below its root, and where its links may lead."""

    root: Path
    #: Folders outside of the library that links in it may lead into.
    links_to: tuple[Path, ...] = ()

    def leads_out(self, path: str) -> bool:
        """Return whether an absolute path lies elsewhere once all its links are resolved."""
        return self._place_of(path) is None

    def opener(self, path: str, _flags: int) -> int:
        """Open an absolute path for reading; an opener for `open`.

        Raises:
            LeadsOut: it lies outside.
            OSError: it cannot be opened.
        """
        root, path = os.fspath(self.root), os.fspath(path)  # `open` passes on what it was given
        if not path.startswith(root + os.sep):  # absolute in a catalog of the earlier generation
            return _descended(*os.path.split(path))
        inside = path[len(root) + 1 :]
        if ".." not in inside.split(os.sep):  # noqa: PTH206
            try:
                return _descended(root, inside)
            except OSError as error:
                if error.errno not in _MET_A_LINK:
                    raise
        place = self._place_of(path)
        if place is None:
            raise LeadsOut(path)
        return _descended(*place)

    def _place_of(self, path: str) -> tuple[str, str] | None:
        """Return a folder that files may lie in, and the resolved path below it; None: outside."""
        real = os.path.realpath(path)
        for folder in (self.root, *self.links_to):
            base = os.path.realpath(folder.expanduser())
            if real.startswith(base.rstrip(os.sep) + os.sep):
                return base, real[len(base.rstrip(os.sep)) + 1 :]
        return None


def without_waiting(path: str, _flags: int) -> int:
    """Open a path for reading, wherever it leads, and wait for nobody; an opener for `open`."""
    return os.open(path, READ_FLAGS)


def open_regular(path: Path | str, opener: Opener = without_waiting) -> BinaryIO:
    """Open a file for reading.

    Raises:
        NotRegular: it is a named pipe, a socket or a device.
        OSError: it cannot be opened.
    """
    file = open(path, "rb", opener=opener)  # noqa: SIM115 - `Path.open` takes no opener
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise NotRegular(os.fspath(path))
    return file


def _descended(base: str, inside: str) -> int:
    if os.open not in os.supports_dir_fd:
        return os.open(os.path.join(base, inside), READ_FLAGS)  # noqa: PTH118
    *folders, name = inside.split(os.sep)  # noqa: PTH206 - a Path per file is measurable
    here = os.open(base, _FOLDER & ~_NO_LINK)  # the library's folder may be a link itself
    try:
        for folder in folders:
            deeper = os.open(folder, _FOLDER, dir_fd=here)
            os.close(here)
            here = deeper
        return os.open(name, READ_FLAGS | _NO_LINK, dir_fd=here)
    finally:
        os.close(here)
