"""Words that are nearly those of a question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.language.spelling import Words, near


def among(*words: str) -> Words:
    """An index that holds each of these in one passage."""
    return lambda first, end: [(word, 1) for word in sorted(words) if first <= word < end]


@pytest.mark.parametrize(
    ("word", "stem", "expected"),
    [
        ("kuwat", "kuwat", ["kuwait"]),
        ("panmaa", "panmaa", ["panama"]),
        ("ukwait", "ukwait", ["kuwait"]),
        ("xpanama", "xpanama", ["panama"]),
        ("coernobyl", "coernobyl", ["chernobyl"]),
        ("goverment", "gover", ["govern"]),
        ("project", "project", []),
        ("tex", "tex", []),
        ("unknown", "unknown", []),
        ("ψυχη", "ψυχη", ["ψυχή"]),
        ("ολοι", "ολοι", ["όλοι"]),
        ("a" * 40, "a" * 40, []),
        ("", "", []),
    ],
)
def test_a_mistake_is_forgiven_where_no_other_word_is_meant(
    word: str, stem: str, expected: list[str]
) -> None:
    """A letter more or less, or two swapped, in five; another letter in eight; accents in any."""
    index = among("kuwait", "panama", "chernobyl", "govern", "protect", "texa", "ψυχή", "όλοι")
    assert near(word, stem, index) == expected


@given(st.text("abcαά", max_size=14), st.lists(st.text("abcαά", min_size=1, max_size=14)))
def test_what_is_near_is_a_word_of_the_index(word: str, words: list[str]) -> None:
    """For all words and indexes; and without an error."""
    assert set(near(word, word, among(*words))) <= set(words)
