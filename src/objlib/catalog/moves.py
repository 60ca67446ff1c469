"""The guarded UPDATE under every change of a row, and the heartbeat that renews leases.

The caller says which columns get which values; this module names none of the states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from objlib.catalog.lease import Lease
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_file
from objlib.catalog.records import COLUMNS, FileRecord
from objlib.errors import OCCConflictError


async def guarded_update(
    catalog: Catalog, record: FileRecord, columns: Mapping[str, Any], *, durable: bool
) -> FileRecord:
    """Write columns of one row, provided that it is still as the record says.

    Path, version, state and lease owner of the record are the guard (optimistic concurrency
    control), in the statement itself: no other process can come between.

    Args:
        durable: reach the disk before returning.

    Returns:
        The row as it is afterwards.

    Raises:
        OCCConflictError: the row has moved on, or is gone. Nothing was written.
    """
    assignments = ", ".join(f"{name} = ?" for name in columns)
    sql = (
        f"UPDATE files SET {assignments} WHERE file_path = ? AND version = ?"
        f" AND gemini_state = ? AND lease_owner IS NOT DISTINCT FROM ? RETURNING {COLUMNS}"
    )
    guard = (record.file_path, record.version, record.gemini_state.value, record.lease_owner)
    parameters = (*columns.values(), *guard)
    if durable:
        async with catalog.transaction(durable=True):
            row = await catalog.fetch_one(sql, parameters)
    else:
        row = await catalog.write_one(sql, parameters)
    if row is None:
        raise await _conflict(catalog, record)
    return FileRecord.from_row(row)


async def _conflict(catalog: Catalog, record: FileRecord) -> OCCConflictError:
    found = await get_file(catalog, record.file_path)
    return OCCConflictError(
        record.file_path,
        expected=(record.gemini_state.value, record.version),
        found=(found.gemini_state.value, found.version) if found else None,
    )


async def renew_leases(catalog: Catalog, lease: Lease) -> None:
    """Push out the end of every lease and reservation that the owner holds."""
    async with catalog.transaction():
        await catalog.execute(
            "UPDATE files SET lease_expires_at = ? WHERE lease_owner = ?"
            " AND gemini_state IN ('uploading', 'processing')",
            (lease.expires_at, lease.owner),
        )
        await catalog.execute(
            "UPDATE files SET reserved_until = ? WHERE reserved_by = ?",
            (lease.expires_at, lease.owner),
        )
