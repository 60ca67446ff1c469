"""Words of the index that are nearly those of a question, for a question with a typing mistake.

Only what the index does not know is looked for, among words with the same first letter, or with the
second one, where two were swapped. The index holds words without their endings, and a mistake may
hide the ending ("goverment"), so the beginning of a word is compared, too. A word without its
accents is nearly the same at any length.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence

#: A letter that is missing, added or swapped with its neighbour costs less than one in place of
#: another, which makes another word ("project", "protect") more often than a mistake.
_LETTER = 2
_OTHER_LETTER = 3
#: (from so many letters on, what the mistakes may cost). Shorter words are near too many others.
_ALLOWED = ((11, 2 * _OTHER_LETTER), (8, _OTHER_LETTER), (5, _LETTER))
_NEAR_MAX = 3
#: What is left of a word without its ending says too little when it is shorter.
_STEM_CHARS_MIN = 4
#: An ending that the index takes off may be longer by so many letters than it seems.
_HIDDEN = 2
#: Accents of which a Greek word has one, and none in capitals or in haste.
_GREEK_VOWELS = dict(zip("αεηιουω", "άέήίόύώ", strict=True))

Words = Callable[[str, str], Iterable[tuple[str, int]]]
"""(first, end) -> the words from the first on up to the end, and in how many passages each is."""


def near(word: str, stem: str, words: Words) -> list[str]:
    """Return the nearest words, the nearest and most frequent first.

    Args:
        word: as it was asked.
        stem: the same as the index would hold it.
    """
    if not stem:
        return []
    allowed = next((cost for length, cost in _ALLOWED if len(word) >= length), 0)
    ending = len(word) - len(stem) + _HIDDEN if len(stem) < len(word) else 0
    plain = _without_accents(stem)
    letters = set(word)
    found = []
    for other, count in _beginning_like(stem, words):
        if not other.isascii() and _without_accents(other) == plain:
            found.append((0, -count, other))
        elif (
            allowed
            and len(other) >= _STEM_CHARS_MIN
            and len(stem) - _HIDDEN <= len(other) <= len(word) + 2
            and len(letters.symmetric_difference(other)) <= allowed + ending
            and (distance := _distance(word, stem, other, ending, allowed)) <= allowed
        ):
            found.append((distance, -count, other))
    nearest = min(found, default=(0, 0, ""))[0]
    return [other for distance, _count, other in sorted(found)[:_NEAR_MAX] if distance == nearest]


def _beginning_like(stem: str, words: Words) -> Iterator[tuple[str, int]]:
    """Yield the words that begin like a stem, also with an accent, or with its second letter.

    The first letter may be swapped with the second, or one too many.
    """
    beginnings = (stem[0], _GREEK_VOWELS.get(stem[0]), *stem[1:2])
    for first in dict.fromkeys(filter(None, beginnings)):
        yield from words(first, chr(ord(first) + 1))


def _without_accents(word: str) -> str:
    if word.isascii():
        return word
    apart = unicodedata.normalize("NFD", word)
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _distance(word: str, stem: str, other: str, ending: int, enough: int) -> int:
    """Return the smaller distance of the stem, and of the word less an ending, from another."""
    whole, *shorter = reversed(_row(other, word, enough)[-1 - ending :])
    return min([_row(other, stem, enough)[-1], whole, *(cost + _LETTER for cost in shorter)])


def _row(one: str, other: str, enough: int) -> Sequence[int]:
    """Return the distances of a word from every beginning of another.

    Above `enough` the numbers may be any.

    Source: optimal string alignment, Damerau (1964).
    """
    before: Sequence[int] = []
    row: Sequence[int] = range(0, (len(other) + 1) * _LETTER, _LETTER)
    for i, letter in enumerate(one, start=1):
        following = [i * _LETTER]
        for j, wanted in enumerate(other, start=1):
            cost = min(
                row[j] + _LETTER,
                following[j - 1] + _LETTER,
                row[j - 1] + _OTHER_LETTER * (letter != wanted),
            )
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + _LETTER)
            following.append(cost)
        if min(following) > enough:
            return [enough + 1]
        before, row = row, following
    return row
