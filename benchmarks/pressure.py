"""How the pressure control behaves when the backend is in trouble, beside two simpler ways.

    python -m benchmarks.pressure          prints the tables
    python -m benchmarks.pressure --write  and puts them, and the plots, into docs/

Every run is a whole upload under virtual time (`benchmarks.simulated`) against the embedded server
with faults. The two others use the same pipeline with another gate:

- *fixed*: eight files at a time, a hundred documents at a time, every file backs off by itself;
- *pacer*: the same, with one pause before each request for all: doubled by a refusal, a quarter
  less after a success, 10 ms to 2 s (as in rclone's `lib/pacer`).
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.simulated import MakeGate, Trace, simulate
from objlib.congestion.controllers import Breaker, Indexing, Rate, Sending
from objlib.congestion.gate import RequestGate
from objlib.congestion.outcomes import Outcome, Unwatched, Watched
from objlib.congestion.pressure import Pressure, starting
from objlib.filestore import Fault, Kind

DOCS = Path("docs")
PAGE = DOCS / "pressure.md"
FIXED_SENDING, FIXED_INDEXING = 8, 100
STEP_S = 10.0

# The ways to be compared


@dataclass(frozen=True, slots=True)
class _NeverOpen(Breaker):
    def answered(self, now: float, sent_at: float, **_: object) -> Breaker:
        return self


@dataclass(frozen=True, slots=True)
class _Pacer(Rate):
    gap_s: float = 0.01

    GAP_MIN_S, GAP_MAX_S = 0.01, 2.0

    def wait_s(self, now: float) -> float:
        return max(0.0, self.due_at - now)

    def sent(self, now: float) -> Rate:
        return replace(self, due_at=max(self.due_at, now) + self.gap_s)

    def answered(self, now: float) -> Rate:
        return replace(self, gap_s=max(self.GAP_MIN_S, self.gap_s * 0.75))

    def rejected(self, now: float, sent_at: float, *, is_serious: bool) -> Rate:
        return replace(self, gap_s=min(self.GAP_MAX_S, self.gap_s * 2))


@dataclass(frozen=True, slots=True)
class _SameSending(Sending):
    def answered(self, latency_s: float | None) -> Sending:
        return self

    def refused(self, now: float, sent_at: float) -> Sending:
        return self


@dataclass(frozen=True, slots=True)
class _SameIndexing(Indexing):
    def succeeded(self, took_s: float, now: float) -> Indexing:
        return self

    def struck(self, took_s: float, now: float) -> Indexing:
        return self


class _NoGate(RequestGate):
    """Everything passes; only the number of documents at a time is kept."""

    async def admitted(self) -> None:
        return

    def _take(self, outcome: Outcome) -> None:
        if isinstance(outcome, Watched | Unwatched):
            super()._take(outcome)

    def limit_sending(self, ceiling: int) -> None:
        return


class _PacedGate(RequestGate):
    def limit_sending(self, ceiling: int) -> None:
        return


def _unresponsive(now: float) -> Pressure:
    return Pressure(
        _NeverOpen(cool_down_s=30.0),
        _Pacer(None, None, changed_at=now, sampled_from=now, due_at=now),
        _SameSending(FIXED_SENDING, float(FIXED_SENDING)),
        _SameIndexing(FIXED_INDEXING, float(FIXED_INDEXING)),
        not_before=now,
    )


WAYS: dict[str, MakeGate] = {
    "objlib": lambda loop: RequestGate(starting(now=loop.time_s), loop),
    "pacer": lambda loop: _PacedGate(_unresponsive(loop.time_s), loop),
    "fixed": lambda loop: _NoGate(_unresponsive(loop.time_s), loop),
}

# What happens to the backend


@dataclass(frozen=True, slots=True)
class Scenario:
    """Trouble, and how much work it falls on. `quota` is (from second, requests a minute)."""

    title: str
    files: int
    faults: Sequence[Fault]
    indexing_s: float = 5.0
    quota: Sequence[tuple[float, float]] = ()


_DISTANCE = Fault(Kind.LATENCY, seconds=0.2)
_CHANGING = [(0.0, 600.0), (120.0, 300.0), (300.0, 600.0)]


def _knee(above: int) -> list[Fault]:
    return [_DISTANCE, Fault(Kind.OVERLOAD, above=above, seconds=180.0)]


SCENARIOS = {
    "quota": Scenario(
        "a quota of 600 requests a minute, 300 from minute 2 to minute 5",
        900,
        [_DISTANCE, Fault(Kind.QUOTA, per_minute=_CHANGING)],
        quota=_CHANGING,
    ),
    "storm": Scenario(
        "nothing but 429 from second 20 to second 80, without a word on when to come back",
        600,
        [_DISTANCE, Fault(Kind.RATE_LIMIT, from_s=20, until_s=80)],
    ),
    "slow": Scenario(
        "answers take 2 s instead of 0.2 s from second 10 to second 70",
        600,
        [Fault(Kind.LATENCY, seconds=[(0, 0.2), (10, 2.0), (70, 0.2)])],
    ),
    "knee": Scenario(
        "documents fail without an error when more than 50 are being indexed (84 of 100 at 100)",
        1000,
        _knee(50),
        indexing_s=15.0,
    ),
}
KNEES = (25, 50, 80)


def main() -> None:
    """Simulate everything and show it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pressure", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put tables and plots into docs/")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the files [1.0], for a quick look"
    )
    arguments = parser.parse_args()
    traces = {
        (name, way): _simulate(scenario, WAYS[way], arguments.share)
        for name, scenario in SCENARIOS.items()
        for way in WAYS
    }
    knees = {
        knee: _simulate(
            replace(SCENARIOS["knee"], faults=_knee(knee)), WAYS["objlib"], arguments.share
        )
        for knee in KNEES
    }
    text = "\n".join([*_table(traces), "", *_knee_table(knees)])
    print(text)
    if arguments.write:
        from benchmarks.plots import plot_documents, plot_requests, replace_block

        replace_block(PAGE, text)
        for name, scenario in SCENARIOS.items():
            runs = {way: traces[name, way] for way in WAYS}
            draw: Callable[..., None] = plot_documents if name == "knee" else plot_requests
            draw(DOCS / "images" / f"pressure-{name}.svg", scenario.title, runs, scenario.quota)


def _simulate(scenario: Scenario, make_gate: MakeGate, share: float) -> Trace:
    with tempfile.TemporaryDirectory() as folder:
        return simulate(
            Path(folder),
            int(scenario.files * share),
            scenario.faults,
            make_gate,
            indexing_s=scenario.indexing_s,
            concurrency=FIXED_SENDING,
        )


def _table(traces: dict[tuple[str, str], Trace]) -> list[str]:
    lines = [
        "| | | minutes | requests a file | refused | refused after minute 1 | of the quota used |"
        " documents shown failed | files left failed |",
        "| --- | --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for (name, way), trace in traces.items():
        quota = SCENARIOS[name].quota
        lines.append(
            f"| {name if way == 'objlib' else ''} | {way} | {trace.ended_s / 60:.1f}"
            f" | {len(trace.requests) / trace.files:.1f} | {_percent(trace.refused_share)}"
            f" | {_percent(trace.refused_share_after(60))}"
            f" | {_percent(_used(trace, quota)) if quota else ''}"
            f" | {len(trace.shown_failed) / trace.files:.1%} | {trace.files - len(trace.indexed)} |"
        )
    return lines


def _knee_table(traces: dict[int, Trace]) -> list[str]:
    lines = [
        "| knee | limit in the second half: lowest | mean | highest | documents shown failed |",
        "| --: | --: | --: | --: | --: |",
    ]
    for knee, trace in traces.items():
        late = [state.indexing.limit for at, state in trace.limits if at > trace.ended_s / 2]
        mean = sum(late) / len(late)
        lines.append(
            f"| {knee} | {min(late):.0f} | {mean:.0f} | {max(late):.0f}"
            f" | {len(trace.shown_failed) / trace.files:.1%} |"
        )
    return lines


def _used(trace: Trace, quota: Sequence[tuple[float, float]]) -> float:
    """Accepted requests after the first minute, as a share of what the quota allowed until the last
    file was sent."""
    end_s = max(at for at, _ in trace.requests) - STEP_S
    steps = [*quota, (end_s, 0.0)]
    allowed = sum(
        per_minute * (min(until, end_s) - max(start, 60.0)) / 60
        for (start, per_minute), (until, _) in itertools.pairwise(steps)
        if until > 60.0 and start < end_s
    )
    return trace.accepted_between(60.0, end_s) / allowed


def _percent(share: float) -> str:
    return f"{share:.1%}"


if __name__ == "__main__":
    main()
