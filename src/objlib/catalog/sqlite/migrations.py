"""Numbered, forward-only migrations on `PRAGMA user_version`, in one transaction.

Version 0 with no table becomes a new catalog, from `schema.sql`. An older catalog goes through
every step above its version (`steps/`), after its file was copied beside itself. Versions 9 to 12
are the earlier generation, whose rows and foreign columns are all kept. The guards are made anew
after the steps: they are generated, and belong to no version.
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
from objlib.catalog.sqlite.steps.from_earlier_generation import (
    EARLIER_GENERATION,
    allow_unknown_facts,
)
from objlib.errors import CatalogError, Hint

_FILES = resources.files("objlib.catalog.sqlite")

#: Version -> the file that leads to it.
STEPS = {
    int(file.name[1:-4]): f"steps/{file.name}"
    for file in _FILES.joinpath("steps").iterdir()
    if re.fullmatch(r"v\d+\.sql", file.name)
}
FIRST_VERSION, SCHEMA_VERSION = min(STEPS), max(STEPS)


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
    elif version >= FIRST_VERSION or (version in EARLIER_GENERATION and "files" in tables):

        def upgrade(connection: sqlite3.Connection) -> None:
            _back_up(path, version)
            _upgrade(connection, version)

        _in_transaction(connection, version, upgrade)
    else:
        raise CatalogError(
            f"{path} is a SQLite database but not an objlib catalog (user_version {version})",
            hint=Hint.CHOOSE_ANOTHER_CATALOG,
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _in_transaction(
    connection: sqlite3.Connection, version: int, change: Callable[[sqlite3.Connection], None]
) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection) == version:  # else another process was faster
            change(connection)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _create(connection: sqlite3.Connection) -> None:
    _run_script(connection, "schema.sql")
    _run_script(connection, "indexes.sql")
    _install_guards(connection)


def _upgrade(connection: sqlite3.Connection, version: int) -> None:
    _drop_guards(connection)  # a step may write what they would refuse
    for number in sorted(STEPS):
        if number > version:
            run_step(connection, number)
    _install_guards(connection)


def run_step(connection: sqlite3.Connection, number: int) -> None:
    """Run the statements that lead to a version from the one before it."""
    if number == FIRST_VERSION:
        allow_unknown_facts(connection)
    _run_script(connection, STEPS[number])


def _drop_guards(connection: sqlite3.Connection) -> None:
    for name in triggers():
        connection.execute(f"DROP TRIGGER IF EXISTS {name}")


def _install_guards(connection: sqlite3.Connection) -> None:
    _drop_guards(connection)
    for statement in triggers().values():
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


def _run_script(connection: sqlite3.Connection, name: str) -> None:
    # `executescript` would commit the open transaction first, so statements run one by one.
    for statement in _statements(_FILES.joinpath(name).read_text("utf-8")):
        if not _adds_column_that_is_there(connection, statement):
            connection.execute(statement)


def _adds_column_that_is_there(connection: sqlite3.Connection, statement: str) -> bool:
    match = re.match(r"ALTER TABLE (\w+) ADD COLUMN (\w+)", statement)
    if match is None:
        return False
    table, column = match.groups()
    return column in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _statements(script: str) -> list[str]:
    lines = (line.split("--", 1)[0] for line in script.splitlines())
    return [part.strip() for part in "\n".join(lines).split(";") if part.strip()]
