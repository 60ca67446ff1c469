"""The bytes that a row of the catalog is about: of a file, or of a part of a long text."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from objlib.catalog.part_names import split
from objlib.formats.decoding import decode_text, mark_of
from objlib.library.hashing import FileChanged, Fingerprint, ctime_to_go_by
from objlib.library.mime import MAX_DOCUMENT_BYTES
from objlib.library.parts import parts_of
from objlib.library.reach import Reach, open_regular


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


def read_content(root: Path, path: str, links_to: tuple[Path, ...] = ()) -> Content:
    """Read a file, or the part of it that a path names, as it is now.

    Args:
        links_to: folders outside of the library that links to files may lead into.

    Raises:
        FileNotFoundError: it is not there, or has no such part any more.
        OSError: it cannot be read, or lies outside of the library.
        FileChanged: it was written to meanwhile.
    """
    name, number = split(path)
    file_path = root / name
    with open_regular(file_path, Reach(root, links_to).opener) as file:
        before = os.fstat(file.fileno())
        ctime = ctime_to_go_by(before)
        if not number and before.st_size > MAX_DOCUMENT_BYTES:  # it could be beyond the memory
            raise OSError(f"{file_path}: it has grown beyond 100 MB since the scan; scan again")
        mark, raw = _read_part(file, name, number) if number else (b"", file.read())
        digest = hashlib.sha256(raw).hexdigest()
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise FileChanged(file_path)
    return Content(raw, Fingerprint(digest, len(raw), after.st_mtime, ctime), mark)


def _read_part(file: BinaryIO, name: str, number: int) -> tuple[bytes, bytes]:
    """(the byte order mark that the part does not begin with, the part)."""
    part = next(islice(parts_of(file), number - 1, None), None)
    if part is None:
        raise FileNotFoundError(f"{name}: it has no part {number} any more")
    file.seek(0)
    mark = mark_of(file.read(4)).content if part.offset else b""
    file.seek(part.offset)
    return mark, file.read(part.size_bytes)
