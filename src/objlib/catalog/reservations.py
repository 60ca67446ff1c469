"""Reserving a page of rows for one worker, so that several on one catalog share the work.

A reservation says who will look at a row next, and until when. It is no claim: it changes neither
state nor version, and a row that nobody else has moved may be claimed without it. Each statement
names its owner and its end, so that a worker that dies holds its rows no longer than a lease.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from objlib.catalog.lease import Lease, owner_is_dead
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import RESTED, SECOND_CHANCE, rested_since
from objlib.catalog.records import COLUMNS, UPLOADABLE, FileRecord
from objlib.catalog.resets import TO_BE_RESET


async def reserve_page(
    catalog: Catalog,
    state: str,
    lease: Lease,
    after: str | None,
    size: int,
    *,
    leave_alone_s: float = 0.0,
    not_tried_by: str | None = None,
) -> list[FileRecord]:
    """Reserve the next files in one state that can be uploaded, by path.

    Args:
        lease: in whose name, and until when.
        leave_alone_s: without those that the store could not index within so many seconds.
        not_tried_by: without those that this run has claimed before.
    """
    condition = (
        f"gemini_state = ? AND {UPLOADABLE} AND {RESTED} AND {TO_BE_RESET}"
        " AND (run_id IS NULL OR run_id <> ?)"
    )
    given = (state, rested_since(catalog, leave_alone_s), not_tried_by or "")
    return await _reserve(catalog, condition, given, lease, after, size)


async def reserve_second_chances(
    catalog: Catalog, run_id: str, lease: Lease, after: str | None, size: int
) -> list[FileRecord]:
    """Reserve the next files that a run tried and did not finish, by path."""
    return await _reserve(catalog, SECOND_CHANCE, (run_id,), lease, after, size)


async def _reserve(
    catalog: Catalog,
    condition: str,
    parameters: Sequence[Any],
    lease: Lease,
    after: str | None,
    size: int,
) -> list[FileRecord]:
    """Take rows that are free, reserved no longer, or reserved by this owner already."""
    now = catalog.clock().timestamp()
    async with catalog.transaction():
        rows = await catalog.fetch_all(
            "UPDATE files SET reserved_by = ?, reserved_until = ? WHERE file_path IN ("
            f"SELECT file_path FROM files WHERE {condition} AND file_path > ?"
            " AND (reserved_by IS NULL OR reserved_by = ? OR reserved_until <= ?)"
            f" ORDER BY file_path LIMIT ?) RETURNING {COLUMNS}",
            (lease.owner, lease.expires_at, *parameters, after or "", lease.owner, now, size),
        )
    # RETURNING promises no order; Python's order of strings is the catalog's, by code point.
    return sorted(map(FileRecord.from_row, rows), key=lambda record: record.file_path)


async def reserving_owners(catalog: Catalog) -> list[str]:
    """Return everybody in whose name rows are reserved."""
    rows = await catalog.fetch_all(
        "SELECT DISTINCT reserved_by FROM files WHERE reserved_by IS NOT NULL ORDER BY reserved_by"
    )
    return [str(owner) for (owner,) in rows]


async def owners_at_work(catalog: Catalog) -> list[str]:
    """Return everybody who holds rows: reserved, or in flight."""
    rows = await catalog.fetch_all(
        "SELECT reserved_by FROM files WHERE reserved_by IS NOT NULL"
        " UNION SELECT lease_owner FROM files"
        " WHERE gemini_state IN ('uploading', 'processing') AND lease_owner IS NOT NULL ORDER BY 1"
    )
    return [str(owner) for (owner,) in rows]


async def count_at_work(catalog: Catalog, is_dead: Callable[[str], bool] = owner_is_dead) -> int:
    """Count the files in flight whose owners are alive, as far as can be told."""
    rows = await catalog.fetch_all(
        "SELECT lease_owner, COUNT(*) FROM files"
        " WHERE gemini_state IN ('uploading', 'processing') AND lease_expires_at > ?"
        " GROUP BY lease_owner",
        (catalog.clock().timestamp(),),
    )
    return sum(int(files) for owner, files in rows if owner is not None and not is_dead(owner))


async def free_reservations(catalog: Catalog, owner: str) -> None:
    """Give back every row that is reserved in one name."""
    async with catalog.transaction():
        await catalog.execute(
            "UPDATE files SET reserved_by = NULL, reserved_until = NULL WHERE reserved_by = ?",
            (owner,),
        )
