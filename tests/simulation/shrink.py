"""Makes a harder scenario small that goes wrong: as little as possible that still does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.simulation.harder import Harder, play_harder
from tests.simulator.scenario import Scenario
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
    for scenario in _smaller(harder.scenario):
        yield replace(harder, scenario=scenario)


def _smaller(scenario: Scenario) -> Iterator[Scenario]:
    for place in reversed(range(len(scenario.actions))):
        before, after = scenario.actions[:place], scenario.actions[place + 1 :]
        action = scenario.actions[place]
        yield replace(scenario, actions=(*before, *after))
        for number in range(len(action.meanwhile)):
            fewer = action.meanwhile[:number] + action.meanwhile[number + 1 :]
            yield replace(scenario, actions=(*before, replace(action, meanwhile=fewer), *after))
        if action.dies_at_step is not None:
            yield replace(scenario, actions=(*before, replace(action, dies_at_step=None), *after))
    for number in range(len(scenario.faults)):
        yield replace(scenario, faults=scenario.faults[:number] + scenario.faults[number + 1 :])
    if scenario.files > 1:
        yield replace(scenario, files=scenario.files - 1)
