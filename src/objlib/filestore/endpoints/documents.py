"""Documents: import, list, get, delete, and the operations of imports and uploads."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Coroutine, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from objlib.filestore import bodies, documents, rawfiles, resources
from objlib.filestore.chunking import Chunking
from objlib.filestore.faults import FaultPlan
from objlib.filestore.indexing import Announced, Indexed, index
from objlib.filestore.kinds import Kind
from objlib.filestore.limits import check_document_size, check_metadata
from objlib.filestore.paging import DOCUMENTS_PAGE, page, paging
from objlib.filestore.storage import FileStore
from objlib.filestore.wire import (
    IMPORT_FILE,
    MAX_JSON_BYTES,
    ApiError,
    boolean,
    invalid,
    parse_json,
)
from objlib.formats import is_plain

_log = logging.getLogger(__name__)

#: A larger text is indexed after its import was answered: some seconds of work.
AT_ONCE_BYTES_MAX = 8 * 1024 * 1024

#: Seconds until an import is answered though its document has not been read to the end.
ANSWER_S = 10.0
IMPORT = "/{version}/fileSearchStores/{store}:importFile"


async def _soon(work: Coroutine[Any, Any, Indexed]) -> Indexed | None:
    """Return what comes of some work; None if it takes longer than anybody waits for it."""
    try:
        async with asyncio.timeout(ANSWER_S):
            return await work
    except TimeoutError:
        return None


class Documents:
    """The handlers of documents and operations."""

    def __init__(self, store: FileStore, faults: FaultPlan) -> None:
        self._store = store
        self._faults = faults

    async def import_file(self, request: Request) -> Response:
        """Make a document of a raw file's bytes."""
        store_id = request.path_params["store"]
        wanted = parse_json(await bodies.read_body(request, MAX_JSON_BYTES), IMPORT_FILE)
        if not (file_name := wanted.get("fileName", "")).startswith("files/"):
            raise invalid("fileName must be of the form files/{file}.", "fileName")
        metadata = wanted.get("customMetadata", [])
        check_metadata(metadata)
        chunking = bodies.chunking(wanted)
        store_row = self._store.store_row(store_id)
        file_id = file_name.removeprefix("files/")
        if self._faults.striking(f"POST {IMPORT}", Kind.FILE_EXPIRED):
            rawfiles.expire_file(self._store, file_id)
        _, _, _, mime_type, size_bytes, *_ = rawfiles.file_row(self._store, file_id)
        check_document_size(size_bytes)
        content = rawfiles.Stored(self._store, file_name, size_bytes)
        caption = documents.caption(store_row, file_id, metadata)
        if size_bytes > AT_ONCE_BYTES_MAX and is_plain(mime_type):
            return self._announced(store_id, file_id, content, mime_type, chunking, metadata)
        work = index(self._store, content, size_bytes, mime_type, chunking, caption)
        indexed = await (work if is_plain(mime_type) else _soon(work))
        if indexed is None:
            return self._announced(store_id, file_id, content, mime_type, chunking, metadata)
        with self._store.transaction():
            operation = documents.add_document(
                self._store,
                store_id,
                identifier=self._store.id_made_of(file_id),
                display_name=file_id,
                indexed=indexed,
                metadata=metadata,
                fate=self._fate(),
                is_upload=False,
            )
        return JSONResponse({"name": operation})

    def _fate(self) -> documents.Fate:
        return self._faults.fate(f"POST {IMPORT}", lambda: documents.pending_documents(self._store))

    def _announced(
        self,
        store_id: str,
        file_id: str,
        content: rawfiles.Stored,
        mime_type: str,
        chunking: Chunking,
        metadata: Sequence[dict[str, Any]],
    ) -> Response:
        """Answer at once, and index afterwards, as the service does."""
        with self._store.transaction():
            fate = self._fate()
            operation, position = documents.announce(
                self._store,
                store_id,
                identifier=self._store.id_made_of(file_id),
                display_name=file_id,
                mime_type=mime_type,
                size_bytes=content.size_bytes,
                metadata=metadata,
                fate=fate,
            )
        if fate.makes_document:
            task = asyncio.ensure_future(
                self._indexed_later(position, content, mime_type, chunking, fate)
            )
            self._store.working.add(task)
            task.add_done_callback(self._store.working.discard)
        return JSONResponse({"name": operation})

    async def _indexed_later(
        self,
        position: int,
        content: rawfiles.Stored,
        mime_type: str,
        chunking: Chunking,
        fate: documents.Fate,
    ) -> None:
        announced = Announced(position, lambda: documents.renew(self._store, position))
        try:
            indexed = await index(
                self._store, content, content.size_bytes, mime_type, chunking, announced=announced
            )
            with self._store.transaction():
                documents.complete(self._store, position, indexed, fate)
        except (asyncio.CancelledError, ApiError) as error:
            with self._store.transaction():
                documents.interrupt(self._store, position)
            if not isinstance(error, ApiError):  # it was deleted, or its raw file
                raise
        except (sqlite3.Error, OSError):
            _log.exception("a document could not be indexed; it shows as failed soon")

    async def list(self, request: Request) -> Response:
        """A page of documents."""
        store_id = request.path_params["store"]
        self._store.store_row(store_id)
        size, after = paging(request, *DOCUMENTS_PAGE)
        rows = documents.document_rows(self._store, store_id, after=after, limit=size + 1)
        items = [resources.document(store_id, row) for row in rows]
        return page("documents", items, [row[0] for row in rows], size)

    async def get(self, request: Request) -> Response:
        """A document."""
        store_id = request.path_params["store"]
        row = documents.document_row(self._store, store_id, request.path_params["document"])
        return JSONResponse(resources.document(store_id, row))

    async def get_media(self, request: Request) -> Response:
        """The picture of a citation, as it was uploaded."""
        mime_type, content = documents.media_of(
            self._store, request.path_params["store"], request.path_params["media"]
        )
        return Response(content, media_type=mime_type)

    async def delete(self, request: Request) -> Response:
        """Delete a document."""
        documents.delete_document(
            self._store,
            request.path_params["store"],
            request.path_params["document"],
            force=boolean(request.query_params.get("force")),
        )
        return JSONResponse({})

    async def get_operation(self, request: Request) -> Response:
        """An operation, whose name says whether it was an import or an upload."""
        store_id, identifier = request.path_params["store"], request.path_params["operation"]
        kind = "upload/operations" if "/upload/operations/" in request.url.path else "operations"
        name = f"fileSearchStores/{store_id}/{kind}/{identifier}"
        document_id, is_upload, done_at, error_json, missing_json, mime_type, size_bytes = (
            documents.operation_row(self._store, name)
        )
        operation: dict[str, Any] = {"name": name}
        if done_at is None or done_at > self._store.clock():
            return JSONResponse(operation)
        operation["done"] = True
        if missing_json is not None:  # the service says nothing of the kind
            operation["metadata"] = {"notRead": json.loads(missing_json)}
        if error_json is not None:
            operation["error"] = json.loads(error_json)
        elif is_upload:
            operation["response"] = resources.upload_response(
                store_id, document_id, mime_type=mime_type or "", size_bytes=size_bytes or 0
            )
        else:
            operation["response"] = resources.import_response(store_id, document_id)
        return JSONResponse(operation)
