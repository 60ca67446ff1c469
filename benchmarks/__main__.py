"""Run the benchmarks, print a table, and write the figures to `build/bench.json`."""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.catalog import Contention, compare_transitions, measure_contention
from benchmarks.figures import Comparison, compared
from benchmarks.operators import STYLES, Cost, measure_styles
from benchmarks.scan import compare_scan
from benchmarks.startup import compare_startup
from benchmarks.upload import compare_latency, compare_upload

RESULTS = Path("build/bench.json")
RECORDED = Path(__file__).with_name("recorded.json")


def main() -> None:
    """Measure everything once and show it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--files", type=int, default=300, help="files to upload [300]")
    parser.add_argument("--scanned", type=int, default=5_000, help="files to scan [5000]")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; the median counts [3]")
    parser.add_argument("--record", action="store_true", help="take today as the one to beat")
    parser.add_argument("--full", action="store_true", help="a million items through the operators")
    arguments = parser.parse_args()
    costs = list(measure_styles([1_000, 100_000, *([1_000_000] if arguments.full else [])]))
    comparisons: list[Comparison] = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        comparisons += compare_startup(work, 5)
        comparisons += compare_transitions(work, 1_000, arguments.rounds)
        contention = measure_contention(work, [1, 2, 4, 8], 300)
        comparisons += compare_scan(work, arguments.scanned, arguments.rounds)
        comparisons += asyncio.run(compare_upload(work, arguments.files, arguments.rounds))
        comparisons += asyncio.run(compare_latency(work, arguments.files))
    recorded: dict[str, float] = json.loads(RECORDED.read_text())
    _show(comparisons, recorded)
    _show_costs(costs)
    _show_contention(contention)
    if arguments.record:
        recorded |= {one.name: round(one.ratio, 2) for one in comparisons}
        RECORDED.write_text(json.dumps(recorded, indent=2) + "\n")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(
        json.dumps(
            {
                "python": platform.python_version(),
                "machine": platform.machine(),
                "comparisons": [{**asdict(one), "ratio": one.ratio} for one in comparisons],
                "operators": [asdict(cost) for cost in costs],
                "contention": [asdict(one) for one in contention],
            },
            indent=2,
        )
    )
    print(f"written to {RESULTS}")


def _show(comparisons: list[Comparison], recorded: dict[str, float]) -> None:
    columns = "what|files|objlib s|files/s|baseline|baseline s|ratio|recorded|target".split("|")
    table = Table(*columns)
    for one in comparisons:
        table.add_row(
            one.what,
            f"{one.files:,}",
            f"{one.seconds:.3f}",
            f"{one.files / one.seconds:,.0f}",
            one.baseline,
            f"{one.baseline_seconds:.3f}",
            f"{one.ratio:.2f}",
            compared(one.ratio, recorded.get(one.name)),
            one.target,
        )
    Console(width=150).print(table)


def _show_contention(contention: list[Contention]) -> None:
    table = Table("processes on one catalog", "claims and releases", "a second", "conflicts")
    for one in contention:
        rate = one.claims / one.seconds
        table.add_row(f"{one.processes}", f"{one.claims:,}", f"{rate:,.0f}", f"{one.conflicts:,}")
    Console(width=150).print(table)


def _show_costs(costs: list[Cost]) -> None:
    table = Table("fan-out, 10 at a time", "items", "µs an item", "of CPU", "peak memory MB")
    for cost in costs:
        figures = [cost.wall_us, cost.cpu_us, cost.peak_mb]
        table.add_row(
            STYLES[cost.style][0].replace("`", ""),
            f"{cost.items:,}",
            *("not waited for" if figure is None else f"{figure:.1f}" for figure in figures),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
