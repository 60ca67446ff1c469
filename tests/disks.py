"""Disks that fail while a file is read: the errors come from the lowest file object there is."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from objlib.library import hashing, reach

#: Errors of a disk or a network drive in the middle of a file.
ERRORS = (errno.EIO, errno.ESTALE)


def failing(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    error: int = errno.EIO,
    good_bytes: int = 0,
    readings: int = 0,
) -> None:
    """Let reading a file fail behind its first bytes, after so many readings that went well."""
    begun = 0

    class Ailing(io.FileIO):
        def __init__(self, path: Any, *arguments: Any, **options: Any) -> None:
            nonlocal begun
            super().__init__(path, *arguments, **options)
            self.is_ailing = os.fspath(path).endswith(name)
            if self.is_ailing:
                begun += 1
                self.is_ailing = begun > readings

        def readinto(self, buffer: Any, /) -> int | None:
            self._check()
            return super().readinto(buffer)

        def read(self, size: int | None = -1, /) -> bytes:
            self._check()
            return super().read(-1 if size is None else size)

        def readall(self) -> bytes:
            self._check()
            return super().readall()

        def _check(self) -> None:
            if self.is_ailing and self.tell() >= good_bytes:
                raise OSError(error, os.strerror(error))

    def opened(path: Any, _mode: str, opener: Any) -> io.BufferedReader:
        return io.BufferedReader(Ailing(path, "rb", opener=opener), 512)

    monkeypatch.setattr(hashing, "FileIO", Ailing)
    monkeypatch.setattr(reach, "open", opened, raising=False)


@contextmanager
def held(path: Any) -> Iterator[Callable[[], None]]:
    """Hold a lease on a file, as a server of files does for a program that writes to it."""
    import fcntl
    import signal

    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        yield lambda: None
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        os.close(descriptor)
        signal.signal(signal.SIGIO, before)
