"""Sending: raw files, imports, and what an earlier attempt has left of them."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

from objlib.filestore import Fault, Kind
from objlib.upload import events as ev
from tests.upload.world import IMPORT, UPLOAD, assert_all_canonical, make_world


def test_a_lost_answer_to_an_import_makes_no_second_document(tmp_path: Path) -> None:
    """The document is looked up by its key and adopted: one import, one document."""

    async def scenes() -> None:
        fault = Fault(Kind.DROP_AFTER, route=IMPORT, times=1)
        async with make_world(tmp_path, files=1, faults=[fault]) as world:
            progress = await world.upload()
            assert progress.adopted == 1
            assert world.count(":importFile") == 1
            await assert_all_canonical(world, files=1)
            trail = await world.catalog.fetch_all("SELECT reason FROM transitions ORDER BY id")
            assert trail == [("claimed",), ("adopted",), ("adopted",)]

    asyncio.run(scenes())


def test_a_failed_document_that_comes_alive_late_is_adopted_by_the_retry(tmp_path: Path) -> None:
    """After the window the row is failed; its retry finds the document alive: no second import."""

    async def scenes() -> None:
        fault = Fault(Kind.DOCUMENT_FAILED, route=IMPORT, times=1, seconds=0.3)
        async with make_world(
            tmp_path, files=1, faults=[fault], settle_s=0.05, retry_pass_delay_s=0.5
        ) as world:
            await world.upload()
            assert len(world.events(ev.FileFailed)) == 1
            assert world.count(":importFile") == 1
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())


def test_a_document_that_stays_failed_is_replaced(tmp_path: Path) -> None:
    """The dead document is deleted before the next import, so that one remains."""

    async def scenes() -> None:
        fault = Fault(Kind.DOCUMENT_FAILED, route=IMPORT, times=1)
        async with make_world(tmp_path, files=1, faults=[fault], settle_s=0.05) as world:
            await world.upload()
            assert world.count(":importFile") == 2
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())


def test_a_rejected_file_fails_at_once_with_the_reason(tmp_path: Path) -> None:
    """400 is not repeated, costs the others nothing, and gets no second chance in the same run."""

    async def scenes() -> None:
        fault = Fault(Kind.ERROR, route=IMPORT, times=1, status=400, message="Invalid metadata.")
        async with make_world(tmp_path, faults=[fault]) as world:
            progress = await world.upload()
            assert (progress.indexed, progress.failed) == (5, 1)
            assert "Invalid metadata." in progress.failures[0].reason
            assert world.count(":importFile") == 6
            assert world.events(ev.RetryPassScheduled, ev.CallRetried) == []
            again = await world.upload(retry_failed=True)
            assert again.indexed == 1
            await assert_all_canonical(world)

    asyncio.run(scenes())


def test_a_raw_file_of_other_bytes_under_our_name_is_replaced(tmp_path: Path) -> None:
    """The name is taken (409), the checksum is not ours: it goes, and ours comes."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=1) as world:
            await world.upload()
            (key,) = (await world.catalog.fetch_all("SELECT upload_key FROM files"))[0]
            await world.client.upload_file(
                io.BytesIO(b"Somebody else's bytes."), name=key, mime_type="text/plain"
            )
            progress = await world.upload(reset_existing=True)
            assert (progress.indexed, progress.retries) == (1, 1)
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())


def test_a_raw_file_of_our_bytes_under_our_name_is_adopted(tmp_path: Path) -> None:
    """An earlier attempt got that far: nothing is sent a second time."""

    async def scenes() -> None:
        fault = Fault(Kind.DROP_AFTER, route=UPLOAD, times=1, after=1)
        async with make_world(tmp_path, files=1, faults=[fault]) as world:
            await world.upload()
            assert world.requests["GET /{version}/files/{file}"] == 1
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())


def test_a_store_that_vanished_ends_the_run_and_loses_no_row(tmp_path: Path) -> None:
    """Imports into nowhere fail with the reason; no row says indexed."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=3) as world:
            world.store.delete_store(world.store_name.removeprefix("fileSearchStores/"), force=True)
            await world.upload()
            assert await world.states() == {"failed": 3}
            reasons = await world.catalog.fetch_all("SELECT DISTINCT error_message FROM files")
            assert all("not found" in str(reason) for (reason,) in reasons)

    asyncio.run(scenes())
