"""The benchmarks run, at sizes that say nothing about speed, and count what they do."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import growth
from benchmarks.catalog import compare_transitions, measure_contention
from benchmarks.figures import Comparison, compared
from benchmarks.scan import compare_scan
from benchmarks.startup import loads_the_sdk


@pytest.mark.parametrize("kind", growth.KINDS)
def test_growth_prepares_and_measures(kind: str, tmp_path: Path) -> None:
    """What is filled in by SQL is what the product's own code takes for its own."""
    prepare, measure = growth.KINDS[kind]
    prepare(tmp_path, 120)
    found = list(measure(tmp_path, 120))
    assert found
    assert all(cost.size == 120 and cost.wall_s > 0 for cost in found)
    if kind == "store-sync":
        assert found[0].requests == 120 // 20 + 2  # the pages, and the store before and after


def test_processes_that_share_a_catalog_lose_nothing(tmp_path: Path) -> None:
    """The benchmark itself refuses a count that does not add up."""
    for found in measure_contention(tmp_path, [1, 3], 20):
        assert found.claims >= 20


def test_comparisons_have_both_sides(tmp_path: Path) -> None:
    """Transitions and scans, each beside its baseline."""
    found = compare_transitions(tmp_path, 20, 1) + compare_scan(tmp_path, 20, 1)
    assert len(found) >= 3
    assert all(one.seconds > 0 and one.baseline_seconds > 0 for one in found)


def test_what_got_slower_is_marked() -> None:
    """A quarter above the recorded ratio."""
    assert compared(1.2, None) == "-"
    assert compared(1.2, 1.0) == "1.00"
    assert compared(1.3, 1.0) == "1.00  REGRESSION +30%"
    assert Comparison("a, 5.0 requests", 1, 2.0, "b", 1.0, "-").name == "a"


@pytest.mark.parametrize("arguments", [("--help",), ("status",), ("failures",), ("config", "show")])
def test_what_sends_nothing_does_not_load_the_sdk(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """It takes half a second."""
    assert not loads_the_sdk(tmp_path, arguments)


def test_what_asks_the_store_does(tmp_path: Path) -> None:
    """Or the test above could not fail."""
    assert loads_the_sdk(tmp_path, ("search", "x"))
