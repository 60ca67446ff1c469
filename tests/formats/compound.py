"""A writer of compound files ([MS-CFB]), as small as a reader accepts."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

_SECTOR, _NOTHING, _END, _FAT = 512, 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
#: Shorter streams would lie in a stream of their own.
_STREAM_BYTES_MIN = 4096

Tree = dict[str, "bytes | Tree"]


def compound(tree: Tree) -> bytes:
    """A compound file with these storages and streams; short streams are filled up with NULs."""
    entries: list[list[Any]] = []  # name, type, right sibling, child, first sector, size
    data, chains = bytearray(), list[int]()

    def stored(content: bytes) -> int:
        start = len(data) // _SECTOR
        data.extend(content.ljust(-(-len(content) // _SECTOR) * _SECTOR, b"\0"))
        chains.extend(range(start + 1, len(data) // _SECTOR))
        chains.append(_END)
        return start

    def add(name: str, content: bytes | Tree) -> int:
        place = len(entries)
        entries.append([name, 1 if isinstance(content, dict) else 2, _NOTHING, _NOTHING, 0, 0])
        if isinstance(content, dict):
            children = [add(key, value) for key, value in content.items()]
            for left, right in pairwise(children):
                entries[left][2] = right
            entries[place][3] = children[0] if children else _NOTHING
        else:
            whole = content.ljust(_STREAM_BYTES_MIN, b"\0")
            entries[place][4:] = [stored(whole), len(whole)]
        return place

    add("Root Entry", tree)
    entries[0][1], entries[0][4] = 5, _END
    directory = b"".join(_entry(*entry) for entry in entries)
    directory_start = stored(directory.ljust(-(-len(directory) // _SECTOR) * _SECTOR, b"\0"))
    fats = 1
    while (len(chains) + fats) * 4 > fats * _SECTOR:
        fats += 1
    first_fat = len(chains)
    table = struct.pack(f"<{first_fat + fats}I", *chains, *[_FAT] * fats)
    table = table.ljust(fats * _SECTOR, b"\xff")
    header = struct.pack(
        "<8s16xHHHHH6xIIIIIIIII",
        *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6, 0, fats, directory_start),
        *(0, _STREAM_BYTES_MIN, _END, 0, _END, 0),
    )
    where = [first_fat + n if n < fats else _NOTHING for n in range(109)]
    return header + struct.pack("<109I", *where) + bytes(data) + table


def _entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
    encoded = name.encode("utf-16-le") + b"\0\0"
    return struct.pack(
        "<64sHBBIII16xI8x8xIII",
        *(encoded, len(encoded), kind, 1, _NOTHING, right, child, 0, start, size, 0),
    )
