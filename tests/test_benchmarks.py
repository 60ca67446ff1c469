"""The benchmarks run, at sizes that say nothing about speed, and count what they do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks import __main__ as main
from benchmarks import measuring, report, results, startup, store, upload
from benchmarks.figures import COLUMNS, cells, duration
from benchmarks.results import Measured, Result, Target, better_of
from benchmarks.sizes import TINY, Sizes

from tests.filestore.test_semantic import Concepts


@pytest.mark.parametrize("part", main.PARTS)
def test_every_part_measures_both_sides(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row has a time, a baseline of the same run, and a name that is its own."""
    monkeypatch.setattr(measuring, "IN_PROCESSES", False)
    rows = list(main.PARTS[part](tmp_path, TINY))
    assert rows
    assert {row.part for row in rows} == {part}
    assert all(row.seconds > 0 and row.baseline and row.baseline_s for row in rows)
    assert len({row.key for row in rows}) == len(rows)
    for target in (target for row in rows for target in row.targets):
        assert any(row.figure(target.figure) is not None for row in rows), target
    if part == startup.PART:  # only what asks the store imports the SDK, which takes half a second
        loading = {row.what for row in rows if row.more["loads the SDK"]}
        assert loading == {"objlib search anything"}
    if part == upload.PART:
        assert rows[0].requests == 5 * TINY.uploaded


def test_search_by_meaning_is_measured_where_there_is_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors are kept as the store keeps them."""
    monkeypatch.setattr(measuring, "IN_PROCESSES", False)
    monkeypatch.setattr(store, "_embedder", Concepts)
    rows = list(store.measure(tmp_path, TINY))
    assert rows[-1].what == "search by words and meaning"


def test_what_is_measured_apart_runs_in_another_process() -> None:
    """With its own memory."""
    assert measuring.apart(os.getpid) != os.getpid()


def _row(seconds: float, **figures: object) -> Result:
    return Result("part", "what", 10, seconds, baseline="b", baseline_s=1.0, **figures)  # type: ignore[arg-type]


def test_what_got_slower_is_marked() -> None:
    """A quarter above the recorded ratio, and the better of two measurements counts."""
    recorded = {"part: what @ 10": 1.0}
    assert _row(1.3).mark({}) == ""
    assert _row(1.2).mark(recorded) == ""
    assert _row(1.3).mark(recorded) == "REGRESSION +30%"
    assert better_of([_row(1.3)], [_row(1.1)]) == [_row(1.1)]


def test_what_got_slower_twice_is_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once may be chance: the part is measured again."""
    measured_s = iter([1.5, 1.0, 1.5, 1.4])

    def part(_work: Path, _sizes: Sizes) -> Iterator[Result]:
        yield _row(next(measured_s))

    monkeypatch.setattr(main, "PARTS", {"part": part})
    monkeypatch.setattr(main, "RESULTS", tmp_path / "bench.json")
    monkeypatch.setattr(main, "load_recorded", lambda: {"part: what @ 10": 1.0})
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--only", "part"])
    assert main.main() == 0
    assert main.main() == 1
    assert "REGRESSION: part: what @ 10: 1.40, recorded 1.00" in capsys.readouterr().out


def test_a_target_that_is_missed_is_marked() -> None:
    """The figure may be a ratio, a cost for each, or one of the row's own."""
    targets = (Target("ratio", 2), Target("µs each", 100_000), Target("refused, %", 1))
    assert _row(0.9, count=10, targets=targets, more={"refused, %": 0.5}).mark({}) == ""
    marks = _row(3.0, count=10, targets=targets, more={"refused, %": 2.0}).mark({})
    assert marks == "missed: ratio ≤ 2; missed: µs each ≤ 100000; missed: refused, % ≤ 1"


def test_results_survive_being_written(tmp_path: Path) -> None:
    """Another run replaces the parts that it has measured, and keeps the others."""
    path = tmp_path / "build" / "bench.json"
    first = Measured([_row(1.0, targets=(Target("ratio", 2),))], {"python": "3"}, {"part": 1.0})
    first.save(path)
    assert results.load(path) == first
    other = Measured([Result("other", "what", 1, 2.0)], {"python": "3"}, {"other": 2.0})
    both = other.with_earlier(results.load(path))
    assert [row.part for row in both.rows] == ["part", "other"]
    again = Measured([replace(first.rows[0], size=20)], {}, {"part": 1.0})
    assert [row.size for row in again.with_earlier(both).rows if row.part == "part"] == [20]
    of_all_sizes = again.with_earlier(both, other_sizes=True)
    assert [row.size for row in of_all_sizes.rows if row.part == "part"] == [10, 20]


def test_the_page_has_a_place_for_every_part() -> None:
    """And nothing but the tables changes when it is rendered."""
    page = report.PAGE.read_text("utf-8")
    rows = [Result(part, "something", 7, 0.25, count=10) for part in main.PARTS]
    machine = results.this_machine()
    rendered = report.render(Measured(rows, machine, {"scan": 61.0}), page, {})
    assert rendered.count("| something | 7 | 250 ms | 25.0 ms |") == len(main.PARTS)
    for part in main.PARTS:
        assert f"<!-- {part}: begin -->" in rendered
    assert report.render(Measured(rows, machine, {"scan": 61.0}), rendered, {}) == rendered
    with pytest.raises(ValueError, match="has no"):
        report.render(Measured([Result("unheard of", "x", 1, 1.0)], machine, {}), page, {})


def test_plots_are_small(tmp_path: Path) -> None:
    """They are kept in the repository."""
    rows = [
        Result(part, what, size, size / 1e4)
        for part, wanted in report.PLOTTED.items()
        for what in wanted
        for size in (1_000, 10_000, 100_000, 1_000_000)
    ]
    rows += [Result("simulation", "tier 1", size, 1.0, cpu_s=size / 200) for size in (10, 100)]
    report.draw(Measured(rows, {}, {}), tmp_path)
    plots = list(tmp_path.glob("*.svg"))
    assert len(plots) == len(report.PLOTTED) + 1
    assert all(plot.stat().st_size < 60_000 for plot in plots)


def test_rows_have_a_cell_for_each_column() -> None:
    """Figures carry their units."""
    row = _row(1.5, count=3, cpu_s=0.5, memory_mb=12.3, requests=15)
    written = dict(zip(COLUMNS, cells(row, {row.key: 1.0}), strict=True))
    assert written["time"] == "1.50 s"
    assert written["each"] == "500 ms"
    assert written["memory"] == "+12 MB"
    assert written["mark"] == "REGRESSION +50%"
    assert [duration(s) for s in (2e-6, 0.0123, 700, 40_000)] == [
        *("2.00 µs", "12.3 ms", "11.7 min", "11.1 h")
    ]


def test_a_table_that_was_not_measured_stays_as_it_was() -> None:
    """Without what it needs, `make formats` leaves of the page what a full run has found."""
    formats = pytest.importorskip("benchmarks.formats")
    page = (
        f"Before.\n{formats.BEGIN}\n| A | n |\n| - | - |\n\n| B | n |\n| b | 1 |\n{formats.END}\nA."
    )
    measured = {"A": "| A | n |\n| - | 2 |", "B": None, "C": None}
    changed, kept = formats.with_tables(page, measured)
    assert kept == ["B", "C"]
    assert changed == page.replace("| - | - |", "| - | 2 |")
