"""Numbered, forward-only migrations on `PRAGMA user_version`, each in one transaction.

A catalog file is copied beside itself before it is changed. Version 0 with no table is a new
catalog; 9 to 12 is the earlier generation, whose rows and foreign columns are all kept; 20 had no
table of leftovers, 21 no columns for sidecars and proofs, 22 none for reservations, 23 none for the
keys of the trail, change times and files that cannot be read any more.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from importlib import resources
from pathlib import Path

from objlib.catalog.sqlite.guards import triggers
from objlib.errors import CatalogError, Hint

SCHEMA_VERSION = 24
EARLIER_GENERATION = range(9, 13)
RECENT = range(20, SCHEMA_VERSION)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring an open catalog to `SCHEMA_VERSION`.

    Args:
        connection: in autocommit mode (`isolation_level=None`).
        path: where the database lives; the backup is written beside it.

    Raises:
        CatalogError: the file belongs to a newer objlib, or to another program.
    """
    # The tables before the version: between the two another process may make the catalog.
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    version = _version(connection)
    if version == SCHEMA_VERSION:
        if not _guards_are_current(connection):
            _in_transaction(connection, version, _install_guards)
        return
    if version > SCHEMA_VERSION:
        raise CatalogError(
            f"{path} was written by a newer objlib (schema {version}, this one knows "
            f"{SCHEMA_VERSION}); upgrade objlib"
        )
    if version == 0 and not tables:
        _in_transaction(connection, version, _create)
    elif version in EARLIER_GENERATION and "files" in tables:

        def adopt(connection: sqlite3.Connection) -> None:
            _back_up(path, version)
            _adopt_earlier_generation(connection)

        _in_transaction(connection, version, adopt)
    elif version in RECENT:

        def complete(connection: sqlite3.Connection) -> None:
            _back_up(path, version)
            _add_columns(connection)
            _complete(connection)

        _in_transaction(connection, version, complete)
    else:
        raise CatalogError(
            f"{path} is a SQLite database but not an objlib catalog (user_version {version})",
            hint=Hint.CHOOSE_ANOTHER_CATALOG,
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _in_transaction(
    connection: sqlite3.Connection, version: int, step: Callable[[sqlite3.Connection], None]
) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection) == version:  # else another process was faster
            step(connection)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _create(connection: sqlite3.Connection) -> None:
    _run_script(connection, "schema.sql")
    _run_script(connection, "indexes.sql")
    _install_guards(connection)


def _adopt_earlier_generation(connection: sqlite3.Connection) -> None:
    """Add what is missing to an existing `files` table; take nothing away."""
    _allow_unknown_facts(connection)
    _add_columns(connection)
    connection.execute(
        "UPDATE files SET filename = COALESCE(filename, file_path),"
        " version = COALESCE(version, 0), gemini_state = COALESCE(gemini_state, 'untracked'),"
        " is_deleted = COALESCE(is_deleted, 0)"
        " WHERE filename IS NULL OR version IS NULL OR gemini_state IS NULL OR is_deleted IS NULL"
    )
    _complete(connection)


def _add_columns(connection: sqlite3.Connection) -> None:
    for table in ("files", "transitions"):
        have = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        for name, declaration in _declared_columns(table).items():
            if have and name not in have:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {declaration}")


def _complete(connection: sqlite3.Connection) -> None:
    """Add the tables, indexes and triggers that are missing."""
    _run_script(connection, "schema.sql", skip_existing=True)
    connection.execute(
        "INSERT INTO catalog_info (key, value)"
        " VALUES ('keys_recorded_since', strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'))"
        " ON CONFLICT (key) DO NOTHING"
    )
    _run_script(connection, "indexes.sql")
    _install_guards(connection)


def _allow_unknown_facts(connection: sqlite3.Connection) -> None:
    """Let a column be NULL that is so in ours: of an unreadable file size and hash are unknown.

    Dropping NOT NULL changes no row, so it is done in the stored schema, as section 7 of
    https://www.sqlite.org/lang_altertable.html has it.
    """
    needed = {name for name, kind in _declared_columns("files").items() if "NOT NULL" not in kind}
    strict = [row[1] for row in connection.execute("PRAGMA table_info(files)") if row[3]]
    too_strict = sorted(needed.intersection(strict) - {"file_path", "filename", *_STAMPS})
    if not too_strict:
        return
    (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'files'").fetchone()
    for name in too_strict:
        sql = re.sub(rf"(\b{name}\b[^,]*?)\s+NOT\s+NULL", r"\1", sql, count=1, flags=re.IGNORECASE)
    (cookie,) = connection.execute("PRAGMA schema_version").fetchone()
    connection.execute("PRAGMA writable_schema = ON")
    try:
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'files'", (sql,))
        connection.execute(f"PRAGMA schema_version = {cookie + 1}")
    finally:
        connection.execute("PRAGMA writable_schema = OFF")


_STAMPS = ("created_at", "updated_at")


def _declared_columns(table: str) -> dict[str, str]:
    """Column -> declaration of a current table, in a form that ALTER TABLE accepts."""
    scratch = sqlite3.connect(":memory:")
    try:
        scratch.executescript(_script("schema.sql"))
        columns = scratch.execute(f"PRAGMA table_info({table})").fetchall()
    finally:
        scratch.close()
    # A column that is added to existing rows may be NOT NULL only if it has a default.
    return {
        name: f"{kind}{' NOT NULL' if not_null and default else ''}"
        f"{f' DEFAULT {default}' if default else ''}"
        for _, name, kind, not_null, default, _ in columns
    }


def _install_guards(connection: sqlite3.Connection) -> None:
    for name, statement in triggers().items():
        connection.execute(f"DROP TRIGGER IF EXISTS {name}")
        connection.execute(statement)


def _guards_are_current(connection: sqlite3.Connection) -> bool:
    stored = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    return all(stored.get(name) == statement for name, statement in triggers().items())


def _back_up(path: Path, version: int) -> None:
    """Copy the database, what is still in its write-ahead log included."""
    backup = path.with_name(f"{path.name}.v{version}.bak")
    backup.unlink(missing_ok=True)
    backup.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    shutil.copymode(path, backup)


def _run_script(connection: sqlite3.Connection, name: str, *, skip_existing: bool = False) -> None:
    # `executescript` would commit the open transaction first, so statements run one by one.
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    for statement in _statements(_script(name)):
        words = statement.split()
        if skip_existing and words[1] == "TABLE" and words[2] in tables:
            continue
        connection.execute(statement)


def _script(name: str) -> str:
    return resources.files("objlib.catalog.sqlite").joinpath(name).read_text("utf-8")


def _statements(script: str) -> list[str]:
    lines = (line.split("--", 1)[0] for line in script.splitlines())
    return [part.strip() for part in "\n".join(lines).split(";") if part.strip()]
