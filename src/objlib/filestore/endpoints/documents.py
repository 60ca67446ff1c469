"""Documents: import, list, get, delete, and the operations of imports and uploads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from objlib.filestore import bodies, documents, rawfiles, resources
from objlib.filestore.faults import FaultPlan
from objlib.filestore.indexing import Indexed, index
from objlib.filestore.kinds import Kind
from objlib.filestore.limits import check_document_size, check_metadata
from objlib.filestore.paging import DOCUMENTS_PAGE, page, paging
from objlib.filestore.storage import FileStore
from objlib.filestore.wire import IMPORT_FILE, MAX_JSON_BYTES, boolean, invalid, parse_json
from objlib.formats import is_plain

#: Seconds until an import is answered though its document has not been read to the end.
ANSWER_S = 10.0
IMPORT = "/{version}/fileSearchStores/{store}:importFile"


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
        read = partial(index, self._store, content, size_bytes, mime_type, chunking, caption)
        work = read()
        indexed = await (work if is_plain(mime_type) else self._soon(work))
        identifier = self._store.id_made_of(file_id)
        with self._store.transaction():
            fate = self._faults.fate(
                f"POST {IMPORT}", lambda: documents.pending_documents(self._store)
            )
            if indexed is None:  # it waits for its text
                fate = replace(fate, is_stuck=True, operation_finishes=False)
            operation = documents.add_document(
                self._store,
                store_id,
                identifier=identifier,
                display_name=file_id,
                indexed=indexed or Indexed(mime_type, size_bytes, []),
                metadata=metadata,
                fate=fate,
                is_upload=False,
            )
            if indexed is None and fate.makes_document:
                position = documents.document_row(self._store, store_id, identifier)[0]
                self._store.readings.go_on(self._complete(operation, position, read))
        return JSONResponse({"name": operation})

    async def _soon(self, work: Coroutine[Any, Any, Indexed]) -> Indexed | None:
        """Return what comes of some work; None if it takes longer than anybody waits for it."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await work
        except TimeoutError:
            return None

    async def _complete(
        self, operation: str, position: int, read: Callable[..., Awaitable[Indexed]]
    ) -> None:
        indexed = await read(position=position)
        with self._store.transaction():
            documents.complete(self._store, operation, position, indexed)

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
