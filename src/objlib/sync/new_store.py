"""Leaves a store that is gone: every row that tells of it goes round again, by the legal road.

Each move is guarded and on the audit trail, and finds by itself what is left to do, so a run that
was killed within is gone on with by the next one. What the rows of a live owner tell is left to
that owner, and to the next run.
"""

from __future__ import annotations

from objlib.catalog.lease import Lease, is_void, owner_of_this_process
from objlib.catalog.new_store import GoneNames, rows_of_gone_store
from objlib.catalog.protocol import Catalog
from objlib.catalog.records import FileRecord
from objlib.errors import OCCConflictError
from objlib.states import IN_FLIGHT, State
from objlib.upload.state import AsyncUploadStateManager

_PAGE = 200
_RUN = "new-store"

#: The reason of each move.
STORE_IS_GONE = "its store is gone"


async def leave_gone_store(catalog: Catalog, store_name: str) -> None:
    """Let go of all that rows tell of another store than the bound one."""
    leaving = _Leaving(catalog, AsyncUploadStateManager(catalog), owner_of_this_process(_RUN))
    after: str | None = None
    while page := await rows_of_gone_store(catalog, store_name, after, _PAGE):
        for one in page:
            await leaving.row(one)
        after = page[-1].record.file_path


class _Leaving:
    def __init__(self, catalog: Catalog, state: AsyncUploadStateManager, owner: str) -> None:
        self._catalog = catalog
        self._state = state
        self._owner = owner

    async def row(self, one: GoneNames) -> None:
        record = one.record
        if record.gemini_state in IN_FLIGHT and not self._is_void(record):
            return
        moved = await self._moved(one)
        left = [name for name in one.columns if moved and getattr(moved, name) is not None]
        if moved is not None and left:
            await self._state.forget_names(moved, *left)

    async def _moved(self, one: GoneNames) -> FileRecord | None:
        """Return the row after the move that it needs; None where somebody else has moved it."""
        record = one.record
        is_of_gone = one.is_attempt or one.is_as_before
        match record.gemini_state:
            case State.INDEXED if is_of_gone:
                return await self._state.invalidate(
                    record, reason=STORE_IS_GONE, document_is_gone=True
                )
            case State.FAILED if is_of_gone:
                return await self._state.retry(record, reason=STORE_IS_GONE)
            case State.PROCESSING if one.is_attempt:
                return await self._released(record)
            case _:  # an upload that was cut off is looked up in the new store by the recovery
                return record

    async def _released(self, record: FileRecord) -> FileRecord | None:
        lease = Lease(self._owner, 0.0)  # nothing is worked on, so it need not last
        try:
            ours = await self._state.take_over(record, lease)
        except OCCConflictError:
            return None
        return await self._state.release(ours, reason=STORE_IS_GONE)

    def _is_void(self, record: FileRecord) -> bool:
        now = self._catalog.clock().timestamp()
        return is_void(record.lease_owner, record.lease_expires_at, now)
