"""The writes of a scan: everything about a file except the state it is in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from objlib.catalog.part_names import file_of
from objlib.catalog.protocol import Catalog
from objlib.catalog.records import FileRecord


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Facts from the disk about one file. `skip_reason` set means: recorded, not uploadable."""

    file_path: str
    size_bytes: int | None = None
    mtime: float | None = None
    inode: int | None = None
    ctime: int | None = None
    device: int | None = None
    content_hash: str | None = None
    mime_type: str | None = None
    metadata: Mapping[str, str | int | float | list[str]] | None = None
    skip_reason: str | None = None
    sidecar_mtime: float | None = None

    @property
    def _row(self) -> tuple[object, ...]:
        metadata = json.dumps(dict(self.metadata or {}), ensure_ascii=False, sort_keys=True)
        return (
            file_of(self.file_path).rstrip("/").rpartition("/")[2],
            self.size_bytes,
            self.mtime,
            self.inode,
            self.ctime,
            self.device,
            self.content_hash,
            self.mime_type,
            metadata,
            self.skip_reason,
            self.sidecar_mtime,
        )


_FACTS = (
    "filename, file_size, mtime, inode, ctime, device, content_hash, mime_type, metadata_json,"
    " skip_reason, sidecar_mtime"
)
_MARKS = ", ".join("?" for _ in _FACTS.split(", "))


async def insert_files(catalog: Catalog, found: Iterable[FileFacts]) -> None:
    """New rows, in state `untracked`. A path that another scan inserted meanwhile is left alone."""
    # Asked rather than ON CONFLICT DO NOTHING: a guard refuses inserts over rows that have a life.
    now = catalog.now()
    async with catalog.transaction():
        await catalog.execute_many(
            f"INSERT INTO files (file_path, {_FACTS}, created_at, updated_at)"
            f" SELECT {_MARKS}, ?, ?, ?"
            " WHERE NOT EXISTS (SELECT 1 FROM files WHERE file_path = ?)",
            ((facts.file_path, *facts._row, now, now, facts.file_path) for facts in found),
        )


async def forget_leftover(catalog: Catalog, document_name: str) -> None:
    """A document that no row names any more is deleted."""
    async with catalog.transaction():
        await catalog.execute("DELETE FROM leftovers WHERE document_name = ?", (document_name,))


async def mark_proven(catalog: Catalog, record: FileRecord) -> None:
    """The store has just cited this version of this file."""
    async with catalog.transaction():
        await catalog.execute(
            "UPDATE files SET proven_at = ? WHERE file_path = ? AND gemini_state = 'indexed'"
            " AND upload_key IS NOT DISTINCT FROM ? AND version = ?",
            (catalog.now(), record.file_path, record.upload_key, record.version),
        )


_IDLE = "gemini_state NOT IN ('uploading', 'processing')"


async def update_facts(catalog: Catalog, found: Iterable[FileFacts]) -> None:
    """New facts for known files. Rows in flight are left alone: the next scan sees them again.

    Other content lands on `untracked` rows only: it must not slip under a document that another
    run has confirmed in the meantime.
    """
    now = catalog.now()
    columns = ", ".join(f"{name} = ?" for name in _FACTS.split(", "))
    async with catalog.transaction():
        await catalog.execute_many(
            f"UPDATE files SET {columns}, read_problem = NULL, is_deleted = 0, updated_at = ?"
            f" WHERE file_path = ? AND {_IDLE}"
            " AND (gemini_state = 'untracked' OR (content_hash IS NOT DISTINCT FROM ?"
            " AND skip_reason IS NOT DISTINCT FROM ?))",
            (
                (*facts._row, now, facts.file_path, facts.content_hash, facts.skip_reason)
                for facts in found
            ),
        )


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that a scan knows and could not read.

    Args:
        reason: for people.
        forgets_time: look at it again next time, though nothing about it may have changed by then:
            a disk that answers again does not touch its files.
    """

    file_path: str
    reason: str
    forgets_time: bool


async def note_unread(catalog: Catalog, unread: Iterable[Unread]) -> None:
    """Known files that cannot be read. Their rows and documents stay; reports name them."""
    now = catalog.now()
    async with catalog.transaction():
        await catalog.execute_many(
            "UPDATE files SET read_problem = ?, mtime = CASE WHEN ? THEN NULL ELSE mtime END,"
            f" updated_at = ? WHERE file_path = ? AND is_deleted = 0 AND {_IDLE}",
            ((one.reason, one.forgets_time, now, one.file_path) for one in unread),
        )


async def confirm_unchanged(catalog: Catalog, ctimes: Iterable[tuple[str, int]]) -> None:
    """Known files that have not changed, with the ctimes that they have now."""
    async with catalog.transaction():
        await catalog.execute_many(
            "UPDATE files SET ctime = ?, read_problem = NULL WHERE file_path = ?",
            ((ctime, path) for path, ctime in ctimes),
        )


async def mark_deleted(catalog: Catalog, paths: Iterable[str]) -> None:
    """Files that are gone from disk. Their documents stay until `store-sync --apply`."""
    now = catalog.now()
    async with catalog.transaction():
        await catalog.execute_many(
            "UPDATE files SET is_deleted = 1, read_problem = NULL, updated_at = ?"
            " WHERE file_path = ?",
            ((now, path) for path in paths),
        )


async def adopt_moves(catalog: Catalog, scan_started_at: str) -> list[tuple[str, str]]:
    """Give rows of vanished files the path under which this scan found the same content.

    A file that moved keeps its row, its document and its history; the row the scan made for the
    new path goes. Content decides (SHA-256); files of equal content are paired in the order of
    their paths.

    Returns:
        Pairs (old path, new path).
    """
    async with catalog.transaction():
        moves = await catalog.fetch_all(_MOVES, (scan_started_at, scan_started_at))
        for old, new in moves:
            await _rename(catalog, str(old), str(new))
    return [(str(old), str(new)) for old, new in moves]


_NTH = "ROW_NUMBER() OVER (PARTITION BY content_hash ORDER BY file_path) AS nth"

_MOVES = f"""
    WITH gone AS (
        SELECT file_path, content_hash, {_NTH} FROM files
        WHERE is_deleted = 1 AND updated_at >= ? AND content_hash IS NOT NULL AND {_IDLE}
    ), found AS (
        SELECT file_path, content_hash, {_NTH} FROM files
        WHERE is_deleted = 0 AND created_at >= ? AND content_hash IS NOT NULL
            AND gemini_state = 'untracked' AND version = 0
    )
    SELECT gone.file_path, found.file_path FROM gone JOIN found USING (content_hash, nth)
    ORDER BY gone.file_path"""


async def _rename(catalog: Catalog, old: str, new: str) -> None:
    facts = await catalog.fetch_one(f"SELECT {_FACTS} FROM files WHERE file_path = ?", (new,))
    assert facts is not None, "the row was selected in this transaction"
    await catalog.execute("DELETE FROM files WHERE file_path = ?", (new,))
    # A document of the earlier generation is described by what its row says, wherever it goes.
    described = await catalog.fetch_one(
        "SELECT metadata_json FROM files WHERE file_path = ? AND upload_key IS NULL"
        " AND gemini_state = 'indexed' AND COALESCE(metadata_json, '{}') <> '{}'",
        (old,),
    )
    columns = ", ".join(f"{name} = ?" for name in _FACTS.split(", "))
    await catalog.execute(
        f"UPDATE files SET file_path = ?, {columns}, is_deleted = 0, updated_at = ?"
        " WHERE file_path = ?",
        (new, *facts, catalog.now(), old),
    )
    if described is not None:
        await catalog.execute(
            "UPDATE files SET metadata_json = ? WHERE file_path = ?", (*described, new)
        )


def facts_of(record: FileRecord) -> FileFacts:
    """The facts a row holds, to be changed with `dataclasses.replace`."""
    return FileFacts(
        file_path=record.file_path,
        size_bytes=record.file_size,
        mtime=record.mtime,
        inode=record.inode,
        device=record.device,
        content_hash=record.content_hash,
        mime_type=record.mime_type,
        metadata=record.metadata,
        skip_reason=record.skip_reason,
    )
