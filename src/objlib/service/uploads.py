"""Uploads: the work of one, and its outcome beside what was expected of it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import reactivex.operators as ops
from reactivex import Observable

from objlib.catalog.held import Held
from objlib.catalog.protocol import Catalog
from objlib.catalog.resets import count_to_be_reset
from objlib.catalog.tallies import Work as PlannedWork
from objlib.catalog.tallies import planned_page
from objlib.documents.payload import Source
from objlib.service.runs import Run, Runs, Work
from objlib.service.steering import steered
from objlib.service.stores import Connection
from objlib.upload import events as ev
from objlib.upload.estimate import estimate
from objlib.upload.orchestrator import Options
from objlib.upload.reports import Progress, RecoveryReport, advance, follow
from objlib.upload.run import UploadRun, expected_work, states_taken
from objlib.waits import Waits

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient

_PAGE = 500

#: A reason of `PlannedWork`.
FAILED_BEFORE = "failed before"


R = TypeVar("R")


def upload_work(
    catalog: Catalog,
    connection: Connection,
    options: Options,
    *,
    store_name: str,
    source: Source,
    waits: Waits,
    report: Callable[[UploadRun], Callable[[], R]],
) -> Work[ev.Event, R]:
    """Return the work of an upload through a connection that has found its store.

    Args:
        report: subscribes to the run and returns its report so far.
    """
    run = UploadRun(
        catalog=catalog,
        client=connection.client,
        options=options,
        gate=connection.gate,
        store_name=store_name,
        source=source,
        waits=waits,
    )
    if connection.observer is not None:
        connection.observer.follow_run(run.stream.events)
    return Work(run.stream.events, run.until_done, run.shutdown, report(run))


def progress_of(run: UploadRun) -> Callable[[], Progress]:
    """Report where a run stands."""
    return lambda: run.progress


def recovery_of(run: UploadRun) -> Callable[[], RecoveryReport]:
    """Report what the recovery of a run has done."""
    reports = [RecoveryReport()]
    run.stream.events.subscribe(lambda event: reports.append(follow(reports.pop(), event)))
    return lambda: reports[0]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file that an upload would take."""

    path: str
    #: One of the reasons of `Work`.
    reason: str
    size_bytes: int


async def planned_files(
    catalog: Catalog, options: Options, limit: int | None = None
) -> AsyncIterator[PlannedFile]:
    """Yield the files that an upload would take, by path, in bounded memory.

    Args:
        limit: at most so many, within the limit of the options.
    """
    given = [number for number in (limit, options.limit) if number is not None]
    left, after = min(given, default=None), None
    while left is None or left > 0:
        page = await planned_page(
            catalog,
            states_taken(options),
            after,
            _PAGE if left is None else min(_PAGE, left),
            leave_alone_s=options.leave_alone_s,
            in_new_store=options.new_store,
            held=options.held,
        )
        for path, reason, size_bytes in page:
            yield PlannedFile(path, reason, size_bytes)
        if not page:
            return
        after, left = page[-1][0], None if left is None else left - len(page)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The outcome of an upload, beside what was expected of it."""

    progress: Progress
    #: The plan at its beginning.
    expected: PlannedWork
    #: Requests that the plan had foreseen, and those that were sent.
    expected_requests: int
    requests: int
    elapsed_s: float
    #: Files that are still to be uploaded.
    waiting: int
    #: Files that failed, in this upload or before.
    failed: int
    #: It was asked to stop before its end.
    was_interrupted: bool
    #: Files that an unfinished reset has still to upload again.
    to_be_reset: int = 0

    @property
    def is_clean(self) -> bool:
        """True if everything that was asked for was done."""
        return not self.was_interrupted and self.progress.is_clean


class Account:
    """The account of an upload, opened when its store has just been looked up."""

    def __init__(
        self,
        catalog: Catalog,
        client: FileSearchClient,
        expected: PlannedWork,
        held: Held | None = None,
    ) -> None:
        self.catalog = catalog
        self._held = held
        self._client = client
        self._expected = expected
        self._requests_before = client.requests - 1  # the store was looked up for this upload
        self._begun_at_s = time.monotonic()

    @classmethod
    async def opened(cls, catalog: Catalog, client: FileSearchClient, options: Options) -> Account:
        """Return the account of an upload that is about to begin."""
        return cls(catalog, client, await expected_work(catalog, options), options.held)

    async def closed(self, progress: Progress, *, was_interrupted: bool) -> Uploaded:
        """Return the outcome of the upload, which is over."""
        elapsed_s = time.monotonic() - self._begun_at_s
        requests = self._client.requests - self._requests_before
        left = await expected_work(self.catalog, Options(retry_failed=True, held=self._held))
        failed = left.reasons.get(FAILED_BEFORE, 0)
        return Uploaded(
            progress,
            self._expected,
            estimate(self._expected).requests,
            requests,
            elapsed_s,
            waiting=left.files - failed,
            failed=failed,
            was_interrupted=was_interrupted,
            to_be_reset=await count_to_be_reset(self.catalog),
        )


@dataclass(frozen=True, slots=True)
class Uploading:
    """The work of an upload, and its account."""

    work: Work[ev.Event, Progress]
    account: Account

    async def outcome(self) -> Uploaded:
        """Return the outcome, once the work is over."""
        is_stopping = self.work.shutdown.is_stopping
        return await self.account.closed(self.work.report(), was_interrupted=is_stopping)


class UploadingRun(Run[ev.Event, Progress]):
    """An upload. Its report is where it stands; `outcome` compares that with its plan."""

    def __init__(self, runs: Runs, prepare: Callable[[], Awaitable[Uploading]]) -> None:
        self._uploading: Uploading | None = None

        async def prepared() -> Work[ev.Event, Progress]:
            uploading = await prepare()
            work = steered(uploading.account.catalog, uploading.work)
            self._uploading = replace(uploading, work=work)
            return work

        super().__init__(runs, prepared)

    async def outcome(self) -> Uploaded:
        """Wait for the end, and return what the upload came to beside what was expected.

        Raises: what ended the run before its end.
        """
        await self.finished()
        assert self._uploading is not None, "a run that is over has begun"
        return await self._uploading.outcome()


def progress_after(events: Observable[ev.Event]) -> Observable[Progress]:
    """Return the progress of an upload after each of its events."""
    return events.pipe(ops.scan(advance, Progress()))
