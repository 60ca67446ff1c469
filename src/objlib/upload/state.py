"""The only module that writes `gemini_state`.

Every move is one guarded UPDATE (optimistic concurrency control): it names the state, the version
and the owner it expects, and a row that has moved on is never overwritten. The catalog's triggers
check the transition table once more.

A move that finds the row changed is made again by `occ_transition`: the row is read afresh, and the
move decided afresh. Where it still stands it goes on from the fresh row; where somebody else has
done the work, or is doing it, the move gives up without error and the result is None:

| move | somebody else has done the work when, read afresh, the row … |
| --- | --- |
| `begin_upload`, `begin_adoption` | cannot be claimed, or has other content or metadata than the \
key was made from, or is in doubt about an import under another key |
| `retry` | is not `failed` |
| `invalidate` | is not `indexed`, or its document or its content is another |
| `keep_until_indexed`, `forget_…` | is in another state, or names another document or raw file |
| the moves of a row in flight, and the two notes about its intent | has another state, version or \
owner: in flight, a row belongs to one attempt |

`take_over` is the exception. Only its caller can tell whether a lease is void, so it raises the
conflict, and the caller decides afresh. A row that is gone needs no move: None.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from objlib.catalog.lease import Lease
from objlib.catalog.moves import guarded_update, renew_leases
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_file
from objlib.catalog.readings import Made, columns_of
from objlib.catalog.records import FileRecord
from objlib.errors import OCCConflictError
from objlib.states import Move, State, next_state
from objlib.upload._operators import occ_transition, settled

#: The columns a move writes, going by the row as it is.
_Columns = Callable[[FileRecord], dict[str, Any]]

#: True if a move still has to be made, going by the row as it is.
_Decision = Callable[[FileRecord], bool]

_NO_LEASE: dict[str, Any] = {"lease_owner": None, "lease_expires_at": None}

#: Facts about the last attempt at one version of a file. They serve no other version.
_OF_ONE_VERSION = (
    "gemini_file_id",
    "gemini_file_uri",  # this one and the next only the earlier generation wrote
    "remote_expiration_ts",
    "operation_name",
    "import_intent_at",
    "reader",
    "not_read",
    "text_bytes",
)


class AsyncUploadStateManager:
    """Moves rows along the state machine.

    Each method returns the row as it is afterwards, or None when somebody else did the work (the
    table above). All raise `IllegalTransitionError` when the state of the given record does not
    know the move, and `OCCConflictError` when others moved the row again and again.
    """

    def __init__(self, catalog: Catalog, rng: random.Random | None = None) -> None:
        """A state manager over one catalog.

        Args:
            rng: jitters the waits of its retries. Without one they are drawn from a fixed seed, so
                that the same conflict waits the same time again; rivals that wait equally long
                still both come through, as one of them wins each round.
        """
        self._catalog = catalog
        self._rng = rng or random.Random(0)

    async def begin_upload(
        self,
        record: FileRecord,
        *,
        upload_key: str,
        run_id: str,
        lease: Lease,
        made: Made | None = None,
    ) -> FileRecord | None:
        """untracked -> uploading: the write-ahead intent, on disk before anything is sent.

        Args:
            made: how the text that will be sent was made.
        """
        said = columns_of(made)
        return await self._begin(
            record, upload_key, run_id, lease, said, reason="claimed", durable=True
        )

    async def begin_adoption(
        self, record: FileRecord, *, upload_key: str, run_id: str, lease: Lease
    ) -> FileRecord | None:
        """untracked -> uploading, where nothing will be sent: a document was found."""
        return await self._begin(
            record, upload_key, run_id, lease, {}, reason="adopted", durable=False
        )

    async def _begin(
        self,
        record: FileRecord,
        upload_key: str,
        run_id: str,
        lease: Lease,
        said: dict[str, Any],
        *,
        reason: str,
        durable: bool,
    ) -> FileRecord | None:
        def columns(row: FileRecord) -> dict[str, Any]:
            is_same_version = row.upload_key == upload_key
            return {
                "upload_key": upload_key,
                "run_id": run_id,
                "attempt_count": row.attempt_count + 1 if is_same_version else 1,
                "lease_owner": lease.owner,
                "lease_expires_at": lease.expires_at,
                "reserved_by": None,
                "reserved_until": None,
                "error_message": None,
                "failure_kind": None,
                **({} if is_same_version else dict.fromkeys(_OF_ONE_VERSION)),
                **said,
            }

        def stands(row: FileRecord) -> bool:
            is_in_doubt = row.import_intent_at is not None and row.upload_key != upload_key
            same_file = _unchanged(record, "content_hash", "metadata_json")
            return is_claimable(row) and same_file(row) and not is_in_doubt

        return await self._move(record, Move.BEGIN_UPLOAD, reason, columns, stands, durable=durable)

    async def intend_import(
        self,
        record: FileRecord,
        *,
        file_id: str,
        lease: Lease,
    ) -> FileRecord | None:
        """Still uploading: the raw file is there and `importFile` is about to be sent.

        The lease begins anew in the same statement, which matches no row that was taken over.
        """
        return await self._note(
            record,
            _same_attempt(record),
            gemini_file_id=file_id,
            import_intent_at=self._catalog.now(),
            lease_expires_at=lease.expires_at,
        )

    async def upload_confirmed(
        self,
        record: FileRecord,
        *,
        operation_name: str | None,
        document_name: str | None,
        reason: str = "import accepted",
    ) -> FileRecord | None:
        """uploading -> processing: the backend took the import."""
        columns = {
            "operation_name": operation_name,
            "gemini_store_doc_id": document_name,
            "upload_timestamp": self._catalog.now(),
        }
        return await self._move(
            record, Move.UPLOAD_CONFIRMED, reason, lambda _row: columns, _same_attempt(record)
        )

    async def import_confirmed(
        self, record: FileRecord, *, document_name: str, reason: str = "document active"
    ) -> FileRecord | None:
        """processing -> indexed: the document itself was seen active with the right key."""
        columns = {
            "gemini_store_doc_id": document_name,
            "import_intent_at": None,
            "error_message": None,
            **_NO_LEASE,
        }
        return await self._move(
            record, Move.IMPORT_CONFIRMED, reason, lambda _row: columns, _same_attempt(record)
        )

    async def withdraw_import_intent(self, record: FileRecord) -> FileRecord | None:
        """Still uploading: the import was refused, so nothing is in doubt."""
        return await self._note(record, _same_attempt(record), import_intent_at=None)

    async def fail(
        self, record: FileRecord, *, reason: str, transient: bool, document_name: str | None
    ) -> FileRecord | None:
        """uploading|processing -> failed, with the reason people will read.

        Args:
            document_name: what the attempt may have left in the store. The next attempt adopts it
                if it has come alive, and deletes it if not.
        """
        columns = {
            "error_message": reason,
            "failure_kind": "transient" if transient else "permanent",
            "gemini_store_doc_id": document_name,
            **_NO_LEASE,
        }
        return await self._move(
            record, Move.FAIL, reason, lambda _row: columns, _same_attempt(record)
        )

    async def retry(self, record: FileRecord, *, reason: str) -> FileRecord | None:
        """failed -> untracked."""
        return await self._move(record, Move.RETRY, reason, lambda _row: {}, _unchanged(record))

    async def release(self, record: FileRecord, *, reason: str) -> FileRecord | None:
        """uploading|processing -> untracked: not finished, not failed, free for anybody."""
        return await self._move(
            record, Move.RELEASE, reason, lambda _row: _NO_LEASE, _same_attempt(record)
        )

    async def invalidate(
        self, record: FileRecord, *, reason: str, document_is_gone: bool = False
    ) -> FileRecord | None:
        """indexed -> untracked: the file changed, or its document is no good.

        The old document becomes `superseded`: search goes on finding it until the new version is
        indexed. With `document_is_gone` there is none to keep. One that was superseded before and
        is still to be deleted gives way; the catalog's trigger puts it among the leftovers.
        """

        def columns(row: FileRecord) -> dict[str, Any]:
            current = row.gemini_store_doc_id
            if current is None and row.upload_key is None:
                current = row.gemini_file_id  # the earlier generation named documents after it
            is_kept = current is not None and not document_is_gone
            return {
                "gemini_store_doc_id": None,
                "superseded_doc_id": current if is_kept else row.superseded_doc_id,
                "operation_name": None,
            }

        stands = _unchanged(record, "gemini_store_doc_id", "gemini_file_id", "content_hash")
        return await self._move(record, Move.INVALIDATE, reason, columns, stands)

    async def take_over(self, record: FileRecord, lease: Lease) -> FileRecord:
        """Take an in-flight row from an owner whose lease is void.

        Raises:
            OCCConflictError: the row has moved on or changed hands; look at its lease again.
        """
        columns = {"lease_owner": lease.owner, "lease_expires_at": lease.expires_at}
        return await guarded_update(self._catalog, record, self._noted(columns), durable=False)

    async def forget_superseded(self, record: FileRecord) -> FileRecord | None:
        """The older document is deleted."""
        stands = _unchanged(record, "superseded_doc_id")
        return await self._note(record, stands, superseded_doc_id=None)

    async def forget_document(self, record: FileRecord) -> FileRecord | None:
        """The document that a failed attempt left is deleted."""
        stands = _unchanged(record, "gemini_store_doc_id")
        return await self._note(record, stands, gemini_store_doc_id=None)

    async def forget_names(self, record: FileRecord, *columns: str) -> FileRecord | None:
        """The store is gone that held what these columns name."""
        stands = _unchanged(record, *columns)
        return await self._note(record, stands, **dict.fromkeys(columns))

    async def keep_until_indexed(self, record: FileRecord, document_name: str) -> FileRecord | None:
        """An older version's document was found: it goes once the new version is indexed."""
        stands = _unchanged(record, "superseded_doc_id", "gemini_store_doc_id", "upload_key")
        return await self._note(record, stands, superseded_doc_id=document_name)

    async def forget_raw_file(self, record: FileRecord) -> FileRecord | None:
        """The raw file is deleted or has expired."""
        stands = _unchanged(record, "gemini_file_id")
        return await self._note(record, stands, gemini_file_id=None, gemini_file_uri=None)

    async def renew_leases(self, lease: Lease) -> None:
        """The heartbeat: push out the end of every lease this owner holds."""
        await renew_leases(self._catalog, lease)

    async def _move(
        self,
        record: FileRecord,
        move: Move,
        reason: str,
        columns: _Columns,
        stands: _Decision,
        *,
        durable: bool = False,
    ) -> FileRecord | None:
        after = next_state(record.gemini_state, move)

        def moved(row: FileRecord) -> dict[str, Any]:
            now = self._catalog.now()
            return {
                "gemini_state": after.value,
                "version": row.version + 1,
                "gemini_state_updated_at": now,
                "updated_at": now,
                "transition_reason": reason,
                **columns(row),
            }

        return await self._write(record, moved, stands, durable=durable)

    async def _note(
        self, record: FileRecord, stands: _Decision, **columns: Any
    ) -> FileRecord | None:
        """Change facts about an attempt without moving the row, under the same guard."""
        return await self._write(record, lambda _row: self._noted(columns), stands)

    def _noted(self, columns: dict[str, Any]) -> dict[str, Any]:
        return {"updated_at": self._catalog.now(), **columns}

    async def _write(
        self, record: FileRecord, columns: _Columns, stands: _Decision, *, durable: bool = False
    ) -> FileRecord | None:
        """Write what a decision calls for, for as long as it stands."""
        try:  # it nearly always works, and so without an operator around it
            return await guarded_update(self._catalog, record, columns(record), durable=durable)
        except OCCConflictError:
            pass

        async def decided_afresh() -> FileRecord | None:
            fresh = await get_file(self._catalog, record.file_path)
            if fresh is None or not stands(fresh):
                return None
            return await guarded_update(self._catalog, fresh, columns(fresh), durable=durable)

        return await settled(occ_transition(decided_afresh, rng=self._rng))


def is_claimable(record: FileRecord | None) -> bool:
    """Return True if a row, read afresh, is still there to be uploaded."""
    return record is not None and record.gemini_state is State.UNTRACKED and record.is_uploadable


def _unchanged(seen: FileRecord, *columns: str) -> _Decision:
    """Make the decision that stands while state, owner and some columns are as they were seen."""

    def stands(row: FileRecord) -> bool:
        names = ("gemini_state", "lease_owner", *columns)
        return all(getattr(row, name) == getattr(seen, name) for name in names)

    return stands


def _same_attempt(seen: FileRecord) -> _Decision:
    """Make the decision that stands while the row has not moved and has not changed hands."""
    return _unchanged(seen, "version")
