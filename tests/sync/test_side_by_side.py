"""Several surveys and listings in one session of a catalog, each by itself."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from objlib.documents.payload import KEY, LIBRARY, PATH, SHA256
from objlib.sync.classify import DocumentClass
from objlib.sync.listing import SyncReport, verdicts_of
from objlib.sync.plan import Step, steps
from objlib.sync.rebuild import list_documents
from tests.sync.test_repair import add_orphans, repair_of
from tests.sync.test_sync import add_document, counts, story
from tests.upload.world import World


def test_surveys_at_the_same_time_see_the_same(tmp_path: Path) -> None:
    """Each has verdicts of its own: whoever begins while another is half way takes none away."""

    async def tell(world: World) -> None:
        await add_orphans(world, 50)

        before = world.count("/documents")

        async def after_pages(pages: int) -> SyncReport:
            while world.count("/documents") < before + pages:  # noqa: ASYNC110
                await asyncio.sleep(0)  # it moves the others
            return await world.survey()

        reports = await asyncio.gather(*map(after_pages, range(0, 8, 2)))
        for report in reports:
            assert counts(report) == {"CANONICAL": 6, "ORPHAN": 50}
            assert report.ghosts == 0
            assert len([v async for v in verdicts_of(report.verdicts)]) == 56

    story(tmp_path, tell)


def test_a_survey_stays_as_it_was_when_another_follows(tmp_path: Path) -> None:
    """Its plan can still be shown; what the later one saw is the later one's."""

    async def tell(world: World) -> None:
        await add_orphans(world, 2)
        earlier = await world.survey()
        await add_document(world, "handmade")
        later = await world.survey()
        assert await signs(earlier) == ["-", "-", *"======"]
        assert await signs(later) == ["-", "-", *"======", "?"]
        assert len([step async for step in steps(earlier.verdicts)]) == 2

    story(tmp_path, tell)


async def signs(report: SyncReport) -> list[str]:
    return sorted([one.document_class.value async for one in verdicts_of(report.verdicts)])


def test_a_repair_goes_on_while_others_survey(tmp_path: Path) -> None:
    """It takes every step of its own survey, whatever they see meanwhile."""

    async def tell(world: World) -> None:
        await add_orphans(world, 40)
        survey = await world.survey()
        others: list[asyncio.Task[SyncReport]] = []

        def look(_step: Step) -> None:
            if len(others) < 3:
                others.append(asyncio.ensure_future(world.survey()))

        repair = await repair_of(world, survey, on_step=look)
        done = await repair.carry_out()
        assert done.deleted == 40
        await asyncio.gather(*others, return_exceptions=True)  # a store that changes may be refused
        assert counts(await world.survey()) == {"CANONICAL": 6}

    story(tmp_path, tell)


def test_listings_at_the_same_time_find_the_same(tmp_path: Path) -> None:
    """What a recovery or a first look has found is not another's."""

    async def tell(world: World) -> None:
        for index in range(40):
            named = {KEY: f"k{index}", LIBRARY: "another", PATH: f"{index}", SHA256: "0" * 64}
            await add_document(world, f"other{index}", **named)
        store = await world.client.get_store(world.store_name)
        listings = await asyncio.gather(
            *(list_documents(world.catalog, world.client, store) for _ in range(3))
        )
        for listing in listings:
            assert listing.documents == 46
            assert await listing.found.libraries() >= {"another"}
            assert listing.found.documents == await listing.found.count_of_library("another") + 6

    story(tmp_path, tell)


def test_what_nobody_holds_is_dropped(tmp_path: Path) -> None:
    """By the next that begins: a server that surveys every hour does not fill its disk."""

    async def tell(world: World) -> None:
        for _ in range(5):
            await world.survey()
            await list_documents(
                world.catalog, world.client, await world.client.get_store(world.store_name)
            )
        kept = await world.survey()
        rows = await world.catalog.reader.fetch_all(
            "SELECT name FROM sqlite_temp_master WHERE type = 'table'"
        )
        assert len(rows) <= 2
        assert counts(kept) == {"CANONICAL": 6}

    story(tmp_path, tell)


def test_the_results_cannot_be_changed(tmp_path: Path) -> None:
    """Neither the counts of a survey nor those of a repair: whoever is shown them keeps them."""

    async def tell(world: World) -> None:
        survey = await world.survey()
        repair = await repair_of(world, survey)
        before = repair.done
        await add_orphans(world, 1)
        done = await (await repair_of(world)).carry_out()
        assert (before.deleted, done.deleted) == (0, 1)
        for result, name in ((survey, "ghosts"), (done, "deleted")):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(result, name, 1)
        with pytest.raises(TypeError):
            survey.documents[DocumentClass.ORPHAN] = 1  # type: ignore[index]

    story(tmp_path, tell)
