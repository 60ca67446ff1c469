"""What an edge scenario is made of, beside the ordinary one in it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulator.lies import Lie
from tests.simulator.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Ambush:
    """Something that happens to a run just where an import is sent or about to be.

    Args:
        number: of the raw file or the import, as they come to the server.
        place: "upload": a raw file has arrived, and its import comes next. "import": an import is
            on its way.
        kind: "suspend" the sender, or let its host's "clock" step.
        seconds: for so long, or so far.
        rival_after_s: then another process begins an upload.
    """

    number: int
    place: str
    kind: str
    seconds: float
    rival_after_s: float
    #: So long after it: while the import waits for its turn.
    after_s: float = 0.0

    def __str__(self) -> str:
        return (
            f"ambush: {self.kind} {self.seconds:g} s, {self.after_s:g} s after "
            f"{self.place} {self.number}, a rival {self.rival_after_s:g} s later"
        )


@dataclass(frozen=True, slots=True)
class Edges:
    """A scenario, and what is wrong at its edges.

    Args:
        themes: of which edges it is.
        page: rows and documents on a page; None for as many as in life.
        recovery_dies_at: the step at which the first recovery of a lost catalog is killed.
    """

    scenario: Scenario
    themes: frozenset[str] = frozenset()
    page: int | None = None
    lies: tuple[Lie, ...] = ()
    ambushes: tuple[Ambush, ...] = ()
    recovery_dies_at: int | None = None

    def lines(self) -> list[str]:
        """For people."""
        dies = f", the first recovery dies at {self.recovery_dies_at}"
        of = ", ".join(sorted(self.themes))
        first = f"{of}: {self.page or 'many'} on a page{dies if self.recovery_dies_at else ''}"
        wrong = [f"  {one}" for one in (*self.lies, *self.ambushes)]
        return [first, *wrong, *self.scenario.lines()]
