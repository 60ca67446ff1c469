"""One ranking of two: what comes first, and that nothing is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from objlib.filestore.fusion import DEPTH, Scored, fused


def ranking(*ids: int) -> list[Scored]:
    return [(id, 1.0 / place) for place, id in enumerate(ids, start=1)]


def test_what_both_found_comes_before_what_one_found() -> None:
    """And of what one found, that by words first."""
    assert fused(ranking(1, 2, 3), ranking(2, 4))[:2] == [2, 1]
    assert fused(ranking(1), ranking(2)) == [1, 2]
    assert fused(ranking(), ranking(2, 3)) == [2, 3]
    assert fused([], []) == []


def test_what_lies_deep_keeps_its_order() -> None:
    """Below the ranks that are fused."""
    deep = list(range(DEPTH + 5))
    assert fused(ranking(*deep), []) == deep
    assert fused(ranking(*deep), ranking(DEPTH + 2))[0] == 0


@given(
    st.lists(st.integers(0, 40), unique=True, max_size=25),
    st.lists(st.integers(0, 40), unique=True, max_size=25),
)
def test_nothing_is_lost_or_doubled(words: list[int], meaning: list[int]) -> None:
    """For all rankings."""
    best = fused(ranking(*words), ranking(*meaning))
    assert sorted(best) == sorted({*words, *meaning})
