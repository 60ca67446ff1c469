"""Every engine answers the catalog's questions alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

from objlib.catalog import queries, tallies, writes
from objlib.catalog.protocol import Catalog
from objlib.catalog.records import FileRecord
from objlib.catalog.reservations import reserve_second_chances
from objlib.catalog.tallies import Tally, Work
from objlib.states import State
from objlib.upload.state import AsyncUploadStateManager
from tests.catalog.catalogs import (
    LEASE,
    add_files,
    bring_to,
    existing,
    ours,
    rename,
)
from tests.catalog.conformance.engines import Engine

Page: TypeAlias = Callable[[Catalog, str | None, int], Awaitable[list[FileRecord]]]

#: One letter per file, so that a page reads like a word.
SHELF = {
    "a": State.UNTRACKED,
    "b": State.INDEXED,
    "c": State.FAILED,
    "d": State.PROCESSING,
    "e": State.UNTRACKED,
    "f": State.UPLOADING,
    "g": State.INDEXED,
    "h": State.FAILED,
    "'; --": State.UNTRACKED,
    "é\n": State.UNTRACKED,
}


async def fill(catalog: Catalog) -> None:
    """The shelf, and for each kind of file one that is gone and one that cannot be uploaded."""
    await add_files(catalog, *SHELF, size_bytes=10)
    for path, state in SHELF.items():
        await bring_to(catalog, path, state)
    for state in (State.UNTRACKED, State.INDEXED, State.FAILED):
        gone, skipped = f"gone {state}", f"skipped {state}"
        await add_files(catalog, gone, skipped, size_bytes=1_000)
        await bring_to(catalog, gone, state)
        record = await bring_to(catalog, skipped, state)
        await writes.mark_deleted(catalog, [gone])
        async with catalog.transaction():
            await catalog.execute(
                "UPDATE files SET skip_reason = 'a film' WHERE file_path = ?", (record.file_path,)
            )


async def read_through(page: Page, catalog: Catalog, size: int) -> list[str]:
    """All pages, one after the other."""
    paths: list[str] = []
    while rows := await page(catalog, paths[-1] if paths else None, size):
        assert len(rows) <= size
        paths += [row.file_path for row in rows]
    return paths


PAGES: dict[str, tuple[Page, list[str]]] = {
    "failed": (queries.failed_page, ["c", "h"]),
    "indexed": (queries.indexed_page, ["b", "g"]),
    "uploading": (lambda c, a, n: queries.page_in_state(c, "uploading", a, n), ["f"]),
    "processing": (lambda c, a, n: queries.page_in_state(c, "processing", a, n), ["d"]),
    "skipped": (
        queries.skipped_page,
        ["skipped failed", "skipped indexed", "skipped untracked"],
    ),
    "leftovers": (queries.leftover_page, ["b", "g", "gone indexed", "skipped indexed"]),
}


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize("name", PAGES)
def test_pages_hold_every_row_once_and_no_other(engine: Engine, name: str, size: int) -> None:
    """Whatever the size of a page, together they are the rows in question in the order of paths."""
    page, expected = PAGES[name]

    async def story(catalog: Catalog) -> list[str]:
        await fill(catalog)
        return await read_through(page, catalog, size)

    assert engine.tell(story) == expected


def test_a_second_chance_is_for_what_this_run_failed_at_for_now(engine: Engine) -> None:
    """Transient failures and released files of the run; not permanent ones, not another run's."""

    async def story(catalog: Catalog) -> tuple[list[str], int]:
        manager = AsyncUploadStateManager(catalog)
        await add_files(catalog, "broken", "free", "other", "refused", "untouched")
        await bring_to(catalog, "broken", State.FAILED)
        await bring_to(catalog, "other", State.FAILED, run_id="other")
        await manager.release(await bring_to(catalog, "free", State.UPLOADING), reason="drained")
        claimed = await bring_to(catalog, "refused", State.UPLOADING)
        await manager.fail(claimed, reason="no", transient=False, document_name=None)
        rows = await reserve_second_chances(catalog, "run", LEASE, None, 9)
        return [row.file_path for row in rows], await queries.count_second_chances(catalog, "run")

    assert engine.tell(story) == (["broken", "free"], 2)


def test_a_file_with_an_older_document_is_found_once_it_is_indexed(engine: Engine) -> None:
    """The superseded document is due when the new version is there, not before."""

    async def story(catalog: Catalog) -> list[list[str]]:
        async def due() -> list[str]:
            return [row.file_path for row in await queries.leftover_page(catalog, None, 9)]

        manager = AsyncUploadStateManager(catalog)
        await add_files(catalog, "a")
        indexed = await bring_to(catalog, "a", State.INDEXED)
        await manager.invalidate(indexed, reason="changed")
        meanwhile = await due()
        again = await bring_to(catalog, "a", State.INDEXED)
        afterwards = await due()
        await manager.forget_raw_file(ours(await manager.forget_superseded(again)))
        return [meanwhile, afterwards, await due()]

    assert engine.tell(story) == [[], ["a"], []]


def test_rows_are_found_by_path_key_and_document(engine: Engine) -> None:
    """A document leads to its row whether it is the current or the superseded one."""

    async def story(catalog: Catalog) -> None:
        await fill(catalog)
        manager = AsyncUploadStateManager(catalog)
        await manager.invalidate(await existing(catalog, "g"), reason="changed")

        by_path = await queries.files_by_path(catalog, ["a", "'; --", "é\n", "nowhere"])
        by_key = await queries.files_by_key(catalog, ["key of b", "key of nowhere"])
        by_document = await queries.pointers_to(
            catalog, ["documents/b", "documents/g", "documents/nowhere"]
        )

        assert sorted(by_path) == ["'; --", "a", "é\n"]
        assert {key: row.file_path for key, row in by_key.items()} == {"key of b": "b"}
        assert {name: row.file_path for name, (row, _) in by_document.items()} == {
            "documents/b": "b",
            "documents/g": "g",
        }
        assert await queries.get_file(catalog, "nowhere") is None

    engine.tell(story)


def test_a_row_with_two_documents_is_found_by_each(engine: Engine) -> None:
    """While the older version waits to be deleted, both names lead to the one row."""

    async def story(catalog: Catalog) -> set[tuple[str, str]]:
        await add_files(catalog, "a")
        manager = AsyncUploadStateManager(catalog)
        await manager.invalidate(await bring_to(catalog, "a", State.INDEXED), reason="changed")
        row = await bring_to(catalog, "a", State.PROCESSING)
        await manager.import_confirmed(row, document_name="documents/newer")
        found = await queries.pointers_to(catalog, ["documents/a", "documents/newer"])
        return {(name, row.file_path) for name, (row, _) in found.items()}

    found = engine.tell(story)
    assert found == {("documents/a", "a"), ("documents/newer", "a")}


def test_tallies_count_what_is_there_and_can_be_uploaded(engine: Engine) -> None:
    """Files and bytes by state, without those that are gone or skipped."""

    async def story(catalog: Catalog) -> None:
        await fill(catalog)

        assert await tallies.tally_by_state(catalog) == {
            "untracked": Tally(4, 40),
            "uploading": Tally(1, 10),
            "processing": Tally(1, 10),
            "indexed": Tally(2, 20),
            "failed": Tally(2, 20),
        }
        assert await tallies.work_of_upload(catalog, ["untracked"], None) == Work(
            {"new": 4}, 40, 40
        )
        both = await tallies.work_of_upload(catalog, ["untracked", "failed"], 5)
        assert (both.files, both.size_bytes) == (5, 50)
        assert await tallies.work_of_upload(catalog, ["untracked"], 0) == Work({})
        assert await tallies.tally_by_skip_reason(catalog) == {"a film": 3}
        assert await tallies.count_deleted(catalog) == (3, 1)
        assert await tallies.count_files(catalog) == len(SHELF) + 3

    engine.tell(story)


def test_texts_in_parts_are_counted_once_and_their_parts_each(engine: Engine) -> None:
    """Only names that a part has count, and only parts that the text still has."""

    async def story(catalog: Catalog) -> None:
        await add_files(catalog, "a/x//part 1", "a/x//part 2", "y//part 1", "y//part 2")
        await add_files(catalog, "part 1", "z/part 1", "x")
        await writes.mark_deleted(catalog, ["y//part 2"])
        assert await tallies.tally_of_parts(catalog) == tallies.TallyOfParts(files=2, parts=3)
        assert [row.file_path for row in await queries.parts_of_file(catalog, "y")] == [
            "y//part 1",
            "y//part 2",
        ]

    engine.tell(story)


def test_a_scan_knows_absolute_paths_below_its_root_only(engine: Engine) -> None:
    """Rows of the earlier generation that lie elsewhere are none of its business."""

    async def story(catalog: Catalog) -> list[str]:
        await add_files(
            catalog, "a", "/lib_%/b", "/lib_%.old/c", "/lib_%0/d", "/LIB_%/e", "/libXX/f"
        )
        assert len(list(await queries.stream_known_files(catalog))) == 6
        await queries.set_info(catalog, library_root="/lib_%")
        return [row[0] for row in await queries.stream_known_files(catalog)]

    assert engine.tell(story) == ["/lib_%/b", "a"]


def test_failures_are_gathered_by_reason(engine: Engine) -> None:
    """The reason of the most files comes first, and pages follow one another."""

    async def story(catalog: Catalog) -> None:
        await add_files(catalog, "film", skip_reason="a film")
        await add_files(catalog, "a", "b")
        for path in ("a", "b"):
            await bring_to(catalog, path, State.FAILED)
        await add_files(catalog, "locked")
        await writes.note_unread(catalog, [writes.Unread("locked", "no permission", False)])
        gathered = await tallies.GatheredFailures.of(catalog)
        assert await gathered.count_reasons() == 3
        assert await gathered.groups(0, 1) == [("transient", "it broke", 2)]
        assert await gathered.groups(1, 9) == [
            ("skipped", "a film", 1),
            ("unread", "no permission", 1),
        ]
        assert await gathered.paths("transient", "it broke", "a", 9) == ["b"]

    engine.tell(story)


def test_an_empty_catalog_answers_every_question(engine: Engine) -> None:
    """Nothing is zero, not an error."""

    async def story(catalog: Catalog) -> None:
        assert await tallies.tally_by_state(catalog) == {}
        assert await tallies.work_of_upload(catalog, ["untracked"], None) == Work({})
        assert await tallies.count_deleted(catalog) == (0, 0)
        assert await tallies.count_files(catalog) == 0
        assert await queries.audit_trail(catalog, "a") == []
        assert await queries.get_info(catalog, "library_id") is None
        assert await queries.files_by_path(catalog, []) == {}

    engine.tell(story)


def test_facts_about_the_catalog_are_replaced_one_by_one(engine: Engine) -> None:
    """Writing one leaves the others; the last word counts."""

    async def story(catalog: Catalog) -> list[str | None]:
        await queries.set_info(catalog, backend="one", store_name="s")
        await queries.set_info(catalog, backend="two")
        return [await queries.get_info(catalog, key) for key in ("backend", "store_name")]

    assert engine.tell(story) == ["two", "s"]


def test_known_files_stream_in_the_order_of_paths_from_one_moment(engine: Engine) -> None:
    """What is written while somebody reads does not show up in that reading, nor block it."""

    async def story(catalog: Catalog) -> list[str]:
        await add_files(catalog, "a0", "a-b", "a/x", "é", "𝄞", "\uffee")
        stream = await queries.stream_known_files(catalog)
        paths = [next(stream)[0]]
        await add_files(catalog, "zzz", "b")
        return [*paths, *(row[0] for row in stream)]

    assert engine.tell(story) == ["a-b", "a/x", "a0", "é", "\uffee", "𝄞"]


def test_history_follows_a_file_through_its_names(engine: Engine) -> None:
    """A file's trail goes back under its earlier names, and is not that of who took them since."""

    async def story(catalog: Catalog) -> dict[str, list[str]]:
        manager = AsyncUploadStateManager(catalog)
        await add_files(catalog, "a", content_hash="same")
        await bring_to(catalog, "a", State.UPLOADING)
        await manager.release(await existing(catalog, "a"), reason="drained")
        await rename(catalog, "same", ["a"], ["b"])
        await add_files(catalog, "a", content_hash="other")
        await bring_to(catalog, "a", State.FAILED)
        await bring_to(catalog, "b", State.UPLOADING)
        await manager.release(await existing(catalog, "b"), reason="drained")
        await rename(catalog, "same", ["b"], ["c"])
        return {
            path: [
                f"{line.to_state} v{line.version} {line.reason}"
                for line in await queries.audit_trail(catalog, path)
            ]
            for path in "abc"
        }

    assert engine.tell(story) == {
        "a": ["uploading v1 claimed", "failed v2 it broke"],
        "b": [],
        "c": [
            "uploading v1 claimed",
            "untracked v2 drained",
            "untracked v2 moved from a",
            "uploading v3 claimed",
            "untracked v4 drained",
            "untracked v4 moved from b",
        ],
    }


def test_a_raw_file_left_behind_is_found_unless_it_is_of_the_earlier_generation(
    engine: Engine,
) -> None:
    """Indexed rows that still name a raw file are due; those without an upload key never are."""

    async def story(catalog: Catalog) -> list[str]:
        manager = AsyncUploadStateManager(catalog)
        await add_files(catalog, "ours", "theirs")
        for name in ("ours", "theirs"):
            sending = await bring_to(catalog, name, State.UPLOADING)
            intended = await manager.intend_import(sending, file_id=f"files/{name}", lease=LEASE)
            processing = await manager.upload_confirmed(
                ours(intended), operation_name=None, document_name="d"
            )
            await manager.import_confirmed(ours(processing), document_name="d")
        async with catalog.transaction():
            await catalog.execute("UPDATE files SET upload_key = NULL WHERE file_path = 'theirs'")
        return [row.file_path for row in await queries.leftover_page(catalog, None, 9)]

    assert engine.tell(story) == ["ours"]
