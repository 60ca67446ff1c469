"""The files that a question names, what is left of the question, and the filter."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.catalog.facets import Facet, Value
from objlib.catalog.names import made_of
from objlib.filestore.filters import parse_filter
from objlib.search.naming import filter_of, named_in, subsets, without

FACETS = [
    Facet("collection", "State of the Union", 74),
    Facet("title", "Reagan", 8),
    Facet("title", "Grant", 2),
    Facet("title", "GWBush", 4),
    Facet("title", "GWBush-1", 1),
    Facet("title", "VanBuren", 1),
    Facet("title", "Hungarian Magyar (UTF8)", 1),
    Facet("title", "日本語 (UTF8)", 1),
    Facet("title", "What is the Good Life", 1),
    Facet("year", 1984, 1),
    Facet("week", 3, 9),
    Facet("date", "2024-05-03", 1),
    Facet("folder", "Declarations/Universal Declaration of Human Rights", 121),
    Facet("odd key", "Reagan", 1),
]


#: As many files with each value as it says.
NAMES = made_of(":memory:", [[json.dumps({one.key: one.value})] * one.files for one in FACETS])


def keys_of(question: str) -> dict[str, tuple[object, ...]]:
    return {one.key: one.values for one in named_in(question, NAMES)}


@pytest.mark.parametrize(
    ("question", "expected", "rest"),
    [
        ("Reagan 1984 on the deficit", {"title": ("Reagan",), "year": (1984,)}, "on the deficit"),
        ("Reagan's speech of 1984", {"title": ("Reagan",), "year": (1984,)}, "speech"),
        ("reagan deficit", {"title": ("Reagan",)}, "deficit"),
        ("GW Bush on Iraq", {"title": ("GWBush", "GWBush-1")}, "on Iraq"),
        ("Van Buren", {"title": ("VanBuren",)}, "Van Buren"),
        ("rights in Hungarian", {"title": ("Hungarian Magyar (UTF8)",)}, "rights"),
        ("日本語", {"title": ("日本語 (UTF8)",)}, "日本語"),
        ("bees in week 3", {"week": (3,)}, "bees"),
        ("three bees and 3 wasps", {}, "three bees and 3 wasps"),
        ("talk of 2024-05-03 about wax", {"date": ("2024-05-03",)}, "talk about wax"),
        ("what is the good life", {"title": ("What is the Good Life",)}, "what is the good life"),
        ("the state of the union", {"collection": ("State of the Union",)}, None),
        ("GI Bill of Rights", {}, None),
        ("is it good", {}, None),
        ("", {}, ""),
    ],
)
def test_a_question_names_files(
    question: str, expected: dict[str, tuple[object, ...]], rest: str | None
) -> None:
    """By years, titles and dates; a word that only is in a long title names nothing."""
    assert keys_of(question) == expected
    if rest is not None:
        assert without(question, named_in(question, NAMES)) == rest


def test_a_name_in_small_letters_counts_beside_another_fact_only() -> None:
    """A grant is not Grant."""
    alone = list(subsets(named_in("220,000 Pell grant scholarships", NAMES)))
    beside = list(subsets(named_in("grant 1984", NAMES)))
    assert alone == []
    assert beside[0] == {"title": ("Grant",), "year": (1984,)}
    assert {"title": ("Grant",)} not in beside


def test_a_filter_says_what_is_named() -> None:
    """Quoted as the store reads it, whatever the value holds."""
    odd = 'a "b" \\ c'
    wanted: dict[str, tuple[Value, ...]] = {"title": (odd, "d"), "year": (1984,)}
    accepts = parse_filter(filter_of(wanted))
    assert accepts({"title": odd, "year": 1984.0})
    assert accepts({"title": "d", "year": 1984.0})
    assert not accepts({"title": odd, "year": 1985.0})


@given(st.text(alphabet="Reagan 1984's,.日本語week3grt", max_size=40))
def test_any_question_keeps_something_to_ask(question: str) -> None:
    """For all questions: no error, spans lie in the question, and the rest is not empty."""
    named = named_in(question, NAMES)
    assert all(0 <= start < end <= len(question) for start, end in (one.span for one in named))
    rest = without(question, named)
    assert bool(rest.strip()) == bool(question.strip()) or rest == question
