"""Measure, show a table, and write the figures to `build/bench.json`.

    python -m benchmarks [--full] [--only PART …] [--scan N …] [--simulate N …] [--record]

Exit code 1 when a ratio is a quarter above the recorded one, twice in a row: a part that looks
worse is measured again, and the better of the two counts. A missed target is marked and changes no
exit code: it is known, and `docs/performance.md` says why.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import (
    catalog,
    emulator,
    fan_out,
    page,
    responsiveness,
    scan,
    startup,
    store,
    tiers,
    upload,
)
from benchmarks.figures import COLUMNS, cells
from benchmarks.results import (
    RESULTS,
    Measured,
    Result,
    better_of,
    load,
    load_recorded,
    record,
    this_machine,
)
from benchmarks.sizes import FULL, QUICK, Sizes

PARTS: dict[str, Callable[[Path, Sizes], Iterator[Result]]] = {
    module.PART: module.measure
    for module in (
        startup,
        fan_out,
        responsiveness,
        catalog,
        scan,
        upload,
        store,
        emulator,
        page,
        tiers,
    )
}


def main() -> int:
    """Measure, compare with what is recorded, and say so."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="up to a million: an hour")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    parser.add_argument("--simulate", type=int, nargs="+", help="files under virtual time")
    parser.add_argument("--scan", type=int, nargs="+", help="files to scan")
    parser.add_argument("--record", action="store_true", help="take today as the one to beat")
    parser.add_argument("--work", type=Path, help="where files are made [a temporary folder]")
    arguments = parser.parse_args()
    sizes = FULL if arguments.full else QUICK
    if arguments.simulate:
        sizes = replace(sizes, simulated=tuple(arguments.simulate))
    if arguments.scan:
        sizes = replace(sizes, scanned=tuple(arguments.scan))
    is_chosen = bool(arguments.simulate or arguments.scan)
    recorded, earlier = load_recorded(), load(RESULTS)
    measured = Measured([], this_machine(), {})
    for part in arguments.only:
        rows, took_s = _part(part, sizes, recorded, arguments.work)
        measured = Measured(
            measured.rows + rows, measured.machine, {**measured.part_s, part: took_s}
        )
        measured.with_earlier(earlier, other_sizes=is_chosen).save(RESULTS)
        show(part, rows, recorded)
        print(f"{part} took {took_s:.0f} s\n", flush=True)
    if arguments.record:
        record(measured.rows)
    print(f"written to {RESULTS}; python -m benchmarks.report puts it into docs/performance.md")
    worse = [row for row in measured.rows if row.regression(recorded) is not None]
    for row in worse:
        print(f"REGRESSION: {row.key}: {row.ratio:.2f}, recorded {recorded[row.key]:.2f}")
    return 1 if worse and not arguments.record else 0


def _part(
    part: str, sizes: Sizes, recorded: Mapping[str, float], work: Path | None
) -> tuple[list[Result], float]:
    """Measure a part, and once more where it looks worse than before."""
    started = time.perf_counter()
    rows = _once(part, sizes, work)
    if any(row.regression(recorded) is not None for row in rows):
        print(f"{part}: worse than recorded; measured again", flush=True)
        rows = better_of(rows, _once(part, sizes, work))
    return rows, time.perf_counter() - started


def _once(part: str, sizes: Sizes, work: Path | None) -> list[Result]:
    with tempfile.TemporaryDirectory(dir=work) as folder:
        return list(PARTS[part](Path(folder), sizes))


def show(part: str, rows: list[Result], recorded: Mapping[str, float]) -> None:
    """The rows of a part as a table; what else was measured is in the results."""
    shown = [number for number, name in enumerate(COLUMNS) if name not in ("target", "also")]
    table = Table(*(COLUMNS[number] for number in shown), title=part)
    for row in rows:
        written = cells(row, recorded)
        table.add_row(*(written[number] for number in shown))
    Console(width=170).print(table)


if __name__ == "__main__":
    sys.exit(main())
