"""The place of a passage in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.search.places import Place, place_of

NOTES = "# Bees\n\nThey fly.\n\n## Wax ##\nIt\n  melts at 62 degrees.\n\nHoney\n=====\nSweet.\n"


@pytest.mark.parametrize(
    ("passage", "expected"),
    [
        ("They fly.", Place(3, "Bees")),
        ("It melts at 62 degrees.", Place(6, "Wax")),
        ("Sweet.", Place(11, "Honey")),
        ("## Wax ## It melts", Place(5, "Wax")),
        ("Nowhere.", None),
        (" \n", None),
    ],
)
def test_a_passage_stands_in_a_line_below_a_heading(passage: str, expected: Place | None) -> None:
    """White space apart."""
    assert place_of(passage, NOTES, has_headings=True) == expected


def test_a_text_without_headings_has_lines() -> None:
    """Where `#` begins a comment."""
    assert place_of("They fly.", NOTES, has_headings=False) == Place(3)


@given(st.text(alphabet="ab #=-\n", max_size=80), st.integers(0, 80), st.booleans())
def test_what_stands_in_a_text_is_found(text: str, start: int, has_headings: bool) -> None:
    """For all texts and beginnings: a line that there is, and no error."""
    place = place_of(text[start:], text, has_headings=has_headings)
    assert (place is None) == (not text[start:].strip())
    if place is not None:
        assert 1 <= place.line <= text.count("\n") + 1
