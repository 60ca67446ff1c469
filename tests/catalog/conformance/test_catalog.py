"""What every engine of a catalog promises; an engine joins by adding its factory to `FACTORIES`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from objlib.catalog.lease import Lease
from objlib.catalog.moves import guarded_update
from objlib.catalog.opening import open_catalog
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import claim_info, get_file, get_info, set_info, stream_known_files
from objlib.catalog.reservations import free_reservations, reserve_page
from objlib.catalog.tallies import tally_by_state
from objlib.errors import OCCConflictError
from objlib.states import State
from tests.catalog.catalogs import LEASE, add_files, bring_to, existing, tick

T = TypeVar("T")
#: Opens the catalog of a folder, a new one the first time.
Factory = Callable[[Path], Awaitable[Catalog]]


async def sqlite(folder: Path) -> Catalog:
    """The default engine, with its thread for large reads."""
    return await open_catalog(folder / "library.db", create=True, clock=tick)


async def sqlite_without_readers(folder: Path) -> Catalog:
    """The default engine as a simulation has it."""
    return await open_catalog(folder / "library.db", create=True, clock=tick, readers=False)


FACTORIES: list[Factory] = [sqlite, sqlite_without_readers]


@pytest.fixture(params=FACTORIES, ids=lambda factory: factory.__name__)
def factory(request: pytest.FixtureRequest) -> Factory:
    made: Factory = request.param
    return made


def told(factory: Factory, folder: Path, story: Callable[[Catalog, Catalog], Awaitable[T]]) -> T:
    """Tell a story to two connections to one catalog."""

    async def run() -> T:
        async with await factory(folder) as one, await factory(folder) as other:
            return await story(one, other)

    return asyncio.run(run())


def test_a_transaction_is_whole_or_not_at_all(factory: Factory, tmp_path: Path) -> None:
    """What a body that raises has written is seen by nobody, what is committed by everybody."""

    async def story(one: Catalog, other: Catalog) -> None:
        with pytest.raises(ZeroDivisionError):
            async with one.transaction(durable=True):
                await one.execute("INSERT INTO catalog_info (key, value) VALUES (?, ?)", ("a", "1"))
                raise ZeroDivisionError
        assert await get_info(other, "a") is None
        await set_info(one, a="2")
        assert await get_info(other, "a") == "2"
        assert await claim_info(other, "a", "3") == "2"

    told(factory, tmp_path, story)


def test_a_move_of_a_row_that_has_moved_on_is_a_conflict(factory: Factory, tmp_path: Path) -> None:
    """Nothing is written, and the error names both versions."""

    async def story(one: Catalog, other: Catalog) -> None:
        await add_files(one, "a")
        seen = await existing(other, "a")
        await bring_to(one, "a", State.UPLOADING)
        with pytest.raises(OCCConflictError, match=r"uploading"):
            await guarded_update(other, seen, {"error_message": "lost"}, durable=False)
        row = await get_file(one, "a")
        assert row is not None and row.error_message is None

    told(factory, tmp_path, story)


def test_reservations_of_two_workers_never_overlap(factory: Factory, tmp_path: Path) -> None:
    """One gets what the other has not, and all of it once that is given back."""

    async def story(one: Catalog, other: Catalog) -> None:
        await add_files(one, "a", "b", "c")
        theirs = Lease("theirs", 1e12)
        assert len(await reserve_page(one, "untracked", Lease("ours", 1e12), None, 2)) == 2
        assert [
            row.file_path for row in await reserve_page(other, "untracked", theirs, None, 9)
        ] == ["c"]
        await free_reservations(one, "ours")
        assert len(await reserve_page(other, "untracked", theirs, None, 9)) == 3

    told(factory, tmp_path, story)


def test_the_reader_sees_what_is_committed_and_keeps_tables_of_its_own(
    factory: Factory, tmp_path: Path
) -> None:
    """Large reads and temporary tables work side by side with the writes of the same catalog."""

    async def story(one: Catalog, other: Catalog) -> None:
        await add_files(one, "a", "b")
        await bring_to(other, "b", State.INDEXED, lease=LEASE)
        assert {state: tally.files for state, tally in (await tally_by_state(one)).items()} == {
            "untracked": 1,
            "indexed": 1,
        }
        await one.reader.execute("CREATE TEMP TABLE mine (x INTEGER)")
        await one.reader.execute_many("INSERT INTO temp.mine VALUES (?)", [(1,), (2,)])
        assert await one.reader.fetch_one("SELECT SUM(x) FROM temp.mine") == (3,)
        await other.reader.execute("CREATE TEMP TABLE mine (x INTEGER)")

    told(factory, tmp_path, story)


def test_a_stream_stands_still_while_others_write(factory: Factory, tmp_path: Path) -> None:
    """Its rows are those of the moment at which it began, in the order of paths."""

    async def story(one: Catalog, other: Catalog) -> list[str]:
        await add_files(one, "a0", "a-b", "a/x")
        rows = await stream_known_files(one)
        await add_files(other, "b")
        return [row[0] for row in rows]

    assert told(factory, tmp_path, story) == ["a-b", "a/x", "a0"]
