"""SQLite's own ways around a guard are closed too; the conformance suite has the common ones."""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objlib.catalog.sqlite.guards import triggers
from objlib.states import State, legal_moves
from tests.catalog.catalogs import add_row, add_row_in, move, new_catalog, session

LEGAL = set(legal_moves())
DISTINCT = list(itertools.permutations(State, 2))
#: Which guard speaks first is SQLite's choice.
REFUSED = "illegal transition|exactly one|constraint failed"
ILLEGAL = [pair for pair in DISTINCT if pair not in LEGAL]


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A plain session on a new catalog."""
    with session(new_catalog(tmp_path)) as connection:
        yield connection


def forbid(connection: sqlite3.Connection, sql: str, message: str) -> None:
    """The statement is refused with the message, and the row is as it was."""
    before = connection.execute("SELECT * FROM files").fetchall()
    with pytest.raises(sqlite3.IntegrityError, match=message):
        connection.execute(sql)
    assert connection.execute("SELECT * FROM files").fetchall() == before


@pytest.mark.parametrize(
    "verb", ["UPDATE", "UPDATE OR IGNORE", "UPDATE OR REPLACE", "UPDATE OR FAIL"]
)
def test_a_stray_session_cannot_declare_a_file_indexed(
    plain: sqlite3.Connection, verb: str
) -> None:
    """The one statement everybody tries first is refused, whatever it says about conflicts."""
    add_row(plain)

    forbid(plain, f"{verb} files SET gemini_state = 'indexed'", REFUSED)


@pytest.mark.parametrize("value", ["'done'", "''", "NULL", "1", "'INDEXED'"])
def test_what_is_no_state_is_refused(plain: sqlite3.Connection, value: str) -> None:
    """There are five states and no sixth."""
    add_row(plain)

    forbid(plain, f"UPDATE files SET gemini_state = {value}, version = 1", REFUSED)


@settings(max_examples=15)
@given(st.data())
def test_replaying_the_audit_trail_gives_every_rows_state(data: st.DataObject) -> None:
    """For all histories of two files, moves follow without a gap and end where the row is."""
    with TemporaryDirectory() as folder, session(new_catalog(Path(folder))) as plain:
        at = {"a.txt": State.UNTRACKED, "b.txt": State.UNTRACKED}
        for path in at:
            add_row(plain, path)
        for _ in range(data.draw(st.integers(0, 12))):
            path = data.draw(st.sampled_from(sorted(at)))
            state = data.draw(st.sampled_from(sorted(b for a, b in LEGAL if a is at[path])))
            move(plain, state, path)
            at[path] = state

        for path, state in at.items():
            replayed, version = "untracked", 0
            for before, after, counted in plain.execute(
                "SELECT from_state, to_state, version FROM transitions WHERE file_path = ?"
                " ORDER BY id",
                (path,),
            ):
                assert (before, counted) == (replayed, version + 1)
                replayed, version = after, counted
            row = plain.execute(
                "SELECT gemini_state, version FROM files WHERE file_path = ?", (path,)
            ).fetchone()
            assert row == (replayed, version) == (state, version)


def test_the_guard_holds_exactly_the_transition_table(plain: sqlite3.Connection) -> None:
    """The pairs in the stored trigger are those of `fsm.TRANSITIONS`, of all twenty-five."""
    (sql,) = plain.execute(
        "SELECT sql FROM sqlite_master WHERE name = 'files_refuse_illegal_move'"
    ).fetchone()
    pairs = re.findall(r"OLD\.gemini_state = '(\w+)' AND NEW\.gemini_state = '(\w+)'", sql)

    assert sorted(pairs) == sorted(LEGAL)
    assert len(LEGAL) + len(ILLEGAL) + len(State) == 25


# A row with a life of its own neither begins anew nor goes


LIVING = [state for state in State if state is not State.UNTRACKED]
RESET = "(file_path, filename, created_at, updated_at) VALUES ('a.txt', 'a.txt', '', '')"


@pytest.mark.parametrize("state", LIVING)
@pytest.mark.parametrize("verb", ["REPLACE", "INSERT OR REPLACE", "INSERT OR IGNORE", "INSERT"])
def test_no_insert_resets_a_row(plain: sqlite3.Connection, verb: str, state: State) -> None:
    """Whatever it says about conflicts: the row would begin anew, and its document be forgotten."""
    add_row_in(plain, state)

    forbid(plain, f"{verb} INTO files {RESET}", "reset|UNIQUE")


def test_a_released_row_is_not_reset_either(plain: sqlite3.Connection) -> None:
    """It is untracked, but it has a past: its version goes on counting."""
    add_row_in(plain, State.UPLOADING)
    move(plain, State.UNTRACKED)

    forbid(plain, f"REPLACE INTO files {RESET}", "reset")


@pytest.mark.parametrize("column", ["gemini_store_doc_id", "superseded_doc_id"])
def test_a_row_with_a_document_cannot_be_deleted(plain: sqlite3.Connection, column: str) -> None:
    """Between two versions a row is untracked, and its older document is in the store."""
    add_row(plain)
    plain.execute(f"UPDATE files SET {column} = 'documents/a'")

    forbid(plain, "DELETE FROM files", "keeps its row")
    forbid(plain, f"REPLACE INTO files {RESET}", "reset")


def test_a_row_that_was_never_uploaded_may_go(plain: sqlite3.Connection) -> None:
    """A scan drops the row of a file that turns out to have been moved."""
    add_row(plain)

    plain.execute(f"REPLACE INTO files {RESET}")
    plain.execute("DELETE FROM files")

    assert plain.execute("SELECT COUNT(*) FROM files").fetchone() == (0,)


@pytest.mark.parametrize("verb", ["UPDATE", "UPDATE OR REPLACE"])
def test_a_rename_does_not_swallow_another_row(plain: sqlite3.Connection, verb: str) -> None:
    """`OR REPLACE` would delete the row that has the path already."""
    add_row(plain, "a.txt")
    add_row_in(plain, State.INDEXED, "b.txt")

    forbid(plain, f"{verb} files SET file_path = 'b.txt' WHERE file_path = 'a.txt'", "lost|UNIQUE")


def test_what_a_row_is_may_still_be_written_down(plain: sqlite3.Connection) -> None:
    """Facts, metadata and the mark of a deleted file are nobody's business but the user's."""
    add_row_in(plain, State.INDEXED)

    plain.execute("UPDATE files SET metadata_json = '{}', is_deleted = 1, mtime = 3.0")

    assert plain.execute("SELECT is_deleted, mtime FROM files").fetchone() == (1, 3.0)


@pytest.mark.parametrize("verb", ["REPLACE", "INSERT OR REPLACE"])
def test_a_line_of_the_trail_is_not_replaced(plain: sqlite3.Connection, verb: str) -> None:
    """`REPLACE` is a way of rewriting history, too."""
    add_row_in(plain, State.INDEXED)
    before = plain.execute("SELECT * FROM transitions").fetchall()

    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        plain.execute(f"{verb} INTO transitions VALUES (1, 'a.txt', 'x', 'y', 1, '', 1, '', '')")

    assert plain.execute("SELECT * FROM transitions").fetchall() == before


STALE = {
    "missing": [],
    "permissive": ["CREATE TRIGGER {} BEFORE UPDATE ON files WHEN 0 BEGIN SELECT 1; END"],
}


@pytest.mark.parametrize("name", triggers())
@pytest.mark.parametrize("kind", STALE)
def test_a_guard_that_was_tampered_with_is_replaced_at_open(
    tmp_path: Path, name: str, kind: str
) -> None:
    """A missing or altered trigger does not outlive the next open; no row is touched by that."""
    path = new_catalog(tmp_path)
    with session(path) as plain:
        add_row_in(plain, State.INDEXED)
        before = plain.execute("SELECT * FROM files").fetchall()
        plain.execute(f"DROP TRIGGER {name}")
        for statement in STALE[kind]:
            plain.execute(statement.format(name))

    new_catalog(tmp_path)

    with session(path) as plain:
        stored = dict(plain.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
        assert stored == triggers()
        assert plain.execute("SELECT * FROM files").fetchall() == before
