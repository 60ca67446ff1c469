"""The kind of a picture and its size in pixels, from its headers alone.

Sources: PNG, W3C, "IHDR"; JPEG, ITU-T T.81, annex B (markers).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
#: Type of a picture -> how such a file begins.
PICTURES = {"image/png": PNG, "image/jpeg": JPEG}
#: The longest side that a store takes: 4K x 4K.
SIDE_PIXELS_MAX = 4096
#: Markers of JPEG that begin a frame, with its size; the gaps are tables and arithmetic coding.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
#: Segments before the frame; honest pictures have some ten.
_SEGMENTS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in one of the `PICTURES`' types."""

    mime_type: str
    width: int
    height: int

    @property
    def is_too_large(self) -> bool:
        """True if no store takes it."""
        return max(self.width, self.height) > SIDE_PIXELS_MAX


def picture_type(head: bytes) -> str | None:
    """Return the type of a picture by its first bytes; None for all else."""
    return next((kind for kind, sign in PICTURES.items() if head.startswith(sign)), None)


def picture_in(file: BinaryIO) -> Picture | None:
    """Return the picture in a file; None for one that is damaged, or no picture.

    Args:
        file: seekable; where it stands afterwards is left open.

    Raises:
        OSError: it cannot be read.
    """
    file.seek(0)
    head = file.read(24)
    kind = picture_type(head)
    if kind == "image/png" and len(head) == 24 and head[12:16] == b"IHDR":
        return _picture(kind, *struct.unpack_from(">II", head, 16))
    return _in_jpeg(file) if kind == "image/jpeg" else None


def _in_jpeg(file: BinaryIO) -> Picture | None:
    file.seek(2)
    for _ in range(_SEGMENTS_MAX):
        marker = file.read(2)
        if len(marker) < 2 or marker[0] != 0xFF:
            return None
        if marker[1] == 0xFF:  # filled up
            file.seek(-1, 1)
            continue
        if marker[1] in _WITHOUT_LENGTH:
            continue
        segment = file.read(7)
        if len(segment) < 7:
            return None
        length, _, height, width = struct.unpack(">HBHH", segment)
        if marker[1] in _FRAMES:
            return _picture("image/jpeg", width, height)
        file.seek(length - 7, 1)
    return None


def _picture(kind: str, width: int, height: int) -> Picture | None:
    return Picture(kind, width, height) if width and height else None
