"""What is asked of the catalog and what a scan writes into it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from objlib.catalog import queries, tallies, writes
from objlib.catalog.protocol import Catalog
from objlib.catalog.records import FileRecord
from objlib.catalog.reservations import reserve_second_chances
from objlib.catalog.tallies import Tally, Work
from objlib.catalog.writes import FileFacts, facts_of
from objlib.states import IN_FLIGHT, State
from objlib.upload.state import AsyncUploadStateManager
from tests.catalog.catalogs import (
    LEASE,
    add_files,
    bring_to,
    existing,
    new_catalog,
    ours,
    rows_of,
    use,
)

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
            await catalog.fetch_all(
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
def test_pages_hold_every_row_once_and_no_other(tmp_path: Path, name: str, size: int) -> None:
    """Whatever the size of a page, together they are the rows in question in the order of paths."""
    page, expected = PAGES[name]

    async def story(catalog: Catalog) -> list[str]:
        await fill(catalog)
        return await read_through(page, catalog, size)

    assert use(new_catalog(tmp_path), story) == expected


def test_a_second_chance_is_for_what_this_run_failed_at_for_now(tmp_path: Path) -> None:
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

    assert use(new_catalog(tmp_path), story) == (["broken", "free"], 2)


def test_a_file_with_an_older_document_is_found_once_it_is_indexed(tmp_path: Path) -> None:
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

    assert use(new_catalog(tmp_path), story) == [[], ["a"], []]


def test_rows_are_found_by_path_key_and_document(tmp_path: Path) -> None:
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

    use(new_catalog(tmp_path), story)


def test_a_row_with_two_documents_is_found_by_each(tmp_path: Path) -> None:
    """While the older version waits to be deleted, both names lead to the one row."""

    async def story(catalog: Catalog) -> set[tuple[str, str]]:
        await add_files(catalog, "a")
        manager = AsyncUploadStateManager(catalog)
        await manager.invalidate(await bring_to(catalog, "a", State.INDEXED), reason="changed")
        row = await bring_to(catalog, "a", State.PROCESSING)
        await manager.import_confirmed(row, document_name="documents/newer")
        found = await queries.pointers_to(catalog, ["documents/a", "documents/newer"])
        return {(name, row.file_path) for name, (row, _) in found.items()}

    found = use(new_catalog(tmp_path), story)
    assert found == {("documents/a", "a"), ("documents/newer", "a")}


def test_tallies_count_what_is_there_and_can_be_uploaded(tmp_path: Path) -> None:
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

    use(new_catalog(tmp_path), story)


def test_an_empty_catalog_answers_every_question(tmp_path: Path) -> None:
    """Nothing is zero, not an error."""

    async def story(catalog: Catalog) -> None:
        assert await tallies.tally_by_state(catalog) == {}
        assert await tallies.work_of_upload(catalog, ["untracked"], None) == Work({})
        assert await tallies.count_deleted(catalog) == (0, 0)
        assert await tallies.count_files(catalog) == 0
        assert await queries.audit_trail(catalog, "a") == []
        assert await queries.get_info(catalog, "library_id") is None
        assert await queries.files_by_path(catalog, []) == {}

    use(new_catalog(tmp_path), story)


def test_facts_about_the_catalog_are_replaced_one_by_one(tmp_path: Path) -> None:
    """Writing one leaves the others; the last word counts."""

    async def story(catalog: Catalog) -> list[str | None]:
        await queries.set_info(catalog, backend="one", store_name="s")
        await queries.set_info(catalog, backend="two")
        return [await queries.get_info(catalog, key) for key in ("backend", "store_name")]

    assert use(new_catalog(tmp_path), story) == ["two", "s"]


def test_known_files_stream_in_the_order_of_paths_from_one_moment(tmp_path: Path) -> None:
    """What is written while somebody reads does not show up in that reading, nor block it."""
    path = new_catalog(tmp_path)

    async def story(catalog: Catalog) -> list[str]:
        await add_files(catalog, "a0", "a-b", "a/x", "é", "𝄞", "\uffee")
        stream = await queries.stream_known_files(catalog)
        paths = [next(stream)[0]]
        await add_files(catalog, "zzz", "b")
        return [*paths, *(row[0] for row in stream)]

    assert use(path, story) == ["a-b", "a/x", "a0", "é", "\uffee", "𝄞"]


def test_known_files_stream_from_a_path_with_awkward_characters(tmp_path: Path) -> None:
    """A catalog may live in a folder called `50% of #1?`."""
    folder = tmp_path / "50% of #1?"
    folder.mkdir()
    path = new_catalog(folder)

    async def story(catalog: Catalog) -> None:
        assert list(await queries.stream_known_files(catalog)) == []

    use(path, story)


# What a scan writes


def test_a_path_that_is_known_is_not_inserted_again(tmp_path: Path) -> None:
    """Of two scans at once the first wins, and a row that has moved on keeps its life."""

    async def story(catalog: Catalog) -> None:
        await add_files(catalog, "a")
        before = await bring_to(catalog, "a", State.INDEXED)
        await add_files(catalog, "a", "b", size_bytes=99)
        assert await existing(catalog, "a") == before
        assert (await existing(catalog, "b")).file_size == 99

    use(new_catalog(tmp_path), story)


def test_facts_survive_the_way_into_the_catalog_and_back(tmp_path: Path) -> None:
    """Every fact is a column; metadata keep their types and scripts."""
    facts = FileFacts(
        "Kurs/Ünï.txt",
        size_bytes=2**40,
        mtime=1_700_000_000.123456,
        inode=2**62,
        device=7,
        content_hash="ab" * 32,
        mime_type="text/markdown",
        metadata={"title": "שלום", "year": 3, "weight": 1.5},
        skip_reason="it is empty",
    )

    async def story(catalog: Catalog) -> FileRecord:
        await writes.insert_files(catalog, [facts])
        return await existing(catalog, "Kurs/Ünï.txt")

    record = use(new_catalog(tmp_path), story)

    assert facts_of(record) == facts
    assert record.filename == "Ünï.txt"


@pytest.mark.parametrize("state", State)
def test_other_content_lands_on_untracked_rows_only(tmp_path: Path, state: State) -> None:
    """New content never slips under an attempt or a document that is about the old one."""

    async def story(catalog: Catalog) -> bool:
        await add_files(catalog, "a")
        before = await bring_to(catalog, "a", state)
        changed = replace(facts_of(before), content_hash="other", size_bytes=4)
        await writes.update_facts(catalog, [changed])
        after = await existing(catalog, "a")
        assert after in (before, replace(before, content_hash="other", file_size=4))
        return after != before

    assert use(new_catalog(tmp_path), story) == (state is State.UNTRACKED)


@pytest.mark.parametrize("state", State)
def test_new_facts_about_the_same_content_land_on_rows_at_rest(
    tmp_path: Path, state: State
) -> None:
    """Touched and restored files are noted in any state but in flight; nothing else changes."""

    async def story(catalog: Catalog) -> bool:
        await add_files(catalog, "a")
        await bring_to(catalog, "a", state)
        await writes.mark_deleted(catalog, ["a"])
        before = await existing(catalog, "a")
        assert before.is_deleted
        await writes.update_facts(catalog, [replace(facts_of(before), mtime=9.0, inode=9)])
        after = await existing(catalog, "a")
        assert after in (before, replace(before, mtime=9.0, inode=9, is_deleted=False))
        return after != before

    assert use(new_catalog(tmp_path), story) == (state not in IN_FLIGHT)


def test_a_file_that_is_gone_keeps_its_state_and_document(tmp_path: Path) -> None:
    """Being gone from disk is a mark on the row and no transition."""

    async def story(catalog: Catalog) -> None:
        await add_files(catalog, "a")
        before = await bring_to(catalog, "a", State.INDEXED)
        await writes.mark_deleted(catalog, ["a", "nowhere"])
        assert await existing(catalog, "a") == replace(before, is_deleted=True)

    use(new_catalog(tmp_path), story)


async def rename(catalog: Catalog, content: str, old: list[str], new: list[str]) -> list[str]:
    """What a scan does when files of one content vanish here and appear there."""
    since = catalog.now()
    await add_files(catalog, *new, content_hash=content)
    await writes.mark_deleted(catalog, old)
    return [" -> ".join(pair) for pair in await writes.adopt_moves(catalog, since)]


@pytest.mark.parametrize("state", State)
def test_a_moved_file_keeps_its_row(tmp_path: Path, state: State) -> None:
    """Path and name are new, the rest of the row is what it was; a row in flight stays behind."""

    async def story(catalog: Catalog) -> list[str]:
        await add_files(catalog, "a", content_hash="same")
        before = await bring_to(catalog, "a", state)
        moves = await rename(catalog, "same", ["a"], ["b/c"])
        if moves:
            expected = replace(before, file_path="b/c", filename="c")
            assert await existing(catalog, "b/c") == expected
            assert await queries.get_file(catalog, "a") is None
        else:
            assert await existing(catalog, "a") == replace(before, is_deleted=True)
            assert (await existing(catalog, "b/c")).version == 0
        return moves

    moves = use(new_catalog(tmp_path), story)
    assert moves == ([] if state in IN_FLIGHT else ["a -> b/c"])


def test_equal_files_that_move_together_all_keep_their_rows(tmp_path: Path) -> None:
    """A folder with copies of one text moves as a whole, in the order of paths."""

    async def story(catalog: Catalog) -> list[str]:
        await add_files(catalog, "a/1", "a/2", "a/3", content_hash="same")
        for path in ("a/1", "a/2", "a/3"):
            await bring_to(catalog, path, State.INDEXED)
        return await rename(catalog, "same", ["a/1", "a/2", "a/3"], ["b/1", "b/2", "b/3"])

    path = new_catalog(tmp_path)
    assert use(path, story) == ["a/1 -> b/1", "a/2 -> b/2", "a/3 -> b/3"]
    assert rows_of(path, "file_path, gemini_store_doc_id, is_deleted") == [
        ("b/1", "documents/a/1", 0),
        ("b/2", "documents/a/2", 0),
        ("b/3", "documents/a/3", 0),
    ]


def test_a_copy_is_no_move(tmp_path: Path) -> None:
    """Where more files vanish than appear, or the other way about, only pairs are moves."""

    async def story(catalog: Catalog) -> list[list[str]]:
        await add_files(catalog, "a", "b", content_hash="same")
        fewer = await rename(catalog, "same", ["a", "b"], ["c"])
        more = await rename(catalog, "same", ["c"], ["d", "e"])
        none = await rename(catalog, "same", [], ["f"])
        return [fewer, more, none]

    assert use(new_catalog(tmp_path), story) == [["a -> c"], ["c -> d"], []]


def test_files_that_were_known_before_the_scan_take_part_in_no_move(tmp_path: Path) -> None:
    """An old copy is not where the vanished file went; an old loss is not where it came from."""

    async def story(catalog: Catalog) -> list[tuple[str, str]]:
        await add_files(catalog, "copy", "lost", content_hash="same")
        await writes.mark_deleted(catalog, ["lost"])
        await add_files(catalog, "a", content_hash="same")
        since = catalog.now()
        await writes.mark_deleted(catalog, ["a"])
        return await writes.adopt_moves(catalog, since)

    assert use(new_catalog(tmp_path), story) == []


def test_history_follows_a_file_through_its_names(tmp_path: Path) -> None:
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

    assert use(new_catalog(tmp_path), story) == {
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
    tmp_path: Path,
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
            await catalog.fetch_all("UPDATE files SET upload_key = NULL WHERE file_path = 'theirs'")
        return [row.file_path for row in await queries.leftover_page(catalog, None, 9)]

    assert use(new_catalog(tmp_path), story) == ["ours"]
