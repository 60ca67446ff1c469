"""Counts and groups for people: states, the work of an upload, failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from objlib.catalog.held import Held, but_for
from objlib.catalog.part_names import SEPARATOR, part_path
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import IS_PROVEN, RESTED, marks, rested_since
from objlib.catalog.records import UPLOADABLE
from objlib.catalog.resets import TO_BE_RESET
from objlib.catalog.scratch import Scratch

#: Files with an older version in the store, or waiting to go there, that cannot be read any more.
UNREAD = f"read_problem IS NOT NULL AND {UPLOADABLE} AND gemini_state <> 'failed'"


@dataclass(frozen=True, slots=True)
class Tally:
    """Number of files in one state, and their bytes together."""

    files: int
    size_bytes: int


async def tally_by_state(catalog: Catalog) -> dict[str, Tally]:
    """State -> tally, over files that exist on disk and can be uploaded."""
    rows = await catalog.reader.fetch_all(
        "SELECT gemini_state, COUNT(*), COALESCE(SUM(file_size), 0) FROM files"
        f" WHERE {UPLOADABLE} GROUP BY gemini_state"
    )
    return {str(state): Tally(int(files), int(size)) for state, files, size in rows}


@dataclass(frozen=True, slots=True)
class Proven:
    """Indexed files that the store has cited since they were indexed."""

    files: int
    #: Moment of the oldest of these proofs: ISO 8601, UTC.
    oldest: str | None


async def tally_of_proofs(catalog: Catalog) -> Proven:
    """The proofs that still hold."""
    row = await catalog.reader.fetch_one(
        "SELECT COUNT(*), MIN(proven_at) FROM files"
        f" WHERE {UPLOADABLE} AND gemini_state = 'indexed' AND {IS_PROVEN}"
    )
    assert row is not None, "an aggregate always answers"
    return Proven(int(row[0]), row[1])


async def tally_by_skip_reason(catalog: Catalog) -> dict[str, int]:
    """Why files are not uploaded -> how many."""
    rows = await catalog.reader.fetch_all(
        "SELECT skip_reason, COUNT(*) FROM files WHERE is_deleted = 0 AND skip_reason IS NOT NULL"
        " GROUP BY skip_reason ORDER BY COUNT(*) DESC, skip_reason"
    )
    return {str(reason): int(count) for reason, count in rows}


@dataclass(frozen=True, slots=True)
class TallyOfParts:
    """Number of texts that go up in parts, and of their parts together."""

    files: int
    parts: int


async def tally_of_parts(catalog: Catalog) -> TallyOfParts:
    """Over texts that exist on disk."""
    row = await catalog.reader.fetch_one(
        "SELECT COUNT(*) FILTER (WHERE LOWER(file_path) LIKE ?), COUNT(*)"
        " FROM files WHERE is_deleted = 0 AND LOWER(file_path) LIKE ?",
        (part_path("%_", 1), f"%_{SEPARATOR}%"),  # every text in parts has a first one
    )
    assert row is not None, "an aggregate always answers"
    return TallyOfParts(int(row[0]), int(row[1]))


async def count_deleted(catalog: Catalog, held: Held | None = None) -> tuple[int, int]:
    """(files gone from disk, those of them that still have a document)."""
    row = await catalog.reader.fetch_one(
        "SELECT COUNT(*), COUNT(gemini_store_doc_id) FROM files WHERE is_deleted = 1"
        + but_for(held)
    )
    return (int(row[0]), int(row[1])) if row else (0, 0)


async def count_unread(catalog: Catalog) -> int:
    """Count the known files that the last scan could not read."""
    row = await catalog.reader.fetch_one(f"SELECT COUNT(*) FROM files WHERE {UNREAD}")
    return int(row[0]) if row else 0


async def count_files(catalog: Catalog) -> int:
    """Rows of files that exist on disk as far as the last scan knows."""
    row = await catalog.reader.fetch_one("SELECT COUNT(*) FROM files WHERE is_deleted = 0")
    return int(row[0]) if row else 0


#: Why a document is replaced though its file has not changed, as transitions say it. The second: it
#: lies elsewhere, its header has another form, or its converter gives another text.
METADATA_CHANGED, SENT_DIFFERENTLY = "metadata changed", "would be sent differently today"

#: Why a file would be uploaded.
_REASON = f"""
    CASE WHEN gemini_state = 'failed' THEN 'failed before'
         WHEN gemini_state = 'indexed' THEN 'forced'
         WHEN superseded_doc_id IS NOT NULL AND transition_reason = '{METADATA_CHANGED}'
             THEN 'metadata'
         WHEN superseded_doc_id IS NOT NULL AND transition_reason = '{SENT_DIFFERENTLY}'
             THEN 'form'
         WHEN superseded_doc_id IS NOT NULL THEN 'changed'
         WHEN version > 0 THEN 'again'
         ELSE 'new' END"""

#: The same where the store is gone: there is nothing to replace, and nothing that it refused.
_REASON_IN_NEW_STORE = "CASE WHEN version > 0 THEN 'again' ELSE 'new' END"


def _taken(in_new_store: bool) -> tuple[str, str, str]:
    """Return SQL: the reason, whether a document is replaced, and what an upload leaves out.

    The last one has a parameter: `rested_since`.
    """
    if in_new_store:
        return _REASON_IN_NEW_STORE, "FALSE", "? IS NOT NULL"
    replaces = "superseded_doc_id IS NOT NULL OR gemini_state = 'indexed'"
    return _REASON, replaces, f"{RESTED} AND {TO_BE_RESET}"


#: More rows than any catalog has.
_NO_LIMIT = 2**63 - 1

_IS_TEXT = "(mime_type IS NULL OR LOWER(mime_type) LIKE 'text/%' OR LOWER(mime_type) LIKE '%/json')"


#: The folder below the library that a file lies in, and its extension with the dot; empty for none.
#: Said with what every dialect has: the letters before the first slash, and after the last dot.
_BELOW = "ltrim(file_path, replace(file_path, '/', ''))"
_FOLDER = (
    f"CASE {_BELOW} WHEN '' THEN ''"
    f" ELSE substr(file_path, 1, length(file_path) - length({_BELOW}) + 1) END"
)
_STEM = "rtrim(filename, replace(filename, '.', ''))"
_KIND = (
    f"CASE WHEN length({_STEM}) > 1 THEN '.' || lower(substr(filename, length({_STEM}) + 1))"
    " ELSE '' END"
)
#: Groups that are named.
GROUPS = 10


@dataclass(frozen=True, slots=True)
class Group:
    """Files of an upload that lie in one folder, or have one extension."""

    #: `Lectures/` or `.pdf`; empty for the library's own folder, or for no extension.
    name: str
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Work:
    """The work of an upload."""

    #: Why -> number of files: new, changed, metadata, form, again (interrupted, or its document
    #: is gone), failed before, forced.
    reasons: Mapping[str, int]
    size_bytes: int = 0
    #: Of those the bytes of text.
    text_bytes: int = 0
    #: Documents of older versions that go when the new ones are indexed.
    replaced: int = 0
    #: The folders with the most bytes, where they were asked for.
    folders: Sequence[Group] = ()
    #: The extensions with the most bytes, where they were asked for.
    kinds: Sequence[Group] = ()

    @property
    def files(self) -> int:
        """All of them."""
        return sum(self.reasons.values())


async def work_of_upload(
    catalog: Catalog,
    states: Sequence[str],
    limit: int | None,
    *,
    leave_alone_s: float = 0.0,
    in_new_store: bool = False,
    is_grouped: bool = False,
    held: Held | None = None,
) -> Work:
    """Return the work of an upload of files in these states, up to a limit.

    Args:
        leave_alone_s: without those that the store could not index within so many seconds.
        in_new_store: what the rows say of the store holds no more.
        is_grouped: name folders and extensions, too.
        held: files that are left as they are.
    """
    reason, replaces, condition = _taken(in_new_store)
    condition += but_for(held)
    most = _NO_LIMIT if limit is None else limit
    parameters = (*states, rested_since(catalog, leave_alone_s), most)

    async def groups(name: str) -> tuple[Group, ...]:
        grouped = await catalog.reader.fetch_all(
            f"SELECT name, COUNT(*), SUM(size) FROM (SELECT {name} AS name,"
            " COALESCE(file_size, 0) AS size FROM files"
            f" WHERE gemini_state IN ({marks(states)}) AND {UPLOADABLE} AND {condition}"
            " ORDER BY file_path LIMIT ?) AS work GROUP BY name ORDER BY 3 DESC, 1 LIMIT ?",
            (*parameters, GROUPS),
        )
        return tuple(Group(str(row[0]), int(row[1]), int(row[2])) for row in grouped)

    rows = await catalog.reader.fetch_all(
        "SELECT reason, COUNT(*), SUM(size), SUM(CASE WHEN is_text THEN size ELSE 0 END),"
        " COUNT(*) FILTER (WHERE replaces) FROM ("
        f" SELECT {reason} AS reason, COALESCE(file_size, 0) AS size, {_IS_TEXT} AS is_text,"
        f"  {replaces} AS replaces FROM files"
        f" WHERE gemini_state IN ({marks(states)}) AND {UPLOADABLE} AND {condition}"
        " ORDER BY file_path LIMIT ?) AS work GROUP BY reason",
        parameters,
    )
    return Work(
        {str(row[0]): int(row[1]) for row in rows},
        size_bytes=sum(int(row[2]) for row in rows),
        text_bytes=sum(int(row[3]) for row in rows),
        replaced=sum(int(row[4]) for row in rows),
        folders=await groups(_FOLDER) if is_grouped else (),
        kinds=await groups(_KIND) if is_grouped else (),
    )


async def count_left_alone(catalog: Catalog, leave_alone_s: float, held: Held | None = None) -> int:
    """Count the files that the store could not index within so many seconds."""
    row = await catalog.reader.fetch_one(
        f"SELECT COUNT(*) FROM files WHERE gemini_state = 'failed' AND {UPLOADABLE}"
        f" AND NOT {RESTED}{but_for(held)}",
        (rested_since(catalog, leave_alone_s),),
    )
    return int(row[0]) if row else 0


async def planned_page(
    catalog: Catalog,
    states: Sequence[str],
    after: str | None,
    size: int,
    *,
    leave_alone_s: float = 0.0,
    in_new_store: bool = False,
    held: Held | None = None,
) -> list[tuple[str, str, int]]:
    """(path, reason, bytes) of files that an upload of these states would take, by path."""
    reason, _, condition = _taken(in_new_store)
    rows = await catalog.reader.fetch_all(
        f"SELECT file_path, {reason}, COALESCE(file_size, 0) FROM files"
        f" WHERE gemini_state IN ({marks(states)}) AND {UPLOADABLE} AND {condition}"
        f"{but_for(held)} AND file_path > ?"
        " ORDER BY file_path LIMIT ?",
        (*states, rested_since(catalog, leave_alone_s), after or "", size),
    )
    return [(str(path), str(reason), int(file_size)) for path, reason, file_size in rows]


#: Messages name the file, its key or its document, which would make a reason of every file.
_WHY = """
    replace(replace(replace(COALESCE(error_message, 'no reason on record'), file_path || ': ', ''),
        COALESCE(gemini_store_doc_id, ''), '(its document)'), COALESCE(upload_key, ''), '(its key)')
"""


class GatheredFailures:
    """All that is not in the store, sorted by reason as it was at one moment."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self.session = scratch.session
        self.files, self.reasons = scratch.tables

    @classmethod
    async def of(cls, catalog: Catalog) -> Self:
        """Sort all that is not in the store by reason.

        Each file may have one of its own, so that neither files nor reasons are held in memory.
        """
        gathered = cls(await Scratch.begun(catalog, "failing", "failing_for"))
        files, reasons = gathered.files, gathered.reasons
        for statement in (
            f"CREATE TEMP TABLE {files} (kind TEXT, reason TEXT, path TEXT,"
            " PRIMARY KEY (kind, reason, path))",
            f"""INSERT INTO {files}
                SELECT COALESCE(failure_kind, 'transient'), {_WHY}, file_path FROM files
                WHERE is_deleted = 0 AND skip_reason IS NULL AND gemini_state = 'failed'""",
            f"""INSERT INTO {files} SELECT 'skipped', skip_reason, file_path
                FROM files WHERE is_deleted = 0 AND skip_reason IS NOT NULL""",
            f"""INSERT INTO {files} SELECT 'unread', read_problem, file_path
                FROM files WHERE {UNREAD}""",
            f"""CREATE TEMP TABLE {reasons} AS
                SELECT kind, reason, COUNT(*) AS files,
                       ROW_NUMBER() OVER (ORDER BY COUNT(*) DESC, reason, kind) AS place
                FROM {files} GROUP BY kind, reason""",
        ):
            await gathered.session.execute(statement)
        return gathered

    async def count_reasons(self) -> int:
        """Count the reasons."""
        row = await self.session.fetch_one(f"SELECT COUNT(*) FROM {self.reasons}")
        return int(row[0]) if row else 0

    async def groups(self, first: int, size: int) -> list[tuple[str, str, int]]:
        """Return (kind, reason, files) of some of the reasons from a position on.

        The reason of the most files comes first. A kind is `transient`, `permanent`,
        `skipped` or `unread`.
        """
        rows = await self.session.fetch_all(
            f"SELECT kind, reason, files FROM {self.reasons} WHERE place > ?"
            " ORDER BY place LIMIT ?",
            (first, size),
        )
        return [(str(kind), str(reason), int(files)) for kind, reason, files in rows]

    async def paths(self, kind: str, reason: str, after: str | None, size: int) -> list[str]:
        """Return the files of one kind and reason, by path."""
        rows = await self.session.fetch_all(
            f"SELECT path FROM {self.files} WHERE kind = ? AND reason = ? AND path > ?"
            " ORDER BY path LIMIT ?",
            (kind, reason, after or "", size),
        )
        return [str(path) for (path,) in rows]


async def has_missing_with_document(catalog: Catalog) -> bool:
    """Return whether a file is gone from disk whose document is still in the store."""
    row = await catalog.reader.fetch_one(
        "SELECT 1 FROM files WHERE is_deleted = 1"
        " AND COALESCE(gemini_store_doc_id, superseded_doc_id) IS NOT NULL LIMIT 1"
    )
    return row is not None


async def most_common_device(catalog: Catalog) -> int | None:
    """Return the device on which most of the files with documents were when they were scanned."""
    row = await catalog.reader.fetch_one(
        "SELECT device FROM files WHERE device IS NOT NULL AND gemini_store_doc_id IS NOT NULL"
        " GROUP BY device ORDER BY COUNT(*) DESC LIMIT 1"
    )
    return int(row[0]) if row else None
