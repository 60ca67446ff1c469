"""The resumable upload protocol: start, upload, finalize, query, cancel.

The upload URL is the credential. Bytes are committed block by block as they arrive, so an upload
of any size needs the memory of a block, and after a break it goes on where `query` says it stands.
Bytes that are sent again are accepted when they are the same; others, a gap, or more than were
declared are not.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from objlib.filestore.limits import RAW_FILE_BYTES_MAX, check_document_size
from objlib.filestore.storage import FileStore
from objlib.filestore.wire import ApiError, invalid

BLOCK_BYTES = 1024 * 1024


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
    #: The offset and the digest of the request that finished it.
    last: str | None


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
        " answer_json, last FROM uploads WHERE id = :id AND store_id IS :store",
        id=upload_id,
        store=store_id,
    )
    if row is None:
        raise ApiError(404, "Upload not found.")
    answer = json.loads(row[7]) if row[7] else None
    return Upload(
        row[0], row[1], json.loads(row[2]), row[3], row[4], row[5], row[6], answer, row[8]
    )


async def receive(
    store: FileStore, upload: Upload, *, offset: str | None, body: AsyncIterator[bytes]
) -> Upload:
    """Take the bytes of a request, each block in a transaction; the upload as it stands then.

    Raises 400 when the bytes do not continue the upload or are too many; what was taken of them
    before stays taken. Raises 400, too, when a finished upload is sent other bytes; the same ones,
    or none, come from a client that did not hear the answer.
    """
    first = position = _count(offset, "X-Goog-Upload-Offset") or 0
    digest = hashlib.sha256()
    async for block in _blocks(body):
        with store.transaction():
            upload = find_upload(store, upload.id, upload.store_id)
            if upload.state == "active":
                upload = _take(store, upload, position, block)
        position += len(block)
        digest.update(block)
        await asyncio.sleep(
            0
        )  # a body that is there already would keep the loop for all its blocks
    last = f"{first}:{digest.hexdigest()}"
    if upload.state == "final" and position > first and upload.last not in (None, last):
        raise ApiError(400, "Upload has already been terminated.")
    if upload.state == "cancelled":
        raise ApiError(400, "The upload was cancelled.", status="FAILED_PRECONDITION")
    if upload.state == "active" and position > upload.received_bytes:
        raise _wrong_offset(upload, position)
    return replace(upload, last=last) if upload.state == "active" else upload


def check_complete(upload: Upload) -> None:
    """Raises 400 for an upload that is shorter than was declared."""
    if upload.declared_bytes not in (None, upload.received_bytes):
        raise invalid(
            f"{upload.received_bytes} bytes have been received,"
            f" but {upload.declared_bytes} were declared."
        )


def finish(store: FileStore, upload: Upload, answer: dict[str, Any]) -> None:
    """Keep the answer for whoever asks again; bytes nobody took over go. In a transaction."""
    store.all(
        "UPDATE uploads SET state = 'final', answer_json = :answer, last = :last WHERE id = :id",
        answer=json.dumps(answer),
        last=upload.last,
        id=upload.id,
    )
    store.all("DELETE FROM pieces WHERE owner = :id", id=upload.id)


def cancel(store: FileStore, upload: Upload) -> str:
    """Forget the bytes of an upload that is not finished; its state. In a transaction."""
    if upload.state == "final":
        return upload.state
    store.all("UPDATE uploads SET state = 'cancelled' WHERE id = :id", id=upload.id)
    store.all("DELETE FROM pieces WHERE owner = :id", id=upload.id)
    return "cancelled"


async def digest_of(store: FileStore, upload: Upload) -> str:
    """Base64 of the SHA-256 of what was received."""
    digest = hashlib.sha256()
    for (offset,) in store.all(
        "SELECT offset FROM pieces WHERE owner = :id ORDER BY offset", id=upload.id
    ):
        digest.update(_block_at(store, upload, offset))
        await asyncio.sleep(0)
    return base64.b64encode(digest.digest()).decode("ascii")


async def _blocks(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes of a body in blocks of one size, the last one shorter."""
    gathered = bytearray()
    async for some in body:
        gathered += some
        while len(gathered) >= BLOCK_BYTES:
            yield bytes(gathered[:BLOCK_BYTES])
            del gathered[:BLOCK_BYTES]
    if gathered:
        yield bytes(gathered)


def _take(store: FileStore, upload: Upload, position: int, block: bytes) -> Upload:
    known = upload.received_bytes - position
    if known < 0 or not _is_known(store, upload, position, block[:known]):
        raise _wrong_offset(upload, position)
    limit = upload.declared_bytes if upload.declared_bytes is not None else RAW_FILE_BYTES_MAX
    received = position + len(block)
    if received > limit:
        raise invalid(f"More than the {limit} bytes that were declared.")
    if received <= upload.received_bytes:
        return upload
    store.all(
        "INSERT INTO pieces VALUES (:id, :offset, :content)",
        id=upload.id,
        offset=upload.received_bytes,
        content=block[known:],
    )
    store.all(
        "UPDATE uploads SET received_bytes = :received WHERE id = :id",
        received=received,
        id=upload.id,
    )
    return replace(upload, received_bytes=received)


def _is_known(store: FileStore, upload: Upload, position: int, content: bytes) -> bool:
    """Return True if these bytes were received before, at this place."""
    if not content:
        return True
    rows = store.all(
        "SELECT offset FROM pieces WHERE owner = :id AND offset < :end"
        " AND offset + LENGTH(content) > :position ORDER BY offset",
        id=upload.id,
        position=position,
        end=position + len(content),
    )
    for (offset,) in rows:
        piece = _block_at(store, upload, offset)
        start = max(position, offset)
        end = min(position + len(content), offset + len(piece))
        if piece[start - offset : end - offset] != content[start - position : end - position]:
            return False
    return True


def _block_at(store: FileStore, upload: Upload, offset: int) -> bytes:
    row = store.one(
        "SELECT content FROM pieces WHERE owner = :id AND offset = :offset",
        id=upload.id,
        offset=offset,
    )
    return bytes(row[0]) if row else b""


def _wrong_offset(upload: Upload, position: int) -> ApiError:
    return invalid(
        f"The offset {position} is wrong: {upload.received_bytes} bytes have been received."
    )


def _count(text: str | None, header: str) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise invalid(f"The header {header} is not a number of bytes: {text!r}.")
    return int(text)
