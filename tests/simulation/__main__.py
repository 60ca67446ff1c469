"""Run harder scenarios, each in a process of its own.

    python -m tests.simulation --seeds 1000 [--start 0] [--jobs 2]
    python -m tests.simulation --seed 17          one seed, with its trace
    python -m tests.simulation --shrink 17        the least that still goes wrong

The exit code is 1 when an invariant was violated or a seed did not come to its end.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from tests.simulation.harder import Harder, generate_harder, play_harder
from tests.simulation.shrink import shrunk
from tests.simulation.terminal import hush, say
from tests.simulator.world import Outcome

#: Lines of the trace that are shown of a seed that went wrong.
LAST_EVENTS = 50
#: A seed that takes longer, in real seconds, does not come to its end.
PATIENCE_S = 120


@dataclass(frozen=True, slots=True)
class Summary:
    """What is kept of a seed."""

    seed: int
    violation: str | None
    virtual_s: float
    steps: int
    requests: int
    kills: int


class _Endless(BaseException):
    """A seed does not end."""


def summary(seed: int) -> Summary:
    """Play a seed."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(PATIENCE_S)
    try:
        outcome = play_harder(generate_harder(seed))
    except _Endless:
        return Summary(seed, f"L0 no end in sight after {PATIENCE_S} s of real time", 0.0, 0, 0, 0)
    finally:
        signal.alarm(0)
    violation = outcome.violations[0] if outcome.violations else None
    figures = (outcome.virtual_s, outcome.steps, outcome.requests, outcome.kills)
    return Summary(seed, violation, *figures)


def _give_up(_signal: int, _frame: object) -> None:
    raise _Endless


def run_many(seeds: range, jobs: int) -> int:
    """Play seeds and print what they came to; 1 when something was wrong."""
    began, wrong = time.perf_counter(), list[Summary]()
    virtual_s, steps, requests, kills = 0.0, 0, 0, 0
    with ProcessPoolExecutor(jobs, max_tasks_per_child=None, initializer=hush) as pool:
        for done in pool.map(summary, seeds, chunksize=5):
            virtual_s, steps = virtual_s + done.virtual_s, steps + done.steps
            requests, kills = requests + done.requests, kills + done.kills
            if done.violation is not None:
                wrong.append(done)
                say(f"seed {done.seed}: {done.violation}")
    minutes = (time.perf_counter() - began) / 60
    hours = virtual_s / 3600
    say(
        f"{len(seeds):,} seeds in {minutes:.1f} min ({len(seeds) / minutes:,.0f} a minute) on"
        f" {jobs} processes: {hours:,.0f} simulated hours ({hours / minutes:,.0f} a minute),"
        f" {kills:,} kills at one of {steps:,} points, {requests:,} requests"
    )
    if not wrong:
        say("No invariant was violated.")
        return 0
    first = wrong[0].seed
    show(generate_harder(first), play_harder(generate_harder(first)), LAST_EVENTS)
    say(f"{len(wrong)} seeds were wrong. Replay: python -m tests.simulation --seed {first}")
    return 1


def show(harder: Harder, outcome: Outcome, events: int) -> int:
    """Print a scenario, the end of its trace and what was wrong; 1 when something was."""
    for line in (*harder.lines(), *outcome.trace[-events:]):
        say(line)
    say(f"digest {outcome.digest[:16]}, {outcome.steps:,} points, {outcome.requests:,} requests")
    say("\n".join(outcome.violations) or "No invariant was violated.")
    return 1 if outcome.violations else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=1000, help="how many [1000]")
    parser.add_argument("--start", type=int, default=0, help="the first of them [0]")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time [2]")
    parser.add_argument("--seed", type=int, help="one seed, with its trace")
    parser.add_argument("--shrink", type=int, metavar="SEED", help="make a bad seed small")
    chosen = parser.parse_args(arguments)
    hush()
    if chosen.shrink is not None:
        smallest, outcome = shrunk(generate_harder(chosen.shrink))
        return show(smallest, outcome, len(outcome.trace))
    if chosen.seed is not None:
        harder = generate_harder(chosen.seed)
        outcome = play_harder(harder)
        return show(harder, outcome, len(outcome.trace))
    return run_many(range(chosen.start, chosen.start + chosen.seeds), chosen.jobs)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # or Python would run the clean-up of processes that are dead
