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
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar, Unpack

from objlib.catalog.binding import LIBRARY_ROOT, bind_library
from objlib.catalog.held import Held
from objlib.catalog.opening import open_catalog
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_info
from objlib.catalog.tallies import Work as PlannedWork
from objlib.config import Settings, load_settings
from objlib.errors import ConfigurationError, Hint
from objlib.library.scan_report import ScanReport
from objlib.reactive.retry import Retry
from objlib.search.patience import patient
from objlib.search.places import placed
from objlib.search.proof import Proof, ProofReport, Subset
from objlib.search.query import SearchResult, search
from objlib.service.files import check_folder
from objlib.service.proving import Wanted, proving
from objlib.service.recovery import rebuilt
from objlib.service.repairs import PlannedRepair, SurveyLine, survey_lines
from objlib.service.rounds import (
    Round,
    SyncEvent,
    SyncOutcome,
    SyncPlan,
    planning,
    round_options,
    shown_to_nobody,
)
from objlib.service.runs import Run, Runs, Work
from objlib.service.scans import ScanWork, scanning, selection_of
from objlib.service.stores import Connection, source_of
from objlib.service.uploads import (
    Account,
    PlannedFile,
    Uploading,
    UploadingRun,
    planned_files,
    progress_of,
    recovery_of,
    upload_work,
)
from objlib.service.view import CatalogView
from objlib.service.wishes import (
    QuestionWishes,
    RepairWishes,
    SettingsWishes,
    UploadWishes,
    consent_of,
    refuse_unknown,
)
from objlib.sync.apply import RepairReport
from objlib.sync.classify import DocumentClass
from objlib.sync.listing import SyncReport, survey
from objlib.sync.plan import USUAL_MAX_DELETE, MaxDelete, Step, steps
from objlib.sync.rebuild import RebuildReport
from objlib.threads import in_thread
from objlib.upload import events as ev
from objlib.upload.orchestrator import Options
from objlib.upload.reports import RecoveryReport
from objlib.upload.run import UploadRun, expected_work

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient

R = TypeVar("R")

RecoveringRun: TypeAlias = Run[ev.Event, RecoveryReport]
ScanningRun: TypeAlias = Run[ScanReport, ScanReport]
VerifyingRun: TypeAlias = Run[Proof, ProofReport]
PlanningRun: TypeAlias = Run[ScanReport, SyncPlan]
SyncingRun: TypeAlias = Run[SyncEvent, SyncOutcome]
RepairingRun: TypeAlias = Run[Step, RepairReport]


class Library(CatalogView):
    """A folder of texts, its catalog, and the store it is kept in step with.

    The backend is connected to at the first call that needs it; the questions of `CatalogView` need
    none. Every method raises the errors of `objlib.errors` and nothing else on purpose; `TypeError`
    for a keyword that there is not.
    """

    def __init__(
        self, catalog: Catalog, settings: Settings, resources: contextlib.AsyncExitStack
    ) -> None:
        super().__init__(catalog, settings)
        self._store = Connection(catalog, settings, resources)
        self._runs = Runs()
        self.selection = selection_of(settings)  # the files that a scan takes

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
            LibraryGone: the disk of `root` does not answer.
            CatalogError: there is no catalog yet and no `root` to make one for.
        """
        refuse_unknown("Library.open", wishes, SettingsWishes)
        if settings is not None and wishes:
            raise TypeError("Library.open() takes ready-made settings or single ones, not both")
        folder = Path(root) if root is not None else None
        settings = settings or load_settings(**wishes)
        if folder is not None:
            check_folder(folder)
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

    # From disk to store

    def scan(self, *, refresh_metadata: bool = False, checksum: bool = False) -> ScanningRun:
        """Record what is on disk. Tells how far it has come, now and then, and at the end.

        Args:
            refresh_metadata: replace also the documents whose metadata or treatment would be
                another today: after a move, or after a change of templates.
            checksum: hash every file, whatever its size and times say.
        """
        return Run(self._runs, lambda: self._scanning(refresh_metadata, checksum))

    def plan_sync(
        self, *, refresh_metadata: bool = False, checksum: bool = False, new_store: bool = False
    ) -> PlanningRun:
        """Scan, and find out what `sync` would do; nothing is sent or deleted.

        Args:
            new_store: the store is gone: plan for a new one in its place.
        """

        async def prepared() -> Work[ScanReport, SyncPlan]:
            wishes = round_options(self._options(None, {"new_store": new_store}))
            held = await Held.begun(self.catalog) if self.selection.narrowing else None
            options = replace(await self._store.settled_wishes(wishes), held=held)
            scan = await self._scanning(refresh_metadata, checksum, held)
            return planning(self.catalog, scan, options)

        return Run(self._runs, prepared)

    def sync(
        self,
        plan: SyncPlan,
        max_delete: MaxDelete = USUAL_MAX_DELETE,
        *,
        accept_device: bool = False,
        before_repair: Callable[[SyncReport], Awaitable[None]] = shown_to_nobody,
    ) -> SyncingRun:
        """Bring the store in step with the library, as `plan_sync` has planned it.

        Args:
            max_delete: nothing is deleted if more documents than that would go.
            accept_device: the library lies on another device than last time, and that is right.
            before_repair: waited for after the survey; `repair_steps` has the steps then, and
                what it raises ends the round before the first of them.

        Raises (when it is waited for):
            ConfigurationError: a guard refuses to delete; what was uploaded stays.
        """

        async def prepared() -> Work[SyncEvent, SyncOutcome]:
            return Round(
                self.catalog,
                plan.options,
                self._accounted,
                self.survey,
                lambda survey: self._planned_repair(
                    survey, max_delete, {"accept_device": accept_device}
                ),
                before_repair,
            ).work()

        return Run(self._runs, prepared)

    async def plan(
        self, options: Options | None = None, /, **wishes: Unpack[UploadWishes]
    ) -> PlannedWork:
        """Return what an upload would take, and why; `objlib.estimate` has the price of it."""
        refuse_unknown("Library.plan", wishes, UploadWishes)
        await self.bound()
        chosen = await self._store.settled_wishes(self._options(options, wishes))
        return await expected_work(self.catalog, chosen, is_grouped=True)

    async def planned_files(
        self, options: Options | None = None, *, limit: int | None = None
    ) -> AsyncIterator[PlannedFile]:
        """Yield the files that an upload would take, by path, at most so many of them."""
        async for file in planned_files(self.catalog, self._options(options, {}), limit):
            yield file

    async def look_first(self, options: Options | None = None) -> int:
        """Adopt what the store has already of an upload's files; every upload begins so.

        Raises:
            CatalogLost: half of another library's documents are of files here; see `rebuild`.
        """
        return await self._store.look_first(self._options(options, {}))

    def upload(
        self, options: Options | None = None, /, **wishes: Unpack[UploadWishes]
    ) -> UploadingRun:
        """Upload what the store does not have, and tell what happens.

        Args:
            options: ready-made ones; else those of the settings.
            wishes: fields of `Options`, for instance `limit=20`.
        """
        refuse_unknown("Library.upload", wishes, UploadWishes)
        chosen = self._options(options, wishes)
        return UploadingRun(self._runs, lambda: self._accounted(chosen))

    def recover(self) -> RecoveringRun:
        """Bring to rest what earlier runs left behind, and upload nothing.

        Raises (when it is entered):
            StoreNotFound: there is no store yet, so there is nothing to recover.
        """
        chosen = Options(limit=0, concurrency=self.settings.concurrency)  # its recovery is left
        return Run(
            self._runs, lambda: self._uploading(chosen, create_store=False, report=recovery_of)
        )

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
        retry = Retry.of(self.settings.waits)
        return await rebuilt(
            catalog, self.client, store, retry, partial(source_of, self.settings, bound), library_id
        )

    # What is in the store

    async def survey(self) -> SyncReport:
        """Classify every document in the store; changes nothing."""
        catalog, bound = self.catalog, await self.bound()
        store = await self._store.store()
        return await Retry.of(self.settings.waits).call(
            lambda: survey(catalog, self.client, store, bound.library_id)
        )

    def survey_lines(
        self, report: SyncReport, *classes: DocumentClass
    ) -> AsyncIterator[SurveyLine]:
        """Yield one line for each document (of these classes), ghost and missing file surveyed."""
        self._runs.check_open()
        return survey_lines(report, *classes)

    def repair_steps(
        self, report: SyncReport, **wishes: Unpack[RepairWishes]
    ) -> AsyncIterator[Step]:
        """Yield the steps of the repair that a survey calls for, in their order."""
        self._runs.check_open()
        return steps(report.verdicts, consent_of(wishes))

    async def refusal(
        self, report: SyncReport, max_delete: MaxDelete, **wishes: Unpack[RepairWishes]
    ) -> ConfigurationError | None:
        """Return the reason for which `repair` would refuse, or None."""
        refuse_unknown("Library.refusal", wishes, RepairWishes)
        return await (await self._planned_repair(report, max_delete, wishes)).refusal()

    def repair(
        self, report: SyncReport, max_delete: MaxDelete, **wishes: Unpack[RepairWishes]
    ) -> RepairingRun:
        """Carry out what a `survey` calls for, and tell each step that was taken.

        Args:
            wishes: `accept_device` where the library lies on another device than last time;
                `include_twins`, `include_elsewhere` and `include_foreign` to delete those, too.

        Raises (when it is entered):
            ConfigurationError: a guard refuses; nothing was changed.
        """

        async def prepared() -> Work[Step, RepairReport]:
            return await (await self._planned_repair(report, max_delete, wishes)).work()

        return Run(self._runs, prepared)

    # Questions

    async def search(self, query: str, **wishes: Unpack[QuestionWishes]) -> SearchResult:
        """Ask the store; every citation is brought back to a file of this library.

        A refusal that passes is met by asking again, for as long as a person waits.
        """
        refuse_unknown("Library.search", wishes, QuestionWishes)
        bound, store = await self.bound(), await self._store.store()
        result = await search(
            self.client,
            self.catalog,
            store_name=store.name,
            query=query,
            model=self.settings.model,
            library_id=bound.library_id,
            top_k=wishes.get("top_k"),
            metadata_filter=wishes.get("metadata_filter"),
            notifier=patient(self.settings.waits, random.Random(), wishes.get("on_retry")),
            names_at=self.settings.db.with_name(f"{self.settings.db.name}.names"),
        )
        return await placed(result, bound.root, self.settings.follow_links_to, in_thread)

    async def ask(self, question: str, **wishes: Unpack[QuestionWishes]) -> SearchResult:
        """Ask the model that reads the store; `cited_answer` numbers each statement's source.

        Raises:
            ConfigurationError: the question is empty.
        """
        refuse_unknown("Library.ask", wishes, QuestionWishes)
        if not question.strip():
            raise ConfigurationError("the question is empty")
        return await self.search(question, **wishes)

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
            wanted = Wanted(subset, limit, seed)
            return proving(catalog, self.client, bound, store, self.settings, wanted)

        return Run(self._runs, prepared)

    # What they share

    def _options(self, options: Options | None, wishes: UploadWishes) -> Options:
        """Return ready-made options, or those of the settings, with some of them changed."""
        usual = Options(concurrency=self.settings.concurrency, stagger_s=self.settings.stagger_s)
        return replace(options or usual, **wishes)

    async def _scanning(self, refresh: bool, checksum: bool, held: Held | None = None) -> ScanWork:
        catalog, settings, selection = self.catalog, self.settings, self.selection
        if await get_info(catalog, LIBRARY_ROOT) is None:
            raise ConfigurationError("which library? Name its folder", hint=Hint.NAME_LIBRARY)
        bound = await self.bound()
        return scanning(catalog, bound, settings, selection, refresh, checksum, held)

    async def _planned_repair(
        self, report: SyncReport, max_delete: MaxDelete, wishes: RepairWishes
    ) -> PlannedRepair:
        bound = await self.bound()
        return PlannedRepair(
            self.catalog,
            self.client,
            bound.root,
            self.settings.waits,
            report,
            max_delete,
            wishes.get("accept_device", False),
            consent_of(wishes),
        )

    async def _accounted(self, options: Options) -> Uploading:
        work = await self._uploading(options, create_store=True, report=progress_of)
        options = replace(options, new_store=False)
        return Uploading(work, await Account.opened(self.catalog, self.client, options))

    async def _uploading(
        self,
        options: Options,
        *,
        create_store: bool,
        report: Callable[[UploadRun], Callable[[], R]],
    ) -> Work[ev.Event, R]:
        catalog, _ = self.catalog, await self.bound()
        store = await self._store.store(create=create_store, in_place_of_gone=options.new_store)
        options = replace(options, new_store=False)
        await self._store.look_first(options, store)
        bound = await self.bound()  # with another id, where that has finished a recovery
        return upload_work(
            catalog,
            self._store,
            options,
            store_name=store.name,
            source=source_of(self.settings, bound),
            waits=self.settings.waits,
            report=report,
        )
