"""Every step of the schema, from a catalog of the version before it, frozen as it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from objlib.catalog.sqlite.guards import triggers
from objlib.catalog.sqlite.migrations import SCHEMA_VERSION, STEPS, run_step
from objlib.states import State
from tests.catalog.catalogs import (
    add_row_in,
    frozen_schema,
    legacy_catalog,
    new_catalog,
    session,
)

VERSIONS = (20, 21, 22, 23, 24, 25, 26)

Rows = dict[str, list[dict[str, Any]]]


def names(connection: sqlite3.Connection, kind: str) -> list[str]:
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = ? AND sql IS NOT NULL ORDER BY name", (kind,)
    )
    return [name for (name,) in rows]


def columns(connection: sqlite3.Connection) -> dict[str, set[tuple[Any, ...]]]:
    """Table -> its columns: name, type, NOT NULL, default, place in the key."""
    return {
        table: {tuple(row[1:]) for row in connection.execute(f"PRAGMA table_info({table})")}
        for table in names(connection, "table")
    }


def statements(connection: sqlite3.Connection, kind: str) -> dict[str, str]:
    """Name -> the statement that made it, in one line."""
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = ? AND sql IS NOT NULL", (kind,)
    )
    return {name: " ".join(sql.split()) for name, sql in rows}


def shape(connection: sqlite3.Connection) -> tuple[object, ...]:
    """Tables with their columns in any order, and indexes."""
    return columns(connection), statements(connection, "index")


def frozen(version: int) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(frozen_schema(f"v{version}"))
    return connection


def rows_by_table(connection: sqlite3.Connection) -> Rows:
    return {
        table: [
            dict(zip([column[0] for column in cursor.description], row, strict=True))
            for cursor in (connection.execute(f"SELECT * FROM {table} ORDER BY 1"),)
            for row in cursor
        ]
        for table in names(connection, "table")
    }


def old_catalog(path: Path, version: int) -> Rows:
    """Make a catalog of a version with a row in every table and every state; return its rows."""
    with session(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(frozen_schema(f"v{version}"))
        for state in State:
            add_row_in(connection, state, f"{state}.txt")
        connection.execute("INSERT INTO catalog_info VALUES ('library_id', 'l')")
        if "leftovers" in names(connection, "table"):
            connection.execute("INSERT INTO leftovers VALUES ('documents/d', 'a', '2026')")
        connection.execute(f"PRAGMA user_version = {version}")
        return rows_by_table(connection)


def test_every_version_is_frozen_and_tested() -> None:
    """The steps are numbered without a gap, and each has its line here."""
    assert VERSIONS == tuple(range(20, SCHEMA_VERSION + 1)) == tuple(sorted(STEPS))


def test_a_new_catalog_is_of_the_newest_frozen_schema(tmp_path: Path) -> None:
    """Another column in `schema.sql` or another index is another version, with a step of its own:
    catalogs of this version exist."""
    with session(new_catalog(tmp_path)) as new, closing(frozen(SCHEMA_VERSION)) as expected:
        assert shape(new) == shape(expected)
        assert statements(new, "trigger") == triggers()


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_a_step_leads_from_the_version_before_it(version: int) -> None:
    """It alone makes the tables, columns and indexes of its version."""
    with closing(frozen(version - 1)) as catalog, closing(frozen(version)) as expected:
        assert shape(catalog) != shape(expected)
        run_step(catalog, version)
        assert shape(catalog) == shape(expected)


@pytest.mark.parametrize("version", VERSIONS[:-1])
def test_a_catalog_of_a_version_keeps_its_rows_and_becomes_like_a_new_one(
    tmp_path: Path, version: int
) -> None:
    """Tables, columns, indexes and guards are those of a new catalog, and a copy lies beside."""
    path = tmp_path / "old" / "library.db"
    path.parent.mkdir()
    before = old_catalog(path, version)

    new_catalog(path.parent)  # which opens the one that is there

    with session(path) as catalog, session(new_catalog(tmp_path)) as new:
        assert shape(catalog) == shape(new)
        assert statements(catalog, "trigger") == triggers()
        assert catalog.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        after = rows_by_table(catalog)
    for table, rows in before.items():
        kept = [{name: row[name] for name in rows[0]} for row in after[table]]
        assert all(row in kept for row in rows), table
        assert len(kept) == len(rows) or table == "catalog_info"
    with session(path.with_name(f"library.db.v{version}.bak")) as backup:
        assert backup.execute("PRAGMA user_version").fetchone() == (version,)
        assert rows_by_table(backup) == before


@pytest.mark.parametrize("version", [9, 10, 11, 12])
def test_the_earlier_generation_gets_all_that_a_new_catalog_has(
    tmp_path: Path, version: int
) -> None:
    """Every table, column, index and guard; foreign ones stay beside them."""
    (tmp_path / "old").mkdir()
    path = legacy_catalog(tmp_path / "old", version)

    new_catalog(path.parent)  # which opens the one that is there

    with session(path) as catalog, session(new_catalog(tmp_path)) as new:
        have = columns(catalog)
        for table, expected in columns(new).items():
            assert {column[0] for column in have[table]} >= {column[0] for column in expected}
        for kind in ("index", "trigger"):
            assert statements(catalog, kind).items() >= statements(new, kind).items()


def test_a_step_may_meet_a_column_that_is_there() -> None:
    """A foreign column of that name is used as it is: its rows keep what they hold."""
    with closing(frozen(21)) as catalog:
        catalog.execute("ALTER TABLE files ADD COLUMN proven_at TEXT")
        run_step(catalog, 22)
        with closing(frozen(22)) as expected:
            assert shape(catalog) == shape(expected)


def test_a_catalog_whose_trail_had_no_keys_says_since_when_it_has() -> None:
    """Older documents may have keys that nobody has recorded."""
    with closing(frozen(23)) as catalog:
        run_step(catalog, 24)
        (since,) = catalog.execute(
            "SELECT value FROM catalog_info WHERE key = 'keys_recorded_since'"
        ).fetchone()
        assert since.endswith("+00:00")
