"""Fingerprints of files: SHA-256, because that is the hash the API reports for what it received."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from objlib.errors import ObjlibError

#: How far reading runs ahead of the consumer, per worker.
LOOKAHEAD_PER_WORKER = 4

#: Non-blocking: a file that has become a named pipe since the walk would else be opened for ever.
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    sha256_hex: str
    size_bytes: int
    mtime: float


class FileChanged(ObjlibError):
    """A file was written to while it was being read: what was read is neither old nor new."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path}: changed while it was being read; scan again when it is at rest")


def sha256_file(path: Path) -> Fingerprint:
    """The fingerprint of a file at rest, read in pieces.

    Raises:
        FileChanged: size or modification time differ before and after reading.
        OSError: the file is gone, unreadable, or no regular file (any more).
    """
    with os.fdopen(os.open(path, _READ_FLAGS), "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise OSError(f"{path}: not a regular file any more; scan again")
        digest = hashlib.file_digest(file, "sha256")
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise FileChanged(path)
    return Fingerprint(digest.hexdigest(), after.st_size, after.st_mtime)


def sha256_many(
    paths: Iterable[Path], workers: int
) -> Iterator[Fingerprint | OSError | FileChanged]:
    """Fingerprints in the order of `paths`; a file that cannot be read yields its error as a value.

    Threads suffice, for hashlib releases the GIL. Paths are pulled on demand: never more than
    `LOOKAHEAD_PER_WORKER * workers` are ahead of the consumer. Closing the iterator drops what
    has not begun and waits for what has.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    ahead: deque[Future[Fingerprint | OSError | FileChanged]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="sha256")
    try:
        for path in paths:
            if len(ahead) == LOOKAHEAD_PER_WORKER * workers:
                yield ahead.popleft().result()
            ahead.append(pool.submit(_fingerprint_or_error, path))
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _fingerprint_or_error(path: Path) -> Fingerprint | OSError | FileChanged:
    try:
        return sha256_file(path)
    except (OSError, FileChanged) as error:
        return error
