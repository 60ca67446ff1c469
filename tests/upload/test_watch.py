"""Watching: the document is the truth, and patience has its ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

from objlib.filestore import Fault, Kind
from objlib.upload import events as ev
from tests.formats.pdfs import encrypted, pdf_of
from tests.upload.world import IMPORT, assert_all_canonical, make_world


def test_a_document_is_indexed_only_when_it_was_seen_active(tmp_path: Path) -> None:
    """While a document is pending its row says processing, for as long as that takes."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=1, indexing_delay_s=0.1) as world:
            await world.upload()
            assert (
                world.requests["GET /{version}/fileSearchStores/{store}/documents/{document}"] >= 3
            )
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())


def test_a_silent_import_gets_a_second_chance(tmp_path: Path) -> None:
    """The operation says done and there is no document: failed, then indexed by the retry pass."""

    async def scenes() -> None:
        fault = Fault(Kind.SILENT_IMPORT, route=IMPORT, times=1)
        async with make_world(tmp_path, faults=[fault]) as world:
            progress = await world.upload(concurrency=2)
            assert len(world.events(ev.RetryPassScheduled)) == 1
            assert progress.failed == 0
            await assert_all_canonical(world)

    asyncio.run(scenes())


def test_a_failed_document_that_comes_alive_is_adopted(tmp_path: Path) -> None:
    """FAILED within the settling window is provisional: no second import."""

    async def scenes() -> None:
        fault = Fault(Kind.DOCUMENT_FAILED, route=IMPORT, times=1, seconds=0.1)
        async with make_world(tmp_path, files=1, faults=[fault], settle_s=5.0) as world:
            await world.upload()
            assert world.count(":importFile") == 1
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())


def test_an_operation_that_never_finishes_does_not_matter(tmp_path: Path) -> None:
    """The document is the truth; it is active, so the row is indexed."""

    async def scenes() -> None:
        fault = Fault(Kind.OPERATION_STUCK, route=IMPORT)
        async with make_world(tmp_path, faults=[fault]) as world:
            await world.upload()
            await assert_all_canonical(world)

    asyncio.run(scenes())


def test_a_stuck_document_fails_cleanly_and_can_be_tried_again(tmp_path: Path) -> None:
    """After the poll deadline the row says why; the next import replaces the stuck document."""

    async def scenes() -> None:
        fault = Fault(Kind.DOCUMENT_STUCK, route=IMPORT, times=2)
        async with make_world(tmp_path, files=1, faults=[fault]) as world:
            progress = await world.upload()
            assert progress.failed == 1
            assert "still not indexed" in progress.failures[0].reason
            again = await world.upload(retry_failed=True)
            assert again.indexed == 1
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())


def test_a_file_changed_while_it_is_indexed_goes_round_again(tmp_path: Path) -> None:
    """The row in flight is left alone; the next scan sees the change, the next upload sends it."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=1, indexing_delay_s=0.1) as world:
            path = next(world.root.rglob("*.txt"))
            run = world.new_run()

            def edit(event: ev.Event) -> None:
                if isinstance(event, ev.ImportAccepted):
                    path.write_text("Edited while it was being indexed.")

            run.stream.events.subscribe(edit)
            await run.until_done()
            await world.scan()
            assert await world.states() == {"untracked": 1}
            await world.upload()
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())


def test_a_document_that_can_never_be_read_fails_at_once(tmp_path: Path) -> None:
    """Its operation says why: nothing is waited for, nothing is tried again, the pressure stays."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=2, settle_s=3600.0) as world:
            (world.root / "secret.pdf").write_bytes(encrypted(pdf_of("x"), "secret"))
            (world.root / "scan.pdf").write_bytes(pdf_of(""))
            await world.scan()
            progress = await world.upload()
            assert (progress.indexed, progress.failed) == (2, 2)
            failed = {
                event.path: event
                for event in world.events(ev.FileFailed)
                if isinstance(event, ev.FileFailed)
            }
            assert "needs a password; save it without one" in failed["secret.pdf"].reason
            assert "no text in it: a scan?" in failed["scan.pdf"].reason
            assert not any(event.transient for event in failed.values())
            assert world.events(ev.DocumentShownFailed) == []
            assert world.events(ev.RetryPassScheduled) == []

    asyncio.run(scenes())
