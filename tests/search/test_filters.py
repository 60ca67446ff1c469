"""Filters that cannot find anything are told, and those of the generation before work."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.catalog.facets import Facet
from objlib.search.filters import doubts_about, with_equals

FACETS = [
    Facet("title", "Reagan", 3),
    Facet("title", 'The "Good" Life', 1),
    Facet("year", 1981, 1),
    Facet("year", 1984, 2),
    Facet("topics", "wax", 2),
]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("yaer = 1984", "no file has the key 'yaer'; there are title, topics, year; did you mean"),
        ('year = "1984"', 'year holds numbers from 1981 to 1984, and "1984" is a text'),
        ("year = nineteen", "year holds numbers from 1981 to 1984, and nineteen is a text"),
        ("title > 5", "title holds texts, and 5 is a number; there are 'Reagan'"),
        ('title = "Raegan"', "no file has title = \"Raegan\"; did you mean 'Reagan'?"),
        ("year = 1985", "no file has year = 1985; there are 1981, 1984"),
        ("year > 1984", "no file has year > 1984; it goes from 1981 to 1984"),
        ('topics:"bread"', "no file has topics = \"bread\"; there are 'wax'"),
    ],
)
def test_a_comparison_that_finds_nothing_is_told(wanted: str, expected: str) -> None:
    """With the keys and the values that there are."""
    (line,) = doubts_about(f"({wanted}) AND year < 2000", FACETS, found=False)
    assert line.startswith(expected)


@pytest.mark.parametrize(
    "wanted",
    [
        "year = 1984",
        "year >= 1981 AND (title = Reagan OR title = 'Reagan')",
        'title = "Rea*"',
        'topics : "wax"',
        'title = "The \\"Good\\" Life"',
        'objlib_path = "x"',
        '"yaer = 1984"',
        "",
        "= = (",
    ],
)
def test_what_can_be_found_is_not_doubted(wanted: str) -> None:
    """Nor what stands in a text, nor what makes no sense: the store says where."""
    assert doubts_about(wanted, FACETS, found=False) == []


def test_a_value_that_no_file_has_is_no_mistake_where_others_were_found() -> None:
    """`year = 1984 OR year = 1985`; an unknown key always is one."""
    assert doubts_about("year = 1984 OR year = 1985", FACETS, found=True) == []
    assert doubts_about("yaer = 1984 OR year = 1984", FACETS, found=True)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("title:Reagan", 'title = "Reagan"'),
        ("title:reagan AND year:1984", 'title = "Reagan" AND year = 1984'),
        ('topics:"wax"', 'topics = "wax"'),
        ("title:Rea", "title:Rea"),
        ('"title:Reagan"', '"title:Reagan"'),
        ("unknown:1", "unknown:1"),
        ("title:'The \"Good\" Life'", 'title = "The \\"Good\\" Life"'),
    ],
)
def test_a_colon_asks_for_the_value_that_there_is(wanted: str, expected: str) -> None:
    """As the generation before wrote it."""
    assert with_equals(wanted, FACETS) == expected


@given(st.text(alphabet="year19=<>:\"' ()\\AND", max_size=60), st.booleans())
def test_any_filter_is_looked_through(wanted: str, found: bool) -> None:
    """For all texts; what comes out says the same where there is no colon."""
    doubts_about(wanted, FACETS, found=found)
    if ":" not in wanted:
        assert with_equals(wanted, FACETS) == wanted


def test_a_long_filter_takes_no_time() -> None:
    """Ten thousand comparisons, and a quotation mark that never ends."""
    began = time.process_time()
    doubts_about("year = 1985 OR " * 10_000, FACETS, found=False)
    doubts_about('"' + "\\" * 50_000, FACETS, found=False)
    doubts_about("a" * 50_000, FACETS, found=False)
    assert time.process_time() - began < 5
