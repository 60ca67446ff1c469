"""One ranking of two: what comes first, and that nothing is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from objlib.filestore.fusion import DEPTH, ENOUGH, ENOUGH_FOR_FIRST, Scored, fused


def ranking(*ids: int) -> list[Scored]:
    return [(id, 1.0 / place) for place, id in enumerate(ids, start=1)]


def test_what_both_found_comes_before_what_one_found() -> None:
    """And of what one found, that by words first; where the words say too little."""
    assert fused(ranking(1, 2, 3), ranking(2, 4), 0.0)[:2] == [2, 1]
    assert fused(ranking(1), ranking(2), 0.0) == [1, 2]
    assert fused(ranking(), ranking(2, 3), 0.0) == [2, 3]
    assert fused([], [], 0.0) == []


def test_where_the_words_say_enough_their_ranking_stands() -> None:
    """What only the meaning finds follows."""
    assert fused(ranking(1, 2, 3), ranking(3, 4), ENOUGH) == [1, 2, 3, 4]


def test_the_first_by_words_stays_first_where_they_say_something() -> None:
    """Behind it the ranks are fused."""
    assert fused(ranking(1, 2, 3), ranking(3, 4, 2), ENOUGH_FOR_FIRST) == [1, 3, 2, 4]
    assert fused(ranking(1, 2, 3), ranking(3, 4, 2), ENOUGH_FOR_FIRST / 2)[0] == 3
    assert fused([], ranking(3), ENOUGH_FOR_FIRST) == [3]


def test_what_lies_deep_keeps_its_order() -> None:
    """Below the ranks that are fused."""
    deep = list(range(DEPTH + 5))
    assert fused(ranking(*deep), [], 0.0) == deep
    assert fused(ranking(*deep), ranking(DEPTH + 2), 0.0)[0] == 0


@given(
    st.lists(st.integers(0, 40), unique=True, max_size=25),
    st.lists(st.integers(0, 40), unique=True, max_size=25),
    st.floats(0, 1),
)
def test_nothing_is_lost_or_doubled(words: list[int], meaning: list[int], covered: float) -> None:
    """For all rankings."""
    best = fused(ranking(*words), ranking(*meaning), covered)
    assert sorted(best) == sorted({*words, *meaning})
