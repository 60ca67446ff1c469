"""The hot stream of a run's events, for anybody who subscribes.

Progress bar, log, JSON lines, summary and tests are subscribers and nothing else; none of them is
named by the pipeline. A subscriber that raises is cut off and reported, and does not harm the run.
"""

from __future__ import annotations

from reactivex import Observable
from reactivex.subject import Subject

from objlib.reactive.hot import guarded
from objlib.upload.events import Event


class EventStream:
    """The hot stream of one run."""

    def __init__(self) -> None:
        self._subject: Subject[Event] = Subject()

    def emit(self, event: Event) -> None:
        """Tell everybody."""
        self._subject.on_next(event)

    def complete(self) -> None:
        """The run is over."""
        self._subject.on_completed()

    @property
    def events(self) -> Observable[Event]:
        """The stream, guarded: an observer that raises loses its subscription and nothing else."""
        return guarded(self._subject)
