"""Bytes to text: the one decoder of the project, for the library and for the store."""

from __future__ import annotations

import codecs
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from objlib.formats.legacy import encoding_of, is_likely_asian
from objlib.formats.wide import HEAD_BYTES, has_few_controls, wide_encoding_of

T = TypeVar("T")


class Mark(NamedTuple):
    """A byte order mark at the beginning of a text."""

    #: The mark itself; empty where a text has none, though it may be in a wide encoding.
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
#: How encodings in which every byte is ASCII go over to other characters.
_SEVEN_BITS = ((b"\x1b$)C", "iso2022_kr"), (b"\x1b$", "iso2022_jp_2"), (b"~{", "hz"))
#: Encodings in which a NUL is a part of most characters.
_WIDE = ("utf-16", "utf-32")


def mark_of(head: bytes) -> Mark:
    """Return the byte order mark that a text begins with, or `NO_MARK`."""
    return next((mark for mark in _MARKS if head.startswith(mark.content)), NO_MARK)


def form_of(head: bytes) -> Mark:
    """Return the mark of a text, or what stands for one in a wide encoding; else `NO_MARK`."""
    mark = mark_of(head)
    if mark is not NO_MARK or (encoding := wide_encoding_of(head)) is None:
        return mark
    return Mark(b"", encoding, int(encoding[4:6]) // 8)


def is_text(content: bytes) -> bool:
    """Return True if some bytes, or the beginning of some, can be a text in some encoding."""
    is_korean = content.startswith(_SEVEN_BITS[0][0])
    return is_korean or has_few_controls(content) or form_of(content) is not NO_MARK


def beginning(pieces: Iterable[bytes], size_bytes: int = HEAD_BYTES) -> bytes:
    """Return the beginning of a text that comes in pieces: so many bytes, or all there are."""
    head = b""
    for piece in pieces:
        head += piece[: size_bytes - len(head)]
        if len(head) == size_bytes:
            break
    return head


@dataclass(frozen=True, slots=True)
class Decoding:
    """The way in which the bytes of a text become characters."""

    #: Python's name of the encoding.
    encoding: str
    #: Bytes at the beginning that are a byte order mark.
    mark_bytes: int = 0
    #: The lines that are UTF-8 are read as such, and only the others in `encoding`.
    is_mixed: bool = False
    #: It is decoded in one go: these decoders lose their state between pieces.
    is_whole: bool = False
    #: The text is UTF-8 without a mark and, but for NULs, without any damage.
    is_utf_8: bool = False

    def decoded(self, pieces: Iterable[bytes]) -> Iterator[str]:
        """Decode a text that comes in pieces; one piece of the result for each, or none."""
        pieces = _without(pieces, self.mark_bytes)
        if self.mark_bytes or self.encoding.startswith(_WIDE):
            yield from (text.replace("\0", "") for text in self._replacing(pieces))
        elif self.is_whole:
            yield b"".join(_WithoutNuls(pieces)).decode(self.encoding, "replace")
        elif self.is_mixed:
            yield from map(self._joined, _lines(_WithoutNuls(pieces)))
        else:
            yield from self._replacing(_WithoutNuls(pieces))

    def as_utf_8(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Return a text that comes in pieces in UTF-8."""
        return iter(
            _WithoutNuls(pieces) if self.is_utf_8 else map(str.encode, self.decoded(pieces))
        )

    def _replacing(self, pieces: Iterable[bytes]) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        yield from map(decoder.decode, pieces)
        yield decoder.decode(b"", final=True)

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

    A byte order mark decides (UTF-8, UTF-16, UTF-32), then the characters of a wide encoding, then
    strict UTF-8, then UTF-8 with a few damaged places, then the likeliest of the encodings from
    before. A file whose lines are partly UTF-8 and partly not is decoded line by line. A NUL is
    no character of a text, and is left out.

    Args:
        pieces: the text, which is gone through several times.
    """
    mark = form_of(beginning(pieces))
    if mark is not NO_MARK:
        return Decoding(mark.encoding, len(mark.content))
    pieces = _WithoutNuls(pieces)
    if (yield from _is_all_in("utf-8", pieces)):
        encoding = yield from _seven_bits_of(pieces)
        if encoding is not None:
            return Decoding(encoding, is_whole=True)
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


def _seven_bits_of(pieces: Iterable[bytes]) -> Generator[None, None, str | None]:
    """Return the encoding of a text that is ASCII to look at; None for ASCII, and what is more."""
    found = set()
    last = b""
    for piece in pieces:
        if not piece.isascii():
            return None
        seen = last + piece
        found |= {opening for opening, _ in _SEVEN_BITS if opening in seen}
        last = seen[-3:]
        yield
    content = b"".join(pieces) if found else b""
    for opening, encoding in _SEVEN_BITS:
        if opening in found:
            with suppress(UnicodeDecodeError):
                text = content.decode(encoding)
                if encoding != "hz" or is_likely_asian(text):  # "~{" may mean anything
                    return encoding
    return None


def _beyond_ascii(content: bytes) -> int:
    return len(content.translate(None, _ASCII))


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _lines(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield for each piece the lines that are whole with it, then the last one.

    A line is joined once, at its end: it may have a hundred megabytes.
    """
    begun: list[bytes] = []
    for piece in pieces:
        if piece and begun and begun[-1].endswith(b"\r"):  # a line feed may follow on it
            piece, begun = b"".join((*begun, piece)), []
        *lines, last = piece.splitlines(keepends=True) or [b""]
        if lines:
            lines[0], begun = b"".join((*begun, lines[0])), []
        if last:
            begun.append(last)
        if last.endswith(b"\n"):
            lines.append(b"".join(begun))
            begun = []
        yield lines
    yield [b"".join(begun)] if begun else []


@dataclass(frozen=True, slots=True)
class _WithoutNuls:
    """Pieces without their NULs, as often as they are gone through."""

    pieces: Iterable[bytes]

    def __iter__(self) -> Iterator[bytes]:
        return (piece.replace(b"\0", b"") for piece in self.pieces)


def _without(pieces: Iterable[bytes], skipped_bytes: int) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[skipped_bytes:]
        skipped_bytes = max(0, skipped_bytes - len(piece))


def _sliced(content: bytes) -> list[bytes]:
    """Cut a content up: fifty megabytes decoded in one go would hold up every other thread."""
    begins = range(0, len(content), _PIECE_BYTES)
    return [content[begin : begin + _PIECE_BYTES] for begin in begins]
