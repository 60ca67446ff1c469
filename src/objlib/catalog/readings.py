"""The making of documents' texts: the reader of each, and what of the file it lacks.

Only files that are converted on the way up have a reader of ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import marks
from objlib.catalog.records import COLUMNS, UPLOADABLE, FileRecord

_INDEXED = f"gemini_state = 'indexed' AND {UPLOADABLE}"


@dataclass(frozen=True, slots=True)
class Made:
    """The making of one document's text."""

    #: Name and version of the reader, such as `epub:2`.
    reader: str
    #: Parts of the file that are not in the text, in words for its owner.
    not_read: tuple[str, ...] = ()
    #: Of the text, in UTF-8.
    text_bytes: int = 0


def columns_of(made: Made | None) -> dict[str, Any]:
    """Return the columns of a row that say how its document is made."""
    if made is None:
        return {"reader": None, "not_read": None, "text_bytes": None}
    listed = json.dumps(made.not_read, ensure_ascii=False) if made.not_read else None
    return {"reader": made.reader, "not_read": listed, "text_bytes": made.text_bytes}


async def parts_not_read(catalog: Catalog, path: str) -> tuple[str, ...]:
    """Return what of a file is not in its document, nor in the one that is on its way."""
    row = await catalog.reader.fetch_one("SELECT not_read FROM files WHERE file_path = ?", (path,))
    return _listed(row[0]) if row and row[0] else ()


async def note_not_read(catalog: Catalog, record: FileRecord, parts: Sequence[str]) -> None:
    """Write down what of a file the store has not read, while its document is of that version."""
    async with catalog.transaction():
        await catalog.execute(
            "UPDATE files SET not_read = ? WHERE file_path = ? AND upload_key = ?",
            (json.dumps(parts, ensure_ascii=False), record.file_path, record.upload_key),
        )


@dataclass(frozen=True, slots=True)
class PartlyRead:
    """Files in the store of which parts were not read."""

    files: int
    #: Path -> those parts, of the first files.
    named: Mapping[str, Sequence[str]]


async def partly_read(catalog: Catalog, limit: int) -> PartlyRead:
    """Count the files in the store of which parts were not read, and name the first ones."""
    row = await catalog.reader.fetch_one(
        f"SELECT COUNT(*) FROM files WHERE not_read IS NOT NULL AND {_INDEXED}"
    )
    rows = await catalog.reader.fetch_all(
        f"SELECT file_path, not_read FROM files WHERE not_read IS NOT NULL AND {_INDEXED}"
        " ORDER BY file_path LIMIT ?",
        (limit,),
    )
    named = {str(path): _listed(parts) for path, parts in rows}
    return PartlyRead(int(row[0]) if row else 0, named)


@dataclass(frozen=True, slots=True)
class Readings:
    """Files in the store that one reader has read."""

    mime_type: str
    reader: str
    files: int
    size_bytes: int
    text_bytes: int


async def tally_by_reader(catalog: Catalog) -> list[Readings]:
    """Return the files in the store that are converted, by type and reader."""
    rows = await catalog.reader.fetch_all(
        "SELECT mime_type, reader, COUNT(*), COALESCE(SUM(file_size), 0),"
        " COALESCE(SUM(COALESCE(text_bytes, file_size)), 0) FROM files"
        f" WHERE reader IS NOT NULL AND {_INDEXED} GROUP BY mime_type, reader"
    )
    return [Readings(str(kind), str(reader), *map(int, sums)) for kind, reader, *sums in rows]


async def unknown_readers_page(
    catalog: Catalog, mime_types: Iterable[str], after: str, size: int
) -> list[FileRecord]:
    """Return files in the store of these types of which the reader is not on record, by path."""
    types = tuple(mime_types)
    rows = await catalog.reader.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE reader IS NULL AND upload_key IS NOT NULL"
        f" AND {_INDEXED} AND mime_type IN ({marks(types)})"
        " AND file_path > ? ORDER BY file_path LIMIT ?",
        (*types, after, size),
    )
    return [FileRecord.from_row(row) for row in rows]


async def note_readers(catalog: Catalog, readers: Iterable[tuple[FileRecord, str]]) -> None:
    """Write down which reader has made the documents of rows, where they still have them."""
    async with catalog.transaction():
        await catalog.execute_many(
            "UPDATE files SET reader = ? WHERE file_path = ? AND upload_key = ? AND reader IS NULL",
            ((reader, row.file_path, row.upload_key) for row, reader in readers),
        )


def _listed(written: str) -> tuple[str, ...]:
    return tuple(map(str, json.loads(written)))
