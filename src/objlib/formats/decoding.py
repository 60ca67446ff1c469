"""Bytes to text: the one decoder of the project, for the library and for the store."""

from __future__ import annotations

import codecs
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from objlib.formats.legacy import encoding_of

T = TypeVar("T")


class Mark(NamedTuple):
    """A byte order mark at the beginning of a text."""

    #: The mark itself; empty where a text has none.
    content: bytes
    #: Python's name of the encoding behind the mark.
    encoding: str
    #: Bytes of the encoding's smallest unit.
    unit_bytes: int


NO_MARK = Mark(b"", "utf-8", 1)
#: UTF-32 comes first: one of its marks begins like UTF-16's.
_MARKS = (
    Mark(codecs.BOM_UTF32_LE, "utf-32-le", 4),
    Mark(codecs.BOM_UTF32_BE, "utf-32-be", 4),
    Mark(codecs.BOM_UTF8, "utf-8", 1),
    Mark(codecs.BOM_UTF16_LE, "utf-16-le", 2),
    Mark(codecs.BOM_UTF16_BE, "utf-16-be", 2),
)

_PIECE_BYTES = 1024 * 1024
_ASCII = bytes(range(0x80))
#: A text with at most one damaged place in twenty bytes beyond ASCII was UTF-8 once.
_DAMAGE_DIVISOR = 20
#: A text is mixed if a fifth of what is beyond ASCII lies in lines that are UTF-8: lines in another
#: encoding hardly ever are by chance.
_MIXED_DIVISOR = 5
#: ISO-2022-JP goes over to Japanese with this.
_JAPANESE = b"\x1b$"


def mark_of(head: bytes) -> Mark:
    """Return the byte order mark that a text begins with, or `NO_MARK`."""
    return next((mark for mark in _MARKS if head.startswith(mark.content)), NO_MARK)


def mark_at_the_beginning(pieces: Iterable[bytes]) -> Mark:
    """Return the byte order mark of a text that comes in pieces, or `NO_MARK`."""
    head = b""
    for piece in pieces:
        head += piece[:4]
        if len(head) >= 4:
            break
    return mark_of(head)


@dataclass(frozen=True, slots=True)
class Decoding:
    """The way in which the bytes of a text become characters."""

    #: Python's name of the encoding.
    encoding: str
    #: Bytes at the beginning that are a byte order mark.
    mark_bytes: int = 0
    #: The lines that are UTF-8 are read as such, and only the others in `encoding`.
    is_mixed: bool = False
    #: The text is UTF-8 without a mark and without any damage.
    is_utf_8: bool = False

    def decoded(self, pieces: Iterable[bytes]) -> Iterator[str]:
        """Decode a text that comes in pieces; one piece of the result for each, or none."""
        pieces = _without(pieces, self.mark_bytes)
        if self.is_mixed:
            yield from map(self._joined, _lines(pieces))
            return
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        yield from map(decoder.decode, pieces)
        yield decoder.decode(b"", final=True)

    def as_utf_8(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Return a text that comes in pieces in UTF-8."""
        return iter(pieces) if self.is_utf_8 else map(str.encode, self.decoded(pieces))

    def _joined(self, lines: list[bytes]) -> str:
        return "".join(
            line.decode("utf-8" if _is_utf_8(line) else self.encoding, errors="replace")
            for line in lines
        )


def decode_text(content: bytes) -> str:
    """Return the text in some bytes; never raise."""
    pieces = _sliced(content)
    return "".join(after_all_turns(examined(pieces)).decoded(pieces))


def after_all_turns(work: Generator[None, None, T]) -> T:
    """Do in one go a work that gives others turns, and return its result."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result


def examined(pieces: Iterable[bytes]) -> Generator[None, None, Decoding]:
    """Find out how a text is to be decoded. What is yielded are turns for others to take.

    A byte order mark decides (UTF-8, UTF-16, UTF-32), then strict UTF-8, then UTF-8 with a few
    damaged places, then the likeliest of the encodings from before. A file whose lines are partly
    UTF-8 and partly not is decoded line by line.

    Args:
        pieces: the text, which is gone through several times.
    """
    mark = mark_at_the_beginning(pieces)
    if mark is not NO_MARK:
        return Decoding(mark.encoding, len(mark.content))
    if (yield from _is_all_in("utf-8", pieces)):
        if _goes_over_to_japanese(pieces) and (yield from _is_all_in("iso2022_jp_2", pieces)):
            return Decoding("iso2022_jp_2")
        return Decoding("utf-8", is_utf_8=True)
    beyond_ascii = damaged = 0
    for piece in pieces:
        beyond_ascii += _beyond_ascii(piece)
        yield
    for text in Decoding("utf-8").decoded(pieces):
        damaged += text.count("\ufffd")
        yield
    if damaged * _DAMAGE_DIVISOR <= beyond_ascii:
        return Decoding("utf-8")
    in_utf_8 = 0
    for lines in _lines(pieces):
        in_utf_8 += sum(_beyond_ascii(line) for line in lines if _is_utf_8(line))
        yield
    all_lines = (line for lines in _lines(pieces) for line in lines)
    if in_utf_8 * _MIXED_DIVISOR < beyond_ascii:
        return Decoding(encoding_of(all_lines))
    others = (line for line in all_lines if not _is_utf_8(line))
    return Decoding(encoding_of(others), is_mixed=True)


def _is_all_in(encoding: str, pieces: Iterable[bytes]) -> Generator[None, None, bool]:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        for piece in pieces:
            decoder.decode(piece)
            yield
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _goes_over_to_japanese(pieces: Iterable[bytes]) -> bool:
    last = b""
    found = False
    for piece in pieces:
        if not piece.isascii():
            return False
        found = found or _JAPANESE in piece or last + piece[:1] == _JAPANESE
        last = piece[-1:] or last
    return found


def _beyond_ascii(content: bytes) -> int:
    return len(content.translate(None, _ASCII))


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _lines(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield for each piece the lines that are whole with it, then the last one."""
    begun = b""
    for piece in pieces:
        lines = (begun + piece).splitlines(keepends=True)
        # A line feed may follow on a carriage return.
        begun = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        yield lines
    yield begun.splitlines(keepends=True)


def _without(pieces: Iterable[bytes], skipped_bytes: int) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[skipped_bytes:]
        skipped_bytes = max(0, skipped_bytes - len(piece))


def _sliced(content: bytes) -> list[bytes]:
    """Cut a content up: fifty megabytes decoded in one go would hold up every other thread."""
    begins = range(0, len(content), _PIECE_BYTES)
    return [content[begin : begin + _PIECE_BYTES] for begin in begins]
