"""objlib from a program: everything the command line does, as methods of a `Library`.

    async with Library.open("lectures") as library:
        await library.scan()
        async for event in library.upload(limit=20):
            print(event)
        result = await library.search("What holds an arch up?")

What takes a while is a `Run`: to be awaited, listened to, or held in the hand. The rest are plain
coroutines.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar, Unpack

from reactivex import Observable
from reactivex.subject import Subject

from objlib.catalog.binding import (
    LIBRARY_ROOT,
    STORE_NAME,
    BoundLibrary,
    bind_library,
    bound_library,
)
from objlib.catalog.opening import open_catalog
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_info
from objlib.catalog.tallies import Work as PlannedWork
from objlib.catalog.tallies import count_deleted
from objlib.config import Settings, load_settings
from objlib.documents.payload import Source, is_current
from objlib.errors import ConfigurationError, Hint, StoreNotFound
from objlib.gemini.resources import Passage
from objlib.library.scan import scan_library
from objlib.library.scan_report import ScanReport
from objlib.reactive.retry import Retry
from objlib.search.proof import Proof, ProofReport, Subset, count_proof, proofs
from objlib.search.query import SearchResult, search
from objlib.service.runs import Run, Runs, Work, work_of
from objlib.service.stores import Connection
from objlib.service.wishes import SettingsWishes, UploadWishes, refuse_unknown
from objlib.sync.apply import Repair, RepairReport
from objlib.sync.first_look import look_first
from objlib.sync.listing import SyncReport, survey
from objlib.sync.plan import MaxDelete
from objlib.sync.rebuild import RebuildReport, choose_library_id, list_documents, rebuild
from objlib.threads import in_thread, one_thread
from objlib.upload import events as ev
from objlib.upload.orchestrator import Options
from objlib.upload.reports import Progress, RecoveryReport, follow
from objlib.upload.run import UploadRun, expected_work
from objlib.upload.shutdown import Shutdown
from objlib.upload.state import AsyncUploadStateManager

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient
    from objlib.gemini.resources import Store

#: Not one file is taken: what is left of a run is its recovery.
RECOVERY_ONLY = Options(limit=0)

R = TypeVar("R")

UploadingRun: TypeAlias = Run[ev.Event, Progress]
RecoveringRun: TypeAlias = Run[ev.Event, RecoveryReport]
ScanningRun: TypeAlias = Run[ScanReport, ScanReport]
VerifyingRun: TypeAlias = Run[Proof, ProofReport]


class Library:
    """A folder of texts, its catalog, and the store it is kept in step with.

    The backend is connected to at the first call that needs it. Every method raises the errors of
    `objlib.errors` and nothing else on purpose; `TypeError` for a keyword that there is not.
    """

    def __init__(
        self, catalog: Catalog, settings: Settings, resources: contextlib.AsyncExitStack
    ) -> None:
        self.settings = settings
        self._catalog = catalog
        self._store = Connection(catalog, settings, resources)
        self._runs = Runs()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        root: Path | str | None = None,
        *,
        settings: Settings | None = None,
        **wishes: Unpack[SettingsWishes],
    ) -> AsyncIterator[Library]:
        """Open the library at `root`, or with None the one its catalog was scanned from.

        Leaving it stops the runs that are under way and waits for them.

        Args:
            settings: ready-made ones; otherwise they are loaded as the command line does.
            wishes: settings by name, for instance `db=Path("talks.db")` or `concurrency=4`.

        Raises:
            ConfigurationError: `root` is no folder, or the catalog is for another library.
            CatalogError: there is no catalog yet and no `root` to make one for.
        """
        refuse_unknown("Library.open", wishes, SettingsWishes)
        if settings is not None and wishes:
            raise TypeError("Library.open() takes ready-made settings or single ones, not both")
        folder = Path(root) if root is not None else None
        settings = settings or load_settings(**wishes)
        if folder is not None and not folder.is_dir():
            raise ConfigurationError(f"{folder} is not a folder; name the library's")
        async with contextlib.AsyncExitStack() as resources:
            catalog = await resources.enter_async_context(
                await open_catalog(settings.db, create=folder is not None)
            )
            if folder is not None:
                await bind_library(catalog, folder)
            library = cls(catalog, settings, resources)
            try:
                yield library
            finally:
                await library._runs.close()

    @property
    def catalog(self) -> Catalog:
        """The open catalog. Raises `CatalogError` once the library is closed."""
        self._runs.check_open()
        return self._catalog

    @property
    def client(self) -> FileSearchClient:
        """The client, once something has asked the store."""
        return self._store.client

    async def bound(self) -> BoundLibrary:
        """Return folder and id of the library. Raises `ConfigurationError` before a scan."""
        return await bound_library(self.catalog)

    # From disk to store

    def scan(self, *, refresh_metadata: bool = False) -> ScanningRun:
        """Record what is on disk. Tells how far it has come, now and then, and at the end.

        Args:
            refresh_metadata: replace also the documents whose metadata or treatment would be
                another today: after a move, or after a change of templates.
        """

        async def prepared() -> Work[ScanReport, ScanReport]:
            catalog = self.catalog
            if await get_info(catalog, LIBRARY_ROOT) is None:
                raise ConfigurationError("which library? Name its folder", hint=Hint.NAME_LIBRARY)
            bound = await self.bound()
            source = self._source(bound)
            shutdown, told, reports = Shutdown(), Subject[ScanReport](), [ScanReport()]

            def tell(report: ScanReport) -> None:
                reports[0] = report
                told.on_next(report)

            async def until_done() -> None:
                async with one_thread() as offload:
                    report = await scan_library(
                        catalog,
                        bound.root,
                        templates=self.settings.path_templates,
                        lifecycle=AsyncUploadStateManager(catalog),
                        is_current=partial(is_current, source=source) if refresh_metadata else None,
                        on_progress=tell,
                        links_to=self.settings.follow_links_to,
                        is_stopped=lambda: shutdown.is_stopping,
                        offload=offload,
                    )
                tell(report)

            return Work(told, until_done, shutdown, lambda: reports[0])

        return Run(self._runs, prepared)

    async def plan(
        self, options: Options | None = None, /, **wishes: Unpack[UploadWishes]
    ) -> PlannedWork:
        """Return what an upload would take, and why; `objlib.estimate` has the price of it."""
        refuse_unknown("Library.plan", wishes, UploadWishes)
        await self.bound()
        return await expected_work(self.catalog, self._options(options, wishes))

    async def leaving(self) -> int:
        """Return the number of documents in the store whose files are gone from disk."""
        return (await count_deleted(self.catalog))[1]

    async def look_first(
        self, options: Options | None = None, /, *, new_library: bool = False
    ) -> int:
        """Look whether the store has already what an upload would send; every upload begins so.

        Returns and raises: as `objlib.sync.first_look.look_first`.
        """
        try:
            store = await self._store.store()
        except StoreNotFound:
            if await get_info(self.catalog, STORE_NAME) is not None:
                raise
            return 0  # there is none yet, so there is nothing in it
        return await self._look_first(store, self._options(options, {}), new_library)

    def upload(
        self,
        options: Options | None = None,
        /,
        *,
        new_library: bool = False,
        **wishes: Unpack[UploadWishes],
    ) -> UploadingRun:
        """Upload what the store does not have, and tell what happens.

        Args:
            options: ready-made ones; else those of the settings.
            new_library: other libraries in the store may hold the same files. That is remembered.
            wishes: fields of `Options`, for instance `limit=20`.

        Raises (when it is entered): what `look_first` raises.
        """
        refuse_unknown("Library.upload", wishes, UploadWishes)
        chosen = self._options(options, wishes)
        return Run(self._runs, lambda: self._uploading(chosen, _progress, new_library=new_library))

    def recover(self) -> RecoveringRun:
        """Bring to rest what earlier runs left behind, and upload nothing.

        Raises (when it is entered):
            StoreNotFound: there is no store yet, so there is nothing to recover.
        """
        chosen = replace(RECOVERY_ONLY, concurrency=self.settings.concurrency)
        return Run(self._runs, lambda: self._uploading(chosen, _recovered, create_store=False))

    async def rebuild(self, library_id: str | None = None) -> RebuildReport:
        """Give a lost catalog its documents back, after a fresh scan; sends one listing.

        `recover` afterwards watches the documents that are still being indexed.

        Args:
            library_id: take over the documents of this library, where several come into question.

        Raises:
            ConfigurationError: it cannot be told which library's documents these are.
        """
        catalog, bound = self.catalog, await self.bound()
        store = await self._store.store()
        listed = await Retry.of(self.settings.waits).call(
            lambda: list_documents(catalog, self.client, store)
        )
        chosen = await choose_library_id(catalog, library_id)
        return await rebuild(catalog, self._source(bound, chosen), listed=listed)

    # What is in the store

    async def survey(self) -> SyncReport:
        """Classify every document in the store; changes nothing."""
        catalog, bound = self.catalog, await self.bound()
        store = await self._store.store()
        return await Retry.of(self.settings.waits).call(
            lambda: survey(catalog, self.client, store, bound.library_id)
        )

    async def new_repair(
        self,
        report: SyncReport,
        *,
        include_foreign: bool = False,
        shutdown: Shutdown | None = None,
    ) -> Repair:
        """Return what the last `survey` calls for: `check` the guards, then `carry_out`.

        Args:
            include_foreign: delete documents that are not this library's, too.
            shutdown: stops it.
        """
        bound = await self.bound()
        return Repair(
            self.catalog,
            self.client,
            report,
            root=bound.root,
            waits=self.settings.waits,
            include_foreign=include_foreign,
            shutdown=shutdown,
        )

    async def repair(
        self,
        report: SyncReport,
        max_delete: MaxDelete,
        *,
        accept_device: bool = False,
        include_foreign: bool = False,
    ) -> RepairReport:
        """Carry out what the last `survey` calls for.

        Args:
            accept_device: the library lies on another device than last time, and that is right.
            include_foreign: delete documents that are not this library's, too.

        Raises:
            ConfigurationError: a guard refuses; nothing was changed.
        """
        repair = await self.new_repair(report, include_foreign=include_foreign)
        await repair.check(max_delete, accept_device=accept_device)
        return await repair.carry_out()

    # Questions

    async def search(
        self, query: str, *, top_k: int | None = None, metadata_filter: str | None = None
    ) -> SearchResult:
        """Ask the store; every citation is brought back to a file of this library."""
        catalog, bound = self.catalog, await self.bound()
        store = await self._store.store()
        return await search(
            self.client,
            catalog,
            store_name=store.name,
            query=query,
            model=self.settings.model,
            library_id=bound.library_id,
            top_k=top_k,
            metadata_filter=metadata_filter,
        )

    async def ask(
        self, question: str, *, top_k: int | None = None, metadata_filter: str | None = None
    ) -> SearchResult:
        """Ask the model that reads the store; `cited_answer` numbers each statement's source.

        Raises:
            ConfigurationError: the question is empty.
        """
        if not question.strip():
            raise ConfigurationError("the question is empty")
        return await self.search(question, top_k=top_k, metadata_filter=metadata_filter)

    def verify(
        self, *, subset: Subset | None = None, limit: int | None = None, seed: int | None = None
    ) -> VerifyingRun:
        """Ask the store about each indexed file, and tell whether it cites it.

        Args:
            subset: only the files of this part of the library.
            limit: only so many files, those whose last proof is oldest.
            seed: chooses the sentences that are asked about; another one each time without it.
        """

        async def prepared() -> Work[Proof, ProofReport]:
            catalog, bound = self.catalog, await self.bound()
            store = await self._store.store()

            async def ask(question: str, metadata_filter: str | None) -> Sequence[Passage]:
                answer = await self.client.generate(
                    question,
                    model=self.settings.model,
                    store_names=[store.name],
                    metadata_filter=metadata_filter,
                )
                return answer.passages

            def asked(shutdown: Shutdown) -> Observable[Proof]:
                return proofs(
                    catalog,
                    bound.root,
                    ask,
                    subset=subset,
                    limit=limit,
                    concurrency=self.settings.concurrency,
                    waits=self.settings.waits,
                    rng=random.Random(seed),
                    links_to=self.settings.follow_links_to,
                    until=shutdown.stop_accepting,
                    offload=in_thread,
                )

            return work_of(asked, count_proof, ProofReport())

        return Run(self._runs, prepared)

    # What they share

    def _options(self, options: Options | None, wishes: UploadWishes) -> Options:
        """Return ready-made options, or those of the settings, with some of them changed."""
        usual = Options(concurrency=self.settings.concurrency, stagger_s=self.settings.stagger_s)
        return replace(options or usual, **wishes)

    def _source(self, bound: BoundLibrary, library_id: str | None = None) -> Source:
        settings = self.settings
        return Source(
            bound.root,
            library_id or bound.library_id,
            settings.identity_header,
            settings.follow_links_to,
            offload=in_thread,
        )

    async def _look_first(self, store: Store, options: Options, new_library: bool) -> int:
        source, catalog = self._source(await self.bound()), self.catalog
        sends = (await expected_work(catalog, options)).files > 0
        look = partial(look_first, catalog, self.client, store, source, sends=sends)
        return await Retry.of(self.settings.waits).call(lambda: look(new_library=new_library))

    async def _uploading(
        self,
        options: Options,
        report: Callable[[UploadRun], Callable[[], R]],
        *,
        create_store: bool = True,
        new_library: bool = False,
    ) -> Work[ev.Event, R]:
        catalog, _ = self.catalog, await self.bound()
        store = await self._store.store(create=create_store)
        await self._look_first(store, options, new_library)
        bound = await self.bound()
        run = UploadRun(
            catalog=catalog,
            client=self.client,
            options=options,
            gate=self._store.gate,
            store_name=store.name,
            source=self._source(bound),
            waits=self.settings.waits,
        )
        if self._store.observer is not None:
            self._store.observer.follow_run(run.stream.events)
        return Work(run.stream.events, run.until_done, run.shutdown, report(run))


def _progress(run: UploadRun) -> Callable[[], Progress]:
    return lambda: run.progress


def _recovered(run: UploadRun) -> Callable[[], RecoveryReport]:
    reports = [RecoveryReport()]
    run.stream.events.subscribe(lambda event: reports.append(follow(reports.pop(), event)))
    return lambda: reports[0]
