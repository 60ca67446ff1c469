"""The price of an upload, told beforehand."""

from __future__ import annotations

import pytest

from objlib.catalog.tallies import Work
from objlib.upload.estimate import FILE_S, estimate, indexing_s

MILLION = 1_000_000


def test_tokens_and_dollars_come_from_the_bytes_of_text() -> None:
    """Four million bytes are a million tokens, and those cost 15 cents."""
    price = estimate(Work({"new": 10}, size_bytes=9 * MILLION, text_bytes=4 * MILLION))
    assert price.tokens == MILLION
    assert price.dollars == pytest.approx(0.15)
    assert price.stored_bytes == 27 * MILLION


def test_a_replaced_document_costs_a_request_more() -> None:
    """Five a file, and one to delete the older version."""
    assert estimate(Work({"new": 2, "changed": 1}, replaced=1)).requests == 16


def test_nothing_costs_nothing() -> None:
    """No division, no rounding up."""
    price = estimate(Work({}))
    assert (price.tokens, price.dollars, price.requests) == (0, 0.0, 0)
    assert set(price.minutes_by_tier().values()) == {0.0}


def test_time_is_bound_by_requests_or_by_what_may_be_spent() -> None:
    """600 requests a minute; ten dollars in ten minutes on tier 1."""
    small = estimate(Work({"new": 1200}, size_bytes=MILLION, text_bytes=MILLION))
    assert small.minutes(600.0, "1") == pytest.approx(10.0 + FILE_S / 60)  # and the last file
    assert small.minutes_by_tier()["free"] == pytest.approx(100.0 + FILE_S / 60)
    books = estimate(Work({"new": 1200}, text_bytes=8_000 * MILLION))  # 300 dollars
    assert books.minutes(600.0, "1") == pytest.approx(300.0)
    assert books.minutes(600.0) == pytest.approx(10.0 + FILE_S / 60)


def test_time_is_bound_by_documents_while_their_number_rises() -> None:
    """Where the quota allows more than the store is given at first."""
    assert indexing_s(0, 20.0) == 0.0
    assert indexing_s(1, 20.0) == pytest.approx(FILE_S, rel=0.05)
    # Simulated (python -m benchmarks --only simulation) at twenty files a second:
    for files, minutes in ((1_000, 3.03), (10_000, 16.4), (30_000, 34.0), (1_000_000, 842.3)):
        assert indexing_s(files, 20.0) == pytest.approx(60 * minutes, rel=0.04)
    hundred = estimate(Work({"new": 100_000})).minutes(6_000.0)
    assert hundred > 100_000 * 5 / 6_000
    assert estimate(Work({"new": 200_000})).minutes(6_000.0) == pytest.approx(
        hundred + 100_000 / (200 / FILE_S) / 60
    )


def test_tiers_that_are_too_small_are_left_out() -> None:
    """A document takes three times its bytes."""
    gigabyte = 1 << 30
    assert estimate(Work({"new": 1}, size_bytes=gigabyte // 3)).tiers_that_hold_it()[0] == "free"
    assert estimate(Work({"new": 1}, size_bytes=gigabyte)).tiers_that_hold_it() == ["1", "2", "3"]
    assert estimate(Work({"new": 1}, size_bytes=gigabyte << 10)).tiers_that_hold_it() == []
