"""The bytes that a row of the catalog is about: of a file, or of a part of a long text."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from objlib.catalog.part_names import split
from objlib.formats.decoding import decode_text, mark_of
from objlib.library.hashing import FileChanged, Fingerprint
from objlib.library.mime import MAX_DOCUMENT_BYTES
from objlib.library.parts import parts_of


@dataclass(frozen=True, slots=True)
class Content:
    """What was read, and its fingerprint on disk.

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


def read_content(root: Path, path: str) -> Content:
    """Read a file, or the part of it that a path names, as it is now.

    Raises:
        FileNotFoundError: it is not there, or has no such part any more.
        OSError: it cannot be read.
        FileChanged: it was written to meanwhile.
    """
    name, number = split(path)
    file_path = root / name
    before = file_path.stat()
    if not stat.S_ISREG(before.st_mode):  # a named pipe would be read for ever
        raise OSError(f"{file_path}: not a regular file any more; scan again")
    if not number and before.st_size > MAX_DOCUMENT_BYTES:  # it could be larger than the memory
        raise OSError(f"{file_path}: it has grown beyond 100 MB since the scan; scan again")
    mark, raw = _read_part(file_path, number) if number else (b"", file_path.read_bytes())
    after = file_path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise FileChanged(file_path)
    digest = hashlib.sha256(raw).hexdigest()
    return Content(raw, Fingerprint(digest, len(raw), after.st_mtime), mark)


def _read_part(path: Path, number: int) -> tuple[bytes, bytes]:
    """(the byte order mark that the part does not begin with, the part)."""
    with path.open("rb") as file:
        part = next(islice(parts_of(file), number - 1, None), None)
        if part is None:
            raise FileNotFoundError(f"{path}: it has no part {number} any more")
        file.seek(0)
        mark = mark_of(file.read(4)).content if part.offset else b""
        file.seek(part.offset)
        return mark, file.read(part.size_bytes)
