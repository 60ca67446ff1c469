"""Words of the index that are nearly those of a question, for a question with a typing mistake.

Only what the index does not know is looked for, among words with the same first letter. The index
holds words without their endings, and a mistake may hide the ending ("goverment"), so the beginning
of a word is compared, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

#: Shorter words are near too many others.
_CHARS_MIN = 7
_TWO_MISTAKES_FROM = 11
_NEAR_MAX = 3
#: What is left of a word without its ending says too little when it is shorter.
_STEM_CHARS_MIN = 5
#: An ending that the index takes off may be longer by so many letters than it seems.
_HIDDEN = 2
#: Another letter makes another word ("project", "protect") more often than a mistake.
_OTHER_LETTER = 2

Words = Callable[[str, str], Iterable[tuple[str, int]]]
"""(first, end) -> the words from the first on up to the end, and in how many passages each is."""


def near(word: str, stem: str, words: Words) -> list[str]:
    """Return the nearest words, the nearest and most frequent first.

    Args:
        word: as it was asked.
        stem: the same as the index would hold it.
    """
    if len(word) < _CHARS_MIN or not stem:
        return []
    allowed = 2 if len(word) >= _TWO_MISTAKES_FROM else 1
    ending = len(word) - len(stem) + _HIDDEN if len(stem) < len(word) else 0
    first = stem[0]
    found = [
        (distance, -count, other)
        for other, count in words(first, chr(ord(first) + 1))
        if len(other) >= _STEM_CHARS_MIN
        and len(stem) - _HIDDEN <= len(other) <= len(word) + allowed
        and (distance := _distance(word, stem, other, ending, allowed)) <= allowed
    ]
    nearest = min(found, default=(0, 0, ""))[0]
    return [other for distance, _count, other in sorted(found)[:_NEAR_MAX] if distance == nearest]


def _distance(word: str, stem: str, other: str, ending: int, enough: int) -> int:
    """Return the smaller distance of the stem, and of the word less an ending, from another."""
    to_stem = _row(other, stem, enough)[-1]
    return min([to_stem, *_row(other, word, enough)[-1 - ending :]])


def _row(one: str, other: str, enough: int) -> Sequence[int]:
    """Return the distances of a word from every beginning of another.

    Letters that are missing, added or swapped count once, others twice. Above `enough` the numbers
    may be any.

    Source: optimal string alignment, Damerau (1964).
    """
    before: Sequence[int] = []
    row: Sequence[int] = range(len(other) + 1)
    for i, letter in enumerate(one, start=1):
        following = [i]
        for j, wanted in enumerate(other, start=1):
            cost = min(
                row[j] + 1, following[j - 1] + 1, row[j - 1] + _OTHER_LETTER * (letter != wanted)
            )
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            following.append(cost)
        if min(following) > enough:
            return [enough + 1]
        before, row = row, following
    return row
