"""Run the simulation, each seed on a loop with virtual time.

    python -m tests.simulator --seeds 1000 [--start 0] [--jobs 2]
    python -m tests.simulator --seed 17           one seed, with its trace
    python -m tests.simulator --shrink 17         the least that still goes wrong
    python -m tests.simulator --harder ...        the same, with harder scenarios
    python -m tests.simulator --edges ...         the same, with what goes wrong at the edges

The exit code is 1 when an invariant was violated or a seed did not come to its end.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from tests.simulator.shrink import shrunk
from tests.simulator.stories import KINDS, Story, play_story, story_of
from tests.simulator.terminal import hush, say
from tests.simulator.world import Outcome

#: Lines of the trace that are shown of a seed that went wrong.
LAST_EVENTS = 50
#: A seed that takes longer, in real seconds, does not come to its end.
PATIENCE_S = 120
#: Seeds that one process of the pool takes at a time.
_CHUNK = 10


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures that are kept of a seed."""

    seed: int
    #: The first violation; None where every invariant held.
    violation: str | None
    virtual_s: float = 0.0
    steps: int = 0
    requests: int = 0
    kills: int = 0


class _Endless(BaseException):
    """A seed does not end."""


def summary(seed: int, *, kind: str) -> Summary:
    """Play a seed."""
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(PATIENCE_S)
    try:
        outcome = play_story(story_of(seed, kind))
    except _Endless:
        return Summary(seed, f"L0 no end in sight after {PATIENCE_S} s of real time")
    finally:
        signal.alarm(0)
    violation = outcome.violations[0] if outcome.violations else None
    figures = (outcome.virtual_s, outcome.steps, outcome.requests, outcome.kills)
    return Summary(seed, violation, *figures)


def _give_up(_signal: int, _frame: object) -> None:
    raise _Endless


def run_many(seeds: range, jobs: int, *, kind: str) -> int:
    """Play seeds and print their figures; return 1 when something was wrong."""
    began, done = time.perf_counter(), list[Summary]()
    with ProcessPoolExecutor(jobs, initializer=hush) as pool:
        for one in pool.map(partial(summary, kind=kind), seeds, chunksize=_CHUNK):
            done.append(one)
            if one.violation is not None:
                say(f"seed {one.seed}: {one.violation}")
            if len(done) % 500 == 0:
                say(f"{len(done):,} seeds, {sum(one.violation is not None for one in done)} wrong")
    minutes = (time.perf_counter() - began) / 60
    hours = sum(one.virtual_s for one in done) / 3600
    say(
        f"{len(done):,} seeds in {minutes:.1f} min on {jobs} processes: {hours:,.0f} simulated "
        f"hours ({hours / minutes:,.0f} a minute), {sum(one.requests for one in done):,} requests, "
        f"{sum(one.kills for one in done):,} kills, {sum(one.steps for one in done):,} steps"
    )
    wrong = [one for one in done if one.violation is not None]
    if not wrong:
        say("No invariant was violated.")
        return 0
    kinds = Counter((one.violation or "").split()[0] for one in wrong)
    say(f"{len(wrong)} seeds violated an invariant: {dict(kinds)}")
    first = wrong[0].seed
    again = f"python -m tests.simulator{'' if kind == 'ordinary' else f' --{kind}'}"
    say(f"Replay: {again} --seed {first}; make it small with --shrink {first}")
    if not (wrong[0].violation or "").startswith("L0"):
        story = story_of(first, kind)
        show(story, play_story(story), LAST_EVENTS)
    return 1


def show(story: Story, outcome: Outcome, events: int) -> int:
    """Print a story, the end of its trace and its violations; return 1 when there are any."""
    for line in (*story.lines(), *outcome.trace[-events:]):
        say(line)
    say(f"digest {outcome.digest[:16]}, {outcome.steps:,} steps, {outcome.requests:,} requests")
    say("\n".join(outcome.violations) or "No invariant was violated.")
    return 1 if outcome.violations else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator")
    parser.add_argument("--seeds", type=int, default=1000, help="how many [1000]")
    parser.add_argument("--start", type=int, default=0, help="the first of them [0]")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--seed", type=int, help="one seed, with its trace")
    parser.add_argument("--shrink", type=int, metavar="SEED", help="make a bad seed small")
    for kind in KINDS[1:]:
        parser.add_argument(
            f"--{kind}", dest="kind", action="store_const", const=kind, help=f"{kind} scenarios"
        )
    parser.set_defaults(kind=KINDS[0])
    chosen = parser.parse_args(arguments)
    hush()
    gc.freeze()
    if chosen.shrink is not None:
        smallest, outcome = shrunk(story_of(chosen.shrink, chosen.kind))
        return show(smallest, outcome, len(outcome.trace))
    if chosen.seed is not None:
        story = story_of(chosen.seed, chosen.kind)
        outcome = play_story(story)
        return show(story, outcome, len(outcome.trace))
    seeds = range(chosen.start, chosen.start + chosen.seeds)
    return run_many(seeds, chosen.jobs, kind=chosen.kind)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # or Python would run the clean-up of processes that are dead
