"""Words of the index that are nearly those of a question, for a question with a typing mistake.

Only what the index does not know is looked for, among words with the same first letter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

#: Shorter words, without their ending, are near too many others.
_CHARS_MIN = 7
_TWO_MISTAKES_FROM = 11
_NEAR_MAX = 3
#: Another letter makes another word ("project", "protect") more often than a mistake.
_OTHER_LETTER = 2

Words = Callable[[str, str], Iterable[tuple[str, int]]]
"""(first, end) -> the words from the first on up to the end, and in how many passages each is."""


def near(word: str, words: Words) -> list[str]:
    """Return the nearest words, the nearest and most frequent first."""
    if len(word) < _CHARS_MIN:
        return []
    allowed = 2 if len(word) >= _TWO_MISTAKES_FROM else 1
    first = word[0]
    found = [
        (distance, -count, other)
        for other, count in words(first, chr(ord(first) + 1))
        if abs(len(other) - len(word)) <= allowed
        and (distance := _distance(word, other, allowed)) <= allowed
    ]
    nearest = min(found, default=(0, 0, ""))[0]
    return [other for distance, _count, other in sorted(found)[:_NEAR_MAX] if distance == nearest]


def _distance(one: str, other: str, enough: int) -> int:
    """Return how many letters are missing, added or swapped, and twice how many are others.

    Above `enough` the number may be any.

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
            return enough + 1
        before, row = row, following
    return row[-1]
