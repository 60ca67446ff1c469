"""UploadOrchestrator: composes stages and operators into one run. No I/O of its own.

    paged(rows) -> take(limit) -> staggered -> gate -> flat_map_limited(upload one, limit$)
        claim -> send -> import -> processing ----.
    flat_map_limited(watch one, indexing limit) <-'
        look until active -> indexed -> tidy up
    concat( recovery, first pass, (recovery, first pass) for each neighbour that died meanwhile,
            timer(cool-down) -> retry pass )

Uploading and polling are separate stages: a document that is being indexed holds no upload slot.
The two together never exceed the number of documents the store may be indexing at once, which also
bounds the buffer between them. How many files are on their way is up to the gate: `limit$` follows
what its outcomes allow. Errors of one file become values before any merge; an `on_error`
here means that the run cannot go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from typing import Any, TypeVar

import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops

from objlib.catalog import queries
from objlib.catalog.held import Held
from objlib.catalog.records import FileRecord
from objlib.catalog.reservations import reserve_page, reserve_second_chances
from objlib.congestion.gate import RequestGate
from objlib.congestion.outcomes import GivenUp, Unwatched, Watched
from objlib.congestion.pressure import INDEXING_MAX, accepts_nothing, uploads_allowed
from objlib.errors import (
    BackendUnavailable,
    IntegrityError,
    NotConvertible,
    OCCConflictError,
    RateLimited,
    RemoteError,
    RunEnded,
    StoppedWaiting,
    Transient,
    Unreachable,
)
from objlib.library.hashing import FileChanged
from objlib.reactive.bridge import from_coroutine
from objlib.reactive.demand import Upstream, buffered, flat_map_limited, paged
from objlib.reactive.pacing import staggered
from objlib.reactive.retry import Retry, retry_when
from objlib.states import State
from objlib.upload import events as ev
from objlib.upload._operators import shutdown_gate, upload_with_retry
from objlib.upload.claim import claim
from objlib.upload.client import until_ready
from objlib.upload.context import Attempt, RunContext, Taken
from objlib.upload.recovery import RecoveryCrawler
from objlib.upload.send import send
from objlib.upload.shutdown import Shutdown
from objlib.upload.tidy import settle, take_back
from objlib.upload.watch import Watch, watch_document

A = TypeVar("A")
B = TypeVar("B")

#: Rows that a run reserves at a time: few enough that two runs share a small library.
PAGE_ROWS = 50
HEARTBEATS_PER_LEASE = 3


@dataclass(frozen=True, slots=True)
class Options:
    """The wishes for one run."""

    #: At most this many files; None for all.
    limit: int | None = None
    #: At most this many files being sent at a time.
    concurrency: int = 8
    #: Seconds between two starts.
    stagger_s: float = 0.0
    retry_failed: bool = False
    #: With `retry_failed`, leave out files that the store could not index within so many seconds.
    leave_alone_s: float = 0.0
    reset_existing: bool = False
    #: The store that the catalog is bound to is gone: begin with a new one in its place.
    new_store: bool = False
    #: Files that are left as they are; None for none.
    held: Held | None = None


#: Errors after which a file comes to rest, and the others go on.
_OF_ONE_FILE = (RemoteError, NotConvertible, FileChanged, OSError, StoppedWaiting)


class _Settled(Enum):
    """A file needs no more of this pass."""

    DONE = "done"


@dataclass(frozen=True, slots=True)
class UploadOrchestrator:
    """One run over one catalog and one store."""

    context: RunContext
    recovery: RecoveryCrawler
    gate: RequestGate
    shutdown: Shutdown
    #: For calls that met a refusal or a passing failure.
    retry: Retry
    _endings: list[RunEnded] = field(default_factory=list)
    #: Files that became `failed` since the backend accepted one: path -> it is counted as failed.
    #: A retry pass takes the counts of all back before it begins.
    _failed_in_vain: dict[str, bool] = field(default_factory=dict)
    #: Paths of the files that are being claimed or sent. A claim moves a failed or indexed row to
    #: `untracked` and may then take its time; the pages of that state would list it once more.
    _under_way: set[str] = field(default_factory=set)

    def run(self, options: Options) -> Observable[None]:
        """A cold run: recovery, first pass, retry pass. Emits nothing and completes.

        Raises (through `on_error`):
            RunEnded: key refused, network gone, storage full; after draining, rows at rest.
            CatalogError: the catalog can no longer be written.
        """
        passes = rx.concat(
            self.recovery.crawl(self._watch_one),
            rx.defer(lambda _scheduler: self._first_passes(options)),
            rx.defer(lambda _scheduler: self._retry_pass(options)),
            rx.defer(lambda _scheduler: self._ended()),
        )
        _, flight_gate = shutdown_gate(self.shutdown.stop_accepting, self.shutdown.force_kill)
        done = object()
        working: Observable[object] = passes.pipe(
            ops.catch(self._taking_back),
            ops.ignore_elements(),
            flight_gate,
            ops.concat(rx.just(done)),
        )
        return rx.merge(working, self._heartbeat()).pipe(
            ops.take_while(lambda item: item is not done), ops.ignore_elements()
        )

    def _heartbeat(self) -> Observable[object]:
        interval_s = self.context.waits.lease_s / HEARTBEATS_PER_LEASE
        return rx.interval(interval_s).pipe(
            ops.concat_map(lambda _tick: from_coroutine(self.context.renew_leases)),
            ops.ignore_elements(),
        )

    # Passes

    def _first_passes(
        self, options: Options, buried: frozenset[str] = frozenset()
    ) -> Observable[object]:
        """A first pass, and another one as long as neighbours have died over rows of theirs.

        A pass leaves the living what they hold. Who dies while it goes on would keep his rows until
        his lease ends, so recovery looks once more, and frees them.

        Args:
            buried: the dead whose rows were freed before: what recovery has to leave is no reason
                for one pass after the other.
        """
        taken = 0

        def count(_row: FileRecord) -> None:
            nonlocal taken
            taken += 1

        def go_on(dead: frozenset[str]) -> Observable[object]:
            left = None if options.limit is None else options.limit - taken
            if dead <= buried or left == 0 or self.shutdown.is_stopping:
                return rx.empty()
            return rx.concat(
                self.recovery.crawl(self._watch_one),
                self._first_passes(replace(options, limit=left), buried | dead),
            )

        rows = self._first_rows(options, is_repeated=bool(buried))
        passed = self._pass(
            lambda credits: rows(credits).pipe(ops.do_action(count)),
            options,
        )
        return rx.concat(
            passed, from_coroutine(self.recovery.dead_owners).pipe(ops.concat_map(go_on))
        )

    def _first_rows(self, options: Options, *, is_repeated: bool) -> Upstream[FileRecord]:
        """The rows of a first pass; a repeated one leaves out what this run has tried."""
        states = [
            *([State.INDEXED] if options.reset_existing else []),
            *([State.FAILED] if options.retry_failed else []),
            State.UNTRACKED,
        ]
        size = PAGE_ROWS if options.limit is None else max(1, min(PAGE_ROWS, options.limit))
        tried_by = self.context.run_id if is_repeated else None
        rows = paged(
            lambda last: from_coroutine(
                lambda: self._next_page(states, last, size, options, tried_by)
            )
        )
        if options.limit is None:
            return rows
        limit = options.limit
        return lambda credits: rows(credits).pipe(ops.take(limit))

    async def _next_page(
        self,
        states: Sequence[State],
        last: FileRecord | None,
        size: int,
        options: Options,
        tried_by: str | None,
    ) -> list[FileRecord]:
        """Reserve the page after `last`, walking through one state after the other."""
        current = states.index(last.gemini_state) if last is not None else 0
        after = last.file_path if last is not None else None
        for state in states[current:]:
            while page := await reserve_page(
                self.context.catalog,
                state.value,
                self.context.lease(),
                after,
                size,
                leave_alone_s=options.leave_alone_s,
                not_tried_by=tried_by,
            ):
                after = page[-1].file_path
                rest = page if options.held is None else await options.held.rest_of(page)
                if taken := [row for row in rest if row.file_path not in self._under_way]:
                    return taken
            after = None
        return []

    def _retry_pass(self, options: Options) -> Observable[object]:
        """After a cool-down, one more chance for what failed for reasons that may have passed."""

        def scheduled(files: int) -> Observable[object]:
            if not files or self.shutdown.is_stopping:
                return rx.empty()
            wait_s = self.context.waits.retry_pass_delay_s
            self.context.emit(ev.RetryPassScheduled(files, wait_s))
            self._failed_in_vain.update(dict.fromkeys(self._failed_in_vain, False))
            rows = paged(
                lambda last: from_coroutine(
                    lambda: reserve_second_chances(
                        self.context.catalog,
                        self.context.run_id,
                        self.context.lease(),
                        last.file_path if last else None,
                        PAGE_ROWS,
                    )
                )
            )
            cool_down = rx.timer(wait_s).pipe(ops.take_until(self.shutdown.stop_accepting))
            return cool_down.pipe(ops.concat_map(lambda _tick: self._pass(rows, options)))

        return from_coroutine(
            lambda: queries.count_second_chances(self.context.catalog, self.context.run_id)
        ).pipe(ops.concat_map(scheduled))

    def _taking_back(self, error: Exception, _source: Observable[object]) -> Observable[object]:
        """Let files that failed in an outage wait as they were: it was no fault of theirs."""
        if not isinstance(error, RunEnded) or not self.gate.state.in_vain:
            return rx.throw(error)
        taken_back = from_coroutine(
            lambda: take_back(self.context, self._failed_in_vain, str(error))
        )
        return taken_back.pipe(ops.ignore_elements(), ops.concat(rx.throw(error)))

    def _ended(self) -> Observable[object]:
        return rx.throw(self._endings[0]) if self._endings else rx.empty()

    def _pass(self, rows: Upstream[FileRecord], options: Options) -> Observable[object]:
        """Send all rows an upstream gives, and watch their documents until they are active."""
        admission_gate, _ = shutdown_gate(self.shutdown.stop_accepting, self.shutdown.force_kill)

        def admitted(credits: Observable[int]) -> Observable[FileRecord]:
            # The gate comes last: what waits for its turn in the pacing must not start either.
            return rows(credits).pipe(staggered(options.stagger_s), admission_gate)

        allowed: Observable[int] = self.gate.states.pipe(ops.map(uploads_allowed))
        limits: Observable[int] = allowed.pipe(ops.distinct_until_changed())
        uploads = flat_map_limited(admitted, self._upload_one, limits).pipe(
            ops.filter(lambda outcome: isinstance(outcome, FileRecord))
        )

        def watched(record: object) -> Observable[object]:
            assert isinstance(record, FileRecord)
            return self._watch_one(record)

        # The limit that counts is the one on uploads; this one is above it at all times.
        return flat_map_limited(buffered(uploads), watched, INDEXING_MAX)

    # One file

    def _upload_one(self, listed: FileRecord) -> Observable[FileRecord | _Settled]:
        """claim -> send -> a row in `processing`; `DONE` when nothing is left to watch."""

        def upload(attempt: Attempt | None) -> Observable[FileRecord | _Settled]:
            if attempt is None:
                return rx.just(_Settled.DONE)
            return self._persistently(attempt.record, attempt, partial(send, self.context))

        def begun(_scheduler: object) -> Observable[FileRecord | _Settled]:
            self._under_way.add(listed.file_path)
            claimed = from_coroutine(lambda: claim(self.context, listed))
            journey = self._at_rest(listed, claimed.pipe(ops.concat_map(upload)))
            return journey.pipe(
                ops.finally_action(lambda: self._under_way.discard(listed.file_path))
            )

        return rx.defer(begun)

    def _watch_one(self, record: FileRecord) -> Observable[_Settled]:
        """Look at the document until it is active and the row indexed."""
        watch = Watch(record)

        def counted(_scheduler: object) -> Observable[_Settled]:
            self.gate.outcomes.tell(Watched())
            watched = self._persistently(record, watch, partial(watch_document, self.context))
            settled = self._at_rest(record, watched.pipe(ops.map(_done)))
            return settled.pipe(ops.finally_action(lambda: self.gate.outcomes.tell(Unwatched())))

        return rx.defer(counted)

    def _persistently(
        self, record: FileRecord, given: A, stage: Callable[[A], Awaitable[B]]
    ) -> Observable[B]:
        """Repeat one stage: passing failures back off, and `NotReady` brings its own wait."""
        tried = upload_with_retry(
            given,
            stage,
            retry=self.retry,
            on_retry=self._announcing_retries(record),
        )
        return tried.pipe(retry_when(partial(until_ready, hurry=self.gate.impatience)))

    def _announcing_retries(self, record: FileRecord) -> Callable[[Exception, int, float], None]:
        def announce(error: Exception, attempt: int, wait_s: float) -> None:
            limited = isinstance(error, RateLimited)
            self.context.emit(
                ev.CallRetried(record.file_path, attempt, wait_s, str(error), limited)
            )

        return announce

    def _at_rest(
        self, record: FileRecord, journey: Observable[A | _Settled]
    ) -> Observable[A | _Settled]:
        """Settle in its row what goes wrong with one file, so that it never reaches a merge."""

        def rescue(error: Exception, _source: object) -> Observable[A | _Settled]:
            if isinstance(error, Unreachable):
                error = BackendUnavailable(str(error))
            if isinstance(error, RateLimited | Transient) and not isinstance(error, IntegrityError):
                self.gate.outcomes.tell(GivenUp())
                if self.gate.state.in_vain == 1:  # one was accepted since the last
                    self._failed_in_vain.clear()
                self._failed_in_vain[record.file_path] = True
                if accepts_nothing(self.gate.state):
                    error = BackendUnavailable(
                        f"{error}; {self.gate.state.in_vain} files in a row were given up and none "
                        "was accepted in between"
                    )
            if isinstance(error, RunEnded):
                self._end_run(error)
            elif not isinstance(error, _OF_ONE_FILE):
                return give_way(error)
            settled = from_coroutine(lambda: settle(self.context, record, error))
            return settled.pipe(ops.map(_done), ops.catch(lambda conflict, _: give_way(conflict)))

        def give_way(error: Exception) -> Observable[Any]:
            if not isinstance(error, Taken | OCCConflictError):
                return rx.throw(error)  # the catalog, or a bug: stop loudly
            self.context.emit(ev.FileTaken(record.file_path))
            return rx.just(_Settled.DONE)

        return journey.pipe(ops.catch(rescue))

    def _end_run(self, error: RunEnded) -> None:
        if not self._endings:
            self._endings.append(error)
            self.shutdown.stop(str(error))


def _done(_nothing: None) -> _Settled:
    return _Settled.DONE
