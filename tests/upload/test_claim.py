"""Claiming: the row as it is now, the file as it is now."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from objlib.catalog.queries import get_file
from objlib.catalog.readings import Made
from objlib.catalog.records import FileRecord
from objlib.documents.payload import NoPayload, Payload, Source, prepare
from objlib.errors import LibraryGone, NotConvertible
from objlib.filestore import Fault, Kind
from objlib.library.hashing import sha256_file
from objlib.states import State
from objlib.upload import events as ev
from objlib.upload.claim import claim
from objlib.upload.context import Taken
from tests.catalog.catalogs import pending_page
from tests.upload.world import IMPORT, World, make_world


async def listed(world: World) -> FileRecord:
    """The one file, as a page of rows has it."""
    (row,) = await pending_page(world.catalog, None, 9)
    return row


def test_the_intent_is_on_disk_when_a_claim_returns(tmp_path: Path) -> None:
    """Key and lease stand in the row before anything has been sent."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=1) as world:
            context = world.new_run().context
            attempt = await claim(context, await listed(world))
            assert attempt is not None
            row = await get_file(world.catalog, attempt.record.file_path)
            assert row == attempt.record
            assert (row.gemini_state, row.lease_owner) == (State.UPLOADING, context.owner)
            assert row.upload_key is not None
            assert world.client.requests == 0

    asyncio.run(scenes())


def test_a_file_edited_since_the_scan_is_taken_as_it_is(tmp_path: Path) -> None:
    """Hash and key are those of the bytes that will be sent."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=1) as world:
            row = await listed(world)
            path = world.root / row.file_path
            path.write_text("Edited since.")
            attempt = await claim(world.new_run().context, row)
            assert attempt is not None
            assert attempt.record.content_hash == sha256_file(path).sha256_hex != row.content_hash

    asyncio.run(scenes())


def test_of_two_runs_that_listed_a_row_one_gets_it(tmp_path: Path) -> None:
    """The other one learns it at once, or at its write, and touches nothing."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=1) as world:
            row = await listed(world)
            attempt = await claim(world.new_run().context, row)
            assert attempt is not None
            with pytest.raises(Taken):
                await claim(world.new_run().context, row)
            assert await get_file(world.catalog, row.file_path) == attempt.record

    asyncio.run(scenes())


def test_a_file_that_is_gone_is_recorded_as_such(tmp_path: Path) -> None:
    """There is nothing to send; but a library that is gone altogether says nothing of its files."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=2) as world:
            one, other = await pending_page(world.catalog, None, 9)
            (world.root / one.file_path).unlink()
            assert await claim(world.new_run().context, one) is None
            gone = await get_file(world.catalog, one.file_path)
            assert gone is not None
            assert gone.is_deleted
            assert len(world.events(ev.FileVanished)) == 1
            world.root.rename(tmp_path / "unmounted")
            with pytest.raises(LibraryGone):
                await claim(world.new_run().context, other)
            assert await get_file(world.catalog, other.file_path) == other

    asyncio.run(scenes())


HALF = Made("epub:1", ("chapter 2 is missing",), 9)


@pytest.mark.parametrize(
    ("problems", "faults"),
    [
        ([], [Fault(Kind.ERROR, route=IMPORT, status=500, times=5)]),
        ([NotConvertible("the hook was cut off", may_pass=True)], []),
    ],
    ids=["the import is refused first", "it is not converted first"],
)
def test_every_run_says_once_of_a_file_that_it_is_partly_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    problems: list[NotConvertible],
    faults: list[Fault],
) -> None:
    """By its first attempt or, where that had nothing to send, by the retry pass; and next time."""
    left = list(problems)

    async def half(record: FileRecord, source: Source) -> Payload:
        payload = await prepare(record, source)
        if left:
            raise NoPayload(record.file_path, payload.fingerprint, left.pop())
        return replace(payload, made=HALF)

    async def scenes() -> None:
        monkeypatch.setattr("objlib.upload.claim.prepare", half)
        async with make_world(tmp_path, files=1, faults=faults) as world:
            first = await world.upload()
            assert (first.indexed, first.partly_read) == (1, 1)
            assert len(world.events(ev.FileStarted)) == 2
            again = await world.upload(reset_existing=True)
            assert (again.indexed, again.partly_read) == (1, 1)

    asyncio.run(scenes())
