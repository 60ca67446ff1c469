"""A passage is found in its text as an index gives it back, and nowhere else."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from objlib.service.passages import Located, locate

WORDS = st.lists(
    st.sampled_from(["arch", "Keystone", "über", "naïve", "Εύρηκα", "the", "a", "橋", "梁"]),
    min_size=1,
    max_size=40,
)


def test_an_exact_passage_is_found_where_it_stands() -> None:
    """Its place, character by character."""
    assert locate("One. Two three. Four.", "Two three.") == Located(5, 15, 1.0)


@given(WORDS, st.data())
def test_case_accents_and_white_space_do_not_matter(words: list[str], data: st.DataObject) -> None:
    """Any run of words is found whole, however it is written."""
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first + 1, len(words)))
    text = "  \n".join(words)
    passage = " ".join(words[first:last]).upper()
    plain = unicodedata.normalize("NFKD", passage)
    plain = "".join(char for char in plain if not unicodedata.combining(char))

    found = locate(text, plain)

    assert found is not None
    assert found.share == 1.0
    marked = text[found.start : found.end].split()
    assert [_folded(word) for word in marked] == [_folded(word) for word in words[first:last]]


def _folded(word: str) -> str:
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(char for char in apart if not unicodedata.combining(char))


def test_a_passage_that_was_cut_is_found_by_what_is_left() -> None:
    """Six of eight words in a row: the share is told."""
    text = "Nobody knows it. The keystone locks all of the other stones in place."
    found = locate(text, "quoin: keystone locks all of the other stones")

    assert found is not None
    assert text[found.start : found.end] == "keystone locks all of the other stones"
    assert found.share == 7 / 8


def test_less_than_half_is_not_found() -> None:
    """Three of seven words prove nothing."""
    assert locate("The stones lie there.", "the stones lie under a bridge somewhere") is None
    assert locate("", "word") is None
    assert locate("word", "   ") is None


def test_a_long_text_is_looked_through_once() -> None:
    """A hundred thousand words, all nearly alike, and a passage of three hundred."""
    text = "a b " * 50_000 + "c"
    assert locate(text, "b a " * 150 + "d") is not None
    assert locate("x y " * 50_000, "b a " * 150) is None
