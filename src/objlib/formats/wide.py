"""Texts in UTF-16 and UTF-32 that have no byte order mark.

Such a text is told by its characters: they make sense in one of the encodings, and hardly ever by
chance.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections import Counter
from functools import cache

from objlib.formats.legacy import is_likely_asian

#: Enough of a text to tell.
HEAD_BYTES = 8192
#: Control characters other than those texts use: tab, newline, form feed, backspace, escape, EOF.
_CONTROLS = bytes(byte for byte in range(0x20) if byte not in b"\t\n\r\f\x08\x1b\x1a")
#: Old encodings have hardly a control character; compressed bytes have one in ten.
_CONTROL_SHARE_MAX = 0.02
#: A shorter text may have one all the same, where nothing else is wrong with it.
_ONE_CONTROL_IN_BYTES = 24
#: Less among NULs is a signature, perhaps.
_TEXT_BYTES_MIN = 32
#: The alphabets end here; symbols and the characters of East Asia follow.
_ALPHABETS_END = 0x2100


def has_few_controls(content: bytes) -> bool:
    """Return True if bytes could be a text of narrow characters.

    A crash, or a program of old, leaves NULs before and behind a text; they do not count.
    """
    body = content.strip(b"\0")
    controls = len(body) - len(body.translate(None, _CONTROLS))
    is_one = controls == 1 and len(body) >= _ONE_CONTROL_IN_BYTES and _is_utf_8(body)
    if controls > len(body) * _CONTROL_SHARE_MAX and not is_one:
        return False
    nuls = len(content) - len(body)
    return not nuls or len(body) >= _TEXT_BYTES_MIN or (nuls <= len(body) and _is_utf_8(body))


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def wide_encoding_of(content: bytes) -> str | None:
    """Return UTF-16 or UTF-32, as Python names it, for a text in it; None for everything else."""
    head = content[:HEAD_BYTES]
    if not head or has_few_controls(head):
        return None
    order = ("le", "be") if head[1::2].count(0) >= head[::2].count(0) else ("be", "le")
    widths = (32, 16) if 2 * head.count(0) > len(head) else (16,)
    for width in widths:
        if len(head) % (width // 8):
            continue
        for end in order:
            encoding = f"utf-{width}-{end}"
            try:
                text = codecs.getincrementaldecoder(encoding)("strict").decode(head)
            except UnicodeDecodeError:
                continue
            if _makes_sense(text):
                return encoding
    return None


def _makes_sense(text: str) -> bool:
    if not text or "\0" in text or 50 * sum(map(_is_odd, text)) > len(text):
        return False
    rows = Counter(ord(char) >> 8 for char in text if ord(char) < _ALPHABETS_END)
    in_few_rows = sum(count for _, count in rows.most_common(3))
    if 10 * in_few_rows >= 9 * len(text):
        return 10 * sum(char.isalnum() or char.isspace() for char in text) >= 6 * len(text)
    return is_likely_asian(text)


@cache
def _is_odd(char: str) -> bool:
    is_odd = unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs") or char == "\ufffd"
    return is_odd and not char.isspace()
