"""Run the simulation.

    python -m tests.simulator --seeds 1000 [--start 0] [--jobs 2]
    python -m tests.simulator --seed 17           one seed, with its trace
    python -m tests.simulator --shrink 17         the least that still goes wrong

The exit code is 1 when an invariant was violated.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.simulator.scenario import generate
from tests.simulator.shrink import shrunk
from tests.simulator.world import Outcome, play

#: Lines of the trace that are shown of a seed that went wrong.
LAST_EVENTS = 50
_CHUNK = 20


@dataclass(frozen=True, slots=True)
class Summary:
    """What is kept of an outcome."""

    seed: int
    violation: str | None
    steps: int
    virtual_s: float
    requests: int
    kills: int


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator")
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, help="one seed, with its trace")
    parser.add_argument("--shrink", type=int, metavar="SEED", help="make a bad seed small")
    chosen = parser.parse_args()
    gc.freeze()
    if chosen.shrink is not None:
        outcome = shrunk(generate(chosen.shrink))
        return _show(outcome, len(outcome.trace))
    if chosen.seed is not None:
        outcome = play(generate(chosen.seed))
        return _show(outcome, len(outcome.trace))
    return _run_many(range(chosen.start, chosen.start + chosen.seeds), chosen.jobs)


def _run_many(seeds: range, jobs: int) -> int:
    began = time.perf_counter()
    done: list[Summary] = []
    violated: list[Summary] = []
    with ProcessPoolExecutor(jobs) as pool:
        for summary in pool.map(_summary, seeds, chunksize=_CHUNK):
            done.append(summary)
            if summary.violation is not None:
                violated.append(summary)
                print(f"seed {summary.seed}: {summary.violation}", flush=True)
            if len(done) % 500 == 0:
                print(f"{len(done):,} seeds, {len(violated)} violated", flush=True)
    minutes = (time.perf_counter() - began) / 60
    hours = sum(summary.virtual_s for summary in done) / 3600
    print(
        f"{len(done):,} seeds in {minutes:.1f} min on {jobs} processes: {hours:,.0f} simulated "
        f"hours ({hours / minutes:,.0f} a minute), {sum(one.requests for one in done):,} requests, "
        f"{sum(one.kills for one in done):,} kills, {sum(one.steps for one in done):,} steps"
    )
    if not violated:
        print("No invariant was violated.")
        return 0
    kinds = Counter((one.violation or "").split()[0] for one in violated)
    print(f"{len(violated)} seeds violated an invariant: {dict(kinds)}")
    first = violated[0].seed
    _show(play(generate(first)), LAST_EVENTS)
    print(f"Replay: python -m tests.simulator --seed {first}; make it small with --shrink {first}")
    return 1


def _summary(seed: int) -> Summary:
    outcome = play(generate(seed))
    return Summary(
        seed,
        outcome.violations[0] if outcome.violations else None,
        outcome.steps,
        outcome.virtual_s,
        outcome.requests,
        outcome.kills,
    )


def _show(outcome: Outcome, events: int) -> int:
    print(*outcome.scenario.lines(), *outcome.trace[-events:], sep="\n")
    print(f"digest {outcome.digest[:16]}, {outcome.steps:,} steps, {outcome.requests:,} requests")
    print(*outcome.violations or ["No invariant was violated."], sep="\n")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # what the dead have left needs no last words
