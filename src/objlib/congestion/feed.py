"""The feed of outcomes: the one road into the gate."""

from __future__ import annotations

from dataclasses import dataclass, field

from reactivex import Observable
from reactivex.subject import Subject

from objlib.congestion.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Outcomes:
    """A hot feed of outcomes: whoever sees one tells it here, and the gate's reducer listens."""

    _told: Subject[Outcome] = field(default_factory=Subject)

    def tell(self, outcome: Outcome) -> None:
        """Pass one outcome on; the listeners have heard it on return."""
        self._told.on_next(outcome)

    @property
    def stream(self) -> Observable[Outcome]:
        """The outcomes from now on."""
        return self._told
