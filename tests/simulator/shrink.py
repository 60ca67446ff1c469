"""Makes a scenario small that goes wrong: as little as possible that still does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.simulator.harder import Harder
from tests.simulator.scenario import Action, Scenario
from tests.simulator.stories import Story, play_story
from tests.simulator.story import Edges
from tests.simulator.world import Outcome


def shrunk(story: Story) -> tuple[Story, Outcome]:
    """Return the smallest story that violates the same invariant, and its outcome.

    A story in which nothing goes wrong stays as it is.
    """
    outcome = play_story(story)
    if not outcome.violations:
        return story, outcome
    kind = _kind(outcome)
    candidates = smaller(story)
    while (candidate := next(candidates, None)) is not None:
        tried = play_story(candidate)
        if tried.violations and _kind(tried) == kind:
            story, outcome = candidate, tried
            candidates = smaller(story)
    return story, outcome


def _kind(outcome: Outcome) -> str:
    return outcome.violations[0].split()[0]


def smaller(story: Story) -> Iterator[Story]:
    """Yield stories with one thing less, the largest cuts first."""
    if isinstance(story, Scenario):
        yield from _smaller_scenarios(story)
        return
    if isinstance(story, Edges):
        yield from _smaller_edges(story)
        return
    if story.locked_share:
        yield replace(story, locked_share=0.0)
    if story.page is not None:
        yield replace(story, page=None)
    for scenario in _smaller_scenarios(story.scenario):
        yield Harder(scenario, story.locked_share, story.page)


def _smaller_edges(edges: Edges) -> Iterator[Edges]:
    for index in range(len(edges.lies)):
        yield replace(edges, lies=edges.lies[:index] + edges.lies[index + 1 :])
    for index in range(len(edges.ambushes)):
        yield replace(edges, ambushes=edges.ambushes[:index] + edges.ambushes[index + 1 :])
    if edges.recovery_dies_at is not None:
        yield replace(edges, recovery_dies_at=None)
    if edges.page is not None:
        yield replace(edges, page=None)
    for scenario in _smaller_scenarios(edges.scenario):
        yield replace(edges, scenario=scenario)


def _smaller_scenarios(scenario: Scenario) -> Iterator[Scenario]:
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
