"""The questions asked of the catalog. Reads that can be large are keyset-paged."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from objlib.catalog.connection import Catalog, translated
from objlib.catalog.records import COLUMNS, FileRecord, TransitionRecord

_UPLOADABLE = "is_deleted = 0 AND skip_reason IS NULL"
#: A proof of an older version is none.
_IS_PROVEN = "proven_at >= COALESCE(gemini_state_updated_at, '')"


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
        await catalog.fetch_all(
            "INSERT INTO catalog_info (key, value) VALUES (?, ?) ON CONFLICT (key) DO NOTHING",
            (key, value),
        )
        row = await catalog.fetch_one("SELECT value FROM catalog_info WHERE key = ?", (key,))
    return str(row[0]) if row else value


async def get_file(catalog: Catalog, file_path: str) -> FileRecord | None:
    """The row of one file."""
    row = await catalog.fetch_one(f"SELECT {COLUMNS} FROM files WHERE file_path = ?", (file_path,))
    return FileRecord.from_row(row) if row else None


async def paths_with(catalog: Catalog, fragment: str, size: int) -> list[str]:
    """Paths of files on disk that contain a text, whatever its case, by path."""
    rows = await catalog.fetch_all(
        "SELECT file_path FROM files WHERE is_deleted = 0 AND file_path LIKE ? ESCAPE '\\'"
        " ORDER BY file_path LIMIT ?",
        (f"%{_literally(fragment)}%", size),
    )
    return [str(path) for (path,) in rows]


async def paths_beginning(catalog: Catalog, prefix: str, size: int) -> list[str]:
    """Paths of files on disk that begin with a text, by path."""
    rows = await catalog.fetch_all(
        "SELECT file_path FROM files WHERE is_deleted = 0 AND substr(file_path, 1, ?) = ?"
        " ORDER BY file_path LIMIT ?",
        (len(prefix), prefix, size),
    )
    return [str(path) for (path,) in rows]


def _literally(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


#: Rows with absolute paths (of the earlier generation) that lie elsewhere are none of a scan's
#: business: it cannot tell whether their files are missing.
_IN_THE_LIBRARY = """
    (file_path NOT LIKE '/%' OR COALESCE(
        (SELECT substr(file_path, 1, length(value) + 1) = value || '/'
         FROM catalog_info WHERE key = 'library_root'), TRUE))"""


def stream_known_files(path: Path) -> Generator[tuple[Any, ...], None, None]:
    """Every row's facts in the order of paths, over a read-only connection of its own.

    A scan merges this with its walk, so it must not hold the rows in memory, nor stop the scan's
    own writes: in WAL mode it reads the snapshot of the moment it began.
    """
    with translated(path):
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            yield from connection.execute(
                "SELECT file_path, file_size, mtime, inode, device, content_hash, is_deleted,"
                f" skip_reason, sidecar_mtime FROM files WHERE {_IN_THE_LIBRARY} ORDER BY file_path"
            )
        finally:
            connection.close()


async def _page(
    catalog: Catalog, condition: str, parameters: Sequence[object], after: str | None, size: int
) -> list[FileRecord]:
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE {condition} AND file_path > ?"
        " ORDER BY file_path LIMIT ?",
        (*parameters, after or "", size),
    )
    return [FileRecord.from_row(row) for row in rows]


async def pending_page(catalog: Catalog, after: str | None, size: int) -> list[FileRecord]:
    """Files that wait to be uploaded, by path."""
    return await _page(catalog, f"gemini_state = 'untracked' AND {_UPLOADABLE}", (), after, size)


async def failed_page(catalog: Catalog, after: str | None, size: int) -> list[FileRecord]:
    """Files whose upload failed, by path."""
    return await _page(catalog, f"gemini_state = 'failed' AND {_UPLOADABLE}", (), after, size)


async def indexed_page(catalog: Catalog, after: str | None, size: int) -> list[FileRecord]:
    """Files that are indexed, by path."""
    return await _page(catalog, f"gemini_state = 'indexed' AND {_UPLOADABLE}", (), after, size)


_SECOND_CHANCE = (
    f"run_id = ? AND {_UPLOADABLE} AND (gemini_state = 'untracked'"
    " OR (gemini_state = 'failed' AND failure_kind = 'transient'))"
)


async def longest_unproven(catalog: Catalog, size: int) -> list[FileRecord]:
    """Indexed files, those first whose last proof is oldest or that have none."""
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE {_UPLOADABLE} AND gemini_state = 'indexed'"
        f" ORDER BY CASE WHEN {_IS_PROVEN} THEN proven_at END NULLS FIRST, file_path LIMIT ?",
        (size,),
    )
    return [FileRecord.from_row(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Proven:
    """How many indexed files the store has cited since they were indexed, and when the longest ago
    of those last proofs was."""

    files: int
    oldest: str | None


async def tally_of_proofs(catalog: Catalog) -> Proven:
    """The proofs that still hold."""
    row = await catalog.fetch_one(
        "SELECT COUNT(*), MIN(proven_at) FROM files"
        f" WHERE {_UPLOADABLE} AND gemini_state = 'indexed' AND {_IS_PROVEN}"
    )
    assert row is not None, "an aggregate always answers"
    return Proven(int(row[0]), row[1])


async def second_chance_page(
    catalog: Catalog, run_id: str, after: str | None, size: int
) -> list[FileRecord]:
    """What this run tried and did not finish, for reasons that may have passed."""
    return await _page(catalog, _SECOND_CHANCE, (run_id,), after, size)


async def count_second_chances(catalog: Catalog, run_id: str) -> int:
    """How many files `second_chance_page` would give in all."""
    row = await catalog.fetch_one(f"SELECT COUNT(*) FROM files WHERE {_SECOND_CHANCE}", (run_id,))
    return int(row[0]) if row else 0


async def in_flight_page(
    catalog: Catalog, state: str, after: str | None, size: int
) -> list[FileRecord]:
    """Rows in `uploading` or `processing`, whoever holds them."""
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
        f"gemini_state = 'failed' AND failure_kind = 'transient' AND {_UPLOADABLE}"
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
    marks = ", ".join("?" * len(full_names))
    rows = await catalog.fetch_all(
        f"SELECT document_name, file_path FROM leftovers WHERE document_name IN ({marks})",
        tuple(full_names),
    )
    return {full_names[str(row[0])]: Leftover(*row) for row in rows}


async def files_by_path(catalog: Catalog, paths: Sequence[str]) -> dict[str, FileRecord]:
    """Path -> row, for those that exist. At most a few hundred paths at a time."""
    marks = ", ".join("?" * len(paths))
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE file_path IN ({marks})", paths
    )
    return {record.file_path: record for record in map(FileRecord.from_row, rows)}


async def files_by_document(catalog: Catalog, names: Sequence[str]) -> dict[str, FileRecord]:
    """Document name -> the row that points at it, as current or as superseded."""
    return {name: row for name, (row, _) in (await pointers_to(catalog, names)).items()}


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
    marks = ", ".join("?" * len(full_names))
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE gemini_store_doc_id IN ({marks})"
        f" UNION SELECT {COLUMNS} FROM files WHERE superseded_doc_id IN ({marks})"
        f" UNION SELECT {COLUMNS} FROM files WHERE gemini_file_id IN ({marks})"
        " AND gemini_file_id IS NOT NULL AND upload_key IS NULL AND gemini_store_doc_id IS NULL",
        (*full_names, *full_names, *full_names),
    )
    found: dict[str, tuple[FileRecord, bool]] = {}
    for record in map(FileRecord.from_row, rows):
        if record.superseded_doc_id in full_names:
            found.setdefault(full_names[record.superseded_doc_id], (record, True))
    for record in map(FileRecord.from_row, rows):
        current = record.gemini_store_doc_id
        if current is None and record.upload_key is None:
            current = record.gemini_file_id
        if current in full_names:
            found[full_names[current]] = (record, False)
    return found


def _forms(names: Sequence[str], raw_files: Mapping[str, str]) -> dict[str, str]:
    """What a catalog may call a document -> its full name."""
    forms = {raw_file: name for name, raw_file in raw_files.items()}
    for name in names:
        identifier = name.rpartition("/")[2]
        forms |= dict.fromkeys((identifier, f"documents/{identifier}", name), name)
    return forms


async def files_by_raw_file(catalog: Catalog, raw_files: Sequence[str]) -> dict[str, FileRecord]:
    """Raw file -> the row of the earlier generation that was uploaded by it."""
    marks = ", ".join("?" * len(raw_files))
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE gemini_file_id IN ({marks})"
        " AND gemini_file_id IS NOT NULL AND upload_key IS NULL",
        raw_files,
    )
    return {str(record.gemini_file_id): record for record in map(FileRecord.from_row, rows)}


async def files_by_key(catalog: Catalog, keys: Sequence[str]) -> dict[str, FileRecord]:
    """Upload key -> row, for those that exist."""
    marks = ", ".join("?" * len(keys))
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE upload_key IN ({marks})", keys
    )
    return {str(record.upload_key): record for record in map(FileRecord.from_row, rows)}


async def audit_trail(catalog: Catalog, file_path: str) -> list[TransitionRecord]:
    """Every move of one file, oldest first, also under the paths it had before.

    A rename is a line of its own, `moved from …` under the new path. What an earlier file did under
    a path it has since left belongs to that file.
    """
    trail: list[TransitionRecord] = []
    path, before = file_path, _LAST_ID
    while True:
        rows = await catalog.fetch_all(_STAY, (path, before))
        trail[:0] = [TransitionRecord(*row[1:]) for row in rows]
        if not (rows and rows[0][1] == rows[0][2]):  # the stay did not begin with a rename
            return trail
        before, path = int(rows[0][0]), str(rows[0][4]).removeprefix("moved from ")


_LAST_ID = 2**63 - 1

#: What one file did while it had a path: since another left that path, and before a moment.
_STAY = """
    SELECT id, from_state, to_state, version, reason, attempt, at FROM transitions
    WHERE file_path = ?1 AND id < ?2 AND id > COALESCE(
        (SELECT MAX(id) FROM transitions
         WHERE from_state = to_state AND reason = 'moved from ' || ?1 AND id < ?2), 0)
    ORDER BY id"""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many files stand in one state, and how large they are together."""

    files: int
    size_bytes: int


async def tally_by_state(catalog: Catalog) -> dict[str, Tally]:
    """State -> tally, over files that exist on disk and can be uploaded."""
    rows = await catalog.fetch_all(
        "SELECT gemini_state, COUNT(*), COALESCE(SUM(file_size), 0) FROM files"
        f" WHERE {_UPLOADABLE} GROUP BY gemini_state"
    )
    return {str(state): Tally(int(files), int(size)) for state, files, size in rows}


#: Why a file would be uploaded.
_REASON = """
    CASE WHEN gemini_state = 'failed' THEN 'failed before'
         WHEN gemini_state = 'indexed' THEN 'forced'
         WHEN superseded_doc_id IS NOT NULL AND transition_reason = 'metadata changed'
             THEN 'metadata'
         WHEN superseded_doc_id IS NOT NULL
             AND transition_reason = 'would be sent differently today' THEN 'form'
         WHEN superseded_doc_id IS NOT NULL THEN 'changed'
         WHEN version > 0 THEN 'again'
         ELSE 'new' END"""

_IS_TEXT = "(mime_type IS NULL OR mime_type LIKE 'text/%' OR mime_type LIKE '%/json')"


@dataclass(frozen=True, slots=True)
class Work:
    """What an upload would take."""

    #: Why -> number of files: new, changed, metadata, form, again (interrupted, or its document
    #: is gone), failed before, forced.
    reasons: Mapping[str, int]
    size_bytes: int = 0
    #: Of those the bytes of text.
    text_bytes: int = 0
    #: Documents of older versions that go when the new ones are indexed.
    replaced: int = 0

    @property
    def files(self) -> int:
        """All of them."""
        return sum(self.reasons.values())


async def work_of_upload(catalog: Catalog, states: Sequence[str], limit: int | None) -> Work:
    """What an upload of files in these states, up to a limit, would take."""
    marks = ", ".join("?" * len(states))
    rows = await catalog.fetch_all(
        "SELECT reason, COUNT(*), SUM(size), SUM(size * is_text), SUM(replaces) FROM ("
        f" SELECT {_REASON} AS reason, COALESCE(file_size, 0) AS size, {_IS_TEXT} AS is_text,"
        "  superseded_doc_id IS NOT NULL OR gemini_state = 'indexed' AS replaces FROM files"
        f" WHERE gemini_state IN ({marks}) AND {_UPLOADABLE} ORDER BY file_path LIMIT ?)"
        " GROUP BY reason",
        (*states, -1 if limit is None else limit),
    )
    return Work(
        {str(row[0]): int(row[1]) for row in rows},
        size_bytes=sum(int(row[2]) for row in rows),
        text_bytes=sum(int(row[3]) for row in rows),
        replaced=sum(int(row[4]) for row in rows),
    )


async def planned_page(
    catalog: Catalog, states: Sequence[str], after: str | None, size: int
) -> list[tuple[str, str, int]]:
    """(path, reason, bytes) of files that an upload of these states would take, by path."""
    marks = ", ".join("?" * len(states))
    rows = await catalog.fetch_all(
        f"SELECT file_path, {_REASON}, COALESCE(file_size, 0) FROM files"
        f" WHERE gemini_state IN ({marks}) AND {_UPLOADABLE} AND file_path > ?"
        " ORDER BY file_path LIMIT ?",
        (*states, after or "", size),
    )
    return [(str(path), str(reason), int(file_size)) for path, reason, file_size in rows]


async def tally_by_skip_reason(catalog: Catalog) -> dict[str, int]:
    """Why files are not uploaded -> how many."""
    rows = await catalog.fetch_all(
        "SELECT skip_reason, COUNT(*) FROM files WHERE is_deleted = 0 AND skip_reason IS NOT NULL"
        " GROUP BY skip_reason ORDER BY COUNT(*) DESC, skip_reason"
    )
    return {str(reason): int(count) for reason, count in rows}


@dataclass(frozen=True, slots=True)
class TallyOfParts:
    """How many texts go up in parts, and in how many together."""

    files: int
    parts: int


async def tally_of_parts(catalog: Catalog) -> TallyOfParts:
    """Over texts that exist on disk."""
    row = await catalog.fetch_one(
        "SELECT COUNT(DISTINCT substr(file_path, 1, instr(file_path, '//part '))), COUNT(*)"
        " FROM files WHERE is_deleted = 0 AND instr(file_path, '//part ') > 1"
    )
    assert row is not None, "an aggregate always answers"
    return TallyOfParts(int(row[0]), int(row[1]))


async def parts_of_file(catalog: Catalog, file: str) -> list[FileRecord]:
    """The rows of the parts of a file, those included that it has no more."""
    first = f"{file}//part "
    rows = await catalog.fetch_all(
        f"SELECT {COLUMNS} FROM files WHERE file_path > ? AND file_path < ?"
        " ORDER BY length(file_path), file_path",
        (first, first + ":"),  # ":" follows the digits
    )
    return [FileRecord.from_row(row) for row in rows]


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Files that are not in the store for one reason. `kind`: transient, permanent or skipped."""

    kind: str
    reason: str
    files: int


#: Messages name the file, its key or its document, which would make a reason of every file.
_WHY = """
    replace(replace(replace(COALESCE(error_message, 'no reason on record'), file_path || ': ', ''),
        COALESCE(gemini_store_doc_id, ''), '(its document)'), COALESCE(upload_key, ''), '(its key)')
"""

_GATHER_FAILURES = (
    "DROP TABLE IF EXISTS temp.failing",
    "DROP TABLE IF EXISTS temp.failing_for",
    "CREATE TEMP TABLE failing (kind TEXT, reason TEXT, path TEXT,"
    " PRIMARY KEY (kind, reason, path)) WITHOUT ROWID",
    f"""INSERT INTO temp.failing SELECT COALESCE(failure_kind, 'transient'), {_WHY}, file_path
        FROM files WHERE is_deleted = 0 AND skip_reason IS NULL AND gemini_state = 'failed'""",
    """INSERT INTO temp.failing SELECT 'skipped', skip_reason, file_path
       FROM files WHERE is_deleted = 0 AND skip_reason IS NOT NULL""",
    """CREATE TEMP TABLE failing_for AS
       SELECT kind, reason, COUNT(*) AS files FROM temp.failing
       GROUP BY kind, reason ORDER BY files DESC, reason""",
)


async def gather_failures(catalog: Catalog) -> int:
    """Sort all that is not in the store by reason, in tables beside the catalog; how many reasons.

    Each file may have one of its own, so that neither files nor reasons are held in memory.
    """
    for statement in _GATHER_FAILURES:
        await catalog.fetch_all(statement)
    row = await catalog.fetch_one("SELECT COUNT(*) FROM temp.failing_for")
    return int(row[0]) if row else 0


async def failure_groups(catalog: Catalog, first: int, size: int) -> list[FailureGroup]:
    """Some of the gathered reasons from a position on, what concerns most files first."""
    rows = await catalog.fetch_all(
        "SELECT kind, reason, files FROM temp.failing_for WHERE rowid > ? ORDER BY rowid LIMIT ?",
        (first, size),
    )
    return [FailureGroup(str(kind), str(reason), int(files)) for kind, reason, files in rows]


async def failure_paths(
    catalog: Catalog, group: FailureGroup, after: str | None, size: int
) -> list[str]:
    """The gathered files of a group, by path."""
    rows = await catalog.fetch_all(
        "SELECT path FROM temp.failing WHERE kind = ? AND reason = ? AND path > ?"
        " ORDER BY path LIMIT ?",
        (group.kind, group.reason, after or "", size),
    )
    return [str(path) for (path,) in rows]


async def skipped_page(catalog: Catalog, after: str | None, size: int) -> list[FileRecord]:
    """Files that cannot be uploaded, by path."""
    return await _page(catalog, "is_deleted = 0 AND skip_reason IS NOT NULL", (), after, size)


async def count_deleted(catalog: Catalog) -> tuple[int, int]:
    """(files gone from disk, those of them that still have a document)."""
    row = await catalog.fetch_one(
        "SELECT COUNT(*), COUNT(gemini_store_doc_id) FROM files WHERE is_deleted = 1"
    )
    return (int(row[0]), int(row[1])) if row else (0, 0)


async def count_files(catalog: Catalog) -> int:
    """Rows of files that exist on disk as far as the last scan knows."""
    row = await catalog.fetch_one("SELECT COUNT(*) FROM files WHERE is_deleted = 0")
    return int(row[0]) if row else 0
