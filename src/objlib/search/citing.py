"""Puts the numbers of citations into an answer.

A backend says which segment of an answer rests on which passages: by bytes of UTF-8, by the
segment's text, or by both. Bytes that make sense decide, and the text is the fallback; what fits
nowhere gets no number. Nothing of the answer is lost.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum

from objlib.gemini.resources import Support

#: So many letters without a number are a sentence of the model's own, and no "In short:".
_OWN_CHARS_MIN = 20

_CONTINUED = range(0x80, 0xC0)  # a byte in the middle of a character


class RestsOn(StrEnum):
    """The source that stands behind an answer."""

    LIBRARY = "the library"
    #: Some sentences have no number.
    BOTH = "the library and the model"
    NOTHING = "the model"


def tells_of(answer: str, supports: Sequence[Support]) -> RestsOn:
    """Return what stands behind an answer: passages, the model alone, or both."""
    content = answer.encode("utf-8", "replace")
    is_backed = bytearray(len(content))
    said_before: dict[str, int] = {}
    for support in supports:
        if not support.passages:
            continue
        end = _end_by_bytes(content, support)
        if end is not None and support.start is not None:
            start = support.start
        else:
            end = _end_by_text(answer, support.text, said_before)
            start = max(0, (end or 0) - len(support.text.encode("utf-8", "replace")))
        if end is not None:
            is_backed[start:end] = b"\1" * (end - start)
    if not any(is_backed):
        return RestsOn.NOTHING
    rest = bytes(32 if backed else byte for byte, backed in zip(content, is_backed, strict=True))
    letters = sum(map(str.isalnum, rest.decode("utf-8", "replace")))
    return RestsOn.BOTH if letters >= _OWN_CHARS_MIN else RestsOn.LIBRARY


def with_citations(answer: str, supports: Sequence[Support], numbers: Sequence[int | None]) -> str:
    """Return an answer with the numbers of its citations behind each supported segment.

    Args:
        supports: in any order.
        numbers: index of a passage -> number of its citation, None where it has none.
    """
    content = answer.encode("utf-8", "replace")
    said_before: dict[str, int] = {}
    marks: defaultdict[int, set[int]] = defaultdict(set)
    for support in supports:
        indices = (index for index in support.passages if 0 <= index < len(numbers))
        cited = {number for index in indices if (number := numbers[index]) is not None}
        end = _end_by_bytes(content, support)
        if end is None:
            end = _end_by_text(answer, support.text, said_before)
        if end is not None:
            marks[end] |= cited
    done = b""
    start = 0
    for end in sorted(marks):
        said = "".join(f" [{number}]" for number in sorted(marks[end]))
        done += content[start:end] + said.encode()
        start = end
    return (done + content[start:]).decode("utf-8", "replace")


def _end_by_bytes(content: bytes, support: Support) -> int | None:
    """Return the byte after a segment; None where its bytes are no part of the answer."""
    start, end = support.start, support.end
    if start is None or end is None or not 0 <= start < end <= len(content):
        return None
    while end < len(content) and content[end] in _CONTINUED:
        end += 1
    said = content[start:end].rstrip()
    return start + len(said) if said else None


def _end_by_text(answer: str, segment: str, said_before: dict[str, int]) -> int | None:
    """Return the byte after the next place where a text stands, white space apart."""
    words = segment.split()
    if not words:
        return None
    pattern = re.compile(r"\s+".join(map(re.escape, words)))
    key = " ".join(words)
    found = pattern.search(answer, said_before.get(key, 0))
    if found is None:
        return None
    said_before[key] = found.end()
    return len(answer[: found.end()].encode("utf-8", "replace"))
