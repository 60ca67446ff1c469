"""The three kinds of scenarios under one roof: ordinary ones, harder ones, and edges."""

from __future__ import annotations

from tests.simulator.edges import generate_edges, play_edges
from tests.simulator.harder import Harder, generate_harder, play_harder
from tests.simulator.scenario import Scenario, generate
from tests.simulator.story import Edges
from tests.simulator.world import Outcome, play

#: A scenario of any kind.
Story = Scenario | Harder | Edges

KINDS = ("ordinary", "harder", "edges")


def story_of(seed: int, kind: str) -> Story:
    """Return the scenario of a seed."""
    if kind == "ordinary":
        return generate(seed)
    return generate_harder(seed) if kind == "harder" else generate_edges(seed)


def play_story(story: Story) -> Outcome:
    """Run a scenario to its end, or to the first violation."""
    if isinstance(story, Edges):
        return play_edges(story)
    return play_harder(story) if isinstance(story, Harder) else play(story)
