"""The events of a run: one record for each thing that can happen in it.

They travel in one hot stream (`upload/event_stream.py`). The records alone load nothing, so that a
status or a list of events can be read without the operators.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

#: The phases of recovery, by the names that events have for them.
INTERRUPTED_UPLOADS = "interrupted uploads"
PENDING_OPERATIONS = "pending operations"
LATE_SUCCESSES = "late successes"
LEFTOVERS = "leftovers"

#: Seconds: shorter waits that the backend asks for are nothing that people want to hear of.
SAID_FROM_S = 5.0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run."""

    def to_json(self) -> dict[str, Any]:
        """`{"event": "FileIndexed", …fields}`, fit for a JSON line."""
        return {"event": type(self).__name__, **asdict(self)}


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """The pipeline is about to take files: `files` of them, `size_bytes` together."""

    run_id: str
    store_name: str
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PhaseFinished(Event):
    """One phase of recovery is through: how many rows it adopted, released and left."""

    phase: str
    adopted: int
    released: int
    left: int


@dataclass(frozen=True, slots=True)
class PhaseFailed(Event):
    """One phase of recovery could not finish; its rows stay as they were."""

    phase: str
    reason: str


@dataclass(frozen=True, slots=True)
class FileStarted(Event):
    """A file was claimed and is about to be sent."""

    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PartlyRead(Event):
    """Parts of a file could not be read; the rest of it is being sent."""

    path: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallRetried(Event):
    """A call about a file will be made again after `wait_s` seconds."""

    path: str
    attempt: int
    wait_s: float
    reason: str
    rate_limited: bool


@dataclass(frozen=True, slots=True)
class ImportAccepted(Event):
    """The backend took the import; the document is being indexed."""

    path: str


@dataclass(frozen=True, slots=True)
class FileResumed(Event):
    """An import that an earlier run left behind is being watched again."""

    path: str


@dataclass(frozen=True, slots=True)
class DocumentShownFailed(Event):
    """The document of a file shows as failed, `took_s` seconds after the import was accepted.

    Said once a file and attempt. The document may come alive yet; if not, `FileFailed` follows.
    """

    path: str
    took_s: float


@dataclass(frozen=True, slots=True)
class FileIndexed(Event):
    """The document was seen active with the right key.

    `took_s`: seconds since the import was accepted; None where that says nothing about the backend
    now: the document showed as failed before, or an earlier run had it accepted.
    """

    path: str
    document_name: str
    adopted: bool
    took_s: float | None = None


@dataclass(frozen=True, slots=True)
class FileFailed(Event):
    """The row is `failed`. Transient failures get one more chance in the retry pass."""

    path: str
    reason: str
    transient: bool


@dataclass(frozen=True, slots=True)
class FileReleased(Event):
    """The row is free again: not finished, not failed.

    `had_failed`: a `FileFailed` of this run is taken back; the backend took nothing of anybody.
    """

    path: str
    reason: str
    had_failed: bool = False


@dataclass(frozen=True, slots=True)
class FileVanished(Event):
    """The file is no longer where the scan found it."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class FileTaken(Event):
    """Another run works on this file, or has already done so."""

    path: str


@dataclass(frozen=True, slots=True)
class LeftBehind(Event):
    """Something on the backend could not be tidied up yet; a later run will."""

    path: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class RetryPassScheduled(Event):
    """After `wait_s` seconds `files` files get a second chance."""

    files: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class PressureChanged(Event):
    """The limits towards the backend have changed; also said at the beginning.

    `circuit` is closed, open (nothing is sent for `pause_s` seconds) or half-open (single requests
    try it out). `pause_s` is also set where the backend asks for a wait: `asked_s` is how long, and
    `next_look_at` (UTC, ISO 8601) when it is looked at again. `sending` and `indexing` are files at
    a time; `requests_per_minute` is None as long as no limit is known.
    """

    circuit: str
    pause_s: float
    sending: int
    indexing: int
    requests_per_minute: float | None
    asked_s: float | None = None
    next_look_at: str | None = None


@dataclass(frozen=True, slots=True)
class Draining(Event):
    """No new files are taken; what is in flight goes on."""

    reason: str
