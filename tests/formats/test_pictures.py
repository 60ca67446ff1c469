"""Pictures, told by their headers."""

from __future__ import annotations

import io
import struct
import zlib

import pytest

from objlib.formats.pictures import SIDE_PIXELS_MAX, Picture, picture_in


def png(width: int = 3, height: int = 2) -> bytes:
    """A picture as PNG, all black."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(-(-width // 8))) * height, 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def jpeg(width: int = 3, height: int = 2, before: bytes = b"", frame: int = 0xC0) -> bytes:
    """The headers of a JPEG, behind whatever a camera writes first."""
    about = b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
    size = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\0"
    return b"".join(
        (
            b"\xff\xd8\xff\xe0" + struct.pack(">H", len(about) + 2) + about,
            before,
            b"\xff\xff\xff" + bytes([frame]) + struct.pack(">H", len(size) + 2) + size,
            b"\xff\xd9",
        )
    )


#: Exif with a preview: markers and sizes of another picture stand in it.
EXIF = b"\xff\xe1" + struct.pack(">H", 60_002) + jpeg(9, 9).ljust(60_000, b"\xff")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (png(3, 2), Picture("image/png", 3, 2)),
        (jpeg(640, 480), Picture("image/jpeg", 640, 480)),
        (jpeg(640, 480, EXIF * 3), Picture("image/jpeg", 640, 480)),
        (jpeg(5000, 10, frame=0xC2), Picture("image/jpeg", 5000, 10)),
        (jpeg(7, 5, b"\xff\xc4\0\x06\0\0\0\0"), Picture("image/jpeg", 7, 5)),
        (png()[:20], None),
        (jpeg()[:22], None),
        (jpeg(before=b"junk"), None),
        (b"\xff\xd8\xff" + b"\xff" * 5000, None),
        (b"\xff\xd8" + b"\xff\xe0\0\x02" * 100_000, None),
        (b"\xff\xd8\xff\xe0\0\0\0\0\0\0\0\0", None),
        (jpeg(0, 0), None),
        (b"GIF89a", None),
        (b"", None),
    ],
)
def test_a_picture_is_told_by_its_headers(content: bytes, expected: Picture | None) -> None:
    """Size and kind, wherever the size stands; a damaged one has none, and takes no time."""
    assert picture_in(io.BytesIO(content)) == expected


def test_the_size_that_a_store_takes_has_a_bound() -> None:
    """4K by 4K, on either side."""
    assert not Picture("image/png", SIDE_PIXELS_MAX, SIDE_PIXELS_MAX).is_too_large
    assert Picture("image/png", 1, SIDE_PIXELS_MAX + 1).is_too_large
