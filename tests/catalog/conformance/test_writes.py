"""A scan writes facts about files, and no engine lets them change a state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from objlib.catalog import queries, writes
from objlib.catalog.protocol import Catalog
from objlib.catalog.records import FileRecord
from objlib.catalog.writes import FileFacts, facts_of
from objlib.states import IN_FLIGHT, State
from tests.catalog.catalogs import (
    add_files,
    bring_to,
    existing,
    rename,
)
from tests.catalog.conformance.engines import Engine


def test_a_path_that_is_known_is_not_inserted_again(engine: Engine) -> None:
    """Of two scans at once the first wins, and a row that has moved on keeps its life."""

    async def story(catalog: Catalog) -> None:
        await add_files(catalog, "a")
        before = await bring_to(catalog, "a", State.INDEXED)
        await add_files(catalog, "a", "b", size_bytes=99)
        assert await existing(catalog, "a") == before
        assert (await existing(catalog, "b")).file_size == 99

    engine.tell(story)


def test_facts_survive_the_way_into_the_catalog_and_back(engine: Engine) -> None:
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

    record = engine.tell(story)

    assert facts_of(record) == facts
    assert record.filename == "Ünï.txt"


@pytest.mark.parametrize("state", State)
def test_other_content_lands_on_untracked_rows_only(engine: Engine, state: State) -> None:
    """New content never slips under an attempt or a document that is about the old one."""

    async def story(catalog: Catalog) -> bool:
        await add_files(catalog, "a")
        before = await bring_to(catalog, "a", state)
        changed = replace(facts_of(before), content_hash="other", size_bytes=4)
        await writes.update_facts(catalog, [changed])
        after = await existing(catalog, "a")
        assert after in (before, replace(before, content_hash="other", file_size=4))
        return after != before

    assert engine.tell(story) == (state is State.UNTRACKED)


@pytest.mark.parametrize("state", State)
def test_new_facts_about_the_same_content_land_on_rows_at_rest(
    engine: Engine, state: State
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

    assert engine.tell(story) == (state not in IN_FLIGHT)


def test_a_file_that_is_gone_keeps_its_state_and_document(engine: Engine) -> None:
    """Being gone from disk is a mark on the row and no transition."""

    async def story(catalog: Catalog) -> None:
        await add_files(catalog, "a")
        before = await bring_to(catalog, "a", State.INDEXED)
        await writes.mark_deleted(catalog, ["a", "nowhere"])
        assert await existing(catalog, "a") == replace(before, is_deleted=True)

    engine.tell(story)


@pytest.mark.parametrize("state", State)
def test_a_moved_file_keeps_its_row(engine: Engine, state: State) -> None:
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

    moves = engine.tell(story)
    assert moves == ([] if state in IN_FLIGHT else ["a -> b/c"])


def test_equal_files_that_move_together_all_keep_their_rows(engine: Engine) -> None:
    """A folder with copies of one text moves as a whole, in the order of paths."""

    async def story(catalog: Catalog) -> list[str]:
        await add_files(catalog, "a/1", "a/2", "a/3", content_hash="same")
        for path in ("a/1", "a/2", "a/3"):
            await bring_to(catalog, path, State.INDEXED)
        moves = await rename(catalog, "same", ["a/1", "a/2", "a/3"], ["b/1", "b/2", "b/3"])
        assert await catalog.fetch_all(
            "SELECT file_path, gemini_store_doc_id, is_deleted FROM files ORDER BY file_path"
        ) == [
            ("b/1", "documents/a/1", 0),
            ("b/2", "documents/a/2", 0),
            ("b/3", "documents/a/3", 0),
        ]
        return moves

    assert engine.tell(story) == ["a/1 -> b/1", "a/2 -> b/2", "a/3 -> b/3"]


def test_a_copy_is_no_move(engine: Engine) -> None:
    """Where more files vanish than appear, or the other way about, only pairs are moves."""

    async def story(catalog: Catalog) -> list[list[str]]:
        await add_files(catalog, "a", "b", content_hash="same")
        fewer = await rename(catalog, "same", ["a", "b"], ["c"])
        more = await rename(catalog, "same", ["c"], ["d", "e"])
        none = await rename(catalog, "same", [], ["f"])
        return [fewer, more, none]

    assert engine.tell(story) == [["a -> c"], ["c -> d"], []]


def test_files_that_were_known_before_the_scan_take_part_in_no_move(engine: Engine) -> None:
    """An old copy is not where the vanished file went; an old loss is not where it came from."""

    async def story(catalog: Catalog) -> list[tuple[str, str]]:
        await add_files(catalog, "copy", "lost", content_hash="same")
        await writes.mark_deleted(catalog, ["lost"])
        await add_files(catalog, "a", content_hash="same")
        since = catalog.now()
        await writes.mark_deleted(catalog, ["a"])
        return await writes.adopt_moves(catalog, since)

    assert engine.tell(story) == []
