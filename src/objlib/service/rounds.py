"""A round of `sync`: first its plan, which can be shown, then its work.

    scan -> plan -> [somebody agrees] -> upload -> survey -> repair -> upload what was sent again

Documents are deleted last, so what is searchable stays so for as long as it can. The verdict says
what a front end needs to know, and nothing of exit codes or words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, TypeAlias

import reactivex.operators as ops
from reactivex import Observable
from reactivex.abc import DisposableBase
from reactivex.disposable import CompositeDisposable
from reactivex.subject import Subject

from objlib.catalog.protocol import Catalog
from objlib.catalog.tallies import Work as PlannedWork
from objlib.catalog.tallies import count_deleted, count_left_alone
from objlib.library.scan_report import ScanReport
from objlib.reactive.bridge import LoopScheduler, completion, from_coroutine, on_trampoline
from objlib.service.repairs import PlannedRepair, Synced
from objlib.service.runs import Work
from objlib.service.steering import steered
from objlib.service.uploads import Uploaded, Uploading
from objlib.service.verdict import SyncVerdict, verdict_on
from objlib.sync.apply import RepairReport
from objlib.sync.listing import SyncReport, spared
from objlib.sync.plan import Step
from objlib.upload import events as ev
from objlib.upload.orchestrator import Options
from objlib.upload.run import expected_work
from objlib.upload.shutdown import Shutdown

#: Seconds for which a round leaves alone what the store could not index. Each try takes two
#: settling windows, which is too long for every round.
LEAVE_ALONE_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """The plan of a round: what `Library.sync` would do."""

    scan: ScanReport
    #: The upload: files by reason, and their bytes. `objlib.estimate` has the price of it.
    work: PlannedWork
    #: The wishes for the upload.
    options: Options
    #: Documents in the store whose files are gone from disk.
    leaving: int = 0
    #: Files that the store could not index within the last day.
    left_alone: int = 0

    @property
    def needs_consent(self) -> bool:
        """True if something would be sent or deleted."""
        return bool(self.work.files or self.leaving)


class SyncPhase(Enum):
    """The phases of a round, each told when it begins."""

    UPLOADING = "uploading"
    SURVEYING = "surveying"
    REPAIRING = "repairing"
    UPLOADING_AGAIN = "uploading again"


#: What a round tells: that a phase begins, each event of an upload, what an upload came to, what
#: the survey found, and each step of the repair that was taken.
SyncEvent: TypeAlias = SyncPhase | ev.Event | Uploaded | SyncReport | Step


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """The outcome of a round, as far as it has come."""

    uploaded: Uploaded | None = None
    #: The survey and its repair.
    store: Synced | None = None
    #: The upload of what the repair has sent round again, where it has.
    uploaded_again: Uploaded | None = None
    #: Files that the store could not index within the last day.
    left_alone: int = 0
    was_interrupted: bool = False
    #: What may be said of the store; None where it was not listed.
    verdict: SyncVerdict | None = None

    @property
    def is_worth_another(self) -> bool:
        """True if something went wrong that may be right the next time."""
        if self.was_interrupted or self.uploaded is None or self.store is None:
            return True
        if self.verdict is not None and self.verdict.may_pass:
            return True
        again = self.uploaded_again
        return not (
            self.uploaded.is_clean and self.store.is_clean and (again is None or again.is_clean)
        )

    @property
    def is_clean(self) -> bool:
        """True if the store holds each file of the library that can be uploaded, as it is."""
        is_done = not (self.is_worth_another or self.left_alone)
        return is_done and self.verdict is not None and self.verdict.is_in_step


async def shown_to_nobody(_survey: SyncReport) -> None:
    """Let a repair begin without a look at it."""


def round_options(options: Options) -> Options:
    """Return the wishes for the upload of a round: what failed is tried again, or left alone."""
    return replace(options, retry_failed=True, leave_alone_s=LEAVE_ALONE_S)


def planning(
    catalog: Catalog, scan: Work[ScanReport, ScanReport], options: Options
) -> Work[ScanReport, SyncPlan]:
    """Return the work of a scan that ends with the plan of a round."""
    plans = [SyncPlan(ScanReport(), PlannedWork({}), options)]

    async def until_done() -> None:
        await scan.until_done()
        plan = SyncPlan(
            scan.report(), await expected_work(catalog, options, is_grouped=True), options
        )
        if not options.new_store:  # which nothing leaves, and which has refused nothing
            plan = replace(
                plan,
                leaving=(await count_deleted(catalog, options.held))[1],
                left_alone=await count_left_alone(catalog, options.leave_alone_s, options.held),
            )
        plans[0] = plan

    return Work(
        scan.happenings,
        until_done,
        scan.shutdown,
        lambda: replace(plans[0], scan=scan.report()),
    )


@dataclass(slots=True)
class Round:
    """A round that carries out its plan."""

    catalog: Catalog
    options: Options
    upload: Callable[[Options], Awaitable[Uploading]]
    survey: Callable[[], Awaitable[SyncReport]]
    repair: Callable[[SyncReport], Awaitable[PlannedRepair]]
    #: Waited for after the survey and before the repair. What it raises ends the round.
    before_repair: Callable[[SyncReport], Awaitable[None]] = shown_to_nobody
    outcome: SyncOutcome = SyncOutcome()
    _told: Subject[SyncEvent] = field(default_factory=Subject)
    _shutdown: Shutdown = field(default_factory=Shutdown)

    def work(self) -> Work[SyncEvent, SyncOutcome]:
        """Return the work of carrying it out."""
        work = Work(self._told, self._until_done, self._shutdown, lambda: self.outcome)
        return steered(self.catalog, work)

    async def _until_done(self) -> None:
        uploaded = await self._upload(SyncPhase.UPLOADING, self.options)
        self.outcome = replace(self.outcome, uploaded=uploaded)
        self._told.on_next(uploaded)
        if not self._shutdown.is_stopping:
            await self._bring_in_step()
        self.outcome = replace(
            self.outcome,
            left_alone=await count_left_alone(
                self.catalog, self.options.leave_alone_s, self.options.held
            ),
            was_interrupted=self._shutdown.is_stopping,
            verdict=await self._verdict(),
        )

    async def _verdict(self) -> SyncVerdict | None:
        store, again = self.outcome.store, self.outcome.uploaded_again
        if store is None:
            return None
        held = self.options.held
        rows = await store.survey.verdicts.count_rows(held)
        sent_since = again.progress.indexed if again is not None else 0
        return verdict_on(rows, store, sent_since, is_narrowed=held is not None)

    async def _bring_in_step(self) -> None:
        survey = await self._survey()
        if survey is None:
            return
        await self.before_repair(survey)
        if self._shutdown.is_stopping:
            return
        repaired = await self._repair(survey)
        stopped = self._shutdown.is_stopping
        self.outcome = replace(
            self.outcome, store=Synced(survey, repaired, was_interrupted=stopped)
        )
        if repaired.sent_round_again and not stopped:
            options = replace(self.options, retry_failed=False, new_store=False)
            again = await self._upload(SyncPhase.UPLOADING_AGAIN, options)
            self.outcome = replace(self.outcome, uploaded_again=again)
            self._told.on_next(again)

    async def _upload(self, phase: SyncPhase, options: Options) -> Uploaded:
        self._told.on_next(phase)
        uploading = await self.upload(options)
        await self._until_over(uploading.work)
        return await uploading.outcome()

    async def _survey(self) -> SyncReport | None:
        """Return what the survey found, or None if it was stopped: a part of it proves nothing."""
        self._told.on_next(SyncPhase.SURVEYING)
        scheduler = LoopScheduler.running()
        found: Observable[SyncReport] = from_coroutine(self.survey)
        try:
            survey = await completion(
                found.pipe(ops.take_until(self._shutdown.stop_accepting)), scheduler
            )
        finally:
            await scheduler.drained()
        if survey is not None and self.options.held is not None:
            survey = await spared(survey, self.options.held)
        if survey is not None:
            self._told.on_next(survey)
        return survey

    async def _repair(self, survey: SyncReport) -> RepairReport:
        self._told.on_next(SyncPhase.REPAIRING)
        work = await (await self.repair(survey)).work()
        await self._until_over(work)
        return work.report()

    async def _until_over(self, work: Work[Any, Any]) -> None:
        """Carry out a part, tell what happens in it, and pass the signals on to it."""
        told = work.happenings.subscribe(self._told.on_next)
        signals = passed_on(self._shutdown, work.shutdown)
        try:
            await work.until_done()
        finally:
            signals.dispose()
            told.dispose()


def passed_on(outer: Shutdown, inner: Shutdown) -> DisposableBase:
    """Pass the signals of one shutdown on to another, those of the past as well."""
    return CompositeDisposable(
        on_trampoline(lambda: outer.stop_accepting.subscribe(inner.stop)),
        on_trampoline(lambda: outer.force_kill.subscribe(lambda _reason: inner.signal())),
    )
