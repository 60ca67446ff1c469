"""The bytes that a row of the catalog is about: of a file, or of a part of a long text."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from objlib.catalog.part_names import split
from objlib.formats.decoding import beginning, decode_text, mark_of
from objlib.library.hashing import FileChanged, Fingerprint, ctime_to_go_by
from objlib.library.mime import MAX_DOCUMENT_BYTES
from objlib.library.parts import parts_of
from objlib.library.reach import Reach, open_regular

T = TypeVar("T")

_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes that were read, and their fingerprint on disk.

    Args:
        mark: the byte order mark of the file, where these bytes come from further on in it.
    """

    raw: bytes
    fingerprint: Fingerprint
    mark: bytes = b""

    @property
    def text(self) -> str:
        """Decoded; never raises."""
        return decode_text(self.mark + self.raw)


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes of a row in an open file, read anew each time they are gone through."""

    file: BinaryIO
    #: Of the file when it was opened.
    status: os.stat_result
    offset: int
    size_bytes: int
    #: The byte order mark of the file, where these bytes come from further on in it.
    mark: bytes = b""

    def __iter__(self) -> Iterator[bytes]:
        """The pieces; behind the mark, where it lies elsewhere."""
        if self.mark:
            yield self.mark
        yield from self.pieces()

    def pieces(self) -> Iterator[bytes]:
        """The pieces alone; fewer bytes where the file has become shorter."""
        position, end = self.offset, self.offset + self.size_bytes
        while position < end:
            self.file.seek(position)
            if not (piece := self.file.read(min(_PIECE_BYTES, end - position))):
                return
            yield piece
            position += len(piece)


@contextlib.contextmanager
def opened(root: Path, path: str, links_to: tuple[Path, ...] = ()) -> Iterator[Span]:
    """Open a file, or the part of it that a path names.

    Args:
        links_to: folders outside of the library that links to files may lead into.

    Raises:
        FileNotFoundError: it is not there, or has no such part any more.
        OSError: it cannot be read, or lies outside of the library.
    """
    name, number = split(path)
    file_path = root / name
    with open_regular(file_path, Reach(root, links_to).opener) as file:
        status = os.fstat(file.fileno())
        if not number and status.st_size > MAX_DOCUMENT_BYTES:  # it could be beyond the memory
            raise OSError(f"{file_path}: it has grown beyond 100 MB since the scan; scan again")
        whole = Span(file, status, 0, status.st_size)
        yield _part(whole, name, number) if number else whole


def fingerprinted(
    span: Span, path: Path, go_through: Callable[[Iterator[bytes]], T]
) -> tuple[T, Fingerprint]:
    """Go through the bytes of a row, and take their fingerprint.

    Args:
        go_through: what is done with the pieces; to their end.

    Raises:
        FileChanged: it was written to meanwhile.
    """
    before = span.status
    ctime = ctime_to_go_by(before)
    digest = hashlib.sha256()
    read_bytes = 0

    def noted() -> Iterator[bytes]:
        nonlocal read_bytes
        for piece in span.pieces():
            digest.update(piece)
            read_bytes += len(piece)
            yield piece

    result = go_through(noted())
    after = os.fstat(span.file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise FileChanged(path)
    return result, Fingerprint(digest.hexdigest(), read_bytes, after.st_mtime, ctime)


def read_content(root: Path, path: str, links_to: tuple[Path, ...] = ()) -> Content:
    """Read a file, or the part of it that a path names, as it is now.

    Raises what `opened` does, and
        FileChanged: it was written to meanwhile.
    """
    with opened(root, path, links_to) as span:
        raw, fingerprint = fingerprinted(span, root / split(path)[0], b"".join)
        return Content(raw, fingerprint, span.mark)


def _part(whole: Span, name: str, number: int) -> Span:
    part = next(islice(parts_of(whole.file), number - 1, None), None)
    if part is None:
        raise FileNotFoundError(f"{name}: it has no part {number} any more")
    mark = mark_of(beginning(whole)).content if part.offset else b""
    return Span(whole.file, whole.status, part.offset, part.size_bytes, mark)
