"""Bytes to text: the one decoder of the project, for the library and for the store."""

from __future__ import annotations

import codecs
from contextlib import suppress
from typing import NamedTuple

from charset_normalizer import from_bytes


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

#: Encodings of texts from before UTF-8. DOS code pages but the Russian one are left out: they
#: make sense of any Western text, and wrongly.
_LEGACY_ENCODINGS = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("iso8859_2", "iso8859_5", "koi8_r", "koi8_u", "cp866", "mac_cyrillic"),
    *("gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp874"),
)
#: Two encodings are equally plausible if their scores, between 0 and 1, differ by less.
_TIE = 0.1

_PIECE_BYTES = 1024 * 1024
_ASCII = bytes(range(0x80))
#: A text with at most one damaged place in twenty bytes beyond ASCII was UTF-8 once.
_DAMAGE_DIVISOR = 20


def mark_of(head: bytes) -> Mark:
    """Return the byte order mark that a text begins with, or `NO_MARK`."""
    return next((mark for mark in _MARKS if head.startswith(mark.content)), NO_MARK)


def decode_text(content: bytes) -> str:
    """Return the text in some bytes; never raise.

    A byte order mark decides (UTF-8, UTF-16, UTF-32), then strict UTF-8, then UTF-8 with a few
    damaged places, then the encoding that charset-normalizer finds most plausible. The last resort
    is Windows-1252 with U+FFFD for the five bytes it leaves undefined: most old Western texts are
    in it, and ASCII survives.
    """
    mark = mark_of(content)
    if mark is not NO_MARK:
        return _decoded(content[len(mark.content) :], mark.encoding, "replace")
    with suppress(UnicodeDecodeError):
        return _decoded(content, "utf-8", "strict")
    text = content.decode("utf-8", errors="replace")
    beyond_ascii = len(content.translate(None, _ASCII))
    if text.count("\ufffd") * _DAMAGE_DIVISOR <= beyond_ascii:
        return text
    matches = from_bytes(content, cp_isolation=list(_LEGACY_ENCODINGS))
    best = matches.best()
    if best is None:
        return content.decode("cp1252", errors="replace")
    # Several encodings often read as plausibly; of those the Western one is by far the likeliest.
    for match in matches:
        as_plausible = match.chaos <= best.chaos + _TIE and match.coherence >= best.coherence - _TIE
        if as_plausible and "cp1252" in match.could_be_from_charset:
            return str(match)
    return str(best)


def _decoded(content: bytes, encoding: str, errors: str) -> str:
    """Decode piece by piece: fifty megabytes in one go would hold up every other thread."""
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    begins = range(0, len(content), _PIECE_BYTES)
    pieces = [decoder.decode(content[begin : begin + _PIECE_BYTES]) for begin in begins]
    return "".join([*pieces, decoder.decode(b"", final=True)])
