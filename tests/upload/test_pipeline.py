"""The pipeline against the embedded server: what reaches the wire, the rows and the store."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from objlib.catalog.reservations import reserve_page
from objlib.documents.payload import PATH, Payload, prepare
from objlib.errors import AccessRefused, BackendUnavailable, StorageFull
from objlib.filestore import Fault, Kind
from objlib.reactive.bridge import LoopScheduler
from objlib.upload import events as ev
from objlib.upload.run import UploadRun
from tests.upload.world import GET_DOCUMENT, IMPORT, UPLOAD, assert_all_canonical, make_world


def test_a_file_costs_five_requests_at_most(tmp_path: Path) -> None:
    """Start, content, import, one look at the document, delete the raw file; and nothing else."""

    async def scenes() -> None:
        async with make_world(tmp_path) as world:
            await world.upload()
            await assert_all_canonical(world)
            assert world.count("/files") == 12
            assert world.count(":importFile") == 6
            assert world.requests["DELETE /{version}/files/{file}"] == 6
            one_document = "/{version}/fileSearchStores/{store}/documents/{document}"
            assert world.requests[f"GET {one_document}"] == 6
            assert world.count("/operations/{operation}") == 0

    asyncio.run(scenes())


def test_a_second_upload_sends_nothing(tmp_path: Path) -> None:
    """With everything indexed a run makes no request at all."""

    async def scenes() -> None:
        async with make_world(tmp_path) as world:
            await world.upload()
            before = world.client.requests
            progress = await world.upload()
            assert world.client.requests == before
            assert progress.settled == 0

    asyncio.run(scenes())


def test_uploads_and_documents_being_indexed_stay_within_their_limits(tmp_path: Path) -> None:
    """With 3 slots for sending and 5 for indexing, neither is exceeded, and all get through."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=30, indexing_delay_s=0.05, indexing_max=5) as world:
            await world.upload(concurrency=3)
            sending = indexing = 0
            for event in world.seen:
                if isinstance(event, ev.FileStarted):
                    sending += 1
                elif isinstance(event, ev.ImportAccepted):
                    sending, indexing = sending - 1, indexing + 1
                elif isinstance(event, ev.FileIndexed):
                    indexing -= 1
                assert sending <= 3
                assert sending + indexing <= 5
            await assert_all_canonical(world, files=30)

    asyncio.run(scenes())


@pytest.mark.parametrize(
    ("route", "kind"),
    [
        (UPLOAD, Kind.RATE_LIMIT),
        (IMPORT, Kind.RATE_LIMIT),
        (GET_DOCUMENT, Kind.RATE_LIMIT),
        (UPLOAD, Kind.ERROR),
        (GET_DOCUMENT, Kind.ERROR),
        (UPLOAD, Kind.DROP_BEFORE),
        (UPLOAD, Kind.DROP_AFTER),
        (GET_DOCUMENT, Kind.DROP_AFTER),
        (IMPORT, Kind.DROP_BEFORE),
        (IMPORT, Kind.DROP_AFTER),
        (IMPORT, Kind.ERROR),
    ],
)
def test_passing_trouble_is_waited_out(tmp_path: Path, route: str, kind: Kind) -> None:
    """Whatever is refused or lost three times, every file ends with exactly one document."""

    async def scenes() -> None:
        fault = Fault(kind, route=route, times=3, after=1)
        async with make_world(tmp_path, faults=[fault]) as world:
            progress = await world.upload()
            assert progress.retries >= 3
            await assert_all_canonical(world)
            assert world.events(ev.FileFailed) == []

    asyncio.run(scenes())


def test_a_server_delay_is_the_lower_bound_of_the_wait(tmp_path: Path) -> None:
    """A 429 that asks for 300 ms is not repeated sooner."""

    async def scenes() -> None:
        fault = Fault(Kind.RATE_LIMIT, route=IMPORT, times=1, seconds=0.3)
        async with make_world(tmp_path, files=1, faults=[fault]) as world:
            await world.upload()
            (retried,) = world.events(ev.CallRetried)
            assert isinstance(retried, ev.CallRetried)
            assert retried.rate_limited
            assert retried.wait_s >= 0.3

    asyncio.run(scenes())


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(Kind.ERROR, route=UPLOAD, status=401, after=4), AccessRefused),
        (Fault(Kind.ERROR, route=UPLOAD, status=403, after=4), AccessRefused),
        (Fault(Kind.STORAGE_FULL, route=IMPORT, after=2), StorageFull),
    ],
)
def test_what_ends_a_run_fails_no_file(
    tmp_path: Path, fault: Fault, error: type[Exception]
) -> None:
    """A refused key and a full store end the run; rows are indexed or free again, none failed."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=20, faults=[fault]) as world:
            with pytest.raises(error):
                await world.upload(concurrency=3)
            states = await world.states()
            assert set(states) <= {"indexed", "untracked"}
            assert states["untracked"] > 0
            assert world.events(ev.FileFailed, ev.RetryPassScheduled) == []

    asyncio.run(scenes())


class Cable(httpx2.AsyncBaseTransport):
    """A transport that can be unplugged."""

    def __init__(self) -> None:
        self.is_plugged_in = True

    def through(self, inner: httpx2.AsyncBaseTransport) -> Cable:
        self._inner = inner
        return self

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if not self.is_plugged_in:
            raise httpx2.ConnectError("no route to host")
        return await self._inner.handle_async_request(request)


def test_a_vanished_network_ends_the_run_and_the_next_one_goes_on(tmp_path: Path) -> None:
    """Connections that cannot be made are repeated, then the run ends with all rows at rest."""

    cable = Cable()

    async def scenes() -> None:
        async with make_world(tmp_path, files=10, wrap=cable.through) as world:
            await world.upload(limit=4)
            cable.is_plugged_in = False
            with pytest.raises(BackendUnavailable):
                await world.upload()
            assert await world.states() == {"indexed": 4, "untracked": 6}
            cable.is_plugged_in = True
            await world.upload()
            await assert_all_canonical(world, files=10)

    asyncio.run(scenes())


def test_a_changed_file_stays_searchable_until_the_new_version_is_active(tmp_path: Path) -> None:
    """While the new document is pending the old one is in the store; afterwards it is gone."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=1) as world:
            await world.upload()
            (old,) = await world.documents()
            path = next(world.root.rglob("*.txt"))
            path.write_text("An entirely different text.")
            await world.scan()
            world.store.indexing_delay_s = 0.2
            during: list[set[str]] = []

            async def watch() -> None:
                while True:
                    during.append({d.name for d in await world.documents() if d.is_active})
                    await asyncio.sleep(0.01)

            watching = asyncio.ensure_future(watch())
            await world.upload()
            watching.cancel()
            assert all(during)
            assert {old.name} in during
            assert old.name not in {document.name for document in await world.documents()}
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())


def test_a_first_signal_finishes_what_is_in_flight(tmp_path: Path) -> None:
    """No new file is taken, and no row stays in flight."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=40, indexing_delay_s=0.05) as world:
            run = world.new_run(concurrency=4)

            def stop_at_fifth(event: ev.Event) -> None:
                is_fifth = len(world.events(ev.ImportAccepted)) == 5
                if isinstance(event, ev.ImportAccepted) and is_fifth:
                    run.shutdown.signal()

            run.stream.events.subscribe(stop_at_fifth)
            await run.until_done()
            states = await world.states()
            assert set(states) == {"indexed", "untracked"}
            assert 5 <= states["indexed"] <= 5 + 4
            assert (await world.survey()).is_clean

    asyncio.run(scenes())


def test_a_second_signal_cancels_and_recovery_resumes(tmp_path: Path) -> None:
    """Tasks are over when the run returns; the next run adopts what got through."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=20, indexing_delay_s=0.3) as world:
            run = world.new_run(concurrency=4)

            def kill_at_fifth(event: ev.Event) -> None:
                if isinstance(event, ev.ImportAccepted) and not run.shutdown.is_killed:
                    run.shutdown.signal()
                    run.shutdown.signal()

            run.stream.events.subscribe(kill_at_fifth)
            before = asyncio.all_tasks()
            await run.until_done()
            assert asyncio.all_tasks() == before
            assert set(await world.states()) & {"uploading", "processing"}
            await world.expire_leases()
            await world.upload()
            await assert_all_canonical(world, files=20)

    asyncio.run(scenes())


def test_nothing_starts_before_the_run_is_subscribed_to(tmp_path: Path) -> None:
    """Building a run makes no request and touches no row."""

    async def scenes() -> None:
        async with make_world(tmp_path) as world:
            world.new_run()
            LoopScheduler(asyncio.get_running_loop())
            await asyncio.sleep(0)
            assert world.client.requests == 0
            assert await world.states() == {"untracked": 6}

    asyncio.run(scenes())


def test_two_runs_at_once_share_the_files(tmp_path: Path) -> None:
    """Each file is sent once, whoever gets it."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=30) as world:
            one, other = world.new_run(concurrency=3), world.new_run(concurrency=3)
            await asyncio.gather(one.until_done(), other.until_done())
            assert world.count(":importFile") == 30
            await assert_all_canonical(world, files=30)

    asyncio.run(scenes())


def test_a_signal_during_the_cool_down_ends_the_run(tmp_path: Path) -> None:
    """The retry pass does not take place; what failed stays failed, for another day."""

    async def scenes() -> None:
        fault = Fault(Kind.SILENT_IMPORT, route=IMPORT, times=1)
        async with make_world(tmp_path, faults=[fault], retry_pass_delay_s=3600.0) as world:
            run = world.new_run()

            def interrupt(event: ev.Event) -> None:
                if isinstance(event, ev.RetryPassScheduled):
                    run.shutdown.signal()

            run.stream.events.subscribe(interrupt)
            await run.until_done()
            assert await world.states() == {"indexed": 5, "failed": 1}
            await world.upload(retry_failed=True)
            await assert_all_canonical(world)

    asyncio.run(scenes())


def test_a_forced_upload_that_is_cut_short_leaves_every_file_searchable(tmp_path: Path) -> None:
    """At no moment is a document deleted before its successor is indexed."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=12) as world:
            await world.upload()
            world.store.indexing_delay_s = 0.1
            for _ in range(2):
                run = world.new_run(concurrency=4, reset_existing=True)

                def kill(event: ev.Event, run: UploadRun = run) -> None:
                    if isinstance(event, ev.FileIndexed) and not run.shutdown.is_killed:
                        run.shutdown.signal()
                        run.shutdown.signal()

                run.stream.events.subscribe(kill)
                await run.until_done()
                active = {d.metadata[PATH] for d in await world.documents() if d.is_active}
                assert len(active) == 12
                await world.expire_leases()
            await world.upload()
            await assert_all_canonical(world, files=12)

    asyncio.run(scenes())


def test_a_file_whose_claim_takes_long_is_not_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forced upload moves it to `untracked`, the state whose pages are listed next.

    Claimed twice, the second claim came too late to hold the row and could still settle it, so that
    the first one imported under nobody's lease (seed 501175).
    """

    async def scenes() -> None:
        async with make_world(tmp_path, files=1) as world:
            await world.upload()
            was_listed = asyncio.Event()

            async def slowly(*given: Any) -> Payload:
                await was_listed.wait()
                return await prepare(*given)

            async def listing(catalog: Any, state: str, *given: Any, **named: Any) -> Any:
                page = await reserve_page(catalog, state, *given, **named)
                if state == "untracked":
                    was_listed.set()
                return page

            monkeypatch.setattr("objlib.upload.claim.prepare", slowly)
            monkeypatch.setattr("objlib.upload.orchestrator.reserve_page", listing)
            before = len(world.seen)
            await world.upload(reset_existing=True)
            told = [type(event) for event in world.seen[before:]]
            assert told.count(ev.FileStarted) == told.count(ev.FileIndexed) == 1
            assert ev.FileTaken not in told
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())
