"""Repairs: several steps at a time, again after refusals, resumable, and never too much."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from reactivex import Observable
from reactivex import operators as ops

from objlib.catalog.accounts import account, begin_look
from objlib.catalog.lease import Lease
from objlib.catalog.queries import get_file
from objlib.congestion.pressure import Pressure, is_down
from objlib.documents.payload import KEY, LIBRARY, PATH, SHA256
from objlib.errors import BackendUnavailable, ConfigurationError
from objlib.filestore import Fault, Kind
from objlib.reactive.bridge import LoopScheduler, completion
from objlib.states import State
from objlib.sync.apply import AT_ONCE, Repair, RepairReport
from objlib.sync.guards import LIBRARY_DEVICE
from objlib.sync.listing import SyncReport
from objlib.sync.plan import Consent, MaxDelete, Step, steps
from objlib.upload.shutdown import Shutdown
from objlib.upload.state import AsyncUploadStateManager
from tests.sync.test_sync import EVERYTHING, add_document, counts, mend, story
from tests.upload.world import LIBRARY_ID, World

DELETE = "DELETE *documents/{document}"


async def add_orphans(world: World, number: int) -> None:
    for index in range(number):
        await add_document(
            world, f"orphan{index}", **{KEY: f"k{index}", LIBRARY: LIBRARY_ID, PATH: f"{index}"}
        )


async def repair_of(world: World, survey: SyncReport | None = None, **options: Any) -> Repair:
    """A repair that has not begun."""
    return Repair(
        world.catalog,
        world.client,
        survey or await world.survey(),
        root=world.root,
        waits=world.waits,
        **options,
    )


@dataclass
class Watcher(httpx2.AsyncBaseTransport):
    """Counts the deletions of documents that are under way at the same time."""

    inner: httpx2.AsyncBaseTransport
    now: int = 0
    most: int = 0
    before: Callable[[], None] = field(default=lambda: None)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method != "DELETE" or "/documents/" not in request.url.path:
            return await self.inner.handle_async_request(request)
        self.before()
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
            return await self.inner.handle_async_request(request)
        finally:
            self.now -= 1


def test_documents_are_deleted_several_at_a_time(tmp_path: Path) -> None:
    """Thirty orphans: eight deletions under way at once, one request each, and no more."""
    watchers: list[Watcher] = []

    def wrap(inner: httpx2.AsyncBaseTransport) -> httpx2.AsyncBaseTransport:
        watchers.append(Watcher(inner))
        return watchers[0]

    async def tell(world: World) -> None:
        await add_orphans(world, 30)
        before = world.client.requests
        assert (await mend(world)).deleted == 30
        # the store twice, two pages, thirty deletions
        assert world.client.requests - before <= 35
        assert watchers[0].most == AT_ONCE
        assert counts(await world.survey()) == {"CANONICAL": 6}

    story(tmp_path, tell, wrap=wrap)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Kind.RATE_LIMIT, route=DELETE, times=3, seconds=0.01),
        Fault(Kind.ERROR, route=DELETE, times=3),
        Fault(Kind.DROP_AFTER, route=DELETE, times=3),
        Fault(Kind.DROP_BEFORE, route=DELETE, times=3),
    ],
    ids=lambda fault: str(fault.kind),
)
def test_a_deletion_is_tried_again(tmp_path: Path, fault: Fault) -> None:
    """Refused or lost three times, and all orphans go in the same repair."""

    async def tell(world: World) -> None:
        await add_orphans(world, 5)
        assert await mend(world) == RepairReport(deleted=5)
        assert counts(await world.survey()) == {"CANONICAL": 6}

    story(tmp_path, tell, faults=[fault])


def test_what_cannot_be_deleted_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    """One document is refused for good: the others go, and the next repair has one step."""

    async def tell(world: World) -> None:
        await add_orphans(world, 4)
        done = await mend(world)
        assert (done.deleted, done.failed) == (3, 1)
        assert len(done.problems) == 1
        assert counts(await world.survey()) == {"CANONICAL": 6, "ORPHAN": 1}

    story(tmp_path, tell, faults=[Fault(Kind.ERROR, route=DELETE, status=400, times=1)])


def test_an_interrupted_repair_is_finished_by_the_next(tmp_path: Path) -> None:
    """Stopped after the third deletion: what is under way ends, the rest stays and goes later."""

    async def tell(world: World) -> None:
        await add_orphans(world, 40)
        shutdown = Shutdown()
        taken: list[Step] = []

        def stop_at_third(step: Step) -> None:
            taken.append(step)
            if len(taken) == 3:
                shutdown.signal()

        repair = await repair_of(world, shutdown=shutdown, on_step=stop_at_third)
        done = await repair.carry_out()
        assert 3 <= done.deleted <= 3 + AT_ONCE
        assert len(await world.documents()) == 46 - done.deleted
        assert (await mend(world)).deleted == 40 - done.deleted
        assert counts(await world.survey()) == {"CANONICAL": 6}

    story(tmp_path, tell)


class Hanging(httpx2.AsyncBaseTransport):
    """Deletions after the first get no answer, ever, while it hangs."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self._deletions = 0
        self.hangs = True

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "DELETE" and "/documents/orphan" in request.url.path:
            self._deletions += 1
            if self.hangs and self._deletions > 1:
                await asyncio.Event().wait()
        return await self._inner.handle_async_request(request)


def test_a_killed_repair_ends_at_once_and_leaves_no_task_behind(tmp_path: Path) -> None:
    """The second signal cancels what gets no answer; the next repair goes on."""
    transports: list[Hanging] = []

    def wrap(inner: httpx2.AsyncBaseTransport) -> httpx2.AsyncBaseTransport:
        transports.append(Hanging(inner))
        return transports[0]

    async def tell(world: World) -> None:
        await add_orphans(world, 20)
        shutdown = Shutdown()

        def kill(_step: Step) -> None:
            shutdown.signal()
            shutdown.signal()

        repair = await repair_of(world, shutdown=shutdown, on_step=kill)
        before = asyncio.all_tasks()
        await asyncio.wait_for(repair.carry_out(), 20)
        assert asyncio.all_tasks() == before
        assert counts(await world.survey())["ORPHAN"] == 19
        transports[0].hangs = False
        await mend(world)
        assert counts(await world.survey()) == {"CANONICAL": 6}

    story(tmp_path, tell, wrap=wrap)


class Gone(httpx2.AsyncBaseTransport):
    """A network that vanishes before the first deletion."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "DELETE" and "/documents/" in request.url.path:
            raise httpx2.ConnectError("no route to host")
        return await self._inner.handle_async_request(request)


def is_up(state: Pressure) -> bool:
    """True once the next look at the backend may be made."""
    return not is_down(state)


def test_a_vanished_network_ends_the_repair(tmp_path: Path) -> None:
    """It is no trouble of one document, so it is not reported as such a hundred times."""

    async def tell(world: World) -> None:
        await add_orphans(world, 5)
        with pytest.raises(BackendUnavailable):
            await mend(world)
        recovered: Observable[Pressure] = world.gate.states.pipe(ops.first(is_up))
        await completion(recovered, LoopScheduler.running())
        assert counts(await world.survey()) == {"CANONICAL": 6, "ORPHAN": 5}

    story(tmp_path, tell, wrap=Gone)


def test_the_plan_is_what_is_done(tmp_path: Path) -> None:
    """Every step of the plan is taken, in its order of kinds, and no other."""

    async def tell(world: World) -> None:
        await add_orphans(world, 3)
        gone = (await world.documents())[0]
        await world.client.delete_document(gone.name)
        done: list[Step] = []
        survey = await world.survey()
        repair = await repair_of(world, survey, on_step=done.append)
        planned = [step async for step in steps(survey.verdicts)]
        await repair.carry_out()
        assert sorted(step.line for step in done) == sorted(step.line for step in planned)
        assert [step.kind for step in done] == [step.kind for step in planned]
        assert planned[0].line.startswith("send again Course/Year 1/Week")
        assert planned[-1].line.startswith("delete 2 (fileSearchStores/")

    story(tmp_path, tell)


def test_foreign_documents_go_only_when_asked(tmp_path: Path) -> None:
    """And then --max-delete counts them."""

    async def tell(world: World) -> None:
        await add_document(world, "handmade")
        await add_document(world, "theirs", **{KEY: "k", LIBRARY: "another", PATH: "a.txt"})
        assert (await mend(world)).deleted == 0
        with pytest.raises(ConfigurationError, match="nothing was deleted"):
            await mend(world, MaxDelete(count=1), consent=Consent(foreign=True))
        assert (await mend(world, consent=Consent(foreign=True))).deleted == 2
        assert counts(await world.survey()) == {"CANONICAL": 6}

    story(tmp_path, tell)


def test_ten_thousand_foreign_documents_are_no_burden(tmp_path: Path) -> None:
    """They are listed, counted and left; one upload beside them looks at none of them."""

    async def tell(world: World) -> None:
        await add_document(world, "handmade")
        with world.store.transaction():
            world.store.all(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)"
                " INSERT INTO documents (store_id, id, display_name, mime_type, size_bytes,"
                " metadata_json, created_at, ready_at, is_failed, visible_at)"
                " SELECT store_id, id || i, display_name, mime_type, size_bytes, '[]', created_at,"
                " ready_at, 0, visible_at FROM documents, n WHERE display_name = 'handmade'"
            )
        report = await world.survey()
        assert counts(report) == {"CANONICAL": 6, "FOREIGN": 10_000}
        assert report.is_clean
        assert await mend(world) == RepairReport()
        (world.root / "new.txt").write_text("A new text.")
        await world.scan()
        before = world.client.requests
        await world.upload()
        assert world.client.requests - before <= 5

    story(tmp_path, tell)


def test_what_another_run_took_up_since_the_survey_is_left(tmp_path: Path) -> None:
    """An orphan that a row claims by now is not deleted under its feet."""

    async def tell(world: World) -> None:
        (world.root / "new.txt").write_text("A new text.")
        await world.scan()
        await add_document(world, "early", **{KEY: "early", LIBRARY: LIBRARY_ID, PATH: "new.txt"})
        repair = await repair_of(world)
        row = await get_file(world.catalog, "new.txt")
        assert row is not None
        state = AsyncUploadStateManager(world.catalog)
        lease = Lease("elsewhere/1/1.00/other", 9e9)
        await state.begin_upload(row, upload_key="early", run_id="other", lease=lease)
        done = await repair.carry_out()
        assert (done.deleted, done.overtaken) == (0, 1)
        assert len(await world.documents()) == 7

    story(tmp_path, tell)


@dataclass
class Forgetful(httpx2.AsyncBaseTransport):
    """Neither lists nor counts the first document, which is there all the same."""

    inner: httpx2.AsyncBaseTransport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self.inner.handle_async_request(request)
        said = json.loads(await answer.aread() or b"{}")
        if request.url.path.endswith("/documents"):
            said["documents"] = said["documents"][1:]
        elif "activeDocumentsCount" in said:
            said["activeDocumentsCount"] = str(int(said["activeDocumentsCount"]) - 1)
        else:
            return answer
        return httpx2.Response(200, json=said)


def test_a_document_that_a_listing_passed_over_is_looked_at_itself(tmp_path: Path) -> None:
    """The counters lag as the listing does, so only its row knows; and the row is left as it is."""

    async def tell(world: World) -> None:
        before = await world.catalog.fetch_all("SELECT * FROM files")
        assert (await world.survey()).ghosts == 1
        done = await mend(world)
        assert (done.sent_round_again, done.overtaken) == (0, 1)
        assert await world.catalog.fetch_all("SELECT * FROM files") == before

    story(tmp_path, tell, wrap=Forgetful)


# Late successes and substitutes


def test_a_late_success_is_adopted_not_doubled(tmp_path: Path) -> None:
    """A failed row whose document came alive is a difference; the repair gives it back."""

    async def tell(world: World) -> None:
        assert await world.states() == {"failed": 2}
        imports = world.count(":importFile")
        with world.store.transaction():
            world.store.all("UPDATE documents SET is_failed = 0")
        report = await world.survey()
        assert counts(report) == {"LATE": 2}
        assert not report.is_clean
        assert (await mend(world)).adopted == 2
        assert counts(await world.survey()) == {"CANONICAL": 2}
        assert world.count(":importFile") == imports
        reasons = await world.catalog.fetch_all(
            "SELECT reason FROM transitions WHERE file_path LIKE '%arches%'"
            " ORDER BY id DESC LIMIT 4"
        )
        assert reasons == [("adopted",)] * 4

    faults = [Fault(Kind.DOCUMENT_FAILED, route="POST *:importFile")]
    story(tmp_path, tell, files=2, faults=faults, settle_s=0.02)


def test_a_silent_import_that_shows_up_late_is_adopted(tmp_path: Path) -> None:
    """The row failed without a document on record; the store has one with its key."""

    async def tell(world: World) -> None:
        (path, key, digest), *_ = await world.catalog.fetch_all(
            "SELECT file_path, upload_key, content_hash FROM files"
        )
        assert await world.states() == {"failed": 1}
        metadata = {KEY: key, PATH: path, SHA256: digest, LIBRARY: LIBRARY_ID}
        await add_document(world, "late", **metadata)
        assert counts(await world.survey()) == {"LATE": 1}
        await mend(world)
        assert counts(await world.survey()) == {"CANONICAL": 1}

    faults = [Fault(Kind.SILENT_IMPORT, route="POST *:importFile", times=2)]
    story(tmp_path, tell, files=1, faults=faults, poll_deadline_s=0.02, settle_s=0.02)


def test_of_two_late_successes_one_is_adopted_and_one_goes(tmp_path: Path) -> None:
    """One repair is enough."""

    async def tell(world: World) -> None:
        (path, key, digest), *_ = await world.catalog.fetch_all(
            "SELECT file_path, upload_key, content_hash FROM files"
        )
        for name in ("one", "two"):
            metadata = {KEY: key, PATH: path, SHA256: digest, LIBRARY: LIBRARY_ID}
            await add_document(world, name, **metadata)
        assert counts(await world.survey()) == {"LATE": 1, "DUPLICATE": 1}
        done = await mend(world)
        assert (done.adopted, done.deleted) == (1, 1)
        assert counts(await world.survey()) == {"CANONICAL": 1}

    faults = [Fault(Kind.SILENT_IMPORT, route="POST *:importFile", times=2)]
    story(tmp_path, tell, files=1, faults=faults, poll_deadline_s=0.02, settle_s=0.02)


def test_a_ghost_takes_the_second_document_of_its_version(tmp_path: Path) -> None:
    """Its own was deleted behind our back, a duplicate is there: nothing has to be uploaded."""

    async def tell(world: World) -> None:
        path, key, digest, name = (
            await world.catalog.fetch_all(
                "SELECT file_path, upload_key, content_hash, gemini_store_doc_id FROM files"
            )
        )[0]
        metadata = {KEY: key, PATH: path, SHA256: digest, LIBRARY: LIBRARY_ID}
        twin = await add_document(world, "twin", **metadata)
        await world.client.delete_document(name)
        assert counts(await world.survey()) == {"CANONICAL": 5, "LATE": 1}
        done = await mend(world)
        assert (done.sent_round_again, done.adopted, done.deleted) == (1, 1, 0)
        row = await get_file(world.catalog, path)
        assert row is not None
        assert (row.gemini_state, row.gemini_store_doc_id) == (State.INDEXED, twin)
        assert counts(await world.survey()) == {"CANONICAL": 6}

    story(tmp_path, tell)


def test_a_late_success_of_a_deleted_file_goes(tmp_path: Path) -> None:
    """Nobody wants it any more, and nothing of it stays on record."""

    async def tell(world: World) -> None:
        with world.store.transaction():
            world.store.all("UPDATE documents SET is_failed = 0")
        next(world.root.rglob("*arches*")).unlink()
        await world.scan()
        assert counts(await world.survey()) == {"LATE": 1, "ORPHAN": 1}
        await mend(world)
        assert counts(await world.survey()) == {"CANONICAL": 1}
        dangling = "SELECT COUNT(*) FROM files WHERE is_deleted AND gemini_store_doc_id IS NOT NULL"
        assert await world.catalog.fetch_all(dangling) == [(0,)]

    faults = [Fault(Kind.DOCUMENT_FAILED, route="POST *:importFile")]
    story(tmp_path, tell, files=2, faults=faults, settle_s=0.02)


def test_a_document_of_an_older_text_is_no_late_success(tmp_path: Path) -> None:
    """The file was edited since it failed: what came alive is kept until the new text is there."""

    async def tell(world: World) -> None:
        with world.store.transaction():
            world.store.all("UPDATE documents SET is_failed = 0")
        (file,) = world.root.rglob("*.txt")
        file.write_text("Another text altogether.")
        await world.scan()
        assert counts(await world.survey()) == {"IN_FLIGHT": 1}
        assert await mend(world) == RepairReport()

    faults = [Fault(Kind.DOCUMENT_FAILED, route="POST *:importFile")]
    story(tmp_path, tell, files=1, faults=faults, settle_s=0.02)


# Guards


async def with_a_file_deleted(world: World) -> None:
    next(world.root.rglob("*arches*")).unlink()
    await world.scan()


def test_a_missing_library_deletes_nothing(tmp_path: Path) -> None:
    """Its disk may not be mounted."""

    async def tell(world: World) -> None:
        await with_a_file_deleted(world)
        shutil.move(world.root, tmp_path / "elsewhere")
        with pytest.raises(ConfigurationError, match="mounted"):
            await mend(world)
        assert len(await world.documents()) == 6

    story(tmp_path, tell)


def test_an_empty_library_deletes_nothing(tmp_path: Path) -> None:
    """A mount point without its disk is an empty folder."""

    async def tell(world: World) -> None:
        await with_a_file_deleted(world)
        shutil.rmtree(world.root)
        world.root.mkdir()
        with pytest.raises(ConfigurationError, match="empty"):
            await mend(world)
        assert len(await world.documents()) == 6

    story(tmp_path, tell)


def test_a_library_on_another_device_deletes_nothing_unless_told(tmp_path: Path) -> None:
    """What was noted while nothing was missing no longer fits; saying so once is enough."""

    async def tell(world: World) -> None:
        await mend(world)
        await world.catalog.fetch_all(
            "UPDATE catalog_info SET value = value + 1 WHERE key = ?", (LIBRARY_DEVICE,)
        )
        await with_a_file_deleted(world)
        with pytest.raises(ConfigurationError, match="another device"):
            await mend(world)
        assert len(await world.documents()) == 6
        assert (await mend(world, accept_device=True)).deleted == 1
        await with_a_file_deleted_too(world)
        assert (await mend(world)).deleted == 1

    story(tmp_path, tell)


async def with_a_file_deleted_too(world: World) -> None:
    next(world.root.rglob("*beeswax*")).unlink()
    await world.scan()


def test_before_any_note_the_scans_devices_count(tmp_path: Path) -> None:
    """A first repair after another disk was scanned in its place deletes nothing either."""

    async def tell(world: World) -> None:
        await with_a_file_deleted(world)
        await world.catalog.fetch_all("UPDATE files SET device = device + 1")
        with pytest.raises(ConfigurationError, match="another device"):
            await mend(world)
        assert len(await world.documents()) == 6

    story(tmp_path, tell)


def test_a_disk_that_got_another_number_is_no_trouble_while_nothing_is_missing(
    tmp_path: Path,
) -> None:
    """Numbers of devices change when disks are mounted: the new one is noted silently."""

    async def tell(world: World) -> None:
        await mend(world)
        await world.catalog.fetch_all(
            "UPDATE catalog_info SET value = value + 1 WHERE key = ?", (LIBRARY_DEVICE,)
        )
        await add_orphans(world, 1)
        assert (await mend(world, EVERYTHING)).deleted == 1

    story(tmp_path, tell)


def test_a_look_that_was_not_finished_stays_unfinished(tmp_path: Path) -> None:
    """A repair counts from what the last listing said; where that is unknown it knows no more."""

    async def tell(world: World) -> None:
        await add_orphans(world, 2)
        repair = await repair_of(world)
        await begin_look(world.catalog)  # by another process, which is killed
        assert (await repair.carry_out()).deleted == 2
        assert (await account(world.catalog)).unnamed is None

    story(tmp_path, tell)
