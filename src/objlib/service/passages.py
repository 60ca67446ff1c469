"""Finds a passage in the text that it was taken from, so that it can be marked there. Pure.

An index may have changed white space, case and accents, and cut a passage anywhere. So it is looked
for as it stands, then word by word with case and accents folded, then by the longest run of its
words. A run of less than half of them proves nothing, and nothing is marked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

#: A character counts as a word in scripts without spaces: kana, Han, Thai, Lao, Khmer.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1780-\u17ff]"
    r"|[^\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1780-\u17ff]+"
)
#: A prime for the hashes of runs of words, and a base.
_MODULUS, _BASE = (1 << 61) - 1, 1_000_003


@dataclass(frozen=True, slots=True)
class Located:
    """A place in a text: characters `start` to `end`, and the share of the passage found there."""

    start: int
    end: int
    share: float


@dataclass(frozen=True, slots=True)
class _Word:
    folded: str
    start: int
    end: int


def locate(text: str, passage: str) -> Located | None:
    """Return the place of a passage in a text, or None where less than half of it is found."""
    wanted = passage.strip()
    if not wanted:
        return None
    if (start := text.find(wanted)) >= 0:
        return Located(start, start + len(wanted), 1.0)
    here, there = _words(text), _words(wanted)
    run = _longest_run([word.folded for word in here], [word.folded for word in there])
    if run is None:
        return None
    begin, length = run
    return Located(here[begin].start, here[begin + length - 1].end, length / len(there))


def _words(text: str) -> list[_Word]:
    return [_Word(_folded(match[0]), *match.span()) for match in _WORD.finditer(text)]


def _folded(word: str) -> str:
    if word.isascii():
        return word.lower()
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(char for char in apart if not unicodedata.combining(char))


def _longest_run(text: Sequence[str], passage: Sequence[str]) -> tuple[int, int] | None:
    """Return (first word in the text, number of words) of the longest run of a passage's words.

    A run of at least half of the passage contains one of its runs of just that length, so those are
    looked up by a rolling hash: time is linear in both.
    """
    need = (len(passage) + 1) // 2
    if not need or len(text) < need:
        return None
    numbers: dict[str, int] = {}
    wanted = [numbers.setdefault(word, len(numbers) + 1) for word in passage]
    known = [numbers.get(word, 0) for word in text]
    places: dict[int, list[int]] = {}
    for place, value in enumerate(_rolling(wanted, need)):
        places.setdefault(value, []).append(place)
    best: tuple[int, int] | None = None
    done_until = 0  # what lies in a run that was found begins no longer one
    for begin, value in enumerate(_rolling(known, need)):
        if begin < done_until:
            continue
        for place in places.get(value, ()):
            length = _common(known, begin, wanted, place)
            if length >= need and (best is None or length > best[1]):
                best = (begin, length)
                done_until = begin + length - need + 1
    return best


def _rolling(numbers: Sequence[int], size: int) -> list[int]:
    """Return the hash of each run of `size` numbers, by its beginning."""
    if len(numbers) < size:
        return []
    value, highest = 0, pow(_BASE, size - 1, _MODULUS)
    for number in numbers[:size]:
        value = (value * _BASE + number) % _MODULUS
    hashes = [value]
    for leaving, entering in zip(numbers, numbers[size:], strict=False):
        value = ((value - leaving * highest) * _BASE + entering) % _MODULUS
        hashes.append(value)
    return hashes


def _common(text: Sequence[int], begin: int, passage: Sequence[int], place: int) -> int:
    length = 0
    while (
        begin + length < len(text)
        and place + length < len(passage)
        and text[begin + length] == passage[place + length]
    ):
        length += 1
    return length
