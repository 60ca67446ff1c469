"""The simulation in small: fresh seeds, seeds that once went wrong, and the same twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulator.scenario import generate
from tests.simulator.stories import play_story, story_of
from tests.simulator.world import play

ROOT = Path(__file__).parents[2]

_RECORDED = [
    line.split()[:2]
    for line in Path(__file__).with_name("seeds.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize(("kind", "seed"), _RECORDED)
def test_a_seed_that_once_went_wrong(kind: str, seed: str) -> None:
    """It goes well now."""
    assert play_story(story_of(int(seed), kind)).violations == []


@pytest.mark.parametrize("first", range(20_000, 20_040, 10))
def test_fresh_seeds(first: int) -> None:
    """Ten at a time."""
    for seed in range(first, first + 10):
        assert play(generate(seed)).violations == [], f"python -m tests.simulator --seed {seed}"


def test_the_same_seed_is_the_same_run() -> None:
    """Also in another process, whose sets and dicts of strings come in another order."""
    here = [play(generate(seed)).digest for seed in (2, 4)]
    script = (
        "from tests.simulator.scenario import generate\n"
        "from tests.simulator.world import play\n"
        "print(*(play(generate(seed)).digest for seed in (2, 4)))"
    )
    for hash_seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{ROOT}:{ROOT}/src"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.split() == here
