"""What processes do where a catalog may be lost, old or a copy: every command looks at its catalog.

Composed as `objlib.service.library.Library` composes them. On top of `tests.simulator.commands` an
upload looks at the store first, and the library's id is the one in the catalog.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reactivex.subject import Subject

from objlib.catalog.accounts import RECOVERING
from objlib.catalog.binding import LIBRARY_ID, LIBRARY_ROOT, bound_library
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_info, set_info
from objlib.congestion.gate import RequestGate
from objlib.documents.payload import Source
from objlib.gemini.client import FileSearchClient
from objlib.library.metadata import DEFAULT_TEMPLATES
from objlib.library.scan import scan_library
from objlib.library.scan_report import ScanReport
from objlib.reactive.retry import Retry
from objlib.service.recovery import rebuilt
from objlib.service.repairs import PlannedRepair
from objlib.service.rounds import Round, SyncOutcome, planning, round_options
from objlib.service.runs import Work
from objlib.service.uploads import Account, Uploading, progress_of
from objlib.sync.first_look import look_first
from objlib.sync.listing import SyncReport, survey
from objlib.sync.plan import Consent, MaxDelete
from objlib.upload.orchestrator import Options
from objlib.upload.run import Identity, UploadRun, expected_work
from objlib.upload.shutdown import Shutdown
from objlib.upload.state import AsyncUploadStateManager
from tests.simulator import commands
from tests.simulator.processes import Process
from tests.simulator.scenario import Action

if TYPE_CHECKING:
    from tests.simulator.world import Command, SimulatedWorld

ANY_NUMBER = MaxDelete.parse("100%")


@dataclass(frozen=True, slots=True)
class _Session:
    """An open library in a process."""

    world: SimulatedWorld
    process: Process
    catalog: Catalog
    client: FileSearchClient
    gate: RequestGate

    @property
    def rng(self) -> random.Random:
        return random.Random(f"{self.world.scenario.seed} {self.process.owner}")

    @property
    def retry(self) -> Retry:
        return Retry.of(self.world.scenario.waits, self.rng)

    async def source(self, library_id: str | None = None) -> Source:
        bound = await bound_library(self.catalog)
        return Source(self.world.root, library_id or bound.library_id)

    async def scan(self) -> ScanReport:
        return await scan_library(
            self.catalog,
            self.world.root,
            templates=DEFAULT_TEMPLATES,
            lifecycle=AsyncUploadStateManager(self.catalog),
            workers=1,
        )

    async def look_first(self, options: Options) -> None:
        """Look at the store, as every upload does before it sends something."""
        sends = (await expected_work(self.catalog, options)).files > 0
        if not sends and await get_info(self.catalog, RECOVERING) is None:
            return
        source = await self.source()
        store = await self.retry.call(lambda: self.client.get_store(self.world.store_name))
        await self.retry.call(
            lambda: look_first(self.catalog, self.client, store, source, sends=sends)
        )

    async def upload(self, options: Options) -> UploadRun:
        """Prepare an upload."""
        await self.look_first(options)
        owner = self.process.owner
        run = UploadRun(
            catalog=self.catalog,
            client=self.client,
            options=options,
            gate=self.gate,
            store_name=self.world.store_name,
            source=await self.source(),  # with another id, where a recovery was finished
            waits=self.world.scenario.waits,
            rng=self.rng,
            identity=Identity(f"run of {owner}", owner, self.world.is_dead),
        )
        run.stream.events.subscribe(lambda event: self.world.note(f"  {owner} {event!r}"))
        return run

    async def uploading(self, options: Options) -> Uploading:
        """Prepare the upload of a round."""
        run = await self.upload(options)
        work = Work(run.stream.events, run.until_done, run.shutdown, progress_of(run))
        return Uploading(work, await Account.opened(self.catalog, self.client, options))

    async def survey(self) -> SyncReport:
        bound = await bound_library(self.catalog)
        store = await self.retry.call(lambda: self.client.get_store(self.world.store_name))
        return await self.retry.call(
            lambda: survey(self.catalog, self.client, store, bound.library_id)
        )

    async def repair(self, report: SyncReport, consent: Consent) -> PlannedRepair:
        return PlannedRepair(
            self.catalog,
            self.client,
            self.world.root,
            self.world.scenario.waits,
            report,
            ANY_NUMBER,
            consent=consent,
        )


@contextlib.asynccontextmanager
async def session(
    world: SimulatedWorld, process: Process, concurrency: int = 8
) -> AsyncIterator[_Session]:
    """Open the library that the world's people work on, binding a catalog that is new."""
    async with (
        commands.opened(world, process) as catalog,
        commands.connected(world, concurrency) as (client, gate),
    ):
        if await get_info(catalog, LIBRARY_ID) is None:
            await set_info(
                catalog, **{LIBRARY_ROOT: str(world.root), LIBRARY_ID: world.new_library()}
            )
        yield _Session(world, process, catalog, client, gate)


async def scan(world: SimulatedWorld, process: Process, _action: Action) -> None:
    """objlib scan --library DIR"""
    async with session(world, process) as opened:
        await opened.scan()


async def upload(world: SimulatedWorld, process: Process, action: Action) -> None:
    """objlib fsm-upload, and with a limit of 0 objlib recover"""
    options = Options(**dict(action.options))
    async with session(world, process, options.concurrency) as opened:
        run = await opened.upload(options)
        for after_s, other in action.meanwhile:
            world.later(after_s, other, run.shutdown.signal)
        await run.until_done()


async def from_store(world: SimulatedWorld, process: Process, action: Action) -> None:
    """objlib recover --from-store [--library-id ID]"""
    async with session(world, process) as opened:
        await opened.scan()
        bound = await bound_library(opened.catalog)
        store = await opened.retry.call(lambda: opened.client.get_store(world.store_name))
        report = await rebuilt(
            opened.catalog,
            opened.client,
            store,
            opened.retry,
            lambda chosen: Source(bound.root, chosen),
            dict(action.options).get("library_id"),
        )
        world.note(f"  {process.owner} {report}")
        await (await opened.upload(Options(limit=0))).until_done()


async def store_sync(world: SimulatedWorld, process: Process, action: Action) -> None:
    """objlib store-sync --apply [--include-twins --include-elsewhere]"""
    consent = Consent(**dict(action.options))
    async with session(world, process) as opened:
        work = await (await opened.repair(await opened.survey(), consent)).work()
        await work.until_done()
        world.note(f"  {process.owner} {work.report()}")


async def survey_only(world: SimulatedWorld, process: Process, _action: Action) -> SyncReport:
    """objlib store-sync"""
    async with session(world, process) as opened:
        return await opened.survey()


async def sync_round(world: SimulatedWorld, process: Process, _action: Action) -> SyncOutcome:
    """A round of objlib sync, or of its watch"""
    async with session(world, process) as opened:
        plan = await _planned(opened)
        work = Round(
            opened.catalog,
            plan,
            opened.uploading,
            opened.survey,
            lambda report: opened.repair(report, Consent()),
        ).work()
        await work.until_done()
        outcome = work.report()
        world.note(f"  {process.owner} {outcome.verdict}")
        return outcome


async def _planned(opened: _Session) -> Options:
    reports: list[ScanReport] = []

    async def scanned() -> None:
        reports.append(await opened.scan())

    told = Subject[ScanReport]()
    scanning = Work(told, scanned, Shutdown(), lambda: reports[0])
    plan = planning(opened.catalog, scanning, round_options(Options()))
    await plan.until_done()
    return plan.report().options


COMMANDS: Mapping[str, Command] = {
    "scan": scan,
    "upload": upload,
    "recover": upload,
    "from store": from_store,
    "store-sync": store_sync,
    "survey": survey_only,
    "round": sync_round,
}
