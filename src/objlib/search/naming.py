"""The files that a question names: by years, titles and other values of the catalog's metadata.

"Reagan 1984 on the deficit" names a title and a year. Names are no part of a passage, so asked as
it stands the question finds the place where the file says its own name. It is asked a second time,
without them, of these files alone; `objlib.search.merging` makes one list of both.

A number is named where it is a year, or where the name of its key stands before it ("week 3"); a
text where all of its words stand in the question, side by side. Of a short text that is all names
("Hungarian Magyar") one of them will do when it is written as a name, too. A name in small letters
("grant") may be a word like any other and counts beside another fact only.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from objlib.catalog.facets import Facet, Value
from objlib.catalog.names import NAME_WORDS_MAX, Names, Word, words_of
from objlib.language.stop_words import stop_words
from objlib.language.words import telling_terms, terms
from objlib.search.filters import quoted

#: The most values of one key that a question may name, and words that it is looked through for.
VALUES_MAX = 20
#: So many values with one name are looked at.
_LOOKED_AT = 100
WORDS_MAX = 200
#: A number with so many digits is a year.
_YEAR_DIGITS = 4

_POSSESSIVE = re.compile(r"\A['’]s\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Named:
    """Values of one key that a question names.

    Args:
        span: the characters of the question that name them.
        is_sure: False for what may be a word like any other.
    """

    key: str
    values: tuple[Value, ...]
    span: tuple[int, int]
    is_sure: bool = True


def named_in(question: str, names: Names) -> list[Named]:
    """Return what a question names, in the order in which it does, each word once at most."""
    words = words_of(question)[:WORDS_MAX]
    if not words:
        return []
    found: list[Named] = []
    position = 0
    while position < len(words):
        length, some = _longest(words, position, names)
        found += some
        position += max(1, length)
    return found


def without(question: str, named: Sequence[Named]) -> str:
    """Return a question without what it names, and without the little words before that.

    What says nothing by itself is not worth asking: then the question stays as it is.
    """
    silent = stop_words([word.term for word in words_of(question)])
    rest = question
    for start, end in sorted({one.span for one in named}, reverse=True):
        before = rest[:start]
        while (last := re.search(r"(\w+)\W*$", before)) and "".join(terms(last[1])) in silent:
            if last.start() == 0 or last[1].casefold() in ("what", "who", "how", "why", "when"):
                break
            before = before[: last.start()]
        rest = before + _POSSESSIVE.sub("", rest[end:])
    rest = " ".join(rest.split()).strip(" ,;:-–—")
    return rest if telling_terms(rest) else question


def subsets(named: Sequence[Named]) -> Iterator[dict[str, tuple[Value, ...]]]:
    """Yield what may be asked of all files: first by all keys that are named, then by fewer.

    What is not sure comes only beside something else.
    """
    by_key: defaultdict[str, list[Value]] = defaultdict(list)
    sure: set[str] = set()
    for one in named:
        by_key[one.key] += [value for value in one.values if value not in by_key[one.key]]
        if one.is_sure:
            sure.add(one.key)
    keys = list(by_key)[:4]
    for size in range(len(keys), 0, -1):
        for some in itertools.combinations(keys, size):
            if size > 1 or some[0] in sure:
                yield {key: tuple(by_key[key][:VALUES_MAX]) for key in some}


def filter_of(wanted: Mapping[str, Sequence[Value]]) -> str:
    """Return the AIP-160 filter for files that have one of the values of each key."""
    return " AND ".join(
        "(" + " OR ".join(f"{key} = {quoted(value)}" for value in values) + ")"
        for key, values in wanted.items()
    )


def _longest(words: Sequence[Word], position: int, names: Names) -> tuple[int, list[Named]]:
    """Return how many words from a position on are a name, and what it names."""
    longest = min(NAME_WORDS_MAX, len(words) - position)
    for length in range(longest, 0, -1):
        some = words[position : position + length]
        name = "".join(word.term for word in some)
        if length == 1 and not name.isdecimal() and not telling_terms(some[0].text):
            continue
        known = names.named(name, _LOOKED_AT)
        facets = [facet for facet in known if _is_meant(facet, words, position)]
        is_sure = length > 1 or some[0].is_name
        if not facets and length == 1 and some[0].is_name:
            facets = names.named(name, _LOOKED_AT, is_alias=True)
        if facets and len(facets) <= VALUES_MAX:
            span = (some[0].start, some[-1].end)
            by_key: defaultdict[str, list[Value]] = defaultdict(list)
            for facet in facets:
                by_key[facet.key].append(facet.value)
            return length, [
                Named(key, tuple(values), _with_key(key, values, words, position) or span, is_sure)
                for key, values in by_key.items()
            ]
    return 0, []


def _is_meant(facet: Facet, words: Sequence[Word], position: int) -> bool:
    """Return False for a number that is no year and stands behind no name of its key."""
    if isinstance(facet.value, str):
        return True
    is_year = len(words[position].text) == _YEAR_DIGITS and "year" in facet.key
    before = words[position - 1].term if position else ""
    return is_year or before == facet.key


def _with_key(
    key: str, values: Sequence[Value], words: Sequence[Word], position: int
) -> tuple[int, int] | None:
    """Return the span of a number together with the name of its key, where that is before it."""
    if position and not isinstance(values[0], str) and words[position - 1].term == key:
        return (words[position - 1].start, words[position].end)
    return None
