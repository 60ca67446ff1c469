"""The questions asked of the catalog. Reads that can be large are keyset-paged."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence, Sized
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from objlib.catalog.part_names import SEPARATOR
from objlib.catalog.protocol import Catalog
from objlib.catalog.records import COLUMNS, UPLOADABLE, FileRecord, TransitionRecord


def marks(values: Sized) -> str:
    """Return the placeholders for the values of an `IN (…)`; with none nothing is in it."""
    return ", ".join("?" * len(values)) or "NULL"


#: A proof of an older version is none.
IS_PROVEN = "proven_at >= COALESCE(gemini_state_updated_at, '')"


async def get_info(catalog: Catalog, key: str) -> str | None:
    """A fact about the whole catalog: `library_root`, `library_id`, `backend`, `store_name`…"""
    row = await catalog.fetch_one("SELECT value FROM catalog_info WHERE key = ?", (key,))
    return str(row[0]) if row else None


async def set_info(catalog: Catalog, **facts: str) -> None:
    """Write facts about the whole catalog, together."""
    async with catalog.transaction():
        await catalog.execute_many(
            "INSERT INTO catalog_info (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            facts.items(),
        )


async def claim_info(catalog: Catalog, key: str, value: str) -> str:
    """Write a fact unless another process was faster; the fact as it stands now."""
    async with catalog.transaction():
        await catalog.execute(
            "INSERT INTO catalog_info (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING",
            (key, value),
        )
        row = await catalog.fetch_one("SELECT value FROM catalog_info WHERE key = ?", (key,))
    return str(row[0]) if row else value


async def forget_info(catalog: Catalog, key: str) -> None:
    """Delete a fact about the whole catalog."""
    async with catalog.transaction():
        await catalog.execute("DELETE FROM catalog_info WHERE key = ?", (key,))


async def get_file(catalog: Catalog, file_path: str) -> FileRecord | None:
    """The row of one file."""
    row = await catalog.fetch_one(f"SELECT {COLUMNS} FROM files WHERE file_path = ?", (file_path,))
    return FileRecord.from_row(row) if row else None


async def paths_with(catalog: Catalog, fragment: str, size: int) -> list[str]:
    """Paths of files on disk that contain a text, whatever its case, by path."""
    rows = await catalog.reader.fetch_all(
        "SELECT file_path FROM files WHERE is_deleted = 0"
        " AND LOWER(file_path) LIKE LOWER(?) ESCAPE '\\' ORDER BY file_path LIMIT ?",
        (f"%{_literally(fragment)}%", size),
    )
    return [str(path) for (path,) in rows]


def _literally(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


#: Rows with absolute paths (of the earlier generation) that lie elsewhere are none of a scan's
#: business: it cannot tell whether their files are missing.
_IN_THE_LIBRARY = """
    (SUBSTR(file_path, 1, 1) <> '/' OR COALESCE(
        (SELECT file_path >= value || '/' AND file_path < value || '0'  -- which follows '/'
         FROM catalog_info WHERE key = 'library_root'), TRUE))"""


async def stream_known_files(catalog: Catalog) -> Generator[tuple[Any, ...], None, None]:
    """Return every row's facts in the order of paths, as they stand at this moment.

    A scan merges this with its walk, so it must not hold the rows in memory, nor stop the scan's
    own writes.
    """
    return await catalog.stream(
        "SELECT file_path, file_size, mtime, inode, ctime,"
        " content_hash IS NOT NULL OR skip_reason IS NOT NULL,"
        " is_deleted, skip_reason, sidecar_mtime, read_problem IS NOT NULL,"
        " CASE WHEN gemini_state <> 'indexed' THEN mime_type END"
        f" FROM files WHERE {_IN_THE_LIBRARY} ORDER BY file_path"
    )


async def proofs_of(catalog: Catalog, paths: Sequence[str]) -> dict[str, str]:
    """Return path -> when the store last cited the version that it has: ISO 8601, UTC."""
    rows = await catalog.reader.fetch_all(
        "SELECT file_path, proven_at FROM files"
        f" WHERE file_path IN ({marks(paths)}) AND {IS_PROVEN}",
        tuple(paths),
    )
    return {str(path): str(moment) for path, moment in rows}


async def last_move(catalog: Catalog) -> int:
    """Return the number of the newest line of the audit trail; 0 before the first."""
    row = await catalog.reader.fetch_one("SELECT COALESCE(MAX(id), 0) FROM transitions")
    return int(row[0]) if row else 0


async def folders_in(catalog: Catalog, beginning: str, size: int) -> list[str]:
    """Return the folders right below one, by name: each is found by a look into the index.

    Args:
        beginning: "" for the top, else the path of a folder with a closing slash.
        size: at most so many.
    """
    folders: list[str] = []
    after, end = beginning, f"{beginning}\U0010ffff"
    while len(folders) < size:
        row = await catalog.reader.fetch_one(
            "SELECT file_path FROM files WHERE file_path >= ? AND file_path < ?"
            " AND is_deleted = 0 AND REPLACE(substr(file_path, ?), '/', '') <> substr(file_path, ?)"
            " ORDER BY file_path LIMIT 1",
            (after, end, len(beginning) + 1, len(beginning) + 1),
        )
        if row is None:
            break
        name, _, _ = str(row[0])[len(beginning) :].partition("/")
        folders.append(f"{beginning}{name}/")
        after = f"{beginning}{name}0"  # "0" follows "/"
    return folders


async def _page(
    catalog: Catalog, condition: str, parameters: Sequence[object], after: str | None, size: int
) -> list[FileRecord]:
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE {condition} AND file_path > ?"
        " ORDER BY file_path LIMIT ?",
        (*parameters, after or "", size),
    )
    return [FileRecord.from_row(row) for row in rows]


#: All but files whose document is in the store and could not be indexed, since a moment.
RESTED = (
    "(gemini_state <> 'failed' OR gemini_store_doc_id IS NULL"
    " OR COALESCE(gemini_state_updated_at, '') <= ?)"
)


def rested_since(catalog: Catalog, leave_alone_s: float) -> str:
    """The moment for `RESTED`: so many seconds ago; with 0 all are, whatever their clock said."""
    if not leave_alone_s:
        return "9999"
    moment = catalog.clock() - timedelta(seconds=leave_alone_s)
    return moment.isoformat(timespec="milliseconds")


async def failed_page(catalog: Catalog, after: str | None, size: int) -> list[FileRecord]:
    """Return files whose upload failed, by path."""
    return await _page(catalog, f"gemini_state = 'failed' AND {UPLOADABLE}", (), after, size)


async def indexed_page(catalog: Catalog, after: str | None, size: int) -> list[FileRecord]:
    """Files that are indexed, by path."""
    return await _page(catalog, f"gemini_state = 'indexed' AND {UPLOADABLE}", (), after, size)


#: Files that a run tried and did not finish, for reasons that may have passed.
SECOND_CHANCE = (
    f"run_id = ? AND {UPLOADABLE} AND (gemini_state = 'untracked'"
    " OR (gemini_state = 'failed' AND failure_kind = 'transient'))"
)


async def longest_unproven(catalog: Catalog, size: int) -> list[FileRecord]:
    """Indexed files, those first whose last proof is oldest or that have none."""
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE {UPLOADABLE} AND gemini_state = 'indexed'"
        f" ORDER BY CASE WHEN {IS_PROVEN} THEN proven_at END NULLS FIRST, file_path LIMIT ?",
        (size,),
    )
    return [FileRecord.from_row(row) for row in rows]


async def count_second_chances(catalog: Catalog, run_id: str) -> int:
    """Count the files that a run tried and did not finish, for reasons that may have passed."""
    row = await catalog.fetch_one(f"SELECT COUNT(*) FROM files WHERE {SECOND_CHANCE}", (run_id,))
    return int(row[0]) if row else 0


async def page_in_state(
    catalog: Catalog, state: str, after: str | None, size: int
) -> list[FileRecord]:
    """Return rows in one state, by path: any row, whoever holds it."""
    return await _page(catalog, "gemini_state = ?", (state,), after, size)


#: More than a run ever has in flight: what a look-up may hold in memory.
_OVERDUE_MAX = 5_000


async def overdue_rows(catalog: Catalog, before: str) -> list[FileRecord]:
    """Rows in `processing` whose import was accepted before a moment, at most a few thousand."""
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE gemini_state = 'processing'"
        " AND (upload_timestamp IS NULL OR upload_timestamp < ?)"
        " ORDER BY file_path LIMIT ?",
        (before, _OVERDUE_MAX),
    )
    return [FileRecord.from_row(row) for row in rows]


async def failed_with_document(catalog: Catalog, after: str | None, size: int) -> list[FileRecord]:
    """Files that failed for reasons that may pass, and left a document whose name is known."""
    condition = (
        f"gemini_state = 'failed' AND failure_kind = 'transient' AND {UPLOADABLE}"
        " AND gemini_store_doc_id IS NOT NULL AND upload_key IS NOT NULL"
    )
    return await _page(catalog, condition, (), after, size)


#: As in the partial index, or SQLite would not use it.
_LEFTOVER = (
    "gemini_state = 'indexed' AND upload_key IS NOT NULL"
    " AND (superseded_doc_id IS NOT NULL OR gemini_file_id IS NOT NULL)"
)


async def leftover_page(catalog: Catalog, after: str | None, size: int) -> list[FileRecord]:
    """Indexed files whose older document or raw file still has to go.

    Rows of the earlier generation have no upload key and stay as they are: their raw files expired
    long ago.
    """
    return await _page(catalog, _LEFTOVER, (), after, size)


@dataclass(frozen=True, slots=True)
class Leftover:
    """A document that no row names any more and that still has to be deleted."""

    document_name: str
    file_path: str


async def discarded_page(catalog: Catalog, after: str | None, size: int) -> list[Leftover]:
    """Documents that no row names any more, by name."""
    rows = await catalog.fetch_all(
        "SELECT document_name, file_path FROM leftovers WHERE document_name > ?"
        " ORDER BY document_name LIMIT ?",
        (after or "", size),
    )
    return [Leftover(*row) for row in rows]


async def leftovers_by_name(
    catalog: Catalog, names: Sequence[str], raw_files: Mapping[str, str] = {}
) -> dict[str, Leftover]:
    """Document name -> the leftover that it is, whichever name of it the catalog has."""
    full_names = _forms(names, raw_files)
    rows = await catalog.fetch_all(
        "SELECT document_name, file_path FROM leftovers"
        f" WHERE document_name IN ({marks(full_names)})",
        tuple(full_names),
    )
    return {full_names[str(row[0])]: Leftover(*row) for row in rows}


async def files_by_path(catalog: Catalog, paths: Sequence[str]) -> dict[str, FileRecord]:
    """Path -> row, for those that exist. At most a few hundred paths at a time."""
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE file_path IN ({marks(paths)})", paths
    )
    return {record.file_path: record for record in map(FileRecord.from_row, rows)}


async def pointers_to(
    catalog: Catalog, names: Sequence[str], raw_files: Mapping[str, str] = {}
) -> dict[str, tuple[FileRecord, bool]]:
    """Document name -> (the row that points at it, whether as the one that is superseded).

    Catalogs of the earlier generation name a document by its last segment, or only by the raw file
    that it was made from.

    Args:
        raw_files: document name -> raw file, for documents that are named after theirs.
    """
    full_names = _forms(names, raw_files)
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE gemini_store_doc_id IN ({marks(full_names)})"
        f" UNION SELECT {COLUMNS} FROM files WHERE superseded_doc_id IN ({marks(full_names)})"
        f" UNION SELECT {COLUMNS} FROM files WHERE gemini_file_id IN ({marks(full_names)})"
        " AND gemini_file_id IS NOT NULL AND upload_key IS NULL AND gemini_store_doc_id IS NULL",
        (*full_names, *full_names, *full_names),
    )
    found: dict[str, tuple[FileRecord, bool]] = {}
    records = [FileRecord.from_row(row) for row in rows]
    for record in records:
        if record.superseded_doc_id in full_names:
            found.setdefault(full_names[record.superseded_doc_id], (record, True))
    for record in records:
        current = record.gemini_store_doc_id
        if current is None and record.upload_key is None:
            current = record.gemini_file_id
        if current in full_names:
            found[full_names[current]] = (record, False)
    return found


def _forms(names: Sequence[str], raw_files: Mapping[str, str]) -> dict[str, str]:
    """Name by which a catalog may call a document -> its full name."""
    forms = {raw_file: name for name, raw_file in raw_files.items()}
    for name in names:
        identifier = name.rpartition("/")[2]
        forms |= dict.fromkeys((identifier, f"documents/{identifier}", name), name)
    return forms


async def files_by_raw_file(catalog: Catalog, raw_files: Sequence[str]) -> dict[str, FileRecord]:
    """Raw file -> the row of the earlier generation that was uploaded by it."""
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE gemini_file_id IN ({marks(raw_files)})"
        " AND gemini_file_id IS NOT NULL AND upload_key IS NULL",
        raw_files,
    )
    return {str(record.gemini_file_id): record for record in map(FileRecord.from_row, rows)}


async def files_by_key(catalog: Catalog, keys: Sequence[str]) -> dict[str, FileRecord]:
    """Upload key -> row, for those that exist."""
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE upload_key IN ({marks(keys)})", keys
    )
    return {str(record.upload_key): record for record in map(FileRecord.from_row, rows)}


async def recorded_keys(catalog: Catalog, keys: Sequence[str]) -> set[str]:
    """Return those upload keys that this catalog has ever sent or adopted."""
    rows = await catalog.fetch_all(
        f"SELECT DISTINCT upload_key FROM transitions WHERE upload_key IN ({marks(keys)})"
        f" UNION SELECT upload_key FROM files WHERE upload_key IN ({marks(keys)})",
        (*keys, *keys),
    )
    return {str(key) for (key,) in rows}


async def audit_trail(catalog: Catalog, file_path: str) -> list[TransitionRecord]:
    """Every move of one file, oldest first, also under the paths it had before.

    A rename is a line of its own, `moved from …` under the new path. What an earlier file did under
    a path it has since left belongs to that file.
    """
    trail: list[TransitionRecord] = []
    path, before = file_path, _LAST_ID
    while True:
        rows = await catalog.reader.fetch_all(_STAY, (path, before, f"{_MOVED_FROM}{path}", before))
        trail[:0] = [TransitionRecord(*row[1:]) for row in rows]
        if not (rows and rows[0][1] == rows[0][2]):  # the stay did not begin with a rename
            return trail
        before, path = int(rows[0][0]), str(rows[0][4]).removeprefix(_MOVED_FROM)


_LAST_ID = 2**63 - 1

#: Before the old path, in the reason that the trigger writes for a rename.
_MOVED_FROM = "moved from "

#: What one file did while it had a path: since another left that path, and before a moment.
_STAY = """
    SELECT id, from_state, to_state, version, reason, attempt, at FROM transitions
    WHERE file_path = ? AND id < ? AND id > COALESCE(
        (SELECT MAX(id) FROM transitions
         WHERE from_state = to_state AND reason = ? AND id < ?), 0)
    ORDER BY id"""


async def parts_of_file(catalog: Catalog, file: str) -> list[FileRecord]:
    """The rows of the parts of a file, those included that it has no more."""
    first = f"{file}{SEPARATOR}"
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE file_path > ? AND file_path < ?"
        " ORDER BY length(file_path), file_path",
        (first, first + ":"),  # ":" follows the digits
    )
    return [FileRecord.from_row(row) for row in rows]


async def skipped_page(catalog: Catalog, after: str | None, size: int) -> list[FileRecord]:
    """Files that cannot be uploaded, by path."""
    return await _page(catalog, "is_deleted = 0 AND skip_reason IS NOT NULL", (), after, size)
