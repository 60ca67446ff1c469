"""Reserving pages of rows: two workers on one catalog never look at the same files."""

from __future__ import annotations

import asyncio
import itertools

from objlib.catalog.lease import Lease
from objlib.catalog.moves import renew_leases
from objlib.catalog.protocol import Catalog
from objlib.catalog.records import FileRecord
from objlib.catalog.reservations import (
    count_at_work,
    free_reservations,
    reserve_page,
    reserve_second_chances,
    reserving_owners,
)
from objlib.states import State
from objlib.upload.state import AsyncUploadStateManager
from tests.catalog.catalogs import add_files, bring_to, existing
from tests.catalog.conformance.engines import Engine

FAR = 1e12
ONE, OTHER = Lease("one/1/1.00/r", FAR), Lease("other/2/1.00/r", FAR)
FILES = [f"{number:02}.txt" for number in range(20)]


def paths(rows: list[FileRecord]) -> list[str]:
    return [row.file_path for row in rows]


async def page(
    catalog: Catalog, lease: Lease, after: str | None = None, size: int = 6
) -> list[str]:
    return paths(await reserve_page(catalog, "untracked", lease, after, size))


async def walked(catalog: Catalog, lease: Lease) -> list[str]:
    """All that one worker gets, page after page."""
    got: list[str] = []
    while rows := await page(catalog, lease, got[-1] if got else None):
        got += rows
        await asyncio.sleep(0)
    return got


def test_two_workers_get_every_row_once(engine: Engine) -> None:
    """Two connections that walk at the same time share the rows, and neither meets the other."""

    async def story(catalog: Catalog, elsewhere: Catalog) -> tuple[list[str], list[str]]:
        await add_files(catalog, *FILES)
        one, other = await asyncio.gather(walked(catalog, ONE), walked(elsewhere, OTHER))
        return one, other

    one, other = engine.tell_two(story)
    assert sorted(one + other) == FILES
    assert one and other
    assert one == sorted(one)


def test_reserving_changes_neither_state_nor_version(engine: Engine) -> None:
    """A reservation leaves no line in the audit trail, and the row says who holds it."""

    async def story(catalog: Catalog) -> FileRecord:
        await add_files(catalog, "a")
        await page(catalog, ONE)
        assert await catalog.fetch_all("SELECT * FROM transitions") == []
        return await existing(catalog, "a")

    row = engine.tell(story)
    assert (row.gemini_state, row.version) == (State.UNTRACKED, 0)
    assert (row.reserved_by, row.reserved_until) == (ONE.owner, FAR)
    assert row.is_reserved_for_another(OTHER.owner, now=FAR - 1)
    assert not row.is_reserved_for_another(OTHER.owner, now=FAR)
    assert not row.is_reserved_for_another(ONE.owner, now=0)


def test_a_reservation_ends_by_itself_by_claim_and_by_being_given_back(engine: Engine) -> None:
    """Its end is a moment that the heartbeat pushes out; a claim takes its place."""

    async def story(catalog: Catalog) -> None:
        await add_files(catalog, "a", "b", "c")
        assert await page(catalog, Lease(ONE.owner, 0.0)) == ["a", "b", "c"]
        assert await page(catalog, OTHER, size=1) == ["a"]  # the first one's had run out
        await renew_leases(catalog, ONE)
        assert await page(catalog, OTHER) == ["a"]  # its own again; the rest was renewed
        assert await reserving_owners(catalog) == [ONE.owner, OTHER.owner]

        await free_reservations(catalog, ONE.owner)
        assert await page(catalog, OTHER) == ["a", "b", "c"]
        await bring_to(catalog, "a", State.UPLOADING)
        assert (await existing(catalog, "a")).reserved_by is None
        assert await reserving_owners(catalog) == [OTHER.owner]

    engine.tell(story)


def test_what_is_reserved_is_what_the_run_asked_for(engine: Engine) -> None:
    """State, skipped and deleted files, rested failures and second chances count as in a page."""

    async def story(catalog: Catalog) -> None:
        await add_files(catalog, "a", "b", "c")
        await add_files(catalog, "film", skip_reason="a film")
        await bring_to(catalog, "b", State.FAILED, run_id="mine")
        failed = await existing(catalog, "b")
        manager = AsyncUploadStateManager(catalog)
        await bring_to(catalog, "c", State.INDEXED)
        assert await page(catalog, ONE) == ["a"]
        assert paths(await reserve_page(catalog, "failed", ONE, None, 9)) == ["b"]
        assert paths(await reserve_page(catalog, "indexed", ONE, None, 9)) == ["c"]
        assert paths(await reserve_second_chances(catalog, "mine", ONE, None, 9)) == ["b"]
        assert await reserve_second_chances(catalog, "theirs", ONE, None, 9) == []

        again = await manager.retry(failed, reason="again")
        assert again is not None and again.reserved_by == ONE.owner

    engine.tell(story)


def test_the_order_of_a_page_is_by_code_point(engine: Engine) -> None:
    """Pages follow one another without a gap, whatever the names are made of."""
    names = ["a-b", "a/x", "a0", "é", "\uffee", "𝄞"]

    async def story(catalog: Catalog) -> list[str]:
        await add_files(catalog, *reversed(names))
        got: list[str] = []
        for _ in itertools.repeat(None):
            rows = await page(catalog, ONE, got[-1] if got else None, size=2)
            if not rows:
                return got
            got += rows
        raise AssertionError("endless")

    assert engine.tell(story) == names


def test_only_the_living_are_at_work(engine: Engine) -> None:
    """Neither a row at rest counts, nor one whose lease has run out, nor one of a dead owner."""

    async def story(catalog: Catalog) -> None:
        await add_files(catalog, "a", "b", "c", "d")
        manager = AsyncUploadStateManager(catalog)
        for path, lease in (("a", ONE), ("b", OTHER), ("c", Lease(ONE.owner, 1.0))):
            record = await existing(catalog, path)
            assert await manager.begin_upload(record, upload_key=path, run_id="r", lease=lease)
        assert await count_at_work(catalog) == 2
        assert await count_at_work(catalog, lambda owner: owner == OTHER.owner) == 1

    engine.tell(story)
