"""A pure reducer from events to where a run stands: for the progress bar and for the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from objlib.upload import events as ev

#: Failures named in a summary; the rest is counted, and `status` knows them all.
NAMED_FAILURES = 10

Stage = Literal["uploading", "indexing"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands. Counts of files, except `retries`, which counts calls."""

    total: int = 0
    #: Files being worked on: path -> stage. As large as the run's limits allow.
    in_flight: Mapping[str, Stage] = field(default_factory=lambda: MappingProxyType({}))
    indexed: int = 0
    adopted: int = 0
    failed: int = 0
    failed_for_now: int = 0
    released: int = 0
    vanished: int = 0
    taken: int = 0
    retries: int = 0
    #: Bytes of files that were begun, whatever came of them.
    begun_bytes: int = 0
    rate_limited: int = 0
    left_behind: int = 0
    draining: bool = False
    pressure: ev.PressureChanged | None = None
    failures: tuple[ev.FileFailed, ...] = ()

    @property
    def uploading(self) -> int:
        """Files being sent."""
        return sum(stage == "uploading" for stage in self.in_flight.values())

    @property
    def indexing(self) -> int:
        """Files whose documents are being watched."""
        return sum(stage == "indexing" for stage in self.in_flight.values())

    @property
    def settled(self) -> int:
        """Files that need no more work in this run."""
        return self.indexed + self.failed + self.vanished + self.taken

    @property
    def is_clean(self) -> bool:
        """Whether everything that was asked for was done."""
        return not (self.failed or self.released or self.vanished)


def advance(progress: Progress, event: ev.Event) -> Progress:
    """The next state of affairs."""
    match event:
        case ev.RunStarted(files=files):
            return replace(progress, total=progress.total + files)
        case ev.FileStarted(path=path, size_bytes=size_bytes):
            moved = _moved(progress, path, "uploading")
            return replace(moved, begun_bytes=progress.begun_bytes + size_bytes)
        case ev.FileResumed(path=path):
            return replace(_moved(progress, path, "indexing"), total=progress.total + 1)
        case ev.ImportAccepted(path=path):
            return _moved(progress, path, "indexing")
        case ev.FileIndexed(path=path, adopted=adopted):
            return replace(
                _landed(progress, path),
                indexed=progress.indexed + 1,
                adopted=progress.adopted + adopted,
            )
        case ev.FileFailed(path=path, transient=transient):
            return replace(
                _landed(progress, path),
                failed=progress.failed + 1,
                failed_for_now=progress.failed_for_now + transient,
                failures=(*progress.failures, event)[:NAMED_FAILURES],
            )
        case ev.FileReleased(path=path):
            return replace(_landed(progress, path), released=progress.released + 1)
        case ev.FileVanished(path=path):
            return replace(_landed(progress, path), vanished=progress.vanished + 1)
        case ev.FileTaken(path=path):
            return replace(_landed(progress, path), taken=progress.taken + 1)
        case ev.CallRetried(rate_limited=rate_limited):
            return replace(
                progress,
                retries=progress.retries + 1,
                rate_limited=progress.rate_limited + rate_limited,
            )
        case ev.LeftBehind():
            return replace(progress, left_behind=progress.left_behind + 1)
        case ev.RetryPassScheduled():
            return replace(
                progress,
                failed=progress.failed - progress.failed_for_now,
                failed_for_now=0,
                released=0,
                failures=tuple(kept for kept in progress.failures if not kept.transient),
            )
        case ev.PressureChanged():
            return replace(progress, pressure=event)
        case ev.Draining():
            return replace(progress, draining=True)
        case _:
            return progress


def _moved(progress: Progress, path: str, stage: Stage) -> Progress:
    return replace(progress, in_flight=MappingProxyType({**progress.in_flight, path: stage}))


def _landed(progress: Progress, path: str) -> Progress:
    rest = {other: stage for other, stage in progress.in_flight.items() if other != path}
    return replace(progress, in_flight=MappingProxyType(rest))
