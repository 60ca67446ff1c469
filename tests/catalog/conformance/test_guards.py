"""Every engine refuses illegal moves by itself, and keeps the trail of the legal ones."""

from __future__ import annotations

import itertools

import pytest

from objlib.catalog.protocol import Catalog
from objlib.errors import GuardRefused
from objlib.states import State, legal_moves
from tests.catalog.catalogs import add_files, road_to
from tests.catalog.conformance.engines import Engine

LEGAL = sorted(legal_moves())
ILLEGAL = [pair for pair in itertools.permutations(State, 2) if pair not in LEGAL]
LIVING = [state for state in State if state is not State.UNTRACKED]


async def run(catalog: Catalog, sql: str) -> None:
    async with catalog.transaction():
        await catalog.execute(sql)


async def put(catalog: Catalog, state: State) -> None:
    """Add the one file, and take it to a state by statements of its own."""
    await add_files(catalog, "a")
    for step in road_to(state):
        await run(catalog, f"UPDATE files SET gemini_state = '{step}', version = version + 1")


async def everything(catalog: Catalog) -> list[list[tuple[object, ...]]]:
    tables = ("files", "transitions", "leftovers")
    return [await catalog.fetch_all(f"SELECT * FROM {table} ORDER BY 1") for table in tables]


def refused(engine: Engine, state: State, sql: str, words: str, *first: str) -> None:
    """A statement on a file in one state is refused with some words, and changes nothing."""

    async def story(catalog: Catalog) -> None:
        await put(catalog, state)
        for statement in first:
            await run(catalog, statement)
        before = await everything(catalog)
        with pytest.raises(GuardRefused, match=words):
            await run(catalog, sql)
        assert await everything(catalog) == before

    engine.tell(story)


@pytest.mark.parametrize(("before", "after"), ILLEGAL)
def test_a_move_outside_the_table_is_refused(engine: Engine, before: State, after: State) -> None:
    """Raising the version does not help, for any pair that the table does not have."""
    sql = f"UPDATE files SET gemini_state = '{after}', version = version + 1"
    refused(engine, before, sql, "illegal transition")


@pytest.mark.parametrize(("before", "after"), LEGAL)
def test_a_move_of_the_table_counts_one_and_leaves_a_line(
    engine: Engine, before: State, after: State
) -> None:
    """One step of the version carries the row over; any other step is refused."""

    async def story(catalog: Catalog) -> None:
        await put(catalog, before)
        for step in (-1, 0, 2, 100):
            with pytest.raises(GuardRefused, match="exactly one"):
                await run(
                    catalog,
                    f"UPDATE files SET gemini_state = '{after}', version = version + {step}",
                )
        await run(catalog, f"UPDATE files SET gemini_state = '{after}', version = version + 1")
        (line,) = await catalog.fetch_all(
            "SELECT from_state, to_state, version FROM transitions ORDER BY id DESC LIMIT 1"
        )
        row = await catalog.fetch_one("SELECT gemini_state, version FROM files")
        assert row == line[1:]
        assert line[:2] == (before, after)

    engine.tell(story)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("version", ["version + 1", "version - 1", "NULL"])
def test_a_version_does_not_change_without_a_move(
    engine: Engine, state: State, version: str
) -> None:
    """Staying in a state leaves the version alone, or optimistic guards would fire for nothing."""
    refused(engine, state, f"UPDATE files SET version = {version}", "exactly one")


@pytest.mark.parametrize(
    ("state", "version"), [*((state, 0) for state in LIVING), ("untracked", 1), ("untracked", -1)]
)
def test_a_row_is_born_untracked_at_version_zero(engine: Engine, state: str, version: int) -> None:
    """No insert is a way around the state machine."""
    sql = (
        "INSERT INTO files (file_path, filename, gemini_state, version, created_at, updated_at)"
        f" VALUES ('b', '', '{state}', {version}, '', '')"
    )
    refused(engine, State.UNTRACKED, sql, "starts untracked")


def test_an_upsert_cannot_declare_a_file_indexed(engine: Engine) -> None:
    """`ON CONFLICT DO UPDATE` is an update like any other."""
    sql = (
        "INSERT INTO files (file_path, filename, created_at, updated_at) VALUES ('a', '', '', '')"
        " ON CONFLICT (file_path) DO UPDATE SET gemini_state = 'indexed', version = 1"
    )
    refused(engine, State.UNTRACKED, sql, "illegal transition")


@pytest.mark.parametrize("sql", ["UPDATE transitions SET reason = 'x'", "DELETE FROM transitions"])
def test_the_audit_trail_is_append_only(engine: Engine, sql: str) -> None:
    """Every line stays as it was written."""
    refused(engine, State.INDEXED, sql, "append-only")


@pytest.mark.parametrize("state", LIVING)
def test_a_row_with_a_life_cannot_be_deleted(engine: Engine, state: State) -> None:
    """Its document would become an orphan of nobody."""
    refused(engine, state, "DELETE FROM files", "keeps its row")


@pytest.mark.parametrize("column", ["gemini_store_doc_id", "superseded_doc_id"])
def test_a_row_with_a_document_cannot_be_deleted(engine: Engine, column: str) -> None:
    """Between two versions a row is untracked, and its older document is in the store."""
    document = f"UPDATE files SET {column} = 'documents/a'"
    refused(engine, State.UNTRACKED, "DELETE FROM files", "keeps its row", document)


def test_a_rename_is_written_down_and_swallows_no_other_row(engine: Engine) -> None:
    """The trail says where a file came from, in a line that moves nothing."""

    async def story(catalog: Catalog) -> None:
        await put(catalog, State.UPLOADING)
        await add_files(catalog, "b")
        with pytest.raises(GuardRefused):
            await run(catalog, "UPDATE files SET file_path = 'a' WHERE file_path = 'b'")
        await run(catalog, "UPDATE files SET file_path = 'c' WHERE file_path = 'a'")
        assert await catalog.fetch_all(
            "SELECT from_state, to_state, version, reason FROM transitions WHERE file_path = 'c'"
        ) == [("uploading", "uploading", 1, "moved from a")]

    engine.tell(story)


def test_a_move_that_is_rolled_back_leaves_no_trace(engine: Engine) -> None:
    """The trail is written in the transaction of the move itself."""

    async def story(catalog: Catalog) -> None:
        await add_files(catalog, "a")
        with pytest.raises(ZeroDivisionError):
            async with catalog.transaction():
                await catalog.execute("UPDATE files SET gemini_state = 'uploading', version = 1")
                raise ZeroDivisionError
        assert await catalog.fetch_all("SELECT * FROM transitions") == []

    engine.tell(story)


@pytest.mark.parametrize(
    ("names", "left"), [(["v1", "v1", "v2", "v3"], ["v1", "v2"]), (["v1", None, "v2", None], [])]
)
def test_an_older_document_that_gives_way_to_another_is_remembered(
    engine: Engine, names: list[str | None], left: list[str]
) -> None:
    """It is no row's any more, and a leftover; one that was let go of is deleted already."""

    async def story(catalog: Catalog) -> list[str]:
        await add_files(catalog, "a")
        for name in names:
            async with catalog.transaction():
                await catalog.execute("UPDATE files SET superseded_doc_id = ?", (name,))
        rows = await catalog.fetch_all("SELECT document_name FROM leftovers ORDER BY 1")
        return [name for (name,) in rows]

    assert engine.tell(story) == left
