"""The resumable upload protocol: start, upload, finalize, query, cancel.

The upload URL is the credential. Every piece is committed before it is acknowledged, so an upload
goes on after a break where `query` says it stands. A piece that is sent again with the same bytes
is accepted; another offset, or more bytes than were declared, is not.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from objlib.filestore.storage import FileStore, check_document_size
from objlib.filestore.wire import ApiError, invalid

RAW_FILE_BYTES_MAX = 2 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload as it stands."""

    id: str
    store_id: str | None
    start: dict[str, Any]
    mime_type: str
    declared_bytes: int | None
    received_bytes: int
    state: str
    answer: dict[str, Any] | None


#: Makes something of a complete upload, inside its transaction: returns the JSON answer.
Finish = Callable[[Upload, str], dict[str, Any]]


def start_upload(
    store: FileStore,
    *,
    store_id: str | None,
    start: dict[str, Any],
    mime_type: str,
    declared: str | None,
) -> str:
    """The id of a new upload. In a transaction.

    Raises 400 for a length that is none, or too large for what the upload is to become.
    """
    declared_bytes = _count(declared, "X-Goog-Upload-Header-Content-Length")
    if store_id is None:
        if (declared_bytes or 0) > RAW_FILE_BYTES_MAX:
            raise invalid("The file is larger than 2 GB.")
    else:
        check_document_size(declared_bytes or 0)
    upload_id = store.new_id() + store.new_id()
    store.all(
        "INSERT INTO uploads (id, store_id, start_json, mime_type, declared_bytes, created_at)"
        " VALUES (:id, :store, :start, :mime, :declared, :now)",
        id=upload_id,
        store=store_id,
        start=json.dumps(start),
        mime=mime_type,
        declared=declared_bytes,
        now=store.clock(),
    )
    return upload_id


def find_upload(store: FileStore, upload_id: str, store_id: str | None) -> Upload:
    """The upload with this id to this store, or to the Files API. Raises 404."""
    row = store.one(
        "SELECT id, store_id, start_json, mime_type, declared_bytes, received_bytes, state,"
        " answer_json FROM uploads WHERE id = :id AND store_id IS :store",
        id=upload_id,
        store=store_id,
    )
    if row is None:
        raise ApiError(404, "Upload not found.")
    answer = json.loads(row[7]) if row[7] else None
    return Upload(row[0], row[1], json.loads(row[2]), row[3], row[4], row[5], row[6], answer)


def receive(
    store: FileStore,
    upload: Upload,
    *,
    offset: str | None,
    content: bytes,
    finalize: bool,
    finish: Finish,
) -> dict[str, Any] | None:
    """Take a piece; with `finalize` also finish, and return the answer. In a transaction.

    Raises 400 when the piece does not continue the upload or the lengths do not add up.
    """
    if upload.state == "cancelled":
        raise ApiError(400, "The upload was cancelled.", status="FAILED_PRECONDITION")
    if upload.state == "final":
        return upload.answer  # the client did not hear us the first time
    position = _count(offset, "X-Goog-Upload-Offset") or 0
    if position == upload.received_bytes:
        upload = _append(store, upload, content)
    elif not _is_known(store, upload, position, content):
        raise invalid(
            f"The offset {position} is wrong: {upload.received_bytes} bytes have been received."
        )
    if not finalize:
        return None
    if upload.declared_bytes not in (None, upload.received_bytes):
        raise invalid(
            f"{upload.received_bytes} bytes have been received,"
            f" but {upload.declared_bytes} were declared."
        )
    answer = finish(upload, _sha256(store, upload.id))
    store.all(
        "UPDATE uploads SET state = 'final', answer_json = :answer WHERE id = :id",
        answer=json.dumps(answer),
        id=upload.id,
    )
    store.all("DELETE FROM pieces WHERE owner = :id", id=upload.id)
    return answer


def cancel(store: FileStore, upload: Upload) -> str:
    """Forget the bytes of an upload that is not finished; its state. In a transaction."""
    if upload.state == "final":
        return upload.state
    store.all("UPDATE uploads SET state = 'cancelled' WHERE id = :id", id=upload.id)
    store.all("DELETE FROM pieces WHERE owner = :id", id=upload.id)
    return "cancelled"


def _append(store: FileStore, upload: Upload, content: bytes) -> Upload:
    limit = upload.declared_bytes if upload.declared_bytes is not None else RAW_FILE_BYTES_MAX
    received = upload.received_bytes + len(content)
    if received > limit:
        raise invalid(f"More than the {limit} bytes that were declared.")
    if content:
        store.all(
            "INSERT INTO pieces VALUES (:id, :offset, :content)",
            id=upload.id,
            offset=upload.received_bytes,
            content=content,
        )
        store.all(
            "UPDATE uploads SET received_bytes = :received WHERE id = :id",
            received=received,
            id=upload.id,
        )
    return replace(upload, received_bytes=received)


def _is_known(store: FileStore, upload: Upload, position: int, content: bytes) -> bool:
    row = store.one(
        "SELECT content FROM pieces WHERE owner = :id AND offset = :offset",
        id=upload.id,
        offset=position,
    )
    return row is not None and row[0] == content


def _sha256(store: FileStore, upload_id: str) -> str:
    """Base64 of the digest."""
    digest = hashlib.sha256()
    for (offset,) in store.all(
        "SELECT offset FROM pieces WHERE owner = :id ORDER BY offset", id=upload_id
    ):
        row = store.one(
            "SELECT content FROM pieces WHERE owner = :id AND offset = :offset",
            id=upload_id,
            offset=offset,
        )
        digest.update(row[0] if row else b"")
    return base64.b64encode(digest.digest()).decode("ascii")


def _count(text: str | None, header: str) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise invalid(f"The header {header} is not a number of bytes: {text!r}.")
    return int(text)
