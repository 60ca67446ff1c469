"""Numbers of citations in an answer: bytes decide, the text is the fallback, nothing is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.gemini.resources import Support
from objlib.search.citing import with_citations

ALPHA = "Alpha is good. Alpha is old."


def by_text(text: str, *passages: int) -> Support:
    return Support(text, None, None, list(passages))


def by_bytes(start: int, end: int, *passages: int, text: str = "") -> Support:
    return Support(text, start, end, list(passages))


@pytest.mark.parametrize(
    ("answer", "supports", "expected"),
    [
        (ALPHA, [by_bytes(15, 20, 1, text="Alpha")], "Alpha is good. Alpha [2] is old."),
        (ALPHA, [by_bytes(15, 20, 1)], "Alpha is good. Alpha [2] is old."),
        (
            ALPHA,
            [by_bytes(15, 28, 1), by_bytes(0, 14, 0)],
            "Alpha is good. [1] Alpha is old. [2]",
        ),
        ("One\n  two. Three.", [by_text("One two.", 0)], "One\n  two. [1] Three."),
        ("One. Two. One.", [by_text("One.", 0), by_text("One.", 1)], "One. [1] Two. One. [2]"),
        ("Two. One.", [by_text("One.", 0), by_text("Two.", 1)], "Two. [2] One. [1]"),
        ("Größe. Öl.", [by_bytes(0, 8, 0)], "Größe. [1] Öl."),
        ("Größe.", [by_bytes(0, 3, 0)], "Grö [1]ße."),
        ("One. ", [by_bytes(0, 5, 0)], "One. [1] "),
        ("One two.", [by_bytes(0, 8, 0), by_bytes(0, 3, 1)], "One [2] two. [1]"),
        ("One.", [by_bytes(0, 4, 1), by_bytes(2, 4, 0)], "One. [1] [2]"),
        ("One.", [by_bytes(-3, 4, 0), by_bytes(0, 99, 0), by_bytes(3, 1, 0)], "One."),
        ("One.", [by_bytes(0, 99, 0, text="One")], "One [1]."),
        ("One.", [by_text("", 0), by_text("Four.", 0), by_text(" \n", 0)], "One."),
        ("One.", [by_bytes(0, 4, -1, 7)], "One."),
        ("", [by_bytes(0, 1, 0), by_text("x", 0)], ""),
    ],
)
def test_numbers_stand_behind_what_is_supported(
    answer: str, supports: list[Support], expected: str
) -> None:
    """In any order, overlapping, cut in a character, with other white space, or making no sense."""
    assert with_citations(answer, supports, [1, 2]) == expected


@given(
    st.text(alphabet="aé人😀 .", max_size=40),
    st.lists(
        st.builds(
            Support,
            st.text(alphabet="aé人 .", max_size=5),
            st.none() | st.integers(-3, 99),
            st.none() | st.integers(-3, 99),
            st.lists(st.integers(-2, 5), max_size=4),
        ),
        max_size=6,
    ),
)
def test_nothing_of_the_answer_is_lost(answer: str, supports: list[Support]) -> None:
    """For all supports: without the numbers the answer is what it was, to the letter."""
    marked = with_citations(answer, supports, [1, 2, 3])
    assert re.sub(r" \[\d\]", "", marked) == answer
