"""What a benchmark reports, and the median of paired rounds."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

#: Ratios of the same code differ by a fifth between runs.
REGRESSION = 1.25


@dataclass(frozen=True, slots=True)
class Comparison:
    """objlib beside a baseline: wall-clock seconds for the same files in the same run."""

    what: str
    files: int
    seconds: float
    baseline: str
    baseline_seconds: float
    target: str

    @property
    def name(self) -> str:
        """What it is about, without the figures that it was measured with."""
        return self.what.partition(", 5.")[0]

    @property
    def ratio(self) -> float:
        """objlib's time over the baseline's."""
        return self.seconds / self.baseline_seconds


def compared(ratio: float, recorded: float | None) -> str:
    """The recorded ratio, marked if this one is worse than machines and moods explain."""
    if recorded is None:
        return "-"
    if ratio > recorded * REGRESSION:
        return f"{recorded:.2f}  REGRESSION +{ratio / recorded - 1:.0%}"
    return f"{recorded:.2f}"


def typical(rounds: list[tuple[float, float]]) -> tuple[float, float]:
    """The round with the median ratio, as (objlib s, baseline s): pairs stay together."""
    middle = median(sorted(ours / theirs for ours, theirs in rounds))
    return min(rounds, key=lambda pair: abs(pair[0] / pair[1] - middle))
