"""objlib from a program: scan, upload, sync and search as methods of a `Library`.

    async with Library.open("lectures") as library:
        await library.scan()
        async for event in library.upload(limit=20):
            print(event)
        result = await library.search("What holds an arch up?")

The command line makes the same calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reactivex import Observable

from objlib import backend, telemetry
from objlib.catalog.binding import LIBRARY_ROOT, BoundLibrary, bind_library, bound_library
from objlib.catalog.opening import open_catalog
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_info
from objlib.catalog.tallies import Work, count_deleted
from objlib.config import Settings, load_settings
from objlib.congestion.gate import RequestGate
from objlib.congestion.pressure import INDEXING_MAX
from objlib.documents.payload import Source, is_current
from objlib.errors import BackendUnavailable, ConfigurationError, Unreachable
from objlib.gemini.resources import Passage, Store
from objlib.library.scan import ScanReport, scan_library
from objlib.reactive.retry import Retry
from objlib.search.proof import Proof, Subset, proofs
from objlib.search.query import SearchResult, search
from objlib.service.stores import bind_store
from objlib.sync.apply import Repair, RepairReport
from objlib.sync.listing import SyncReport, survey
from objlib.sync.plan import MaxDelete
from objlib.sync.rebuild import RebuildReport, choose_library_id, list_documents, rebuild
from objlib.upload import events as ev
from objlib.upload.orchestrator import Options
from objlib.upload.reports import RecoveryReport, follow
from objlib.upload.run import UploadRun, expected_work
from objlib.upload.state import AsyncUploadStateManager

if TYPE_CHECKING:
    from objlib.telemetry.observer import Observer
    from objlib.upload.client import GeminiFileSearchClient

#: Not one file is taken: what is left of a run is its recovery.
RECOVERY_ONLY = Options(limit=0)


class Library:
    """A folder of texts, its catalog, and the store it is kept in step with.

    The backend is connected to at the first call that needs it. Every method raises the errors of
    `objlib.errors` and nothing else on purpose.
    """

    def __init__(
        self, catalog: Catalog, settings: Settings, resources: contextlib.AsyncExitStack
    ) -> None:
        self.catalog = catalog
        self.settings = settings
        self._resources = resources
        self._client: GeminiFileSearchClient | None = None
        self._gate: RequestGate | None = None
        self._observer: Observer | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, root: Path | str | None = None, *, settings: Settings | None = None, **options: Any
    ) -> AsyncIterator[Library]:
        """Open the library at `root`, or with None the one its catalog was scanned from.

        Args:
            settings: ready-made ones; otherwise they are loaded as the command line does.
            options: settings by name, for instance `db=Path("talks.db")` or `concurrency=4`.

        Raises:
            ConfigurationError: `root` is no folder, or the catalog is for another library.
            CatalogError: there is no catalog yet and no `root` to make one for.
        """
        folder = Path(root) if root is not None else None
        settings = settings or load_settings(**options)
        if folder is not None and not folder.is_dir():
            raise ConfigurationError(f"{folder} is not a folder; name the library's")
        async with contextlib.AsyncExitStack() as resources:
            catalog = await resources.enter_async_context(
                await open_catalog(settings.db, create=folder is not None)
            )
            if folder is not None:
                await bind_library(catalog, folder)
            yield cls(catalog, settings, resources)

    async def bound(self) -> BoundLibrary:
        """Where the files are, and this library's id. Raises `ConfigurationError` before a scan."""
        return await bound_library(self.catalog)

    async def scan(
        self,
        on_progress: Callable[[ScanReport], None] | None = None,
        *,
        refresh_metadata: bool = False,
    ) -> ScanReport:
        """Record what is on disk; see `objlib.library.scan`.

        Args:
            refresh_metadata: replace also the documents whose metadata or treatment would be
                another today: after a move, or after a change of templates.
        """
        if await get_info(self.catalog, LIBRARY_ROOT) is None:
            raise ConfigurationError("which library? Name its folder with --library DIR")
        bound = await self.bound()
        source = self._source(bound)
        return await scan_library(
            self.catalog,
            bound.root,
            templates=self.settings.path_templates,
            lifecycle=AsyncUploadStateManager(self.catalog),
            is_current=partial(is_current, source=source) if refresh_metadata else None,
            on_progress=on_progress,
            links_to=self.settings.follow_links_to,
        )

    def _source(self, bound: BoundLibrary) -> Source:
        settings = self.settings
        return Source(
            bound.root, bound.library_id, settings.identity_header, settings.follow_links_to
        )

    async def expected(self, options: Options) -> Work:
        """What an upload would take, and why; `objlib.upload.estimate` has the price of it."""
        await self.bound()
        return await expected_work(self.catalog, options)

    async def leaving(self) -> int:
        """How many documents are in the store of files that are gone from disk."""
        return (await count_deleted(self.catalog))[1]

    async def new_run(self, options: Options) -> UploadRun:
        """An upload that has not started: subscribe to `run.stream.events`, then `until_done`."""
        return await self._new_run(options, create_store=True)

    async def new_recovery(self) -> UploadRun:
        """A run that brings to rest what earlier runs left, and sends nothing.

        Raises:
            StoreNotFound: there is no store yet, so there is nothing to recover.
        """
        options = replace(RECOVERY_ONLY, concurrency=self.settings.concurrency)
        return await self._new_run(options, create_store=False)

    async def _new_run(self, options: Options, *, create_store: bool) -> UploadRun:
        bound = await self.bound()
        connections = options.concurrency + INDEXING_MAX
        store = await self._connect(create_store=create_store, connections=connections)
        assert self._gate is not None, "made with the client"
        run = UploadRun(
            catalog=self.catalog,
            client=self.client,
            options=options,
            gate=self._gate,
            store_name=store.name,
            source=self._source(bound),
            waits=self.settings.waits,
        )
        if self._observer is not None:
            self._observer.follow_run(run.stream.events)
        return run

    async def upload(self, **options: Any) -> AsyncGenerator[ev.Event, None]:
        """Upload what the store does not have, and tell what happens.

        Whoever stops listening stops the run: what is in flight is finished first.

        Args:
            options: fields of `Options`, for instance `limit=20`.
        """
        chosen = Options(**{"concurrency": self.settings.concurrency, **options})
        run = await self.new_run(chosen)
        events: asyncio.Queue[ev.Event | None] = asyncio.Queue()
        run.stream.events.subscribe(events.put_nowait, on_completed=lambda: events.put_nowait(None))
        running = asyncio.ensure_future(run.until_done())
        try:
            while (event := await events.get()) is not None:
                yield event
        finally:
            run.shutdown.stop("nobody listens any more")
            await running

    async def recover(self) -> RecoveryReport:
        """Bring to rest what earlier runs left behind, and upload nothing."""
        run = await self.new_recovery()
        reports = [RecoveryReport()]
        run.stream.events.subscribe(lambda event: reports.append(follow(reports.pop(), event)))
        await run.until_done()
        return reports[0]

    async def rebuild(self, library_id: str | None = None) -> RebuildReport:
        """Give a lost catalog its documents back, after a fresh scan; sends one listing.

        `recover` afterwards watches the documents that are still being indexed.

        Args:
            library_id: take over the documents of this library, where several come into question.

        Raises:
            ConfigurationError: it cannot be told which library's documents these are.
        """
        bound = await self.bound()
        store = await self._connect(create_store=False)
        listed = await Retry.of(self.settings.waits).call(
            lambda: list_documents(self.catalog, self.client, store)
        )
        chosen = await choose_library_id(self.catalog, library_id)
        source = self._source(replace(bound, library_id=chosen))
        return await rebuild(self.catalog, source, listed=listed)

    async def survey(self) -> SyncReport:
        """Classify every document in the store; changes nothing."""
        bound = await self.bound()
        store = await self._connect(create_store=False)
        return await Retry.of(self.settings.waits).call(
            lambda: survey(self.catalog, self.client, store, bound.library_id)
        )

    async def new_repair(self, report: SyncReport, **options: Any) -> Repair:
        """What the last `survey` calls for: `check` the guards, then `carry_out`.

        Args:
            options: those of `Repair`, for instance `include_foreign=True`.
        """
        bound = await self.bound()
        return Repair(
            self.catalog,
            self.client,
            report,
            root=bound.root,
            waits=self.settings.waits,
            **options,
        )

    async def repair(
        self,
        report: SyncReport,
        max_delete: MaxDelete,
        *,
        accept_device: bool = False,
        **options: Any,
    ) -> RepairReport:
        """Carry out what the last `survey` calls for.

        Args:
            accept_device: the library lies on another device than last time, and that is right.
            options: those of `Repair`, for instance `include_foreign=True`.

        Raises:
            ConfigurationError: a guard refuses; nothing was changed.
        """
        repair = await self.new_repair(report, **options)
        await repair.check(max_delete, accept_device=accept_device)
        return await repair.carry_out()

    async def search(
        self, query: str, *, top_k: int | None = None, metadata_filter: str | None = None
    ) -> SearchResult:
        """Ask the store; every citation is brought back to a file of this library."""
        bound = await self.bound()
        store = await self._connect(create_store=False)
        return await search(
            self.client,
            self.catalog,
            store_name=store.name,
            query=query,
            model=self.settings.model,
            library_id=bound.library_id,
            top_k=top_k,
            metadata_filter=metadata_filter,
        )

    async def verify(
        self, *, subset: Subset | None = None, limit: int | None = None, seed: int | None = None
    ) -> Observable[Proof]:
        """Ask the store about each indexed file; nothing is asked before somebody subscribes.

        Args:
            seed: chooses the sentences that are asked about; another one each time without it.
        """
        bound = await self.bound()
        store = await self._connect(create_store=False, connections=self.settings.concurrency)

        async def ask(question: str, metadata_filter: str | None) -> Sequence[Passage]:
            answer = await self.client.generate(
                question,
                model=self.settings.model,
                store_names=[store.name],
                metadata_filter=metadata_filter,
            )
            return answer.passages

        return proofs(
            self.catalog,
            bound.root,
            ask,
            subset=subset,
            limit=limit,
            concurrency=self.settings.concurrency,
            waits=self.settings.waits,
            links_to=self.settings.follow_links_to,
            rng=random.Random(seed),
        )

    @property
    def client(self) -> GeminiFileSearchClient:
        """The client, once something has connected to the backend."""
        assert self._client is not None, "connect first"
        return self._client

    async def _connect(self, *, create_store: bool, connections: int = 10) -> Store:
        chosen = backend.choose(self.settings)
        if self._client is None:
            self._gate = RequestGate.open(
                concurrency=self.settings.concurrency,
                requests_per_minute=self.settings.request_budget,
                cool_down_s=self.settings.breaker_cooldown_s,
            )
            self._resources.callback(self._gate.close)
            self._client = await self._resources.enter_async_context(
                backend.connected(chosen, self._gate, connections=connections)
            )
            self._observer = telemetry.new_observer()
            if self._observer is not None:
                self._observer.follow_calls(self._client.calls)
        client = self._client

        async def bound() -> Store:
            try:
                return await bind_store(
                    self.catalog,
                    client,
                    backend=chosen.identity,
                    display_name=self.settings.store,
                    create=create_store,
                )
            except Unreachable as error:  # at the start that is the end, and said at once
                raise BackendUnavailable(str(error)) from error

        return await Retry.of(self.settings.waits).call(bound)
