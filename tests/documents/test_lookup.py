"""DocumentLookup, with the real client and server under virtual time: one listing serves many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from objlib.catalog import queries
from objlib.catalog.records import FileRecord
from objlib.documents.lookup import DocumentLookup, full_name
from objlib.errors import Transient
from objlib.filestore import Fault, Kind
from objlib.reactive.bridge import LoopScheduler
from objlib.states import State
from tests.upload.virtual_loop import VirtualLoop, run
from tests.upload.world import World, make_world

STORE = "fileSearchStores/s"
DISTANCE = Fault(Kind.LATENCY, seconds=1.0)


class Lookups:
    """A look-up in a world of three indexed files, and its rows."""

    def __init__(self, world: World, rows: Sequence[FileRecord]) -> None:
        self.world = world
        self.rows = rows
        #: The rows that somebody will soon ask about.
        self.overdue: list[FileRecord] = []
        self.lookup = DocumentLookup(world.client, world.store_name, self._overdue)
        self._before = self._listed()

    async def _overdue(self) -> Sequence[FileRecord]:
        return list(self.overdue)

    def _listed(self) -> int:
        return sum(n for route, n in self.world.requests.items() if route.endswith("/documents"))

    @property
    def listings(self) -> int:
        """Listings that were asked for since the story began; each is a single page."""
        return self._listed() - self._before


def play(
    folder: Path, story: Callable[[Lookups, VirtualLoop], Awaitable[None]], *faults: Fault
) -> None:
    """Let a story happen where three files are in the store and every request takes a second."""

    async def scene(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        async with make_world(folder, files=3, faults=[DISTANCE, *faults]) as world:
            await world.upload()
            rows = await queries.indexed_page(world.catalog, None, 10)
            assert len(rows) == 3
            await story(Lookups(world, rows), loop)

    run(scene)


def test_each_row_finds_the_document_of_its_version(tmp_path: Path) -> None:
    """One listing for all, and one more for the row with another key, which is nowhere."""

    async def story(here: Lookups, _loop: VirtualLoop) -> None:
        first, second, third = here.rows
        other = replace(third, upload_key="k" * 27)
        found = await here.lookup.find_all([first, second, other])
        assert {path: document.name for path, document in found.items()} == {
            row.file_path: row.gemini_store_doc_id for row in (first, second)
        }
        assert here.listings == 2

    play(tmp_path, story)


def test_the_document_that_is_to_be_replaced_is_not_the_one_looked_for(tmp_path: Path) -> None:
    """Even where both have the same key."""

    async def story(here: Lookups, _loop: VirtualLoop) -> None:
        row = here.rows[0]
        row = replace(row, superseded_doc_id=row.gemini_store_doc_id, gemini_store_doc_id=None)
        assert await here.lookup.find(row) is None

    play(tmp_path, story)


def test_who_asks_during_a_listing_waits_for_the_next_one_with_the_others(tmp_path: Path) -> None:
    """Three askers, two listings, and everybody gets an answer."""

    async def story(here: Lookups, loop: VirtualLoop) -> None:
        asking = [loop.create_task(here.lookup.find(here.rows[0]))]
        await asyncio.sleep(0.5)
        asking += [loop.create_task(here.lookup.find(row)) for row in here.rows[1:]]
        found = await asyncio.gather(*asking)
        assert [document.name for document in found if document is not None] == [
            row.gemini_store_doc_id for row in here.rows
        ]
        assert here.listings == 2

    play(tmp_path, story)


def test_an_overdue_row_is_answered_by_the_listing_that_looks_for_it_unasked(
    tmp_path: Path,
) -> None:
    """During it and after it, once; a row that has moved since asks anew."""

    async def story(here: Lookups, loop: VirtualLoop) -> None:
        first, second, third = (replace(row, gemini_state=State.PROCESSING) for row in here.rows)
        here.overdue = [second, third]
        asking = [loop.create_task(here.lookup.find(first))]
        await asyncio.sleep(0.5)
        asking.append(loop.create_task(here.lookup.find(second)))
        for document, row in zip(await asyncio.gather(*asking), (first, second), strict=True):
            assert document is not None
            assert document.name == row.gemini_store_doc_id
        assert here.listings == 1
        assert await here.lookup.find(third) is not None
        assert here.listings == 1
        here.overdue = []
        assert await here.lookup.find(third) is not None  # an answer is given once
        assert here.listings == 2

    play(tmp_path, story)


def test_an_answer_about_an_overdue_row_ends_when_the_row_moves(tmp_path: Path) -> None:
    """Another version is another question."""

    async def story(here: Lookups, _loop: VirtualLoop) -> None:
        first, second = (replace(row, gemini_state=State.PROCESSING) for row in here.rows[:2])
        here.overdue = [second]
        await here.lookup.find(first)
        assert await here.lookup.find(replace(second, version=second.version + 1)) is not None
        assert here.listings == 2

    play(tmp_path, story)


def test_a_listing_whose_first_asker_is_cancelled_proves_nothing_to_the_others(
    tmp_path: Path,
) -> None:
    """They are told to ask again, also who waited for its word about an overdue row."""

    async def story(here: Lookups, loop: VirtualLoop) -> None:
        first, second, third = (replace(row, gemini_state=State.PROCESSING) for row in here.rows)
        here.overdue = [second]
        leader = loop.create_task(here.lookup.find(first))
        await asyncio.sleep(0.5)
        overdue = loop.create_task(here.lookup.find(second))
        later = loop.create_task(here.lookup.find(third))
        await asyncio.sleep(0.2)
        leader.cancel()
        with pytest.raises(Transient, match="was cut off; run it again"):
            await overdue
        assert await later is not None

    play(tmp_path, story)


def test_a_listing_that_shows_fewer_than_the_store_counts_proves_nothing(tmp_path: Path) -> None:
    """Its askers get an error and no absence."""

    async def story(here: Lookups, _loop: VirtualLoop) -> None:
        with pytest.raises(Transient, match="nothing was concluded"):
            await here.lookup.find_all(here.rows)
        assert len(await here.lookup.find_all(here.rows)) == 3

    play(tmp_path, story, Fault(Kind.EMPTY_LIST, times=1))


@pytest.mark.parametrize(
    ("recorded", "name"),
    [
        ("files/abc", None),
        (f"{STORE}/documents/d", f"{STORE}/documents/d"),
        ("documents/d", f"{STORE}/documents/d"),
        ("d", f"{STORE}/documents/d"),
    ],
)
def test_a_recorded_document_has_one_full_name(recorded: str, name: str | None) -> None:
    """Bare, short or full as it was recorded; a raw file's name is no document's."""
    assert full_name(recorded, STORE) == name
