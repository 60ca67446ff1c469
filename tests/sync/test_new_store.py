"""A store that is gone gives way to a new one, whatever the rows say of the gone one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from objlib.catalog.accounts import has_news, note_listed
from objlib.catalog.lease import Lease, owner_of_this_process
from objlib.catalog.new_store import exchange_is_over, exchange_store, is_exchanged
from objlib.catalog.queries import claim_info, get_file, get_info
from objlib.catalog.records import FileRecord
from objlib.catalog.resets import begin_reset, count_to_be_reset
from objlib.catalog.writes import mark_deleted
from objlib.documents.payload import Source
from objlib.sync.first_look import look_first
from objlib.sync.new_store import STORE_IS_GONE, leave_gone_store
from objlib.upload.state import AsyncUploadStateManager
from tests.upload.world import LIBRARY_ID, World, assert_all_canonical, make_world

NAMES = "gemini_store_doc_id, superseded_doc_id, operation_name"


async def lose_the_store(world: World, *, is_made_anew: bool = True) -> str:
    """Delete the store as a whole; the name of the new one of that display name."""
    world.store.delete_store(world.store_name.removeprefix("fileSearchStores/"), force=True)
    if not is_made_anew:
        return world.store_name
    return (await world.client.create_store("a-store")).name


async def exchange(world: World) -> None:
    """What `--new-store` does before the upload."""
    await claim_info(world.catalog, "store_name", world.store_name)
    gone, world.store_name = world.store_name, await lose_the_store(world)
    assert await exchange_store(world.catalog, gone, world.store_name) == world.store_name
    await go_on(world)


async def go_on(world: World) -> int:
    """What every command does that finds the exchange begun, and then what an upload does."""
    await leave_gone_store(world.catalog, world.store_name)
    store = await world.client.get_store(world.store_name)
    source = Source(world.root, LIBRARY_ID)
    return await look_first(world.catalog, world.client, store, source)


async def names_in(world: World) -> set[str]:
    """The stores that rows tell of."""
    rows = await world.catalog.fetch_all(f"SELECT {NAMES} FROM files")
    return {"/".join(name.split("/")[:2]) for row in rows for name in row if name}


async def row(world: World, place: int) -> FileRecord:
    (path,) = (
        await world.catalog.fetch_all(
            "SELECT file_path FROM files ORDER BY file_path LIMIT 1 OFFSET ?", (place,)
        )
    )[0]
    found = await get_file(world.catalog, str(path))
    assert found is not None
    return found


def told(story: Callable[[World], Awaitable[None]], folder: Path, **how: Any) -> None:
    async def run() -> None:
        async with make_world(folder, **how) as world:
            await story(world)

    asyncio.run(run())


def test_every_file_goes_round_again_and_is_sent_once(tmp_path: Path) -> None:
    """All were indexed: each is imported once more, by moves that the trail tells the reason of."""

    async def story(world: World) -> None:
        await world.upload()
        await exchange(world)
        assert await world.states() == {"untracked": 6}
        assert not await is_exchanged(world.catalog)
        assert (await world.upload()).indexed == 6
        await assert_all_canonical(world)
        assert world.count(":importFile") == 12
        moves = await world.catalog.fetch_all(
            "SELECT from_state, to_state, COUNT(*) FROM transitions WHERE reason = ?"
            " GROUP BY from_state, to_state",
            (STORE_IS_GONE,),
        )
        assert moves == [("indexed", "untracked", 6)]

    told(story, tmp_path)


def test_nothing_of_the_gone_store_is_left_in_any_row(tmp_path: Path) -> None:
    """Changed, deleted, failed, cut off before and after the import, left over: all let go."""

    async def story(world: World) -> None:
        await world.upload()
        catalog, state = world.catalog, AsyncUploadStateManager(world.catalog)
        dead = Lease("elsewhere///1//run", 0.0)
        first = await row(world, 0)
        (world.root / first.file_path).write_text("Edited.\n")
        await world.scan()
        second, third, fourth = [await row(world, place) for place in (1, 2, 3)]
        await mark_deleted(catalog, [second.file_path])

        async def begun(record: FileRecord) -> FileRecord:
            free = await state.invalidate(record, reason="changed")
            assert free is not None
            taken = await state.begin_upload(
                free, upload_key=str(record.upload_key), run_id="run", lease=dead
            )
            assert taken is not None
            return taken

        uploading = await begun(third)
        assert await state.intend_import(uploading, file_id="files/x", lease=dead) is not None
        processing = await state.upload_confirmed(
            await begun(fourth),
            operation_name=f"{world.store_name}/operations/x",
            document_name=None,
        )
        assert processing is not None
        fifth = await begun(await row(world, 4))
        assert await state.fail(
            fifth,
            reason="no",
            transient=False,
            document_name=f"{world.store_name}/documents/x",
        )
        async with catalog.transaction():
            await catalog.execute("INSERT INTO leftovers VALUES ('documents/old', 'a', '')")
        await note_listed(catalog, 9, news=3)
        await begin_reset(catalog)

        await exchange(world)

        assert await names_in(world) == set()
        assert await catalog.fetch_all("SELECT * FROM leftovers") == []
        assert await count_to_be_reset(catalog) == 0
        assert not await has_news(catalog)
        assert await world.states() == {"untracked": 5, "uploading": 1}
        assert (await world.upload()).indexed == 5
        assert await names_in(world) == {world.store_name}
        assert len(await world.documents()) == 5
        assert (await world.survey()).is_clean

    told(story, tmp_path)


def test_what_an_interrupted_reset_had_done_is_not_left_out(tmp_path: Path) -> None:
    """Nothing of a reset in the gone store counts; the next reset is one of its own."""

    async def story(world: World) -> None:
        await world.upload()
        await world.upload(reset_existing=True, limit=2)
        await exchange(world)
        assert (await world.upload()).indexed == 6
        assert (await world.upload(reset_existing=True)).indexed == 6
        await assert_all_canonical(world)

    told(story, tmp_path)


@pytest.mark.parametrize("moves", range(8))
def test_cut_off_after_any_move_it_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    """And going on twice changes nothing more."""

    class Killed(BaseException):
        pass

    async def story(world: World) -> None:
        await world.upload()
        first = await row(world, 0)
        (world.root / first.file_path).write_text("Edited.\n")
        await world.scan()
        done = 0
        write = AsyncUploadStateManager._write

        async def dying(self: Any, *arguments: Any, **options: Any) -> Any:
            nonlocal done
            done += 1
            if done > moves:
                raise Killed
            return await write(self, *arguments, **options)

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(AsyncUploadStateManager, "_write", dying)
            await exchange(world)
            raise Killed
        assert await go_on(world) == 0
        versions = "SELECT file_path, version FROM files ORDER BY file_path"
        before = await world.catalog.fetch_all(versions)
        assert await go_on(world) == 0
        assert await world.catalog.fetch_all(versions) == before
        assert (await world.upload()).indexed == 6
        await assert_all_canonical(world)

    told(story, tmp_path)


def test_a_live_owner_keeps_its_rows_until_it_lets_go(tmp_path: Path) -> None:
    """The mark stays as long, and the next run puts right what the owner has left."""

    async def story(world: World) -> None:
        await world.upload()
        state, record = AsyncUploadStateManager(world.catalog), await row(world, 0)
        alive = Lease(owner_of_this_process("r"), world.catalog.clock().timestamp() + 1000)
        free = await state.invalidate(record, reason="changed")
        assert free is not None
        begun = await state.begin_upload(
            free, upload_key=str(record.upload_key), run_id="r", lease=alive
        )
        assert begun is not None
        held = await state.upload_confirmed(
            begun, operation_name=f"{world.store_name}/operations/x", document_name=None
        )
        assert held is not None

        await exchange(world)

        assert await get_file(world.catalog, record.file_path) == held
        assert await is_exchanged(world.catalog)
        assert (await world.upload()).indexed == 5
        assert await is_exchanged(world.catalog)
        failed = await state.fail(
            held,
            reason="gone",
            transient=True,
            document_name=f"{world.store_name[:-1]}/documents/x",
        )
        assert failed is not None
        await go_on(world)
        assert not await is_exchanged(world.catalog)
        assert (await world.upload()).indexed == 1
        await assert_all_canonical(world)

    told(story, tmp_path)


def test_a_row_that_failed_in_the_new_store_stays_failed(tmp_path: Path) -> None:
    """Only what failed before the exchange is tried anew by a run that goes on with it."""

    async def story(world: World) -> None:
        await world.upload()
        await exchange(world)
        async with world.catalog.transaction():  # as if a live owner had been left
            await world.catalog.execute(
                "INSERT INTO catalog_info SELECT 'store_exchanged_after', MAX(id) FROM transitions"
            )
        state, record = AsyncUploadStateManager(world.catalog), await row(world, 0)
        begun = await state.begin_upload(
            record, upload_key="k", run_id="r", lease=Lease("elsewhere///1//r", 0.0)
        )
        assert begun is not None
        assert await state.fail(begun, reason="no", transient=False, document_name=None)
        await go_on(world)
        assert (await world.states())["failed"] == 1

    told(story, tmp_path)


def test_what_a_copy_of_the_catalog_has_sent_already_is_adopted(tmp_path: Path) -> None:
    """The new store may be filled by the time it is bound: its keys are known, yet it is news."""

    async def story(world: World) -> None:
        await world.upload()
        await exchange(world)
        await world.upload()
        async with world.catalog.transaction():  # the copy's catalog, as it was before
            await world.catalog.execute(
                "INSERT INTO catalog_info SELECT 'store_exchanged_after', MAX(id) FROM transitions"
            )
        await leave_gone_store(world.catalog, world.store_name)
        assert await world.states() == {"untracked": 6}
        assert await go_on(world) == 6
        assert (await world.upload()).settled == 0
        await assert_all_canonical(world)

    told(story, tmp_path)


def test_of_two_that_exchange_one_wins(tmp_path: Path) -> None:
    """The other one is told which store it is, and leaves no second mark."""

    async def story(world: World) -> None:
        await claim_info(world.catalog, "store_name", "fileSearchStores/gone")
        assert await exchange_store(world.catalog, "fileSearchStores/gone", "a") == "a"
        await exchange_is_over(world.catalog, "a")
        assert await exchange_store(world.catalog, "fileSearchStores/gone", "b") == "a"
        assert await get_info(world.catalog, "store_name") == "a"
        assert not await is_exchanged(world.catalog)

    told(story, tmp_path)


def test_documents_of_the_earlier_generation_have_bare_names(tmp_path: Path) -> None:
    """They are of the gone store, and so is an indexed row that names nothing at all."""

    async def story(world: World) -> None:
        await world.upload()
        async with world.catalog.transaction():
            await world.catalog.execute(
                "UPDATE files SET gemini_store_doc_id ="
                " CASE WHEN file_path LIKE 'On%' THEN NULL ELSE 'xyz' END,"
                " upload_key = NULL, gemini_file_id = 'files/' || rowid"
            )
        await exchange(world)
        assert await world.states() == {"untracked": 6}
        assert await names_in(world) == set()
        assert (await world.upload()).indexed == 6
        await assert_all_canonical(world)

    told(story, tmp_path)
