"""One format for every benchmark: a row with its baseline, and what to think of it.

A ratio travels between machines better than seconds do, so it is the ratio that is recorded and
compared: `recorded.json` holds the last one that somebody took as good, for each row and size.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path("build/bench.json")
RECORDED = Path(__file__).with_name("recorded.json")

#: Ratios of the same code differ by a fifth between runs.
REGRESSION = 1.25
#: What is over sooner than this (both sides) may differ by more.
TELLING_S = 0.02


@dataclass(frozen=True, slots=True)
class Target:
    """The most that one figure of a row may be: `ratio`, `memory MB`, one of `more`…"""

    figure: str
    at_most: float

    def __str__(self) -> str:
        return f"{self.figure} ≤ {self.at_most:g}"


@dataclass(frozen=True, slots=True)
class Result:
    """What one piece of work took, beside what somebody else takes for the same.

    `what` and `size` name a row for good: no figure that changes from run to run belongs into them.
    """

    part: str
    what: str
    #: How large the library, catalog or store is.
    size: int
    seconds: float
    #: How many things were done in that time; None where a rate means nothing.
    count: int | None = None
    cpu_s: float | None = None
    #: By how much the process grew beyond what it was before.
    memory_mb: float | None = None
    requests: int | None = None
    baseline: str | None = None
    baseline_s: float | None = None
    targets: tuple[Target, ...] = ()
    #: Other figures by name and unit: dollars, hours, shares in per cent.
    more: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What its ratio is recorded under."""
        return f"{self.part}: {self.what} @ {self.size}"

    @property
    def ratio(self) -> float | None:
        """Its time over the baseline's."""
        return self.seconds / self.baseline_s if self.baseline_s else None

    def figure(self, name: str) -> float | None:
        """A figure by the name that a target gives it."""
        each = self.count or 1
        match name:
            case "ratio":
                return self.ratio
            case "seconds":
                return self.seconds
            case "memory MB":
                return self.memory_mb
            case "µs each":
                return 1e6 * self.seconds / each
            case "µs of CPU each":
                return None if self.cpu_s is None else 1e6 * self.cpu_s / each
            case "requests each":
                return None if self.requests is None else self.requests / each
            case _:
                return self.more.get(name)

    def missed(self) -> list[Target]:
        """The targets that it does not meet."""
        return [
            target
            for target in self.targets
            if (figure := self.figure(target.figure)) is not None and figure > target.at_most
        ]

    def regression(self, recorded: Mapping[str, float]) -> float | None:
        """By which share its ratio is above the recorded one, if that is more than chance."""
        before = recorded.get(self.key)
        if before is None or self.ratio is None or self.ratio <= before * REGRESSION:
            return None
        if max(self.seconds, self.baseline_s or 0.0) < TELLING_S:
            return None
        return self.ratio / before - 1

    def mark(self, recorded: Mapping[str, float]) -> str:
        """What a reader must not overlook; empty when all is well."""
        worse = self.regression(recorded)
        marks = [] if worse is None else [f"REGRESSION +{worse:.0%}"]
        return "; ".join([*marks, *(f"missed: {target}" for target in self.missed())])


@dataclass(frozen=True, slots=True)
class Measured:
    """All rows there are, on what they were measured, and how long each part took."""

    rows: list[Result]
    machine: Mapping[str, Any]
    part_s: Mapping[str, float]

    def with_earlier(self, earlier: Measured | None, *, other_sizes: bool = False) -> Measured:
        """Together with the parts that were measured before and not now.

        Args:
            other_sizes: keep rows of the same parts too, where they are of other sizes.
        """
        if earlier is None:
            return self
        fresh = {row.key for row in self.rows}
        kept = [
            row
            for row in earlier.rows
            if row.part not in self.part_s or (other_sizes and row.key not in fresh)
        ]
        return replace(self, rows=kept + self.rows, part_s={**earlier.part_s, **self.part_s})

    def save(self, path: Path) -> None:
        """Write it as JSON; the derived figures are there for those who read it by program."""
        path.parent.mkdir(parents=True, exist_ok=True)
        recorded = load_recorded()
        rows = [
            {**asdict(row), "ratio": row.ratio, "recorded": recorded.get(row.key)}
            | {"mark": row.mark(recorded)}
            for row in self.rows
        ]
        said = {"machine": dict(self.machine), "part_s": dict(self.part_s), "rows": rows}
        path.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", "utf-8")


def load(path: Path) -> Measured | None:
    """What was measured before, or None."""
    if not path.exists():
        return None
    said = json.loads(path.read_text("utf-8"))
    names = Result.__dataclass_fields__
    rows = []
    for row in said["rows"]:
        own = {name: value for name, value in row.items() if name in names}
        own["targets"] = tuple(Target(**target) for target in own["targets"])
        rows.append(Result(**own))
    return Measured(rows, said["machine"], said["part_s"])


def this_machine() -> dict[str, Any]:
    """What figures depend on."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def load_recorded() -> dict[str, float]:
    """Row -> the ratio to beat."""
    recorded: dict[str, float] = json.loads(RECORDED.read_text("utf-8"))
    return recorded


def record(rows: Iterable[Result]) -> None:
    """Take the ratios of these rows as the ones to beat."""
    fresh = {row.key: round(row.ratio, 3) for row in rows if row.ratio is not None}
    recorded = load_recorded() | fresh
    RECORDED.write_text(json.dumps(dict(sorted(recorded.items())), indent=2) + "\n", "utf-8")


def better_of(rows: list[Result], again: list[Result]) -> list[Result]:
    """Each row as the better of two measurements: what is only chance does not happen twice."""
    second = {row.key: row for row in again}
    pairs = [(row, second.get(row.key, row)) for row in rows]
    return [min(pair, key=lambda row: row.ratio or 0.0) for pair in pairs]
