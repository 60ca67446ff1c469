"""Recovery: what a dead run left behind comes to rest, and nothing is sent twice on the way."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from objlib.catalog.lease import Lease
from objlib.catalog.queries import get_file
from objlib.catalog.records import FileRecord
from objlib.documents.payload import Source, document_metadata, key_of, prepare
from objlib.filestore import Fault, Kind
from objlib.gemini.client import PAGE_ATTEMPTS
from objlib.states import State
from objlib.sync.classify import DocumentClass
from objlib.upload import events as ev
from objlib.upload.events import INTERRUPTED_UPLOADS, LATE_SUCCESSES, PENDING_OPERATIONS
from objlib.upload.state import AsyncUploadStateManager
from tests.catalog.catalogs import ours, pending_page
from tests.upload.world import LIBRARY_ID, World, make_world

IMPORT = "POST *:importFile"
LISTING = "/documents"

#: Of a process on another host whose time is up.
DEAD = Lease("elsewhere/1/1.00/dead", 1.0)


@dataclass
class Meddler(httpx2.AsyncBaseTransport):
    """Stands between client and server, and gets in the way of some requests on demand."""

    inner: httpx2.AsyncBaseTransport
    spoil: Callable[[dict[str, Any]], httpx2.Response | None] = field(default=lambda page: None)
    refuses_deletions: bool = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "DELETE" and self.refuses_deletions:
            return httpx2.Response(503, json={"error": {"code": 503, "message": "", "status": ""}})
        response = await self.inner.handle_async_request(request)
        if request.method != "GET" or not request.url.path.endswith(LISTING):
            return response
        page = json.loads(await response.aread())
        return self.spoil(page) or httpx2.Response(200, json=page)


def story(
    tmp_path: Path, tell: Callable[[World, Meddler], Awaitable[None]], **options: Any
) -> None:
    """A world with a meddler in it, and what happens there."""

    async def scenes() -> None:
        meddlers: list[Meddler] = []

        def wrap(inner: httpx2.AsyncBaseTransport) -> httpx2.AsyncBaseTransport:
            meddlers.append(Meddler(inner))
            return meddlers[0]

        async with make_world(tmp_path, wrap=wrap, **options) as world:
            await tell(world, meddlers[0])

    asyncio.run(scenes())


async def claimed(world: World, owner: Lease = DEAD) -> list[FileRecord]:
    """All files, claimed by somebody who has died since."""
    source = Source(world.root, LIBRARY_ID)
    state = AsyncUploadStateManager(world.catalog)
    rows = []
    for row in await pending_page(world.catalog, None, 1_000):
        key = key_of(row, source, str(row.content_hash))
        rows.append(ours(await state.begin_upload(row, upload_key=key, run_id="dead", lease=owner)))
    return rows


async def imported(world: World, row: FileRecord) -> str:
    """Import the file of a claimed row without a word to the catalog; the operation's name."""
    source = Source(world.root, LIBRARY_ID)
    payload = await prepare(row, source)
    raw = await world.client.upload_file(
        io.BytesIO(payload.body or b""), name=str(row.upload_key), mime_type=payload.mime_type
    )
    metadata = document_metadata(row, source)
    done = await world.client.import_file(world.store_name, file_name=raw.name, metadata=metadata)
    return done.name


async def row_of(world: World, path: str) -> FileRecord:
    row = await get_file(world.catalog, path)
    assert row is not None
    return row


async def recover(world: World) -> list[ev.Event]:
    """Recovery and nothing else; the events of its phases."""
    before = len(world.seen)
    await world.upload(limit=0)
    kinds = (ev.PhaseFinished, ev.PhaseFailed)
    return [event for event in world.seen[before:] if isinstance(event, kinds)]


def come_alive(world: World) -> None:
    """Every document that failed is active now."""
    with world.store.transaction():
        world.store.all("UPDATE documents SET is_failed = 0")


def listings(world: World) -> int:
    """How many requests for pages of documents came in."""
    return world.count(LISTING)


def test_one_listing_answers_for_all_interrupted_uploads(tmp_path: Path) -> None:
    """Of twelve imports six got through: adopted. Two listings show that six did not: released."""

    async def tell(world: World, _: Meddler) -> None:
        rows = await claimed(world)
        for row in rows[::2]:
            await imported(world, row)
        imports = world.count(":importFile")

        phases = await recover(world)

        assert phases == [ev.PhaseFinished(INTERRUPTED_UPLOADS, adopted=6, released=6, left=0)]
        assert await world.states() == {"indexed": 6, "untracked": 6}
        assert (listings(world), world.count(":importFile")) == (2, imports)

    story(tmp_path, tell, files=12)


def test_one_listing_answers_for_all_overdue_operations(tmp_path: Path) -> None:
    """Twelve imports that made no document are noticed together, by one pair of listings."""

    async def tell(world: World, _: Meddler) -> None:
        state = AsyncUploadStateManager(world.catalog)
        for row in await claimed(world):
            operation = await imported(world, row)
            await state.upload_confirmed(row, operation_name=operation, document_name=None)
        await asyncio.sleep(world.waits.poll_deadline_s + world.waits.settle_s)

        phases = await recover(world)

        assert [type(phase) for phase in phases] == [ev.PhaseFinished]
        assert await world.states() == {"failed": 12}
        assert listings(world) == 2

    faults = [Fault(Kind.SILENT_IMPORT, route=IMPORT)]
    story(tmp_path, tell, files=12, faults=faults, poll_deadline_s=0.05, settle_s=0.05)


def test_imports_in_doubt_at_the_same_time_share_a_listing(tmp_path: Path) -> None:
    """Eight answers are lost at once: eight documents, eight imports, and fewer listings."""

    async def tell(world: World, _: Meddler) -> None:
        progress = await world.upload(concurrency=8)
        assert (progress.adopted, world.count(":importFile")) == (8, 8)
        assert listings(world) < 8

    faults = [Fault(Kind.DROP_AFTER, route=IMPORT, times=8)]
    story(tmp_path, tell, files=8, faults=faults, backoff_cap_s=0.001)


@pytest.mark.parametrize(
    ("kind", "times"), [(Kind.ERROR, PAGE_ATTEMPTS), (Kind.RATE_LIMIT, 1), (Kind.EMPTY_LIST, 1)]
)
def test_a_listing_that_fails_is_made_again(tmp_path: Path, kind: Kind, times: int) -> None:
    """Broken, refused or empty: the next listing decides, and it decides rightly."""

    async def tell(world: World, _: Meddler) -> None:
        for row in await claimed(world):
            await imported(world, row)
        phases = await recover(world)
        assert phases == [ev.PhaseFinished(INTERRUPTED_UPLOADS, adopted=6, released=0, left=0)]
        assert world.count(":importFile") == 6

    story(tmp_path, tell, faults=[Fault(kind, route="GET */documents", times=times)])


def _empty(page: dict[str, Any]) -> httpx2.Response:
    return httpx2.Response(200, json={})


def _first_page_only(page: dict[str, Any]) -> httpx2.Response:
    return httpx2.Response(200, json={"documents": page["documents"]})


def _broken_in_the_middle(page: dict[str, Any]) -> httpx2.Response | None:
    if "nextPageToken" in page:
        return None
    return httpx2.Response(503, json={"error": {"code": 503, "message": "no", "status": "X"}})


@pytest.mark.parametrize("spoil", [_empty, _first_page_only, _broken_in_the_middle])
def test_a_listing_that_never_gets_through_releases_nothing(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], httpx2.Response | None]
) -> None:
    """Empty, cut short or broken: the rows stay, nothing is imported, and a good one settles it."""

    async def tell(world: World, meddler: Meddler) -> None:
        for row in await claimed(world):
            await imported(world, row)
        meddler.spoil = spoil
        (phase,) = await recover(world)
        assert isinstance(phase, ev.PhaseFailed)
        assert await world.states() == {"uploading": 24}
        assert world.count(":importFile") == 24

        meddler.spoil = lambda page: None
        await world.expire_leases()
        await world.upload()
        assert await world.states() == {"indexed": 24}
        assert world.count(":importFile") == 24

    story(tmp_path, tell, files=24)


def test_pending_documents_count_as_well(tmp_path: Path) -> None:
    """A listing without the documents that are still being indexed is no proof of absence."""

    async def tell(world: World, meddler: Meddler) -> None:
        for row in await claimed(world):
            await imported(world, row)
        meddler.spoil = _empty
        (phase,) = await recover(world)
        assert isinstance(phase, ev.PhaseFailed)
        assert await world.states() == {"uploading": 6}

    story(tmp_path, tell, indexing_delay_s=60.0)


def test_rows_of_the_living_are_left_alone(tmp_path: Path) -> None:
    """A lease that is good counts, and no listing is made for it."""

    async def tell(world: World, _: Meddler) -> None:
        later = world.catalog.clock().timestamp() + 60
        await claimed(world, Lease("elsewhere/1/1.00/alive", later))
        assert await recover(world) == [ev.PhaseFinished(INTERRUPTED_UPLOADS, 0, 0, left=6)]
        assert listings(world) == 0

    story(tmp_path, tell)


def test_an_owner_that_was_only_slow_writes_nothing_any_more(tmp_path: Path) -> None:
    """Its lease ran out and the row was taken over: its late news is refused, the row is right.

    At that moment state and version are still as the slow owner knows them.
    """

    async def tell(world: World, meddler: Meddler) -> None:
        (slow,) = await claimed(world)
        operation = await imported(world, slow)
        late: list[asyncio.Task[FileRecord | None]] = []

        def speak_up(_page: dict[str, Any]) -> None:
            state = AsyncUploadStateManager(world.catalog)
            news = state.upload_confirmed(slow, operation_name=operation, document_name=None)
            late.append(asyncio.ensure_future(news))

        meddler.spoil = speak_up
        await recover(world)
        assert await late[0] is None
        row = await row_of(world, slow.file_path)
        assert row.gemini_state is State.INDEXED
        assert (await world.survey()).is_clean

    story(tmp_path, tell, files=1)


def test_a_failed_document_in_doubt_is_watched_not_imported_again(tmp_path: Path) -> None:
    """The answer was lost and the document shows FAILED: it may come alive, so it is waited for."""

    async def tell(world: World, _: Meddler) -> None:
        for row in await claimed(world):
            await imported(world, row)
        await recover(world)
        assert await world.states() == {"indexed": 1}
        assert world.count(":importFile") == 1

    faults = [Fault(Kind.DOCUMENT_FAILED, route=IMPORT, seconds=0.1)]
    story(tmp_path, tell, files=1, faults=faults, settle_s=5.0)


def test_a_late_success_is_adopted_without_a_retry(tmp_path: Path) -> None:
    """The row had failed when its document came alive: the next run adopts it, step by step."""

    async def tell(world: World, _: Meddler) -> None:
        assert (await world.upload()).failed == 1
        come_alive(world)
        uploads = world.count(":importFile")

        (phase,) = await recover(world)

        assert phase == ev.PhaseFinished(LATE_SUCCESSES, adopted=1, released=0, left=0)
        assert await world.states() == {"indexed": 1}
        assert world.count(":importFile") == uploads
        assert (await world.survey()).is_clean
        trail = await world.catalog.fetch_all(
            "SELECT from_state, to_state, reason FROM transitions ORDER BY id DESC LIMIT 4"
        )
        assert trail[::-1] == [
            ("failed", "untracked", "adopted"),
            ("untracked", "uploading", "adopted"),
            ("uploading", "processing", "adopted"),
            ("processing", "indexed", "adopted"),
        ]

    faults = [Fault(Kind.DOCUMENT_FAILED, route=IMPORT)]
    story(tmp_path, tell, files=1, faults=faults, settle_s=0.05)


def test_a_late_success_of_an_older_version_is_not_adopted(tmp_path: Path) -> None:
    """The file was edited after the failure: the document that came alive is of the old text."""

    async def tell(world: World, _: Meddler) -> None:
        await world.upload()
        await world.catalog.fetch_all("UPDATE files SET content_hash = 'of another text'")
        come_alive(world)
        assert await recover(world) == []
        assert await world.states() == {"failed": 1}

    faults = [Fault(Kind.DOCUMENT_FAILED, route=IMPORT)]
    story(tmp_path, tell, files=1, faults=faults, settle_s=0.05)


def test_a_clock_that_was_set_back_a_day_delays_no_verdict(tmp_path: Path) -> None:
    """Patience is counted in waits: a document that never comes is given up all the same."""

    async def tell(world: World, _: Meddler) -> None:
        state = AsyncUploadStateManager(world.catalog)
        for row in await claimed(world):
            operation = await imported(world, row)
            await state.upload_confirmed(row, operation_name=operation, document_name=None)
        world.catalog.clock = lambda: datetime.now(UTC) - timedelta(days=1)
        (phase,) = await asyncio.wait_for(recover(world), 20)
        assert isinstance(phase, ev.PhaseFinished)
        assert phase.phase == PENDING_OPERATIONS
        assert await world.states() == {"failed": 6}

    story(tmp_path, tell, faults=[Fault(Kind.DOCUMENT_STUCK, route=IMPORT)])


def test_a_clock_that_was_set_back_a_day_ends_no_settling_window_too_late(tmp_path: Path) -> None:
    """The document's time stamp lies a day ahead, and yet its failure is believed in the end."""

    async def tell(world: World, _: Meddler) -> None:
        world.catalog.clock = lambda: datetime.now(UTC) - timedelta(days=1)
        progress = await asyncio.wait_for(world.upload(), 20)
        assert progress.failed == 1

    story(tmp_path, tell, files=1, faults=[Fault(Kind.DOCUMENT_FAILED, route=IMPORT)])


# Older versions


def test_two_changes_in_a_row_leave_no_document_behind(tmp_path: Path) -> None:
    """The oldest version is still to be deleted when the file changes again: both go in the end,
    and search finds a version at every moment."""

    async def tell(world: World, meddler: Meddler) -> None:
        await world.upload()
        (file,) = world.root.rglob("*.txt")
        meddler.refuses_deletions = True
        for text in ("The second version.", "The third version.", "The fourth version."):
            file.write_text(text)
            await world.scan()
            assert len([d for d in await world.documents() if d.is_active]) >= 1
            await world.upload()
        assert len(await world.documents()) == 4
        report = await world.survey()
        kinds = {kind.name: number for kind, number in report.documents.items() if number}
        assert kinds == {"CANONICAL": 1, "SUPERSEDED": 3}

        meddler.refuses_deletions = False
        await recover(world)

        assert len(await world.documents()) == 1
        assert (await world.survey()).is_clean
        assert await world.catalog.fetch_all("SELECT * FROM leftovers") == []

    story(tmp_path, tell, files=1)


def test_a_leftover_without_a_key_is_not_taken_for_foreign(tmp_path: Path) -> None:
    """A document of the earlier generation that was superseded twice still goes."""

    async def tell(world: World, _: Meddler) -> None:
        await world.upload()
        old = await as_the_earlier_generation_did(world, "old")
        for name in (old, "fileSearchStores/x/documents/y"):
            await world.catalog.fetch_all("UPDATE files SET superseded_doc_id = ?", (name,))
        kinds = (await world.survey()).documents
        assert kinds[DocumentClass.SUPERSEDED] == 1
        await recover(world)
        assert len(await world.documents()) == 1

    story(tmp_path, tell, files=1)


# The earlier generation sent no key


async def as_the_earlier_generation_did(world: World, name: str) -> str:
    """A document without any metadata, named after its raw file; its name."""
    raw = await world.client.upload_file(
        io.BytesIO(b"An old text."), name=name, mime_type="text/plain"
    )
    operation = await world.client.import_file(world.store_name, file_name=raw.name, metadata={})
    return operation.name.replace("/operations/", "/documents/")


async def keyless_row(world: World, state: State, raw_file: str | None) -> FileRecord:
    """The one file, in flight since the earlier generation."""
    await claimed(world)
    await world.catalog.fetch_all(
        "UPDATE files SET upload_key = NULL, lease_owner = NULL, gemini_file_id = ?", (raw_file,)
    )
    (path,) = (await world.catalog.fetch_all("SELECT file_path FROM files"))[0]
    row = await row_of(world, path)
    if state is State.PROCESSING:
        manager = AsyncUploadStateManager(world.catalog)
        return ours(await manager.upload_confirmed(row, operation_name=None, document_name=None))
    return row


@pytest.mark.parametrize("state", [State.UPLOADING, State.PROCESSING])
def test_a_keyless_row_in_flight_adopts_the_document_of_its_raw_file(
    tmp_path: Path, state: State
) -> None:
    """Its document bears the raw file's name; documents of others without a key are not it."""

    async def tell(world: World, _: Meddler) -> None:
        await as_the_earlier_generation_did(world, "somebody-elses")
        mine = await as_the_earlier_generation_did(world, "mine")
        row = await keyless_row(world, state, "files/mine")
        await recover(world)
        after = await row_of(world, row.file_path)
        assert (after.gemini_state, after.gemini_store_doc_id) == (State.INDEXED, mine)

    story(tmp_path, tell, files=1)


def test_a_keyless_import_without_a_time_is_given_up_at_once(tmp_path: Path) -> None:
    """It was long ago: nobody waits ten minutes for a document that is not there."""

    async def tell(world: World, _: Meddler) -> None:
        await keyless_row(world, State.PROCESSING, "files/gone")
        await world.catalog.fetch_all("UPDATE files SET upload_timestamp = NULL")
        await asyncio.wait_for(recover(world), 20)
        assert await world.states() == {"failed": 1}

    story(tmp_path, tell, files=1, poll_deadline_s=600.0)


def test_a_keyless_row_without_a_raw_file_adopts_nobodys_document(tmp_path: Path) -> None:
    """Two things without a key are not the same thing: the row is released and uploaded anew."""

    async def tell(world: World, _: Meddler) -> None:
        theirs = await as_the_earlier_generation_did(world, "somebody-elses")
        row = await keyless_row(world, State.UPLOADING, None)
        await recover(world)
        after = await row_of(world, row.file_path)
        assert (after.gemini_state, after.gemini_store_doc_id) == (State.UNTRACKED, None)
        await world.upload()
        documents = {document.name for document in await world.documents()}
        assert theirs in documents
        assert len(documents) == 2

    story(tmp_path, tell, files=1)
