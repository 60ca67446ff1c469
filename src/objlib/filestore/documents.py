"""Documents and the operations that make them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from objlib.filestore import passages
from objlib.filestore.indexing import Indexed
from objlib.filestore.storage import FAILED, PENDING, FileStore
from objlib.filestore.wire import ApiError

#: Embedding models that take pictures.
TAKING_PICTURES = frozenset({"gemini-embedding-2"})

NEVER_S = 10.0 * 365 * 24 * 3600

#: A document that is indexed after its import was answered stays pending for so long after each
#: batch of its passages. When whoever indexes it dies, it shows as failed after that.
RENEWED_S = 120.0
INTERRUPTED = {"code": 13, "message": "The server was stopped while it indexed the document."}

DOCUMENT_COLUMNS = (
    "position, id, display_name, mime_type, size_bytes, metadata_json, created_at, ready_at,"
    f" CASE WHEN {PENDING} THEN 'STATE_PENDING' WHEN {FAILED} THEN 'STATE_FAILED'"
    " ELSE 'STATE_ACTIVE' END"
)


@dataclass(frozen=True, slots=True)
class Load:
    """The effect of indexing too many documents at once on all of them.

    Args:
        endurance: of the new document, 0 to 1: it fails when `failing` is above that.
        failing: the share of the documents being indexed that fail.
        slowdown: how much longer all of them take.
        recovers_after_s: how long those that fail stay so; None for ever.
    """

    endurance: float
    failing: float
    slowdown: float
    recovers_after_s: float | None


@dataclass(frozen=True, slots=True)
class Fate:
    """The fate of a new document: the fault layer decides it, and it is healthy by default."""

    delay_s: float = 0.0
    is_stuck: bool = False
    load: Load | None = None
    fails: bool = False
    recovers_after_s: float | None = None
    search_lag_s: float = 0.0
    operation_finishes: bool = True
    makes_document: bool = True
    operation_error: dict[str, Any] | None = None


def add_document(
    store: FileStore,
    store_id: str,
    *,
    identifier: str,
    display_name: str,
    indexed: Indexed,
    metadata: Sequence[dict[str, Any]],
    fate: Fate,
    is_upload: bool,
) -> str:
    """Add a document and its operation; returns the operation's name. In a transaction.

    Raises 404 for an unknown store.
    """
    store.store_row(store_id)
    now = store.clock()
    indexing_s = store.indexing_delay_s + fate.delay_s
    ready_at = now + (NEVER_S if fate.is_stuck else indexing_s)
    if fate.makes_document:
        recovers = fate.recovers_after_s if indexed.has_text else None
        position = store.insert(
            "INSERT INTO documents (position, store_id, id, display_name, mime_type, size_bytes,"
            " metadata_json, created_at, ready_at, is_failed, recovers_at, visible_at,"
            " indexing_s, endurance) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            indexed.position,
            *(store_id, identifier, display_name, indexed.mime_type, indexed.size_bytes),
            json.dumps(list(metadata), ensure_ascii=False),
            *(now, ready_at, fate.fails or not indexed.has_text),
            None if recovers is None else ready_at + recovers,
            ready_at + fate.search_lag_s,
            None if fate.is_stuck else indexing_s,
            fate.load.endurance if fate.load is not None and indexed.has_text else None,
        )
        passages.add(store, position, indexed.written, indexed.chunks)
        passages.finish(store, position)
        if indexed.picture is not None and indexed.has_text:
            owner = f"media/{position}"
            store.insert("INSERT INTO pieces VALUES (?, 0, ?)", owner, indexed.picture)
    elif indexed.position is not None:
        passages.remove(store, indexed.position)
    kind = "upload/operations" if is_upload else "operations"
    name = f"fileSearchStores/{store_id}/{kind}/{identifier}"
    store.insert(
        "INSERT INTO operations"
        " (name, store_id, document_id, is_upload, done_at, error_json, missing_json)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        *(name, store_id, identifier, is_upload),
        ready_at if fate.operation_finishes else None,
        json.dumps(error) if (error := fate.operation_error or indexed.error) else None,
        json.dumps(indexed.missing) if indexed.missing else None,
    )
    if fate.load is not None:
        _strain(store, fate.load, now)
    return name


def announce(
    store: FileStore,
    store_id: str,
    *,
    identifier: str,
    display_name: str,
    mime_type: str,
    size_bytes: int,
    metadata: Sequence[dict[str, Any]],
    fate: Fate,
) -> tuple[str, int]:
    """Add a document whose text is still to be indexed, and its operation. In a transaction.

    Returns:
        The operation's name, and the document's position.

    Raises 404 for an unknown store.
    """
    operation = add_document(
        store,
        store_id,
        identifier=identifier,
        display_name=display_name,
        indexed=Indexed(mime_type, size_bytes, [], error=INTERRUPTED),
        metadata=metadata,
        fate=replace(fate, delay_s=fate.delay_s + RENEWED_S, load=None),
        is_upload=False,
    )
    return operation, int(document_row(store, store_id, identifier)[0])


def renew(store: FileStore, position: int) -> None:
    """Keep an announced document pending. In a transaction. Raises 404 when it was deleted."""
    until = store.clock() + RENEWED_S
    if not store.all(
        "UPDATE documents SET ready_at = MAX(ready_at, :until) WHERE position = :position"
        " RETURNING position",
        until=until,
        position=position,
    ):
        raise ApiError(404, "The document was deleted while it was indexed.")


def interrupt(store: FileStore, position: int) -> None:
    """Let an announced document show as failed now. In a transaction."""
    now = store.clock()
    store.all(
        "UPDATE documents SET ready_at = :now WHERE position = :position",
        position=position,
        now=now,
    )
    store.all(
        "UPDATE operations SET done_at = :now FROM documents"
        " WHERE documents.position = :position AND documents.store_id = operations.store_id"
        " AND documents.id = operations.document_id",
        position=position,
        now=now,
    )


def complete(store: FileStore, position: int, indexed: Indexed, fate: Fate) -> None:
    """Give an announced document the rest of its passages, and its fate. In a transaction.

    Raises 404 when it was deleted.
    """
    renew(store, position)
    passages.add(store, position, indexed.written, indexed.chunks)
    ready_at = store.clock() + (NEVER_S if fate.is_stuck else store.indexing_delay_s + fate.delay_s)
    recovers = fate.recovers_after_s if indexed.has_text else None
    error = fate.operation_error or indexed.error
    store.all(
        "UPDATE documents SET ready_at = :ready_at, visible_at = :visible_at, is_failed = :fails,"
        " recovers_at = :recovers_at WHERE position = :position",
        position=position,
        ready_at=ready_at,
        visible_at=ready_at + fate.search_lag_s,
        fails=fate.fails or not indexed.has_text,
        recovers_at=None if recovers is None else ready_at + recovers,
    )
    store.all(
        "UPDATE operations SET done_at = :done_at, error_json = :error, missing_json = :missing"
        " FROM documents"
        " WHERE documents.position = :position AND documents.store_id = operations.store_id"
        " AND documents.id = operations.document_id",
        position=position,
        done_at=ready_at if fate.operation_finishes else None,
        error=None if error is None else json.dumps(error),
        missing=json.dumps(indexed.missing) if indexed.missing else None,
    )


def _strain(store: FileStore, load: Load, now: float) -> None:
    """Let a load tell on every document that is being indexed under a fate with one."""
    named = {
        "now": now,
        "slowdown": load.slowdown,
        "failing": load.failing,
        "recovers_after": load.recovers_after_s,
    }
    if load.slowdown > 1:
        later = "MAX(0, created_at + indexing_s * :slowdown - ready_at)"
        store.all(
            f"UPDATE documents SET ready_at = ready_at + {later},"
            f" visible_at = visible_at + {later}, recovers_at = recovers_at + {later}"
            " WHERE ready_at > :now AND endurance IS NOT NULL AND indexing_s IS NOT NULL",
            **named,
        )
        store.all(
            "UPDATE operations SET done_at = MAX(done_at, documents.ready_at) FROM documents"
            " WHERE documents.ready_at > :now AND documents.endurance IS NOT NULL"
            " AND documents.store_id = operations.store_id"
            " AND documents.id = operations.document_id AND done_at IS NOT NULL",
            **named,
        )
    if load.failing > 0:
        store.all(
            "UPDATE documents SET is_failed = 1, recovers_at = ready_at + :recovers_after"
            " WHERE ready_at > :now AND endurance < :failing AND NOT is_failed",
            **named,
        )


def caption(
    store_row: Sequence[Any], display_name: str, metadata: Sequence[dict[str, Any]]
) -> str | None:
    """Return what is said of a document besides; None in a store that takes no pictures.

    The service sees what is in a picture. Nothing here does, so it is found by these words.

    Args:
        store_row: a row of `STORE_COLUMNS`.
    """
    if store_row[3].removeprefix("models/") not in TAKING_PICTURES:
        return None
    values = [entry["stringValue"] for entry in metadata if entry.get("stringValue")]
    return "\n".join((display_name, *values))


def document_row(store: FileStore, store_id: str, identifier: str) -> tuple[Any, ...]:
    """A row of `DOCUMENT_COLUMNS`. Raises 404."""
    row = store.one(
        f"SELECT {DOCUMENT_COLUMNS} FROM documents WHERE store_id = :store AND id = :id",
        store=store_id,
        id=identifier,
        now=store.clock(),
    )
    if row is None:
        raise ApiError(
            404, f"Document fileSearchStores/{store_id}/documents/{identifier} not found."
        )
    return row


def media_of(store: FileStore, store_id: str, identifier: str) -> tuple[str, bytes]:
    """Return the type and bytes of a picture, called as its document is. Raises 404."""
    row = store.one(
        "SELECT mime_type, content FROM documents JOIN pieces ON owner = 'media/' || position"
        " WHERE store_id = :store AND id = :id",
        store=store_id,
        id=identifier,
    )
    if row is None:
        raise ApiError(404, f"Media fileSearchStores/{store_id}/media/{identifier} not found.")
    return row[0], row[1]


def document_rows(
    store: FileStore, store_id: str, *, after: int, limit: int
) -> list[tuple[Any, ...]]:
    """Rows of `DOCUMENT_COLUMNS` after a position, in order of creation."""
    return store.all(
        f"SELECT {DOCUMENT_COLUMNS} FROM documents"
        " WHERE store_id = :store AND position > :after ORDER BY position LIMIT :limit",
        store=store_id,
        after=after,
        limit=limit,
        now=store.clock(),
    )


def delete_document(store: FileStore, store_id: str, identifier: str, *, force: bool) -> None:
    """Delete a document, with `force` also one that has chunks."""
    with store.transaction():
        position = document_row(store, store_id, identifier)[0]
        chunk = store.one("SELECT 1 FROM chunks WHERE document = :position", position=position)
        if chunk is not None and not force:
            raise ApiError(400, "Cannot delete non-empty Document.", status="FAILED_PRECONDITION")
        passages.remove(store, position)
        store.all("DELETE FROM documents WHERE position = :position", position=position)


def pending_documents(store: FileStore) -> int:
    """Return the number of documents that are being indexed now; stuck ones do not count."""
    row = store.one(
        "SELECT COUNT(*) FROM documents WHERE ready_at > :now AND indexing_s IS NOT NULL",
        now=store.clock(),
    )
    return int(row[0]) if row else 0


def operation_row(store: FileStore, name: str) -> tuple[Any, ...]:
    """(document id, whether by an upload, done at, error and missing parts as JSON, MIME type,
    bytes). Raises 404.

    Type and size are None when there is no document, or none any more.
    """
    row = store.one(
        "SELECT document_id, is_upload, done_at, error_json, missing_json, mime_type, size_bytes"
        " FROM operations"
        " LEFT JOIN documents ON documents.store_id = operations.store_id AND id = document_id"
        " WHERE name = :name",
        name=name,
    )
    if row is None:
        raise ApiError(404, f"Operation {name} not found.")
    return row
