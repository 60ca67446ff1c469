"""Files that one run leaves as they are, in a temporary table beside the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import marks
from objlib.catalog.records import FileRecord
from objlib.catalog.scratch import Scratch


class Held:
    """The rows that a run neither sends nor deletes, gathered by its scan."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        (self.table,) = scratch.tables

    @classmethod
    async def begun(cls, catalog: Catalog) -> Self:
        """Return an empty set of rows."""
        scratch = await Scratch.begun(catalog, "held")
        (table,) = scratch.tables
        await scratch.session.execute(f"CREATE TEMP TABLE {table} (file_path TEXT PRIMARY KEY)")
        return cls(scratch)

    async def add(self, paths: Iterable[str]) -> None:
        """Hold these rows, too."""
        await self._scratch.session.execute_many(
            f"INSERT INTO {self.table} VALUES (?) ON CONFLICT DO NOTHING",
            [(path,) for path in paths],
        )

    async def rest_of(self, rows: Sequence[FileRecord]) -> list[FileRecord]:
        """Return those of these rows that are not held."""
        paths = tuple(row.file_path for row in rows)
        found = await self._scratch.session.fetch_all(
            f"SELECT file_path FROM {self.table} WHERE file_path IN ({marks(paths)})", paths
        )
        held = {path for (path,) in found}
        return [row for row in rows if row.file_path not in held]


def but_for(held: Held | None) -> str:
    """Return the end of an SQL condition on `files`, in the session for large reads."""
    if held is None:
        return ""
    return f" AND file_path NOT IN (SELECT file_path FROM {held.table})"
