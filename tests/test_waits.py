"""When a document is looked at."""

from __future__ import annotations

import math

import pytest

from objlib.congestion.controllers import Indexing
from objlib.waits import Waits, is_worth_a_look, poll_wait_s

WAITS = Waits()


def looks(indexed_s: float, usual_s: float | None) -> list[float]:
    """The ages at which a document is looked at until it is active."""
    ages, age_s = [], 0.0
    if not is_worth_a_look(age_s, WAITS, usual_s):
        age_s = poll_wait_s(age_s, WAITS, usual_s)
    ages.append(age_s)
    while age_s < indexed_s:
        age_s += poll_wait_s(age_s, WAITS, usual_s)
        ages.append(age_s)
    return ages


def test_as_long_as_nothing_is_known_the_waits_grow_with_the_age() -> None:
    """From a second to a quarter of a minute."""
    assert looks(8.0, None) == pytest.approx([0, 1, 2, 3, 4.5, 6.75, 10.125])
    assert looks(100.0, None)[-1] - looks(100.0, None)[-2] == 15.0


@pytest.mark.parametrize("indexed_s", [3.0, 8.0, 30.0, 120.0])
def test_what_is_known_saves_looks(indexed_s: float) -> None:
    """Two at most, and none long after the document is active."""
    ages = looks(indexed_s, indexed_s)
    assert len(ages) <= 3
    assert ages[-1] <= 1.1 * indexed_s + 1
    assert len(looks(indexed_s, None)) >= 2 * len(ages)


@pytest.mark.parametrize("start_s", [1.0, 5.0, 60.0])
def test_it_is_learned_again_when_documents_take_longer_or_shorter(start_s: float) -> None:
    """What is learned is when documents were seen, not when they became active."""
    indexing = Indexing(200, 50.0)
    for _ in range(60):
        indexing = indexing.succeeded(start_s, now=math.inf)
    for _ in range(400):
        indexing = indexing.succeeded(looks(8.0, indexing.usual_s)[-1], now=math.inf)
    assert indexing.usual_s is not None
    assert 8.0 <= indexing.usual_s <= 13.0
    assert len(looks(8.0, indexing.usual_s)) <= 3


def test_before_the_first_document_nothing_is_known() -> None:
    """Not even zero."""
    assert Indexing(200, 50.0).usual_s is None


def test_one_that_took_forever_does_not_make_the_others_wait() -> None:
    """The lower of two averages."""
    indexing = Indexing(200, 50.0)
    for took_s in [8.0] * 50 + [300.0]:
        indexing = indexing.succeeded(took_s, now=math.inf)
    assert indexing.usual_s is not None
    assert indexing.usual_s < 15.0
