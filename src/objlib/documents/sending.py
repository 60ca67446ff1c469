"""The bytes of a payload on their way out, read from disk a second time."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from objlib.errors import IntegrityError


class Sending(io.RawIOBase):
    """A file to read from that ends only if it is what was hashed.

    The last bytes are not given out before all of them are known to be the same: nothing else can
    be sent to its end. It gives neither more nor less than was hashed, since whoever sends has said
    how much there is.

    Args:
        file: closed with this one.
        pieces: reads what is to be sent, from its beginning.
        size_bytes: of what was hashed.
        sha256: of what was hashed, in hex.
        path: for messages.
    """

    def __init__(
        self,
        file: BinaryIO,
        pieces: Callable[[], Iterator[bytes]],
        *,
        size_bytes: int,
        sha256: str,
        path: Path,
    ) -> None:
        super().__init__()
        self._file, self._pieces = file, pieces
        self._size_bytes, self._sha256, self._path = size_bytes, sha256, path
        self._begin()

    def _begin(self) -> None:
        self._rest = self._pieces()
        self._left = b""
        self._position = 0
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to the end, to learn how much there is, or back to the beginning."""
        if (offset, whence) == (0, os.SEEK_END):
            self._position = self._size_bytes
        elif (offset, whence) == (0, os.SEEK_SET):
            self._begin()
        else:
            raise io.UnsupportedOperation("only to the beginning or to the end")
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes.

        Raises:
            IntegrityError: the file has changed since it was hashed.
        """
        left = self._size_bytes - self._position
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted == 0:
            return b""
        content = self._next(wanted)
        self._position += wanted
        self._digest.update(content)
        if self._position == self._size_bytes and self._digest.hexdigest() != self._sha256:
            raise self._changed()
        return content

    def close(self) -> None:
        self._file.close()
        super().close()

    def _next(self, wanted: int) -> bytes:
        pieces, have = [self._left], len(self._left)
        while have < wanted:
            piece = next(self._rest, None)
            if piece is None:
                raise self._changed()
            pieces.append(piece)
            have += len(piece)
        last = pieces.pop()
        cut = len(last) - (have - wanted)
        self._left = last[cut:]
        return b"".join((*pieces, last[:cut]))

    def _changed(self) -> IntegrityError:
        return IntegrityError(f"{self._path}: it has changed since it was read, and was not sent")
