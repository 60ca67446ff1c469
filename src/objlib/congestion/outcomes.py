"""Outcomes of requests and documents as records; one feed of them (`feed.py`) steers the gate.

The transport tells what became of requests, the stages what became of documents, the orchestrator
how many documents are watched, the gate itself when it lets something pass. The events of a run
are for people: nothing that steers listens to them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """Something that tells how the backend is doing.

    `took_s`, where there is one, is how long ago the request was sent or the document imported.
    """


@dataclass(frozen=True, slots=True)
class Sent(Outcome):
    """A request passed the gate; exactly one of the next four follows."""


@dataclass(frozen=True, slots=True)
class Answered(Outcome):
    """The backend answered in its right mind, 4xx included.

    Args:
        is_small: neither request nor answer is large, so that the time tells of the backend only.
    """

    took_s: float = 0.0
    is_small: bool = False


@dataclass(frozen=True, slots=True)
class Refused(Outcome):
    """429. `retry_after_s`: what `RetryInfo` or `Retry-After` asks for."""

    took_s: float = 0.0
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Broken(Outcome):
    """5xx, a lost connection, no answer. `retry_after_s` as for `Refused`."""

    took_s: float = 0.0
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Abandoned(Outcome):
    """We cancelled the request ourselves; it says nothing."""

    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CooledDown(Outcome):
    """The time of an open circuit has passed."""


@dataclass(frozen=True, slots=True)
class Watched(Outcome):
    """One more document is being indexed."""


@dataclass(frozen=True, slots=True)
class Unwatched(Outcome):
    """One document less is being indexed, whatever became of it."""


@dataclass(frozen=True, slots=True)
class DocumentActive(Outcome):
    """A document became active `took_s` seconds after its import."""

    took_s: float


@dataclass(frozen=True, slots=True)
class DocumentFailed(Outcome):
    """A document shows as failed, `took_s` seconds after its import; it may yet come alive."""

    took_s: float


@dataclass(frozen=True, slots=True)
class Accepted(Outcome):
    """The backend took a file: the import of one was accepted."""


@dataclass(frozen=True, slots=True)
class GivenUp(Outcome):
    """All attempts at a file were in vain, for a reason that is not the file's."""
