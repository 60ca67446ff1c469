"""One list of the passages of two questions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from objlib.search.merging import merged


def test_the_named_files_come_first_where_there_is_no_doubt() -> None:
    """Else both lists take turns; what is in both comes first of all."""
    assert merged("abc", "xyz", is_sure=True) == list("xyzabc")
    assert merged("abc", "xyz", is_sure=False) == list("xaybzc")
    assert merged("abc", "xb", is_sure=False)[0] == "b"
    assert merged("ab", "", is_sure=True) == list("ab")


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)), st.booleans())
def test_nothing_is_lost_or_doubled(plain: list[int], named: list[int], is_sure: bool) -> None:
    """For all lists."""
    assert sorted(merged(plain, named, is_sure=is_sure)) == sorted({*plain, *named})
