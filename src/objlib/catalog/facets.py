"""The metadata of files that are in the store: keys, values, and the number of files with each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from objlib.catalog.protocol import Catalog
from objlib.catalog.records import UPLOADABLE

Value = str | int | float

#: Files that a filter of the store can find.
_FOUND = f"gemini_state = 'indexed' AND {UPLOADABLE}"


@dataclass(frozen=True, slots=True)
class Facet:
    """One value of one key, and the number of files that have it. A list counts item by item."""

    key: str
    value: Value
    files: int


async def facets_of(catalog: Catalog) -> list[Facet]:
    """Return every value of every key, by key, the most frequent first."""
    rows = await catalog.reader.fetch_all(
        "SELECT entry.key, item.value, COUNT(DISTINCT file_path) AS files"
        " FROM files, json_each(files.metadata_json) AS entry,"
        " json_each(CASE entry.type WHEN 'array' THEN entry.value"
        "           ELSE json_array(entry.value) END) AS item"
        f" WHERE {_FOUND} AND json_valid(metadata_json)"
        " AND item.type IN ('text', 'integer', 'real')"
        " GROUP BY entry.key, item.type, item.value ORDER BY entry.key, files DESC, item.value"
    )
    return [Facet(str(key), value, int(files)) for key, value, files in rows]


async def count_indexed(catalog: Catalog) -> int:
    """Return the number of files in the store."""
    row = await catalog.reader.fetch_one(f"SELECT COUNT(*) FROM files WHERE {_FOUND}")
    return int(row[0]) if row else 0


async def metadata_pages(catalog: Catalog, size: int = 10_000) -> AsyncIterator[list[str]]:
    """Yield the metadata of the files in the store, as JSON, so many at a time."""
    after = ""
    while True:
        rows = await catalog.reader.fetch_all(
            f"SELECT file_path, metadata_json FROM files WHERE {_FOUND}"
            " AND json_valid(metadata_json) AND file_path > ? ORDER BY file_path LIMIT ?",
            (after, size),
        )
        if rows:
            yield [str(text) for _, text in rows]
        if len(rows) < size:
            return
        after = str(rows[-1][0])
