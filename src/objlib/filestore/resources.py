"""Rows of the data file as the API's resources: File, FileSearchStore, Document, Operation."""

from __future__ import annotations

import json
from typing import Any

from objlib.filestore.wire import compact, rfc3339


def file(row: tuple[Any, ...]) -> dict[str, Any]:
    """A File, from a row of `FILE_COLUMNS`."""
    _, identifier, display_name, mime_type, size, sha256, created_at, expires_at = row
    return compact(
        {
            "name": f"files/{identifier}",
            "displayName": display_name,
            "mimeType": mime_type,
            "sizeBytes": str(size),
            "createTime": rfc3339(created_at),
            "updateTime": rfc3339(created_at),
            "expirationTime": rfc3339(expires_at),
            "sha256Hash": sha256,
            "uri": f"https://generativelanguage.googleapis.com/v1beta/files/{identifier}",
            "state": "ACTIVE",
            "source": "UPLOADED",
        }
    )


def store(row: tuple[Any, ...], counters: tuple[int, int, int, int]) -> dict[str, Any]:
    """A FileSearchStore, from a row of `STORE_COLUMNS` and its counters; zeros are left out."""
    _, identifier, display_name, model, created_at = row
    names = ("activeDocumentsCount", "pendingDocumentsCount", "failedDocumentsCount", "sizeBytes")
    counts = zip(names, counters, strict=True)
    return compact(
        {
            "name": f"fileSearchStores/{identifier}",
            "displayName": display_name,
            "createTime": rfc3339(created_at),
            "updateTime": rfc3339(created_at),
            "embeddingModel": model,
            **{name: str(number) for name, number in counts if number},
        }
    )


def document(store_id: str, row: tuple[Any, ...]) -> dict[str, Any]:
    """A Document, from a row of `DOCUMENT_COLUMNS`."""
    _, identifier, display_name, mime_type, size, metadata_json, created_at, ready_at, state = row
    updated_at = created_at if state == "STATE_PENDING" else ready_at
    return compact(
        {
            "name": f"fileSearchStores/{store_id}/documents/{identifier}",
            "displayName": display_name,
            "customMetadata": json.loads(metadata_json),
            "createTime": rfc3339(created_at),
            "updateTime": rfc3339(updated_at),
            "state": state,
            "sizeBytes": str(size),
            "mimeType": mime_type,
        }
    )


def import_response(store_id: str, document_id: str) -> dict[str, Any]:
    """Return the response of an import's operation: the document's bare id, as was seen."""
    return {"parent": f"fileSearchStores/{store_id}", "documentName": document_id}


def upload_response(
    store_id: str, document_id: str, *, mime_type: str, size_bytes: int
) -> dict[str, Any]:
    """Return the response of an upload's operation: the document's full name, type and size."""
    parent = f"fileSearchStores/{store_id}"
    return {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1main."
        "UploadToFileSearchStoreResponse",
        "parent": parent,
        "documentName": f"{parent}/documents/{document_id}",
        "mimeType": mime_type,
        "sizeBytes": str(size_bytes),
    }
