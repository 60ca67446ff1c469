"""RecoveryCrawler: what an earlier run left in flight is brought to rest before anything new.

Four phases, one after the other, each under a deadline, on rows whose lease is void:

1. interrupted uploads: adopt the document if the import got through, release the row if not; one
   listing of the store answers for all of them;
2. pending operations: watch the document until it is active, or the deadline says failed;
3. late successes: adopt the document of a failed row that has come alive since;
4. leftovers: superseded documents and raw files that still have to go.

A phase that fails or runs out of time is reported and leaves its rows as they were.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops

from objlib.catalog import queries
from objlib.catalog.lease import is_void, owner_is_dead
from objlib.catalog.queries import get_file
from objlib.catalog.records import FileRecord
from objlib.catalog.reservations import free_reservations, owners_at_work, reserving_owners
from objlib.errors import ObjlibError, OCCConflictError, RunEnded
from objlib.gemini.resources import Document
from objlib.reactive.bridge import from_coroutine
from objlib.reactive.demand import Upstream, flat_map_limited, paged
from objlib.reactive.retry import Retry
from objlib.states import State
from objlib.upload import events as ev
from objlib.upload._operators import occ_transition, upload_with_retry
from objlib.upload.adoption import adopt_late
from objlib.upload.context import RunContext, Taken, still_ours
from objlib.upload.send import adopt
from objlib.upload.shutdown import Shutdown
from objlib.upload.tidy import discard, tidy_up

T = TypeVar("T")

PAGE_ROWS = 200
WATCHED_AT_ONCE = 50

#: Beyond the longest that one document may take, so that the phase ends by its rows' own deadlines.
PHASE_MARGIN_S = 60.0


class PhaseTimeout(ObjlibError):
    """A phase of recovery took longer than the longest wait of any of its rows."""


@dataclass(frozen=True, slots=True)
class _Tally:
    adopted: int = 0
    released: int = 0
    left: int = 0


def _add(total: _Tally, one: _Tally) -> _Tally:
    return _Tally(total.adopted + one.adopted, total.released + one.released, total.left + one.left)


_ADOPTED, _RELEASED, _LEFT, _NOTHING = (
    _Tally(adopted=1),
    _Tally(released=1),
    _Tally(left=1),
    _Tally(),
)

#: Watches one row in `processing` until it is at rest; emits when it is.
UntilAtRest = Callable[[FileRecord], Observable[object]]


@dataclass(frozen=True, slots=True)
class RecoveryCrawler:
    """The phases over one catalog and one store."""

    context: RunContext
    shutdown: Shutdown
    #: For calls that met a refusal or a passing failure.
    retry: Retry
    #: Tells that the owner of a lease is dead.
    is_dead: Callable[[str], bool] = owner_is_dead

    def crawl(self, watch: UntilAtRest) -> Observable[object]:
        """A cold walk through the phases; emits nothing and completes.

        Raises (through `on_error`): `RunEnded` and what is no `ObjlibError`; the rest is reported.
        """
        phases: dict[str, Callable[[], Observable[_Tally]]] = {
            ev.INTERRUPTED_UPLOADS: lambda: self._interrupted_uploads(watch),
            ev.PENDING_OPERATIONS: lambda: self._pending_operations(watch),
            ev.LATE_SUCCESSES: self._late_successes,
            ev.LEFTOVERS: self._leftovers,
        }

        def run_phase(name: str) -> Observable[object]:
            return self._under_deadline(name, phases[name]())

        freed = from_coroutine(self._free_reservations_of_the_dead)
        return rx.concat(freed, rx.from_iterable(phases).pipe(ops.concat_map(run_phase))).pipe(
            ops.ignore_elements()
        )

    async def dead_owners(self) -> frozenset[str]:
        """Return the owners of reserved rows and of rows in flight that are dead for certain."""
        return frozenset(filter(self.is_dead, await owners_at_work(self.context.catalog)))

    async def _free_reservations_of_the_dead(self) -> None:
        for owner in await reserving_owners(self.context.catalog):
            if self.is_dead(owner):
                await free_reservations(self.context.catalog, owner)

    def _under_deadline(self, name: str, phase: Observable[_Tally]) -> Observable[object]:
        deadline_s = (
            self.context.waits.poll_deadline_s + self.context.waits.settle_s + PHASE_MARGIN_S
        )

        def report(tally: _Tally) -> None:
            if tally != _NOTHING:
                self.context.emit(ev.PhaseFinished(name, tally.adopted, tally.released, tally.left))

        def survive(error: Exception, _source: Observable[object]) -> Observable[object]:
            if isinstance(error, RunEnded) or not isinstance(error, ObjlibError):
                return rx.throw(error)
            self.context.emit(ev.PhaseFailed(name, str(error)))
            return rx.empty()

        too_late = PhaseTimeout(f"{name}: not done after {deadline_s:.0f} s")
        total: Observable[_Tally] = phase.pipe(ops.reduce(_add, _NOTHING))
        # `timeout` is silence between items: over a stream of one value it is a deadline.
        timed: Observable[object] = total.pipe(
            ops.timeout(deadline_s, rx.throw(too_late)), ops.do_action(report)
        )
        return timed.pipe(ops.catch(survive))

    # Phases

    def _interrupted_uploads(self, watch: UntilAtRest) -> Observable[_Tally]:
        """Rows are taken over first, so that the listing sees all that their owners may have done.

        Held in memory: the rows in doubt, and nothing else of catalog or store.
        """
        ours: dict[str, FileRecord] = {}

        def note(record: FileRecord) -> Observable[_Tally]:
            ours[record.file_path] = record
            return rx.just(_NOTHING)

        def settle_all(found: Mapping[str, Document]) -> Observable[_Tally]:
            def settle(record: FileRecord) -> Observable[_Tally]:
                return self._adopt_or_release(record, found.get(record.file_path), watch)

            return flat_map_limited(_once(list(ours.values())), settle, WATCHED_AT_ONCE)

        def look_up(_scheduler: object) -> Observable[Mapping[str, Document]]:
            # All of them, even without an intent to import on record: a power cut may have lost it,
            # while the claim before it had reached the disk.
            lookup = self.context.lookup
            return (
                self._persistently(lambda: lookup.find_all(ours.values())) if ours else rx.empty()
            )

        taken = self._each_void_row(State.UPLOADING, note)
        return rx.concat(taken, rx.defer(look_up).pipe(ops.flat_map(settle_all)))

    def _adopt_or_release(
        self, record: FileRecord, document: Document | None, watch: UntilAtRest
    ) -> Observable[_Tally]:
        async def decide() -> FileRecord | None:
            if document is not None:
                return await adopt(self.context, record, document)
            released = self.context.state.release(record, reason="interrupted before its import")
            still_ours(await released)
            return None

        def watched(adopted: FileRecord | None) -> Observable[_Tally]:
            if adopted is None:
                return rx.just(_RELEASED)
            return watch(adopted).pipe(ops.map(_as_adopted))

        settled = from_coroutine(decide).pipe(ops.flat_map(watched))
        return settled.pipe(ops.catch(_if_somebody_was_faster))

    def _pending_operations(self, watch: UntilAtRest) -> Observable[_Tally]:
        def one(record: FileRecord) -> Observable[_Tally]:
            self.context.emit(ev.FileResumed(record.file_path))
            return watch(record).pipe(ops.map(_as_adopted))

        return self._each_void_row(State.PROCESSING, one)

    def _late_successes(self) -> Observable[_Tally]:
        def one(record: FileRecord) -> Observable[_Tally]:
            adopted = self._persistently(lambda: adopt_late(self.context, record))
            return adopted.pipe(
                ops.map(lambda is_adopted: _ADOPTED if is_adopted else _NOTHING),
                ops.catch(_if_somebody_was_faster),
            )

        rows = self._rows(
            lambda after: queries.failed_with_document(self.context.catalog, after, PAGE_ROWS)
        )
        return flat_map_limited(rows, one, WATCHED_AT_ONCE)

    def _leftovers(self) -> Observable[_Tally]:
        def tidied(work: Callable[[], Awaitable[None]]) -> Observable[_Tally]:
            return from_coroutine(work).pipe(ops.map(lambda _nothing: _NOTHING))

        rows = self._rows(
            lambda after: queries.leftover_page(self.context.catalog, after, PAGE_ROWS)
        )
        discarded = paged(
            lambda last: from_coroutine(
                lambda: queries.discarded_page(
                    self.context.catalog, last.document_name if last else None, PAGE_ROWS
                )
            )
        )
        return rx.concat(
            flat_map_limited(
                rows,
                lambda record: tidied(lambda: tidy_up(self.context, record)),
                WATCHED_AT_ONCE,
            ),
            flat_map_limited(
                lambda credits: discarded(credits).pipe(
                    ops.take_until(self.shutdown.stop_accepting)
                ),
                lambda leftover: tidied(lambda: discard(self.context, leftover)),
                WATCHED_AT_ONCE,
            ),
        )

    def _each_void_row(
        self, state: State, one: Callable[[FileRecord], Observable[_Tally]]
    ) -> Observable[_Tally]:
        """Take over each row of a state whose lease is void, and go on with it."""

        def if_void(listed: FileRecord) -> Observable[_Tally]:
            taken = occ_transition(lambda: self._take_over(listed), rng=self.retry.rng)
            return taken.pipe(ops.flat_map(one), ops.catch(_if_somebody_was_faster))

        rows = self._rows(
            lambda after: queries.page_in_state(self.context.catalog, state.value, after, PAGE_ROWS)
        )
        return flat_map_limited(rows, if_void, WATCHED_AT_ONCE)

    async def _take_over(self, listed: FileRecord) -> FileRecord:
        """Read a row and its lease afresh, and take it from its owner if that lease is void.

        Raises:
            Taken: the row has moved on, or its owner is alive.
            OCCConflictError: it has moved just now; this is to be decided afresh.
        """
        record = await get_file(self.context.catalog, listed.file_path)
        now = self.context.catalog.clock().timestamp()
        if (
            record is None
            or record.gemini_state is not listed.gemini_state
            or not is_void(record.lease_owner, record.lease_expires_at, now, self.is_dead)
        ):
            raise Taken
        return await self.context.state.take_over(record, self.context.lease())

    def _rows(
        self, fetch: Callable[[str | None], Awaitable[list[FileRecord]]]
    ) -> Upstream[FileRecord]:
        rows = paged(lambda last: from_coroutine(lambda: fetch(last.file_path if last else None)))
        return lambda credits: rows(credits).pipe(ops.take_until(self.shutdown.stop_accepting))

    def _persistently(self, call: Callable[[], Awaitable[T]]) -> Observable[T]:
        """A call to the backend, made again after a refusal or a passing failure."""
        return upload_with_retry(
            None,
            lambda _nothing: call(),
            retry=self.retry,
        )


def _once(rows: Sequence[FileRecord]) -> Upstream[FileRecord]:
    return paged(lambda last: rx.just(rows if last is None else []))


def _if_somebody_was_faster(error: Exception, _source: Observable[_Tally]) -> Observable[_Tally]:
    return rx.just(_LEFT) if isinstance(error, Taken | OCCConflictError) else rx.throw(error)


def _as_adopted(_watched: object) -> _Tally:
    return _ADOPTED
