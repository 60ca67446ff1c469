"""Makes a scenario small that goes wrong: as little as possible that still does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.simulator.scenario import Action, Scenario
from tests.simulator.world import Outcome, play


def shrunk(scenario: Scenario) -> Outcome:
    """The outcome of the smallest scenario found; of the given one if nothing goes wrong."""
    smallest = play(scenario)
    if not smallest.violations:
        return smallest
    kind = _kind(smallest)
    improved = True
    while improved:
        improved = False
        for candidate in smaller(smallest.scenario):
            outcome = play(candidate)
            if outcome.violations and _kind(outcome) == kind:
                smallest, improved = outcome, True
                break
    return smallest


def _kind(outcome: Outcome) -> str:
    return outcome.violations[0].split()[0]


def smaller(scenario: Scenario) -> Iterator[Scenario]:
    """Scenarios with one thing less, the largest cuts first."""
    actions = scenario.actions
    for index in range(len(actions)):
        yield replace(scenario, actions=actions[:index] + actions[index + 1 :])
    for index in range(len(scenario.faults)):
        faults = scenario.faults[:index] + scenario.faults[index + 1 :]
        yield replace(scenario, faults=faults)
    for files in range(1, scenario.files):
        yield replace(scenario, files=files)
    for index, action in enumerate(actions):
        for simpler in _simpler(action):
            yield replace(scenario, actions=(*actions[:index], simpler, *actions[index + 1 :]))


def _simpler(action: Action) -> Iterator[Action]:
    if action.dies_at_step is not None:
        yield replace(action, dies_at_step=None)
    for index in range(len(action.meanwhile)):
        rest = action.meanwhile[:index] + action.meanwhile[index + 1 :]
        yield replace(action, meanwhile=rest)
    for index in range(len(action.options)):
        if action.kind == "upload":
            yield replace(action, options=action.options[:index] + action.options[index + 1 :])
