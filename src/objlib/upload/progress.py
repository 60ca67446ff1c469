"""A pure reducer from events to where a run stands: for the progress bar and for the summary."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from objlib.upload import events as ev

#: Failures named in a summary; the rest is counted, and `status` knows them all.
NAMED_FAILURES = 10

_IN_FLIGHT_COUNTER = {"uploading": "uploading", "processing": "indexing"}


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands. Counts of files, except `retries`, which counts calls."""

    total: int = 0
    uploading: int = 0
    indexing: int = 0
    indexed: int = 0
    adopted: int = 0
    failed: int = 0
    failed_for_now: int = 0
    released: int = 0
    vanished: int = 0
    taken: int = 0
    retries: int = 0
    rate_limited: int = 0
    left_behind: int = 0
    draining: bool = False
    failures: tuple[ev.FileFailed, ...] = ()

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
        case ev.FileStarted():
            return replace(progress, uploading=progress.uploading + 1)
        case ev.FileResumed():
            return replace(progress, total=progress.total + 1, indexing=progress.indexing + 1)
        case ev.ImportAccepted():
            return replace(
                progress, uploading=progress.uploading - 1, indexing=progress.indexing + 1
            )
        case ev.FileIndexed(adopted=adopted):
            return replace(
                progress,
                indexing=progress.indexing - 1,
                indexed=progress.indexed + 1,
                adopted=progress.adopted + adopted,
            )
        case ev.FileFailed():
            return replace(
                progress,
                **_one_less(progress, event.from_state),
                failed=progress.failed + 1,
                failed_for_now=progress.failed_for_now + event.transient,
                failures=(*progress.failures, event)[:NAMED_FAILURES],
            )
        case ev.FileReleased(from_state=from_state):
            return replace(
                progress, **_one_less(progress, from_state), released=progress.released + 1
            )
        case ev.FileVanished():
            return replace(progress, vanished=progress.vanished + 1)
        case ev.FileTaken():
            return replace(progress, taken=progress.taken + 1)
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
        case ev.Draining():
            return replace(progress, draining=True)
        case _:
            return progress


def _one_less(progress: Progress, state: str) -> dict[str, Any]:
    counter = _IN_FLIGHT_COUNTER[state]
    return {counter: getattr(progress, counter) - 1}
