"""How a row is written, in the terminal and in the documentation."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.results import Result

COLUMNS = (
    *("what", "size", "time", "each", "CPU", "memory", "requests"),
    *("baseline", "its time", "ratio", "recorded", "target", "also", "mark"),
)


def cells(row: Result, recorded: Mapping[str, float]) -> list[str]:
    """A cell for each column; empty where there is no such figure."""
    before = recorded.get(row.key)
    return [
        row.what,
        f"{row.size:,}",
        duration(row.seconds),
        duration(row.seconds / row.count) if row.count else "",
        "" if row.cpu_s is None else duration(row.cpu_s),
        "" if row.memory_mb is None else f"+{row.memory_mb:,.0f} MB",
        "" if row.requests is None else f"{row.requests:,}",
        row.baseline or "",
        "" if row.baseline_s is None else duration(row.baseline_s),
        "" if row.ratio is None else f"{row.ratio:,.2f}",
        "" if before is None else f"{before:,.2f}",
        "; ".join(map(str, row.targets)),
        "; ".join(f"{name}: {_plain(figure)}" for name, figure in row.more.items()),
        row.mark(recorded),
    ]


def duration(seconds: float) -> str:
    """Three digits and the unit that suits them."""
    for limit, scale, unit in ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (600.0, 1.0, "s")):
        if seconds < limit:
            return f"{_digits(seconds * scale)} {unit}"
    if seconds < 36_000:
        return f"{_digits(seconds / 60)} min"
    return f"{_digits(seconds / 3600)} h"


def _plain(number: float) -> str:
    return f"{number:,.0f}" if number == round(number) else f"{number:,.2f}"


def _digits(number: float) -> str:
    return f"{number:.2f}" if number < 10 else f"{number:.1f}" if number < 100 else f"{number:,.0f}"
