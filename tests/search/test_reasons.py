"""The reason why a passage was found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.search.reasons import Why, why


@pytest.mark.parametrize(
    ("question", "passage", "expected"),
    [
        ("lynching", "Lynchings must end.", Why(("lynching",))),
        (
            "peacefull use of Antartica",
            "The peaceful use of Antarctica.",
            Why(("peacefull", "use"), {"antartica": "Antarctica"}),
        ),
        ("a dog in the house", "The houses are new.", Why(("house",))),
        ("project", "Protect them.", Why()),
        ("the", "The end.", Why()),
        ("受教育", "受教育的权利", Why(("受教", "教育"))),
        ("", "x", Why()),
    ],
)
def test_words_that_a_passage_holds_are_the_reason(
    question: str, passage: str, expected: Why
) -> None:
    """With any ending; of a word with a mistake in it the one that was meant."""
    assert why(question, passage, {}, {}) == expected


def test_what_is_named_is_a_reason_for_files_that_have_it() -> None:
    """And for no others."""
    named = {"year": (1984, 1985), "title": ("Reagan",)}
    assert why("x", "y", {"year": 1984, "title": "Bush"}, named).named == {"year": 1984}
    assert why("x", "y", {"title": ["Bush", "Reagan"]}, named).named == {"title": "Reagan"}


@given(st.text(max_size=60), st.text(max_size=200))
def test_any_passage_has_a_reason(question: str, passage: str) -> None:
    """For all questions and passages, without an error; near words are none that stand there."""
    found = why(question, passage, {}, {})
    assert not set(found.words) & set(found.near)
