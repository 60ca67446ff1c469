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

    Where a run is common to both, so is every shorter one in it: the length is found by halving,
    and whether there is one of a length by rolling hashes. Time is linear but for a logarithm.
    """
    numbers: dict[str, int] = {}
    wanted = [numbers.setdefault(word, len(numbers) + 1) for word in passage]
    known = [numbers.get(word, 0) for word in text]
    shortest = (len(passage) + 1) // 2
    longest = min(len(passage), len(text))
    best: tuple[int, int] | None = None
    while shortest <= longest:
        length = (shortest + longest) // 2 if best else shortest
        begin = _place_of_a_run(known, wanted, length)
        if begin is not None:
            best, shortest = (begin, length), length + 1
        elif best is None:
            return None
        else:
            longest = length - 1
    return best


def _place_of_a_run(text: Sequence[int], passage: Sequence[int], length: int) -> int | None:
    """Return the beginning in the text of a run of so many numbers that both have."""
    places = {value: place for place, value in enumerate(_rolling(passage, length))}
    for begin, value in enumerate(_rolling(text, length)):
        place = places.get(value)
        if place is not None and text[begin : begin + length] == passage[place : place + length]:
            return begin
    return None


def _rolling(numbers: Sequence[int], size: int) -> list[int]:
    """Return the hash of each run of `size` numbers, by its beginning."""
    if not size or len(numbers) < size:
        return []
    value, highest = 0, pow(_BASE, size - 1, _MODULUS)
    for number in numbers[:size]:
        value = (value * _BASE + number) % _MODULUS
    hashes = [value]
    for leaving, entering in zip(numbers, numbers[size:], strict=False):
        value = ((value - leaving * highest) * _BASE + entering) % _MODULUS
        hashes.append(value)
    return hashes
