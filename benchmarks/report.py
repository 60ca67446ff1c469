"""Put what was measured into `docs/performance.md`: a table for each part, and plots against size.

    python -m benchmarks.report [RESULTS]

The prose of the page is written by hand and stays; only what stands between the marks of a part is
replaced.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.figures import COLUMNS, cells, duration
from benchmarks.results import RESULTS, Measured, Result, load, load_recorded

PAGE = Path("docs/performance.md")
IMAGES = Path("docs/images")
#: Part -> what is drawn against the size, and the rows that are too many for a plot left out.
PLOTTED: Mapping[str, Sequence[str]] = {
    "scan": ("first", "nothing changed", "1 % changed"),
    "catalog": (
        "claim a file and release it",
        "the counts of `status`",
        "the plan of `fsm-upload --dry-run`",
        "all failed: the groups of `failures`",
        "documents classified for `store-sync`",
    ),
    "store": ("store-sync: list and classify", "search by words", "search by words and meaning"),
}


def render(measured: Measured, page: str, recorded: Mapping[str, float]) -> str:
    """The page with every block replaced whose part was measured.

    Raises:
        ValueError: the page has no place for a part.
    """
    parts = dict.fromkeys(row.part for row in measured.rows)
    for part in parts:
        rows = [row for row in measured.rows if row.part == part]
        page = _replaced(page, part, table(rows, recorded))
    return _replaced(page, "machine", _machine(measured))


def table(rows: Sequence[Result], recorded: Mapping[str, float]) -> str:
    """Markdown, without the columns that are empty in every row."""
    written = [cells(row, recorded) for row in rows]
    used = [number for number in range(len(COLUMNS)) if any(row[number] for row in written)]
    lines = [
        [COLUMNS[number] for number in used],
        ["---" for _ in used],
        *([row[number].replace("|", "\\|") for number in used] for row in written),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine(measured: Measured) -> str:
    on = measured.machine
    took = ", ".join(f"{part} {duration(s)}" for part, s in measured.part_s.items())
    total = duration(sum(measured.part_s.values()))
    return (
        f"Python {on['python']} on {on['system']} {on['machine']} with {on['cores']} cores,"
        f" {on['date']}. Measuring took {total}: {took}."
    )


def _replaced(page: str, part: str, text: str) -> str:
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"docs/performance.md has no {begin} … {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"


def draw(measured: Measured, folder: Path) -> None:
    """A plot for each part that was measured at several sizes."""
    from benchmarks.plots import plot_growth

    for part, wanted in PLOTTED.items():
        curves = {
            what: sorted(
                (row.size, row.seconds)
                for row in measured.rows
                if (row.part, row.what) == (part, what)
            )
            for what in wanted
        }
        if any(len(points) > 1 for points in curves.values()):
            plot_growth(folder / f"growth-{part}.svg", part, _several(curves), "seconds")
    simulated = [row for row in measured.rows if row.part == "simulation"]
    a_file: dict[str, list[tuple[int, float]]] = {}
    for row in sorted(simulated, key=lambda row: row.size):
        if row.what.startswith("tier") and row.cpu_s is not None:
            a_file.setdefault(row.what, []).append((row.size, 1000 * row.cpu_s / row.size))
    if any(len(points) > 1 for points in a_file.values()):
        plot_growth(folder / "growth-simulation.svg", "simulation", a_file, "ms of CPU a file")


def _several(
    curves: Mapping[str, Sequence[tuple[int, float]]],
) -> dict[str, Sequence[tuple[int, float]]]:
    return {what: points for what, points in curves.items() if points}


def main() -> None:
    """Render page and plots."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    measured = load(source)
    if measured is None:
        sys.exit(f"there is nothing in {source}; run python -m benchmarks first")
    PAGE.write_text(render(measured, PAGE.read_text("utf-8"), load_recorded()), "utf-8")
    draw(measured, IMAGES)
    print(f"written to {PAGE} and {IMAGES}")


if __name__ == "__main__":
    main()
