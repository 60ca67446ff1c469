"""A lost catalog comes back from a fresh scan and the documents' metadata; nothing is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from objlib.catalog.opening import open_catalog
from objlib.documents.payload import Source
from objlib.errors import Transient
from objlib.filestore import Fault, Kind
from objlib.gemini.client import PAGE_ATTEMPTS
from objlib.sync.rebuild import RebuildReport, choose_library_id, list_documents, rebuild
from tests.upload.test_recovery import claimed, imported, recover
from tests.upload.world import LIBRARY_ID, World, make_world

IMPORT = "POST *:importFile"
LISTING = "GET */documents"


def story(tmp_path: Path, tell: Callable[[World], Awaitable[None]], **options: Any) -> None:
    """A world in which everything was imported, before the catalog is lost."""

    async def scenes() -> None:
        async with make_world(tmp_path, **options) as world:
            for row in await claimed(world):
                await imported(world, row)
            lost = world.catalog
            world.catalog = await open_catalog(tmp_path / "fresh.db", create=True)
            try:
                await world.scan()
                await tell(world)
            finally:
                await world.catalog.close()
                world.catalog = lost

    asyncio.run(scenes())


async def rebuilt(world: World) -> RebuildReport:
    store = await world.client.get_store(world.store_name)
    listing = await list_documents(world.catalog, world.client, store)
    chosen = await choose_library_id(world.catalog, listing.found)
    return await rebuild(world.catalog, Source(world.root, chosen), listing)


def test_documents_still_being_indexed_are_adopted_and_then_watched(tmp_path: Path) -> None:
    """They wait in `processing` for the recovery that follows, which sends nothing either."""

    async def tell(world: World) -> None:
        report = await rebuilt(world)
        assert (report.adopted, report.pending) == (6, 6)
        assert await world.states() == {"processing": 6}
        await recover(world)
        assert await world.states() == {"indexed": 6}
        assert world.count(":importFile") == 6
        assert (await world.survey()).is_clean

    story(tmp_path, tell, indexing_delay_s=0.5, poll_deadline_s=30.0)


@pytest.mark.parametrize(("kind", "times"), [(Kind.EMPTY_LIST, 1), (Kind.ERROR, PAGE_ATTEMPTS)])
def test_a_bad_listing_adopts_nothing_and_takes_over_no_id(
    tmp_path: Path, kind: Kind, times: int
) -> None:
    """Empty or broken, it proves nothing; a good one later starts over."""

    async def tell(world: World) -> None:
        with pytest.raises(Transient):
            await rebuilt(world)
        assert await world.states() == {"untracked": 30}
        known = await world.catalog.fetch_all("SELECT key FROM catalog_info WHERE value <> ''")
        assert known == [("verdicts_version",)]  # a scan has been, and nothing else
        assert (await rebuilt(world)).adopted == 30

    story(tmp_path, tell, files=30, faults=[Fault(kind, route=LISTING, times=times, after=1)])


def test_documents_that_failed_are_not_adopted(tmp_path: Path) -> None:
    """Their files are uploaded again."""

    async def tell(world: World) -> None:
        report = await rebuilt(world)
        assert (report.documents, report.adopted) == (6, 4)
        assert await world.states() == {"indexed": 4, "untracked": 2}

    story(tmp_path, tell, faults=[Fault(Kind.DOCUMENT_FAILED, route=IMPORT, times=2)])


def test_of_two_documents_for_one_file_one_is_adopted(tmp_path: Path) -> None:
    """The active one; the other is a duplicate for store-sync."""

    async def tell(world: World) -> None:
        first, *_ = await world.documents()
        with world.store.transaction():
            world.store.all("UPDATE documents SET ready_at = ready_at + 900 WHERE position = 1")
        with_twin = world.catalog
        world.catalog = await open_catalog(tmp_path / "library.db")
        row = (await world.catalog.fetch_all("SELECT file_path FROM files ORDER BY 1 LIMIT 1"))[0]
        from objlib.catalog.queries import get_file

        record = await get_file(world.catalog, row[0])
        assert record is not None
        await world.client.delete_file(f"files/{record.upload_key}")
        await imported(world, record)
        await world.catalog.close()
        world.catalog = with_twin

        report = await rebuilt(world)

        assert (report.adopted, report.pending) == (6, 0)
        survey = await world.survey()
        found = {kind.name: number for kind, number in survey.documents.items() if number}
        assert found == {"CANONICAL": 6, "DUPLICATE": 1}
        assert first.name not in {
            str(row[0])
            for row in await world.catalog.fetch_all("SELECT gemini_store_doc_id FROM files")
        }

    story(tmp_path, tell)


def test_many_files_come_back_page_by_page(tmp_path: Path) -> None:
    """More than a page of paths: none is left out."""

    async def tell(world: World) -> None:
        assert (await rebuilt(world)).adopted == 230
        assert await world.states() == {"indexed": 230}

    story(tmp_path, tell, files=230)


def test_the_id_is_that_of_the_documents(tmp_path: Path) -> None:
    """A fresh catalog takes it over, so that keys are made with it from then on."""

    async def tell(world: World) -> None:
        assert (await rebuilt(world)).library_id == LIBRARY_ID
        info = dict(await world.catalog.fetch_all("SELECT * FROM catalog_info"))
        assert info["library_id"] == LIBRARY_ID

    story(tmp_path, tell)
