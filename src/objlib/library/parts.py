"""Texts that are too long for one document go up in parts, each with a row of its own.

Where a part ends depends on nothing but the bytes before that place: a window is laid from where
the last one ended, and its end moved back to where a paragraph, a line, a sentence or a word ends,
if one does in the last piece of the window. So what is appended to a file changes its last part
only, and finding the bounds reads a few kilobytes of each.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from objlib.catalog.part_names import part_path
from objlib.formats.decoding import form_of
from objlib.library.mime import HEAD_BYTES, HEADED_TYPES, MAX_DOCUMENT_BYTES, Accepted, look_at
from objlib.library.reach import Opener, open_regular, without_waiting
from objlib.library.unread import why_unread
from objlib.library.walk import FoundFile, LeftOut, Part, SkippedPath

#: A longer text goes up in parts. What is sent has an identity header, too.
WHOLE_BYTES_MAX = MAX_DOCUMENT_BYTES - 1024 * 1024
#: At most so many bytes a part: three times as many in UTF-8 are still a document.
WINDOW_BYTES = 32 * 1024 * 1024
#: The last piece of a window, in which its end is looked for.
MARGIN_BYTES = 64 * 1024

#: Bytes in a row that no text has as 0.
_TELLING_BYTES = 512
_EMPTY_BYTES = "it is no text further on, but empty bytes; is it a disk image or half a copy?"

#: Ends, the best ones first.
_ENDS = (
    ("\n\n", "\n\r\n", "\u2029"),
    ("\n", "\u2028"),
    (". ", "! ", "? ", "。", "！", "？", "। "),
    (" ", "\t"),
)


def parts_of(file: BinaryIO) -> Iterator[Part]:
    """Yield the parts of a text in order; a short text has one part."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    _, encoding, unit = form_of(file.read(HEAD_BYTES))
    start, number = 0, 1
    while size - start > WINDOW_BYTES:
        margin = min(MARGIN_BYTES, WINDOW_BYTES // 2)
        file.seek(start + WINDOW_BYTES - margin)
        piece = file.read(margin)
        # Aligned to whole units: those of the mark and of all parts before are.
        end = start + WINDOW_BYTES - margin + _end_in(piece, encoding, unit)
        yield Part(number, start, end - start)
        start, number = end, number + 1
    yield Part(number, start, size - start)


def _end_in(piece: bytes, encoding: str, unit: int) -> int:
    """Return the bytes from the beginning of a window's last piece to the best end in it."""
    for ends in _ENDS:
        places = [_after_last(piece, end.encode(encoding), unit) for end in ends]
        if best := max(places):
            return best
    return len(piece) - _begun(piece, encoding)


def _after_last(piece: bytes, end: bytes, unit: int) -> int:
    """Behind the last occurrence that begins at a whole unit; 0 for none."""
    found = piece.rfind(end)
    while found > 0 and found % unit:
        found = piece.rfind(end, 0, found + len(end) - 1)
    return found + len(end) if found >= 0 and found % unit == 0 else 0


def _begun(piece: bytes, encoding: str) -> int:
    """Return the number of bytes at the end that begin a character which goes on behind it."""
    if encoding.startswith("utf-16"):
        lead = int.from_bytes(piece[-2:], "little" if encoding.endswith("le") else "big")
        return 2 if 0xD800 <= lead < 0xDC00 else 0
    if encoding != "utf-8":
        return 0
    for length, byte in enumerate(reversed(piece[-4:]), start=1):
        if byte & 0xC0 == 0x80:
            continue
        wanted = 1 + (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0)
        return length if wanted > length else 0
    return 0  # no UTF-8


def count_parts(path: Path, mime_type: str, opener: Opener = without_waiting) -> int:
    """Return the number of parts in which a file goes up. Raises `OSError`."""
    if mime_type not in HEADED_TYPES or path.stat().st_size <= WHOLE_BYTES_MAX:
        return 1
    with open_regular(path, opener) as content:
        return sum(1 for _ in parts_of(content))


def in_parts(
    root: Path,
    found: Iterable[FoundFile | SkippedPath | LeftOut],
    note_parts: Callable[[int], None] = lambda _parts: None,
    opener: Opener = without_waiting,
) -> Iterator[FoundFile | SkippedPath | LeftOut]:
    """A walk in which each text that is too long is replaced by its parts, still in order.

    A text that cannot be read is skipped like a folder that cannot be read: its parts are unknown.

    Args:
        note_parts: called for each text with the number of its parts.
    """
    waiting: list[tuple[str, FoundFile | SkippedPath | LeftOut]] = []
    for entry in found:
        while waiting and waiting[0][0] < entry.path:
            yield heapq.heappop(waiting)[1]
        if not isinstance(entry, FoundFile) or entry.size_bytes <= WHOLE_BYTES_MAX:
            yield entry
            continue
        expanded = _expanded(root, entry, opener)
        note_parts(sum(isinstance(one, FoundFile) and one.part is not None for one in expanded))
        for one in expanded:
            heapq.heappush(waiting, (one.path, one))
        if waiting and waiting[0][0] == entry.path:
            yield heapq.heappop(waiting)[1]
    yield from (entry for _, entry in sorted(waiting, key=lambda item: item[0]))


def _ends_empty(file: BinaryIO, part: Part) -> bool:
    """Return True for a part whose last bytes are all 0, as those of a sparse file are."""
    file.seek(part.offset + max(0, part.size_bytes - _TELLING_BYTES))
    return not file.read(min(_TELLING_BYTES, part.size_bytes)).strip(b"\0")


def _expanded(root: Path, file: FoundFile, opener: Opener) -> list[FoundFile | SkippedPath]:
    path = root / file.path
    try:
        _, verdict = look_at(path, opener)
        if not isinstance(verdict, Accepted) or verdict.mime_type not in HEADED_TYPES:
            return [file]
        with open_regular(path, opener) as content:
            parts = []
            for one in parts_of(content):
                if _ends_empty(content, one):
                    return [SkippedPath(file.path, _EMPTY_BYTES, is_folder=False)]
                parts.append(one)
    except FileNotFoundError:
        return []  # it was there a moment ago; the walk does not mention it either
    except OSError as error:
        return [SkippedPath(f"{file.path}/", why_unread(error), is_folder=True)]
    return [
        file._replace(path=part_path(file.path, one.number), size_bytes=one.size_bytes, part=one)
        for one in parts
    ]
