"""One run, wired together: what the command line, the benchmarks and programs start."""

from __future__ import annotations

import contextlib
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from objlib.catalog.lease import owner_is_dead, owner_of_this_process
from objlib.catalog.protocol import Catalog
from objlib.catalog.resets import begin_reset, end_reset
from objlib.catalog.tallies import Work, work_of_upload
from objlib.congestion.gate import RequestGate
from objlib.documents.lookup import DocumentLookup
from objlib.documents.payload import Source
from objlib.errors import CatalogError, ObjlibError
from objlib.reactive.bridge import LoopScheduler, completion, on_trampoline
from objlib.reactive.retry import Retry
from objlib.states import State
from objlib.upload import events as ev
from objlib.upload.client import GeminiFileSearchClient
from objlib.upload.context import RunContext, overdue
from objlib.upload.event_stream import EventStream
from objlib.upload.feedback import announce_pressure
from objlib.upload.orchestrator import Options, UploadOrchestrator
from objlib.upload.recovery import RecoveryCrawler
from objlib.upload.reports import DONE, INTERRUPTED, LastRun, Progress, advance, remember
from objlib.upload.shutdown import Shutdown, impatient
from objlib.upload.state import AsyncUploadStateManager
from objlib.waits import Waits

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient


def states_taken(options: Options) -> list[str]:
    """Return the states whose files a run will take."""
    if options.new_store:
        return [state.value for state in State]
    states = ["untracked"]
    states += ["failed"] if options.retry_failed else []
    states += ["indexed"] if options.reset_existing else []
    return states


async def expected_work(catalog: Catalog, options: Options, *, is_grouped: bool = False) -> Work:
    """Return the number of files that a run will take, the reasons, and their size together.

    Args:
        is_grouped: by folder and by extension, too.
    """
    return await work_of_upload(
        catalog,
        states_taken(options),
        options.limit,
        leave_alone_s=options.leave_alone_s,
        in_new_store=options.new_store,
        is_grouped=is_grouped,
        held=options.held,
    )


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a run to others that share its catalog, and its test that they are dead."""

    run_id: str
    owner: str
    is_dead: Callable[[str], bool] = owner_is_dead

    @classmethod
    def of_this_process(cls) -> Identity:
        """A new run of this process."""
        run_id = uuid.uuid4().hex
        return cls(run_id, owner_of_this_process(run_id))


class UploadRun:
    """One run over one catalog and one store. Subscribe to `stream.events` before it starts.

    `gate` is the one that the client's requests pass.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        client: FileSearchClient,
        options: Options,
        gate: RequestGate,
        store_name: str,
        source: Source,
        waits: Waits,
        rng: random.Random | None = None,
        identity: Identity | None = None,
    ) -> None:
        identity = identity or Identity.of_this_process()
        rng = rng or random.Random()
        self._catalog = catalog
        self._options = options
        self._gate = gate
        self._store_name = store_name
        self._latest = _Latest()
        self.stream = EventStream()
        self.stream.events.subscribe(self._latest.take)
        self.shutdown = Shutdown()
        on_trampoline(
            lambda: self.shutdown.stop_accepting.subscribe(
                lambda reason: self.stream.emit(ev.Draining(reason))
            )
        )
        #: What its stages work with.
        self.context = RunContext(
            catalog=catalog,
            state=AsyncUploadStateManager(catalog, rng),
            client=GeminiFileSearchClient(client, store_name, waits),
            source=source,
            run_id=identity.run_id,
            owner=identity.owner,
            waits=waits,
            emit=self.stream.emit,
            tell=gate.outcomes.tell,
            usual_indexing_s=lambda: gate.state.indexing.usual_s,
            lookup=DocumentLookup(client, store_name, lambda: overdue(catalog, waits)),
        )
        retry = replace(Retry.of(waits, rng), hurry=gate.impatience)
        self._orchestrator = UploadOrchestrator(
            context=self.context,
            recovery=RecoveryCrawler(self.context, self.shutdown, retry, identity.is_dead),
            gate=gate,
            shutdown=self.shutdown,
            retry=retry,
        )

    @property
    def progress(self) -> Progress:
        """The progress so far."""
        return self._latest.progress

    async def until_done(self) -> None:
        """Run to the end: until nothing is left to do, or a signal has been obeyed.

        Every task the run has started is over when this returns or raises.

        Raises:
            RunEnded: the backend cannot be used any more; rows are at rest.
            CatalogError: the catalog cannot be written any more.
        """
        self._gate.limit_sending(self._options.concurrency)
        begun = LastRun(self.context.owner, self._catalog.now())
        await remember(self._catalog, begun)
        try:
            await self._run()
        except ObjlibError as error:
            with contextlib.suppress(CatalogError):  # what was raised before it is the news
                await self._remember_end(begun, str(error))
            raise
        # Whoever is killed writes nothing more, and counts as cut off.
        await self._remember_end(begun, INTERRUPTED if self.shutdown.is_stopping else DONE)

    async def _remember_end(self, begun: LastRun, ended: str) -> None:
        at = self._catalog.clock()
        await remember(self._catalog, begun.finished(ended, at, self.progress))

    async def _run(self) -> None:
        if self._options.reset_existing:
            await begin_reset(self._catalog)
        expected = await expected_work(self._catalog, self._options)
        self.stream.emit(
            ev.RunStarted(
                self.context.run_id, self._store_name, expected.files, expected.size_bytes
            )
        )
        announcements = announce_pressure(self._gate, self.stream.emit, self._catalog.clock)
        scheduler = LoopScheduler.running()
        try:
            with impatient(self._gate, self.shutdown):
                await completion(self._orchestrator.run(self._options), scheduler)
            if self._options.reset_existing:
                await end_reset(self._catalog)
        finally:
            await scheduler.drained()
            with contextlib.suppress(CatalogError):  # what was raised before it is the news
                await self.context.end_leases()
            announcements.dispose()
            self.stream.complete()


class _Latest:
    """Follows the events of a run."""

    def __init__(self) -> None:
        self.progress = Progress()

    def take(self, event: ev.Event) -> None:
        self.progress = advance(self.progress, event)
