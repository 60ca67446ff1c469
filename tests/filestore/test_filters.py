"""The filter grammar over custom metadata."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from objlib.filestore.filters import FilterError, MetadataValue, parse_filter

BOOK: dict[str, MetadataValue] = {
    "author": "Robert Graves",
    "year": 1934.0,
    "tags": ["rome", "novel"],
    "a b": "spaced",
    "n": -2.5,
}


def accepts(text: str) -> bool:
    """Whether the filter lets the book through."""
    return parse_filter(text)(BOOK)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n ",
        'author="Robert Graves"',
        "author = 'Robert Graves'",
        'author != "Somebody"',
        'author:"graves"',
        "author:*",
        "year=1934",
        "year >= 1934 AND year < 1940",
        "year=1934.0",
        "year=1.934e3",
        "year:1934",
        "n < -2",
        "n=-2.5",
        'tags:"rome"',
        "tags = novel",
        'tags != "greece"',
        '"a b"="spaced"',
        'NOT author="x"',
        '-author="x"',
        'NOT (year=1 OR author="x")',
        'year=1934 author:"Robert"',
        'author > "A" AND author <= "S"',
    ],
)
def test_a_filter_accepts_what_it_describes(text: str) -> None:
    """Each comparator works on the kinds of value it is meant for."""
    assert accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        'author="robert graves"',
        'author="Graves"',
        'author:"Tolstoy"',
        "year>1934",
        "year != 1934",
        "year:1935",
        'tags:"greece"',
        'tags != "rome"',
        "NOT year=1934",
        "-year=1934",
        "year=1934 AND year=1935",
        'year=1934 author="x"',
    ],
)
def test_a_filter_refuses_what_it_does_not_describe(text: str) -> None:
    """Equality is exact, a list has a value or has not, negation turns the answer round."""
    assert not accepts(text)


@pytest.mark.parametrize(
    "text",
    ['unknown="x"', "unknown != 1", "unknown:*", "author=1934", 'year="1934"', "year:x", "tags<1"],
)
def test_an_unknown_key_or_another_type_matches_nothing_and_is_no_error(text: str) -> None:
    """The service answers such filters with an empty result."""
    assert not accepts(text)


def test_or_binds_tighter_than_and() -> None:
    """`a AND b OR c` is `a AND (b OR c)`, as AIP-160 has it."""
    assert not accepts("year=1 AND year=1934 OR year=1934")
    assert accepts("(year=1 AND year=1934) OR year=1934")
    assert accepts("year=1934 AND year=1 OR year=1934")


def test_side_by_side_binds_tighter_than_and_but_looser_than_or() -> None:
    """`a b OR c` is `a AND (b OR c)`."""
    assert not accepts("year=1 year=1934 OR year=1934")
    assert accepts("year=1934 year=1 OR year=1934")


def test_not_binds_to_the_next_term_only() -> None:
    """`NOT a OR b` is `(NOT a) OR b`."""
    assert accepts("NOT year=1934 OR n=-2.5")
    assert not accepts("NOT (year=1934 OR n=-2.5)")


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("year=", 5),
        ("=1", 0),
        ("(year=1", 7),
        ("year=1)", 6),
        ("year=(1", 7),
        ("year=(n=1)", 6),
        ("year=(1 OR OR)", 11),
        ("year=1 AND", 10),
        ("OR year=1", 0),
        ("author='open", 7),
        ("()", 1),
    ],
)
def test_a_filter_that_does_not_parse_is_refused_at_its_first_wrong_place(
    text: str, position: int
) -> None:
    """The message names the position of what does not fit."""
    with pytest.raises(FilterError, match=rf"position {position}\b"):
        parse_filter(text)


def test_a_filter_too_long_or_too_deep_is_refused() -> None:
    """Neither memory nor the stack can be exhausted."""
    with pytest.raises(FilterError, match="longer than"):
        parse_filter("a=1 " * 3_000)
    with pytest.raises(FilterError, match="nested deeper"):
        parse_filter("(" * 4_000)
    assert parse_filter("(" * 40 + "year=1934" + ")" * 40)(BOOK)


def test_depth_is_counted_by_nesting_and_not_by_length() -> None:
    """A hundred groups side by side are not deep."""
    assert accepts("(year=1934) " * 100)


@example("*")
@example("\\*")
@given(st.text(max_size=40))
def test_any_value_can_be_written_in_quotes(value: str) -> None:
    """For all values: quoted with backslash escapes, the filter finds exactly that value."""
    quoted = re.sub(r'([\\"*])', r"\\\1", value)

    predicate = parse_filter(f'key="{quoted}"')

    assert predicate({"key": value})
    assert not predicate({"key": value + "x"})


@given(st.text(max_size=30))
def test_any_key_can_be_written_in_quotes(key: str) -> None:
    """For all keys: quoted like a value, the filter looks there."""
    quoted = key.replace("\\", "\\\\").replace("'", "\\'")

    assert parse_filter(f"'{quoted}'=1")({key: 1.0})


PARTS = st.lists(
    st.one_of(
        st.sampled_from(
            'AND OR NOT ( ) - : = != < <= > >= "x" \'y\' 1 -2.5 1e999 a tags author "\\" \\'.split()
        ),
        st.text(max_size=4),
    ),
    max_size=25,
)


@given(PARTS, st.sampled_from(["", " "]))
def test_any_text_parses_or_is_refused(parts: list[str], separator: str) -> None:
    """For all texts: nothing but FilterError is raised, and what parses can be asked."""
    with contextlib.suppress(FilterError):
        predicate = parse_filter(separator.join(parts))
        for metadata in (BOOK, {}, {"a": 1.0}, {"a": ["x"]}, {"a": "x"}):
            assert predicate(metadata) in (True, False)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("year=(1934 OR 1935)", True),
        ("year=(1935 OR 1936)", False),
        ("year>=(1 AND 1934)", True),
        ("year=(NOT 1935)", True),
        ("tags:(x AND y) year=1934", False),
        ("Graves", True),
        ("Tolkien", False),
        ("1934", True),
        ("NOT Tolkien AND Graves", True),
        ('author="Rob*"', True),
        ('author="*Graves"', True),
        ('author="*bert*"', True),
        ('author="Bob*"', False),
        ('author!="Rob*"', False),
        ('author:"rob*"', True),
        ('author="R.*"', False),
    ],
)
def test_values_in_parentheses_alone_and_with_a_star(text: str, holds: bool) -> None:
    """As AIP-160 has them: alternatives of one key, a value of any key, a star at an end."""
    book: dict[str, str | float | list[str]] = {
        "author": "Robert Graves",
        "year": 1934.0,
        "tags": ["x"],
    }
    assert parse_filter(text)(book) is holds
