"""A few kills with every run of the suite; `python -m tests.chaos` makes it hundreds."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.chaos import Chaos


def test_a_few_sudden_deaths(tmp_path: Path) -> None:
    """Edits, faults and kills; then one upload and one repair put everything right."""
    chaos = Chaos(tmp_path, seed=7, files=20)
    chaos.kill(6)
    assert chaos.settle() == [], "\n".join(chaos.report())
