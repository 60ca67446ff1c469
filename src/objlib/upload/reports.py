"""Reports on a run: its progress, its recovery, and its line in the catalog as the last run.

The first two are pure reducers over the events of a run. The third is written when a run begins and
again when it ends. A run that was killed can therefore be told from one that is under way: by its
owner, as with leases.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from objlib.catalog.lease import owner_is_dead
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_info, set_info
from objlib.upload import events as ev

#: Failures named in a summary; the rest is counted, and `status` knows them all.
NAMED_FAILURES = 10

Stage = Literal["uploading", "indexing"]

#: Key in `catalog_info`.
LAST_RUN = "last_run"

#: The ends of a run.
UNDER_WAY = "under way"
DONE = "done"
INTERRUPTED = "interrupted"
CUT_OFF = "cut off"


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run. Counts of files, except where a line says otherwise."""

    #: Files that the run will take, as far as it is known.
    total: int = 0
    #: Files being worked on: path -> stage. As large as the run's limits allow.
    in_flight: Mapping[str, Stage] = field(default_factory=lambda: MappingProxyType({}))
    indexed: int = 0
    #: Indexed ones whose document an earlier attempt had made.
    adopted: int = 0
    failed: int = 0
    #: Failed ones that get one more chance.
    failed_for_now: int = 0
    #: Free again for the next run.
    released: int = 0
    #: Gone from disk, or unreadable.
    vanished: int = 0
    #: In the hands of another run.
    taken: int = 0
    #: Files of which parts could not be read; what there is was sent.
    partly_read: int = 0
    #: Calls that were made again.
    retries: int = 0
    #: Bytes of all files that were begun, finished or not.
    begun_bytes: int = 0
    #: Calls that were made again because of a 429.
    rate_limited: int = 0
    #: Documents and raw files that a later run has to delete.
    left_behind: int = 0
    #: No new files are taken any more.
    draining: bool = False
    #: The limits as they were told last.
    pressure: ev.PressureChanged | None = None
    #: The first few failures.
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
        """True if everything that was asked for was done."""
        return not (self.failed or self.released or self.vanished)


def advance(progress: Progress, event: ev.Event) -> Progress:
    """Return the progress after one more event."""
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
        case ev.FileReleased(path=path, had_failed=had_failed):
            return replace(
                _landed(progress, path),
                released=progress.released + 1,
                failed=progress.failed - had_failed,
                failed_for_now=progress.failed_for_now - had_failed,
                failures=tuple(kept for kept in progress.failures if kept.path != path),
            )
        case ev.FileVanished(path=path):
            return replace(_landed(progress, path), vanished=progress.vanished + 1)
        case ev.FileTaken(path=path):
            return replace(_landed(progress, path), taken=progress.taken + 1)
        case ev.PartlyRead():
            return replace(progress, partly_read=progress.partly_read + 1)
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


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """The result of a recovery. Counts of files, but for `unfinished`."""

    #: Given a document that an earlier run, or a failed attempt, had made.
    adopted: int = 0
    #: Adopted ones that had failed, and whose document has come alive since.
    late: int = 0
    #: Free again: nothing of them is in the store.
    released: int = 0
    #: Imports that an earlier run left pending, watched to their end.
    polled_again: int = 0
    #: In the hands of a run that is alive.
    left: int = 0
    #: Became `failed` while they were watched.
    failed: int = 0
    #: Phases that could not finish, with the reason; their rows stay as they were.
    unfinished: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """True if everything that was there to do was done."""
        return not (self.failed or self.unfinished)


def follow(report: RecoveryReport, event: ev.Event) -> RecoveryReport:
    """Return the report after one more event."""
    match event:
        case ev.PhaseFinished():
            pending = event.adopted if event.phase == ev.PENDING_OPERATIONS else 0
            return replace(
                report,
                adopted=report.adopted + event.adopted - pending,
                late=report.late + (event.adopted if event.phase == ev.LATE_SUCCESSES else 0),
                released=report.released + event.released,
                polled_again=report.polled_again + pending,
                left=report.left + event.left,
            )
        case ev.PhaseFailed():
            problem = f"{event.phase}: {event.reason}"
            return replace(report, unfinished=(*report.unfinished, problem))
        case ev.FileFailed():
            return replace(report, failed=report.failed + 1)
        case _:
            return report


@dataclass(frozen=True, slots=True)
class LastRun:
    """One run, as the catalog remembers it."""

    #: The owner of its leases: host, process and run.
    owner: str
    #: UTC, ISO 8601.
    started_at: str
    #: `under way`, `done`, `interrupted`, `cut off`, or the reason why it had to end.
    ended: str = UNDER_WAY
    #: Seconds from start to end; None while it is under way.
    elapsed_s: float | None = None
    #: Files.
    indexed: int = 0
    #: Files.
    failed: int = 0

    def finished(self, ended: str, at: datetime, progress: Progress) -> LastRun:
        """Return the same run at its end."""
        elapsed_s = (at - datetime.fromisoformat(self.started_at)).total_seconds()
        return replace(
            self,
            ended=ended,
            elapsed_s=max(0.0, round(elapsed_s, 3)),
            indexed=progress.indexed,
            failed=progress.failed,
        )


async def remember(catalog: Catalog, run: LastRun) -> None:
    """Write a run down as the last one."""
    await set_info(catalog, **{LAST_RUN: json.dumps(asdict(run), ensure_ascii=False)})


async def last_run(
    catalog: Catalog, is_dead: Callable[[str], bool] = owner_is_dead
) -> LastRun | None:
    """The run that began last, or None before the first one."""
    written = await get_info(catalog, LAST_RUN)
    if written is None:
        return None
    known = LastRun.__dataclass_fields__  # a later objlib may have written more
    run = LastRun(**{name: said for name, said in json.loads(written).items() if name in known})
    return replace(run, ended=CUT_OFF) if run.ended == UNDER_WAY and is_dead(run.owner) else run
