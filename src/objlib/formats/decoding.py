"""Bytes to text: the one decoder of the project, for the library and for the store."""

from __future__ import annotations

import codecs
from contextlib import suppress
from typing import NamedTuple

from objlib.formats.legacy import encoding_of, is_likely_asian
from objlib.formats.wide import has_few_controls, wide_encoding_of


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


def decode_text(content: bytes) -> str:
    """Return the text in some bytes; never raise.

    A byte order mark decides (UTF-8, UTF-16, UTF-32), then the characters of a wide encoding, then
    strict UTF-8, then UTF-8 with a few damaged places, then the likeliest of the encodings from
    before. A file whose lines are partly UTF-8 and partly not is decoded line by line. A NUL is
    no character of a text, and is left out.
    """
    mark = form_of(content)
    if mark is not NO_MARK:
        return _decoded(content[len(mark.content) :], mark.encoding, "replace").replace("\0", "")
    content = content.replace(b"\0", b"")
    if content.isascii() and (text := _from_seven_bits(content)) is not None:
        return text
    with suppress(UnicodeDecodeError):
        return _decoded(content, "utf-8", "strict")
    text = content.decode("utf-8", errors="replace")
    beyond_ascii = len(content.translate(None, _ASCII))
    if text.count("\ufffd") * _DAMAGE_DIVISOR <= beyond_ascii:
        return text
    lines = content.splitlines(keepends=True)
    is_utf_8 = [_is_utf_8(line) for line in lines]
    utf_8 = b"".join(line for line, good in zip(lines, is_utf_8, strict=True) if good)
    if len(utf_8.translate(None, _ASCII)) * _MIXED_DIVISOR < beyond_ascii:
        return content.decode(encoding_of(content), errors="replace")
    others = b"".join(line for line, good in zip(lines, is_utf_8, strict=True) if not good)
    encoding = encoding_of(others)
    return "".join(
        line.decode("utf-8" if good else encoding, errors="replace")
        for line, good in zip(lines, is_utf_8, strict=True)
    )


def _from_seven_bits(content: bytes) -> str | None:
    for opening, encoding in _SEVEN_BITS:
        if opening in content:
            with suppress(UnicodeDecodeError):
                text = content.decode(encoding)
                if encoding != "hz" or is_likely_asian(text):  # "~{" may mean anything
                    return text
    return None


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decoded(content: bytes, encoding: str, errors: str) -> str:
    """Decode piece by piece: fifty megabytes in one go would hold up every other thread."""
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    begins = range(0, len(content), _PIECE_BYTES)
    pieces = [decoder.decode(content[begin : begin + _PIECE_BYTES]) for begin in begins]
    return "".join([*pieces, decoder.decode(b"", final=True)])
