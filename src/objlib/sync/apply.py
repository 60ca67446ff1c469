"""Repairs what a survey found: sends ghosts round again, adopts, and deletes what no row wants.

Several documents are deleted at a time, each with the back-off of an upload. Every step can be
repeated: deleting what is gone is fine, every row is guarded by its version, and what another run
has moved since the survey is left alone. So a repair that is interrupted is finished by the next.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops

from objlib.catalog.accounts import count_named, has_uploaded, note_repaired
from objlib.catalog.lease import Lease, owner_of_this_process
from objlib.catalog.part_names import shown
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_file, pointers_to, recorded_keys
from objlib.catalog.records import FileRecord
from objlib.catalog.writes import forget_leftover
from objlib.documents.lookup import full_name
from objlib.documents.payload import KEY
from objlib.errors import (
    BackendUnavailable,
    OCCConflictError,
    RemoteError,
    StoppedWaiting,
    Unreachable,
)
from objlib.reactive.bridge import LoopScheduler, completion, from_coroutine
from objlib.reactive.demand import Upstream, flat_map_limited, paged
from objlib.reactive.retry import Retry
from objlib.states import State
from objlib.sync.classify import FOR_CONSENT, DocumentClass
from objlib.sync.guards import check_library, remember_device
from objlib.sync.listing import (
    SyncReport,
    classify_documents,
    listed_document,
)
from objlib.sync.plan import (
    NOT_ASKED,
    Consent,
    Kind,
    MaxDelete,
    Step,
    refuse_too_many,
    step_page,
)
from objlib.upload._operators import upload_with_retry
from objlib.upload.adoption import adopt_document, can_be_adopted, holds_the_file
from objlib.upload.shutdown import Shutdown, impatient
from objlib.upload.state import AsyncUploadStateManager
from objlib.waits import Waits

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient

AT_ONCE = 8
NAMED_PROBLEMS = 20
_RUN = "store-sync"


@dataclass(frozen=True, slots=True)
class RepairReport:
    """The outcome of a repair. Counts of documents, and of files for `sent_round_again`."""

    deleted: int = 0
    adopted: int = 0
    sent_round_again: int = 0
    #: Moved by another run since the survey, and left alone.
    overtaken: int = 0
    failed: int = 0
    #: Documents that are left because nobody has consented to delete them.
    left_for_consent: int = 0
    #: The first few failures, one line each.
    problems: tuple[str, ...] = ()

    def after(self, step: Step, *, is_done: bool) -> RepairReport:
        """Return the report after a step that was taken, or that there was no more reason for."""
        if not is_done:
            return replace(self, overtaken=self.overtaken + 1)
        if step.kind is Kind.DELETE:
            return replace(self, deleted=self.deleted + 1)
        if step.kind is Kind.ADOPT:
            return replace(self, adopted=self.adopted + 1)
        return replace(self, sent_round_again=self.sent_round_again + 1)

    def after_failure(self, step: Step, error: Exception) -> RepairReport:
        """Return the report after a step that failed."""
        line = f"{shown(step.path or str(step.document_name))}: {error}"
        problems = (*self.problems, line)[:NAMED_PROBLEMS]
        return replace(self, failed=self.failed + 1, problems=problems)


class Repair:
    """One repair of one store, of what a survey in the same session of the catalog found."""

    def __init__(
        self,
        catalog: Catalog,
        client: FileSearchClient,
        report: SyncReport,
        *,
        root: Path,
        waits: Waits,
        consent: Consent = NOT_ASKED,
        shutdown: Shutdown | None = None,
        on_step: Callable[[Step], None] = lambda _step: None,
        rng: random.Random | None = None,
    ) -> None:
        """A repair that has not begun.

        Args:
            root: of the library.
            consent: what else may be deleted.
            on_step: told after each step that was carried out.
        """
        self._catalog = catalog
        self._client = client
        self._survey = report
        self._verdicts = report.verdicts
        self._root = root
        self._consent = consent
        self._shutdown = shutdown or Shutdown()
        self._on_step = on_step
        gate = client.gate
        self._retry = replace(Retry.of(waits, rng), hurry=gate.impatience if gate else None)
        self._state = AsyncUploadStateManager(catalog)
        self.done = RepairReport()

    async def check(self, max_delete: MaxDelete, *, accept_device: bool = False) -> None:
        """The guards, before the first step.

        Raises:
            ConfigurationError: too many deletions, or a library that cannot be believed.
        """
        refuse_too_many(self._survey, max_delete, self._consent)
        if not accept_device:
            await remember_device(self._catalog, self._root)
        if self._consent.deletions(self._survey):
            await check_library(self._catalog, self._root, accept_device=accept_device)

    async def carry_out(self) -> RepairReport:
        """Take every step of the plan; the report is that of `done`.

        Raises:
            RunEnded: the backend cannot be used any more; the next repair goes on from here.
            CatalogError: the catalog cannot be written.
        """
        left = [kind for kind in FOR_CONSENT if kind not in self._consent.deletable]
        left_for_consent = sum(self._survey.documents[kind] for kind in left)
        self.done = replace(self.done, left_for_consent=left_for_consent)
        named, scheduler = await count_named(self._catalog), LoopScheduler.running()
        work = rx.concat(*(self._all(kind) for kind in Kind))
        alive: Observable[bool] = work.pipe(ops.take_until(self._shutdown.force_kill))
        gate = self._client.gate
        try:
            with impatient(gate, self._shutdown) if gate else nullcontext():
                await completion(alive, scheduler)
        finally:
            await scheduler.drained()
        await remember_device(self._catalog, self._root)
        if await has_uploaded(self._catalog):
            await note_repaired(self._catalog, named, self.done.deleted)
        return self.done

    def _all(self, kind: Kind) -> Observable[bool]:
        def one(step: Step) -> Observable[bool]:
            tried: Observable[bool] = upload_with_retry(
                step,
                self._take,
                retry=self._retry,
            )

            def note(is_done: bool) -> None:
                self._note(step, is_done)

            return tried.pipe(
                ops.do_action(note),
                ops.catch(lambda error, _source: self._survive(step, error)),
            )

        return flat_map_limited(self._steps(kind), one, AT_ONCE)

    def _steps(self, kind: Kind) -> Upstream[Step]:
        def fetch(last: Step | None) -> Awaitable[Sequence[Step]]:
            return step_page(self._verdicts, kind, last, self._consent)

        rows = paged(lambda last: from_coroutine(lambda: fetch(last)))
        return lambda credits: rows(credits).pipe(ops.take_until(self._shutdown.stop_accepting))

    def _note(self, step: Step, is_done: bool) -> None:
        self.done = self.done.after(step, is_done=is_done)
        if is_done:
            self._on_step(step)

    def _survive(self, step: Step, error: Exception) -> Observable[bool]:
        if isinstance(error, Unreachable):
            return rx.throw(BackendUnavailable(str(error)))
        if isinstance(error, StoppedWaiting):  # the next repair takes this step
            return rx.empty()
        if isinstance(error, OCCConflictError):
            self.done = self.done.after(step, is_done=False)
        elif isinstance(error, RemoteError):
            self.done = self.done.after_failure(step, error)
        else:
            return rx.throw(error)
        return rx.empty()

    # Steps: true when taken, false when there is no more reason to

    async def _take(self, step: Step) -> bool:
        if step.kind is Kind.SEND_AGAIN:
            return await self._send_again(step)
        if step.kind is Kind.ADOPT:
            return await self._adopt(step)
        return await self._delete(step)

    async def _send_again(self, step: Step) -> bool:
        row = await get_file(self._catalog, str(step.path))
        if row is None or row.gemini_state is not State.INDEXED or await self._was_passed_over(row):
            return False
        is_gone = not await self._verdicts.has_broken(row.file_path)
        moved = await self._state.invalidate(row, reason="ghost", document_is_gone=is_gone)
        return moved is not None

    async def _was_passed_over(self, row: FileRecord) -> bool:
        """Return whether the document of a row is there, though the survey did not see it.

        A listing may miss one while others come and go: pages shift, and the count still agrees.
        """
        recorded = row.gemini_store_doc_id
        name = full_name(recorded, self._survey.store_name) if recorded else None
        if name is None or await listed_document(self._verdicts, name) is not None:
            return False
        document = await self._client.get_document(name)
        return document is not None and document.is_active

    async def _adopt(self, step: Step) -> bool:
        document = await self._client.get_document(str(step.document_name))
        row = await get_file(self._catalog, str(step.path))
        if document is None or row is None or not document.is_active:
            return False
        key = str(document.metadata.get(KEY))
        is_its_own = key == row.upload_key or not await recorded_keys(self._catalog, [key])
        if not (can_be_adopted(row) and is_its_own and holds_the_file(document, row)):
            return False
        adopted = await adopt_document(
            self._state,
            row,
            document,
            upload_key=key,
            run_id=_RUN,
            lease=Lease(owner_of_this_process(_RUN), 0.0),
        )
        return adopted is not None

    async def _delete(self, step: Step) -> bool:
        name = str(step.document_name)
        listed = await listed_document(self._verdicts, name)
        assert listed is not None, "a step about a document comes from its verdict"
        (verdict,) = await classify_documents(self._catalog, [listed], self._survey.library_id)
        is_twin = verdict.document_class is DocumentClass.CANONICAL and (
            await self._verdicts.has_other_canonical(verdict.path, verdict.document_name)
        )
        if not is_twin and verdict.document_class not in self._consent.deletable:
            return False  # a run has taken an interest in it since
        await self._client.delete_document(name)
        await self._forget(name)
        return True

    async def _forget(self, name: str) -> None:
        """Let go of a deleted document in the row that pointed at it."""
        raw_files: dict[str, str] = {}
        listed = await listed_document(self._verdicts, name)
        if listed is not None and KEY not in listed.metadata:
            raw_files = {name: f"files/{listed.display_name}"}
        for recorded in (name, raw_files.get(name)):
            if recorded is not None:
                await forget_leftover(self._catalog, recorded)
        pointer = (await pointers_to(self._catalog, [name], raw_files)).get(name)
        if pointer is None:
            return
        row, is_superseded = pointer
        if is_superseded:
            await self._state.forget_superseded(row)
        elif row.gemini_state is State.INDEXED:
            await self._state.invalidate(row, reason="file deleted", document_is_gone=True)
        else:
            await self._state.forget_document(row)
