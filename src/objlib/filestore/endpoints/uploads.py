"""Uploads, to the Files API and straight into a store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from objlib.filestore import bodies, documents, passages, rawfiles, resources, uploads
from objlib.filestore.faults import FaultPlan
from objlib.filestore.indexing import Indexed, index
from objlib.filestore.limits import (
    check_display_name,
    check_document_size,
    check_metadata,
    check_mime_type,
)
from objlib.filestore.storage import FileStore
from objlib.filestore.wire import (
    MAX_JSON_BYTES,
    START_FILE,
    START_STORE_UPLOAD,
    ApiError,
    Message,
    invalid,
    parse_json,
)

#: Without the prefix too, for clients that follow the description of the method to the letter.
PLAIN_STORE_UPLOAD = "/{version}/fileSearchStores/{store}:uploadToFileSearchStore"
STORE_UPLOAD = "/upload" + PLAIN_STORE_UPLOAD


class Uploads:
    """The handlers of uploads."""

    def __init__(self, store: FileStore, faults: FaultPlan) -> None:
        self._store = store
        self._faults = faults

    async def upload(self, request: Request) -> Response:
        """Start an upload, or take a piece of one."""
        if (upload_id := request.query_params.get("upload_id")) is not None:
            return await self._go_on(request, upload_id)
        headers = request.headers
        if "x-goog-upload-protocol" not in headers and "x-goog-upload-command" not in headers:
            return await self._take_body(request)
        if headers.get("x-goog-upload-command", "") != "start":
            raise invalid("The header X-Goog-Upload-Command must be 'start' to start an upload.")
        store_id = request.path_params.get("store")
        message: Message = START_FILE if store_id is None else START_STORE_UPLOAD
        start = parse_json(await bodies.read_body(request, MAX_JSON_BYTES), message)
        upload_id = self._start(
            store_id,
            start,
            mime_type=headers.get("x-goog-upload-header-content-type", ""),
            declared=headers.get("x-goog-upload-header-content-length"),
            file_name=headers.get("x-goog-upload-file-name", ""),
        )
        path = request.url.path
        here = request.url.replace(
            path=path if path.startswith("/upload/") else f"/upload{path}",
            query=f"upload_id={upload_id}&upload_protocol=resumable",
        )
        return Response(
            headers={
                "X-Goog-Upload-URL": str(here),
                "X-Goog-Upload-Status": "active",
                "X-Goog-Upload-Chunk-Granularity": "262144",
            }
        )

    async def _take_body(self, request: Request) -> Response:
        """An upload without any of the protocol's headers: the body is the file.

        Seen at the service behind proxies that take `X-Goog-*` headers off.
        """
        store_id = request.path_params.get("store")
        mime_type = request.headers.get("content-type", "application/octet-stream")
        upload_id = self._start(store_id, {}, mime_type=mime_type.partition(";")[0].strip())
        upload = uploads.find_upload(self._store, upload_id, store_id)
        upload = await uploads.receive(self._store, upload, offset=None, body=request.stream())
        return JSONResponse(await self._finalize(upload))

    def _start(
        self,
        store_id: str | None,
        start: dict[str, Any],
        *,
        mime_type: str,
        declared: str | None = None,
        file_name: str = "",
    ) -> str:
        with self._store.transaction():
            rawfiles.forget_old(self._store)
            passages.remove_abandoned(self._store)
            self._check_start(store_id, start)
            return uploads.start_upload(
                self._store,
                store_id=store_id,
                start={**start, "uploadFileName": file_name},
                mime_type=mime_type,
                declared=declared,
            )

    def _check_start(self, store_id: str | None, start: dict[str, Any]) -> None:
        if store_id is None:
            file = start.get("file", {})
            rawfiles.free_file_id(self._store, file.get("name"))
            check_display_name(file.get("displayName", ""))
            check_mime_type(file.get("mimeType", ""), "File.mime_type")
        else:
            self._store.store_row(store_id)
            check_display_name(start.get("displayName", ""))
            check_mime_type(start.get("mimeType", ""), "UploadToFileSearchStoreRequest.mime_type")
            check_metadata(start.get("customMetadata", []))
            bodies.chunking(start)

    async def _go_on(self, request: Request, upload_id: str) -> Response:
        store_id = request.path_params.get("store")
        command = request.headers.get("x-goog-upload-command", "")
        commands = {part.strip() for part in command.split(",")}
        try:
            upload = uploads.find_upload(self._store, upload_id, store_id)
            if commands in ({"query"}, {"cancel"}):
                return self._ask_or_cancel(upload_id, store_id, cancel="cancel" in commands)
            if not commands <= {"upload", "finalize"}:
                raise invalid(f"Unknown upload command {command!r}.")
            upload = await uploads.receive(
                self._store,
                upload,
                offset=request.headers.get("x-goog-upload-offset"),
                body=request.stream(),
            )
            answer = upload.answer  # of a client that did not hear us the first time
            if answer is None and "finalize" in commands:
                answer = await self._finalize(upload)
        except ApiError as error:
            # The SDK overlooks a refusal marked `active` and repeats one without any mark.
            error.headers["X-Goog-Upload-Status"] = "final"
            raise
        if answer is None:
            return Response(headers={"X-Goog-Upload-Status": "active"})
        return JSONResponse(answer, headers={"X-Goog-Upload-Status": "final"})

    def _ask_or_cancel(self, upload_id: str, store_id: str | None, *, cancel: bool) -> Response:
        with self._store.transaction():
            upload = uploads.find_upload(self._store, upload_id, store_id)
            state = uploads.cancel(self._store, upload) if cancel else upload.state
        return Response(
            headers={
                "X-Goog-Upload-Status": state,
                "X-Goog-Upload-Size-Received": str(upload.received_bytes),
            }
        )

    async def _finalize(self, upload: uploads.Upload) -> dict[str, Any]:
        """Digest or index what was received, then make something of it in one transaction."""
        uploads.check_complete(upload)
        sha256, indexed = "", None
        if upload.store_id is None:
            sha256 = await uploads.digest_of(self._store, upload)
        else:
            indexed = await self._index(upload, upload.store_id)
        with self._store.transaction():
            now = uploads.find_upload(self._store, upload.id, upload.store_id)
            if now.answer is not None:  # another request was faster
                return now.answer
            if now != replace(upload, last=None):
                raise ApiError(400, "The upload was changed.", status="FAILED_PRECONDITION")
            if indexed is None:
                answer = self._make_file(upload, sha256)
            else:
                answer = self._make_document(upload, indexed)
            uploads.finish(self._store, upload, answer)
        return answer

    async def _index(self, upload: uploads.Upload, store_id: str) -> Indexed:
        check_document_size(upload.received_bytes)
        start = upload.start
        said = (start.get("displayName", ""), start.get("customMetadata", []))
        caption = documents.caption(self._store.store_row(store_id), *said)
        return await index(
            self._store,
            rawfiles.Stored(self._store, upload.id, upload.received_bytes),
            upload.received_bytes,
            start.get("mimeType") or upload.mime_type,
            bodies.chunking(start),
            caption,
        )

    def _make_file(self, upload: uploads.Upload, sha256: str) -> dict[str, Any]:
        wanted = upload.start.get("file", {})
        identifier = rawfiles.add_file(
            self._store,
            upload.id,
            name=wanted.get("name"),
            display_name=wanted.get("displayName", ""),
            mime_type=wanted.get("mimeType") or upload.mime_type,
            size_bytes=upload.received_bytes,
            sha256=sha256,
        )
        return {"file": resources.file(rawfiles.file_row(self._store, identifier))}

    def _make_document(self, upload: uploads.Upload, indexed: Indexed) -> dict[str, Any]:
        start = upload.start
        display_name = start.get("displayName") or start.get("uploadFileName") or upload.id[:12]
        store_id = upload.store_id or ""
        identifier = self._store.id_made_of(display_name)
        operation = documents.add_document(
            self._store,
            store_id,
            identifier=identifier,
            display_name=display_name,
            indexed=indexed,
            metadata=start.get("customMetadata", []),
            fate=self._faults.fate(
                f"POST {STORE_UPLOAD}", lambda: documents.pending_documents(self._store)
            ),
            is_upload=True,
        )
        # The service was seen to answer with a response before anything was done.
        response = resources.upload_response(
            store_id, identifier, mime_type=indexed.mime_type, size_bytes=indexed.size_bytes
        )
        return {"name": operation, "response": response}
