"""Makes a harder scenario small that goes wrong: as little as possible that still does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.simulation.harder import Harder, play_harder
from tests.simulator import shrink
from tests.simulator.world import Outcome


def shrunk(harder: Harder) -> tuple[Harder, Outcome]:
    """The smallest scenario found that violates the same invariant, and its outcome."""
    outcome = play_harder(harder)
    if not outcome.violations:
        return harder, outcome
    kind = outcome.violations[0].split()[0]
    candidates = smaller(harder)
    while (candidate := next(candidates, None)) is not None:
        tried = play_harder(candidate)
        if tried.violations and tried.violations[0].split()[0] == kind:
            harder, outcome = candidate, tried
            candidates = smaller(harder)
    return harder, outcome


def smaller(harder: Harder) -> Iterator[Harder]:
    """Scenarios with one thing less."""
    if harder.locked_share:
        yield replace(harder, locked_share=0.0)
    if harder.page is not None:
        yield replace(harder, page=None)
    for scenario in shrink.smaller(harder.scenario):
        yield replace(harder, scenario=scenario)
