"""Opening the data file, and bringing one that an earlier version made up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from objlib.privacy import make_private, prepare_private

VERSION = 8

#: Columns that came later, and what they hold in older rows.
_ADDED = (
    ("uploads", "created_at", "REAL NOT NULL DEFAULT 0"),
    ("uploads", "last", "TEXT"),
    ("documents", "indexing_s", "REAL"),
    ("documents", "endurance", "REAL"),
    ("chunks", "page", "INTEGER"),
    ("operations", "missing_json", "TEXT"),
)
#: Tables whose key changed from `id` to `position`: their rows are copied.
_STORES = "position, id, display_name, embedding_model, created_at"
_FILES = "position, id, display_name, mime_type, size_bytes, sha256, created_at, expires_at"


def open_data_file(path: Path) -> sqlite3.Connection:
    """A connection to the data file, which is made where there is none.

    WAL with `synchronous=NORMAL` keeps every committed transaction through the death of the
    process.
    """
    prepare_private(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    make_private(path)
    connection = sqlite3.connect(path, isolation_level=None, timeout=30.0)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if _version(connection) != VERSION:
            connection.execute("BEGIN IMMEDIATE")
            if _version(connection) != VERSION:  # nobody else did it meanwhile
                _bring_up_to_date(connection)
            connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    for table, column, kind in _ADDED:
        columns = _columns(connection, table)
        if columns and column not in columns:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
    columns = _columns(connection, "stores")
    is_older = bool(columns) and "documents" not in columns
    if is_older:
        for table in ("stores", "files"):
            connection.execute(f"CREATE TEMP TABLE older_{table} AS SELECT * FROM {table}")
            connection.execute(f"DROP TABLE {table}")
    schema = resources.files("objlib.filestore").joinpath("schema.sql").read_text("utf-8")
    for statement in _statements(schema):
        connection.execute(statement)
    if _version(connection) < 7:
        # They were of another form; and before version 5 those of a deleted store stayed behind
        # and passed for those of new passages.
        connection.execute("DELETE FROM vectors")
    if is_older:
        connection.execute(
            f"INSERT INTO stores ({_STORES}, documents, size_bytes) SELECT {_STORES},"
            " (SELECT COUNT(*) FROM documents WHERE store_id = older.id),"
            " (SELECT COALESCE(SUM(size_bytes), 0) FROM documents WHERE store_id = older.id)"
            " FROM older_stores AS older"
        )
        connection.execute(f"INSERT INTO files ({_FILES}) SELECT {_FILES} FROM older_files")
        for table in ("stores", "files"):
            connection.execute(f"DROP TABLE older_{table}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: `executescript` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
