"""Fingerprints of files: SHA-256, because that is the hash the API reports for what it received."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from objlib.errors import ObjlibError
from objlib.library.reach import NotRegular, Opener, without_waiting

_PIECE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Fingerprint:
    sha256_hex: str
    size_bytes: int
    mtime: float
    #: `st_ctime_ns` before it was read; -1 where it was too fresh to tell the next change from.
    ctime: int


#: A second change within one tick of the file system's clock has the same ctime as the first.
TICK_NS = 20_000_000


def ctime_to_go_by(status: os.stat_result) -> int:
    """Return the ctime of a file that is about to be read, in nanoseconds, or -1."""
    is_fresh = abs(time.time_ns() - status.st_ctime_ns) < TICK_NS
    return -1 if is_fresh else status.st_ctime_ns


class FileChanged(ObjlibError):
    """A file was written to while it was being read: what was read is neither old nor new."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path}: changed while it was being read; scan again when it is at rest")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a file, and when the file was written to last when its bounds were found."""

    offset: int
    size_bytes: int
    mtime: float


@dataclass(frozen=True, slots=True)
class Look:
    """The result of one reading of a file: its beginning, and its fingerprint if it was wanted."""

    head: bytes
    fingerprint: Fingerprint | None


def look_into(
    path: Path | str,
    head_bytes: int,
    is_wanted: Callable[[bytes], bool],
    stretch: Stretch | None = None,
    opener: Opener = without_waiting,
) -> Look:
    """Read a file once: its beginning, and all of it where `is_wanted` says so of the beginning.

    Args:
        stretch: read this part of it instead of all.

    Raises:
        FileChanged: size or modification time differ before and after reading, or from what a
            stretch goes by.
        OSError: the file is gone, unreadable, or no regular file (any more).
    """
    with FileIO(path, "rb", opener=opener) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise NotRegular(os.fspath(path))
        ctime = ctime_to_go_by(before)
        head = file.read(head_bytes)
        if not is_wanted(head):
            return Look(head, None)
        if stretch is None:
            digest, left = hashlib.sha256(head), before.st_size - len(head)
            # A program may write faster than anybody reads: what goes on has changed.
            while left >= 0 and (piece := file.read(_PIECE_BYTES)):
                digest.update(piece)
                left -= len(piece)
        else:
            digest = _digest_of(file, stretch)
        after = os.fstat(file.fileno())
    is_another = stretch is not None and after.st_mtime != stretch.mtime
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or is_another:
        raise FileChanged(Path(path))
    size_bytes = after.st_size if stretch is None else stretch.size_bytes
    return Look(head, Fingerprint(digest.hexdigest(), size_bytes, after.st_mtime, ctime))


def _digest_of(file: BinaryIO, stretch: Stretch) -> hashlib._Hash:
    digest, left = hashlib.sha256(), stretch.size_bytes
    file.seek(stretch.offset)
    while left and (piece := file.read(min(left, _PIECE_BYTES))):
        digest.update(piece)
        left -= len(piece)
    return digest


def sha256_file(path: Path, opener: Opener = without_waiting) -> Fingerprint:
    """The fingerprint of a file at rest, read in pieces. Raises what `look_into` does."""
    fingerprint = look_into(path, _PIECE_BYTES, lambda _head: True, opener=opener).fingerprint
    assert fingerprint is not None, "it was wanted"
    return fingerprint
