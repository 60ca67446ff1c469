"""The only module that writes `gemini_state`.

Every move is one guarded UPDATE (optimistic concurrency control): it names the state and the
version it expects, and a row that has moved on is an `OCCConflictError`, never overwritten. The
catalog's triggers check the same table once more.
"""

from __future__ import annotations

from typing import Any

from objlib.catalog.lease import Lease
from objlib.catalog.moves import guarded_update, renew_leases
from objlib.catalog.protocol import Catalog
from objlib.catalog.records import FileRecord
from objlib.states import Move, State, next_state

_NO_LEASE: dict[str, Any] = {"lease_owner": None, "lease_expires_at": None}


class AsyncUploadStateManager:
    """Moves rows along the state machine. Each method returns the row as it is afterwards.

    All methods raise `OCCConflictError` when the row is not as the given record says, and
    `IllegalTransitionError` when its state does not know the move.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def begin_upload(
        self, record: FileRecord, *, upload_key: str, run_id: str, lease: Lease
    ) -> FileRecord:
        """untracked -> uploading: the write-ahead intent, on disk before anything is sent."""
        return await self._begin(record, upload_key, run_id, lease, reason="claimed", durable=True)

    async def begin_adoption(
        self, record: FileRecord, *, upload_key: str, run_id: str, lease: Lease
    ) -> FileRecord:
        """untracked -> uploading, where nothing will be sent: a document was found."""
        return await self._begin(record, upload_key, run_id, lease, reason="adopted", durable=False)

    async def _begin(
        self,
        record: FileRecord,
        upload_key: str,
        run_id: str,
        lease: Lease,
        *,
        reason: str,
        durable: bool,
    ) -> FileRecord:
        same_version = record.upload_key == upload_key
        leftovers = (
            "gemini_file_id",
            "gemini_file_uri",
            "remote_expiration_ts",
            "operation_name",
            "import_intent_at",
        )
        forget: dict[str, Any] = {} if same_version else dict.fromkeys(leftovers)
        return await self._move(
            record,
            Move.BEGIN_UPLOAD,
            reason,
            durable=durable,
            upload_key=upload_key,
            run_id=run_id,
            attempt_count=record.attempt_count + 1 if same_version else 1,
            lease_owner=lease.owner,
            lease_expires_at=lease.expires_at,
            error_message=None,
            failure_kind=None,
            **forget,
        )

    async def intend_import(
        self, record: FileRecord, *, file_id: str, file_uri: str | None, expires_at: str | None
    ) -> FileRecord:
        """Still uploading: the raw file is there and `importFile` is about to be sent."""
        return await self._write(
            record,
            gemini_file_id=file_id,
            gemini_file_uri=file_uri,
            remote_expiration_ts=expires_at,
            import_intent_at=self._catalog.now(),
        )

    async def upload_confirmed(
        self,
        record: FileRecord,
        *,
        operation_name: str | None,
        document_name: str | None,
        reason: str = "import accepted",
    ) -> FileRecord:
        """uploading -> processing: the backend took the import."""
        return await self._move(
            record,
            Move.UPLOAD_CONFIRMED,
            reason,
            operation_name=operation_name,
            gemini_store_doc_id=document_name,
            upload_timestamp=self._catalog.now(),
        )

    async def import_confirmed(
        self, record: FileRecord, *, document_name: str, reason: str = "document active"
    ) -> FileRecord:
        """processing -> indexed: the document itself was seen active with the right key."""
        return await self._move(
            record,
            Move.IMPORT_CONFIRMED,
            reason,
            gemini_store_doc_id=document_name,
            import_intent_at=None,
            error_message=None,
            **_NO_LEASE,
        )

    async def withdraw_import_intent(self, record: FileRecord) -> FileRecord:
        """Still uploading: the import was refused, so nothing is in doubt."""
        return await self._write(record, import_intent_at=None)

    async def fail(
        self, record: FileRecord, *, reason: str, transient: bool, document_name: str | None
    ) -> FileRecord:
        """uploading|processing -> failed, with the reason people will read.

        Args:
            document_name: what the attempt may have left in the store. The next attempt adopts it
                if it has come alive, and deletes it if not.
        """
        return await self._move(
            record,
            Move.FAIL,
            reason,
            error_message=reason,
            failure_kind="transient" if transient else "permanent",
            gemini_store_doc_id=document_name,
            **_NO_LEASE,
        )

    async def retry(self, record: FileRecord, *, reason: str) -> FileRecord:
        """failed -> untracked."""
        return await self._move(record, Move.RETRY, reason)

    async def release(self, record: FileRecord, *, reason: str) -> FileRecord:
        """uploading|processing -> untracked: not finished, not failed, free for anybody."""
        return await self._move(record, Move.RELEASE, reason, **_NO_LEASE)

    async def invalidate(
        self, record: FileRecord, *, reason: str, document_is_gone: bool = False
    ) -> FileRecord:
        """indexed -> untracked: the file changed, or its document is no good.

        The old document becomes `superseded`: search goes on finding it until the new version is
        indexed. With `document_is_gone` there is none to keep. One that was superseded before and
        is still to be deleted gives way; the catalog's trigger puts it among the leftovers.
        """
        current = record.gemini_store_doc_id
        if current is None and record.upload_key is None:
            current = record.gemini_file_id  # the earlier generation named documents after it
        superseded = record.superseded_doc_id if document_is_gone or current is None else current
        return await self._move(
            record,
            Move.INVALIDATE,
            reason,
            gemini_store_doc_id=None,
            superseded_doc_id=superseded,
            operation_name=None,
        )

    async def take_over(self, record: FileRecord, lease: Lease) -> FileRecord:
        """Take an in-flight row from an owner whose lease is void."""
        return await self._write(record, lease_owner=lease.owner, lease_expires_at=lease.expires_at)

    async def forget_superseded(self, record: FileRecord) -> FileRecord:
        """The older document is deleted."""
        return await self._write(record, superseded_doc_id=None)

    async def forget_document(self, record: FileRecord) -> FileRecord:
        """The document that a failed attempt left is deleted."""
        return await self._write(record, gemini_store_doc_id=None)

    async def keep_until_indexed(self, record: FileRecord, document_name: str) -> FileRecord:
        """An older version's document was found: it goes once the new version is indexed."""
        return await self._write(record, superseded_doc_id=document_name)

    async def forget_raw_file(self, record: FileRecord) -> FileRecord:
        """The raw file is deleted or has expired."""
        return await self._write(record, gemini_file_id=None, gemini_file_uri=None)

    async def renew_leases(self, lease: Lease) -> None:
        """The heartbeat: push out the end of every lease this owner holds."""
        await renew_leases(self._catalog, lease)

    async def _move(
        self,
        record: FileRecord,
        move: Move,
        reason: str,
        *,
        durable: bool = False,
        **columns: Any,
    ) -> FileRecord:
        after = next_state(record.gemini_state, move)
        now = self._catalog.now()
        return await guarded_update(
            self._catalog,
            record,
            {
                "gemini_state": after.value,
                "version": record.version + 1,
                "gemini_state_updated_at": now,
                "updated_at": now,
                "transition_reason": reason,
                **columns,
            },
            durable=durable,
        )

    async def _write(self, record: FileRecord, **columns: Any) -> FileRecord:
        """Change facts about an attempt without moving the row, under the same guard."""
        return await guarded_update(
            self._catalog, record, {"updated_at": self._catalog.now(), **columns}, durable=False
        )


def is_claimable(record: FileRecord | None) -> bool:
    """Whether a row, read afresh, is still there to be uploaded."""
    return (
        record is not None
        and record.gemini_state is State.UNTRACKED
        and not record.is_deleted
        and record.skip_reason is None
    )
