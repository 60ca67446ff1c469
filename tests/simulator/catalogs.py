"""What may happen to a catalog between two runs: it is lost, emptied, old, or of an older objlib.

Whoever calls these has closed every connection to the catalog before.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

#: Statements that undo the step to a version. An older objlib has written such a catalog.
_UNDONE = {
    25: (
        "ALTER TABLE files DROP COLUMN ctime",
        "ALTER TABLE files DROP COLUMN read_problem",
    ),
    24: (
        "DROP INDEX transitions_by_key",
        "ALTER TABLE transitions DROP COLUMN upload_key",
        "DELETE FROM catalog_info WHERE key = 'keys_recorded_since'",
    ),
}


def files_of(catalog: Path) -> list[Path]:
    """Return the database and what lies beside it: its log and its index."""
    return [path for path in catalog.parent.glob(f"{catalog.name}*") if path.suffix != ".bak"]


def lose(catalog: Path) -> None:
    """Delete a catalog."""
    for path in files_of(catalog):
        path.unlink()


def empty(catalog: Path) -> None:
    """Leave a file of 0 bytes in its place."""
    lose(catalog)
    catalog.touch()


def copy(catalog: Path, target: Path) -> None:
    """Write a copy of a catalog, in place of whatever there is."""
    lose(target)
    with closing(sqlite3.connect(catalog)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
    shutil.copymode(catalog, target)


def is_there(catalog: Path) -> bool:
    """Return whether a file is a catalog with a table of files."""
    if not catalog.exists():
        return False
    with closing(sqlite3.connect(f"file:{catalog}?mode=ro", uri=True)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'files'")
        return tables.fetchone() is not None


def make_older(catalog: Path, version: int) -> None:
    """Let a catalog be as an objlib of an older schema would have left it."""
    with closing(sqlite3.connect(catalog, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        (now,) = connection.execute("PRAGMA user_version").fetchone()
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for step in range(now, version, -1):
            for statement in _UNDONE[step]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
