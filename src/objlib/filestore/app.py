"""The routes: each reads a request, calls the storage, and shapes the answer.

Mounted in-process by an ASGI transport or served by uvicorn; either way no lifespan event is
needed. Speaks `v1`, `v1beta` and `v1alpha` alike. Facts: the Gemini API reference (v1beta).
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from objlib.filestore import answer, bodies, resources, uploads
from objlib.filestore.faults import (
    REFUSING,
    ConnectionDropped,
    FaultPlan,
    Kind,
    OddlyShaped,
    refusal,
)
from objlib.filestore.filters import FilterError, parse_filter
from objlib.filestore.paging import empty_page, page, paging
from objlib.filestore.retrieval import DEFAULT_TOP_K, TOP_K_MAX, find
from objlib.filestore.storage import (
    DEFAULT_EMBEDDING_MODEL,
    DOCUMENT_COLUMNS,
    Fate,
    FileStore,
    check_display_name,
    check_document_size,
    check_metadata,
)
from objlib.filestore.wire import (
    CREATE_STORE,
    GENERATE,
    IMPORT_FILE,
    MAX_JSON_BYTES,
    START_FILE,
    START_STORE_UPLOAD,
    ApiError,
    Message,
    boolean,
    invalid,
    parse_json,
)

_log = logging.getLogger(__name__)

VERSIONS = ("v1", "v1beta", "v1alpha")
STORES_PER_QUERY_MAX = 5
PIECE_BYTES_MAX = 64 * 1024 * 1024
DOCUMENTS_PAGE, FILES_PAGE = (10, 20), (10, 100)

#: What a proxy in between may swallow.
_UPLOAD_HEADERS = ("x-goog-upload-url", "x-goog-upload-status")

_IMPORT = "/{version}/fileSearchStores/{store}:importFile"
_STORE_UPLOAD = "/upload/{version}/fileSearchStores/{store}:uploadToFileSearchStore"

Handler = Callable[[Request], Awaitable[Response]]
Sleep = Callable[[float], Awaitable[None]]


def create_app(
    store: FileStore,
    *,
    api_key: str | None = None,
    faults: FaultPlan | None = None,
    sleep: Sleep = asyncio.sleep,
) -> Starlette:
    """The ASGI app over an open store.

    Args:
        api_key: the only key accepted; None accepts any and none.
        faults: trouble on purpose; None for none.
        sleep: how latency waits.

    `app.state.requests` counts what came in, by "METHOD template".
    """
    api = _Api(store, api_key, faults or FaultPlan(()), sleep)
    routes = [
        Route(template, api.endpoint(f"{method} {template}", handler), methods=[method])
        for method, template, handler in api.table()
    ]
    app = Starlette(routes=routes, exception_handlers={404: _no_route, 405: _no_route})
    app.router.redirect_slashes = False
    app.state.requests = api.requests
    return app


class _Dropped(Response):
    """No answer. An ASGI server closes a connection whose answer ends before its stated length."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        raise ConnectionDropped(scope["path"])


async def _no_route(request: Request, _error: Exception) -> Response:
    return _json_error(ApiError(404, f"Not found: {request.method} {request.url.path}"))


def _json_error(error: ApiError) -> Response:
    if isinstance(error, OddlyShaped):
        return Response(error.content, status_code=error.code, media_type=error.media_type)
    return JSONResponse(error.body(), status_code=error.code, headers=error.headers)


class _Api:
    """The handlers, over one store."""

    def __init__(
        self, store: FileStore, api_key: str | None, faults: FaultPlan, sleep: Sleep
    ) -> None:
        self._store = store
        self._api_key = api_key
        self._faults = faults
        self._sleep = sleep
        self.requests: Counter[str] = Counter()

    def table(self) -> list[tuple[str, str, Handler]]:
        """(method, template, handler); the more special template first."""
        stores = "/{version}/fileSearchStores"
        one = stores + "/{store}"
        return [
            ("POST", "/upload/{version}/files", self.upload),
            ("POST", _STORE_UPLOAD, self.upload),
            ("GET", "/{version}/files", self.list_files),
            ("GET", "/{version}/files/{file}", self.get_file),
            ("DELETE", "/{version}/files/{file}", self.delete_file),
            ("GET", stores, self.list_stores),
            ("POST", stores, self.create_store),
            ("POST", _IMPORT, self.import_file),
            ("GET", one + "/documents", self.list_documents),
            ("GET", one + "/documents/{document}", self.get_document),
            ("DELETE", one + "/documents/{document}", self.delete_document),
            ("GET", one + "/operations/{operation}", self.get_operation),
            ("GET", one + "/upload/operations/{operation}", self.get_operation),
            ("GET", one, self.get_store),
            ("DELETE", one, self.delete_store),
            ("POST", "/{version}/models/{model}:generateContent", self.generate),
            ("POST", "/{version}/models/{model}:streamGenerateContent", self.generate),
        ]

    def endpoint(self, route: str, handler: Handler) -> Handler:
        """A handler with everything that all of them need: key, faults, errors, counting."""

        async def serve(request: Request) -> Response:
            self.requests[route] += 1
            try:
                if request.path_params["version"] not in VERSIONS:
                    raise ApiError(404, f"Not found: {request.url.path}")
                # A piece of an upload carries no key: its URL is the credential.
                if handler != self.upload or "upload_id" not in request.query_params:
                    self._authenticate(request)
                await self._trouble_before(route)
                if self._faults.striking(route, Kind.EMPTY_PAGE):
                    return empty_page(request)
                response = await handler(request)
            except ApiError as error:
                return _json_error(error)
            except (ConnectionDropped, ClientDisconnect):
                return _Dropped()
            except Exception:
                _log.exception("request failed: %s", route)
                return _json_error(ApiError(500, "Internal error encountered."))
            if self._faults.striking(route, Kind.DROP_AFTER):
                return _Dropped()
            if self._faults.striking(route, Kind.UPLOAD_HEADERS_LOST):
                for name in _UPLOAD_HEADERS:
                    del response.headers[name]
            return response

        return serve

    def _authenticate(self, request: Request) -> None:
        if self._api_key is None:
            return
        given = request.headers.get("x-goog-api-key") or request.query_params.get("key")
        if given is None:
            raise ApiError(
                403,
                "Method doesn't allow unregistered callers (callers without established identity)."
                " Please use API Key or other form of API consumer identity to call this API.",
            )
        if not hmac.compare_digest(given.encode(), self._api_key.encode()):
            info = {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
            }
            raise ApiError(400, "API key not valid. Please pass a valid API key.", details=[info])

    async def _trouble_before(self, route: str) -> None:
        for fault in self._faults.striking(route, Kind.LATENCY):
            await self._sleep(fault.seconds or 0.0)
        for _ in self._faults.striking(route, Kind.DROP_BEFORE):
            raise ConnectionDropped(route)
        refusals = self._faults.striking(route, *REFUSING)
        if refusals:
            raise refusal(refusals[0])

    # Uploads

    async def upload(self, request: Request) -> Response:
        """Start an upload, or take a piece of one."""
        if (upload_id := request.query_params.get("upload_id")) is not None:
            return await self._go_on_uploading(request, upload_id)
        headers = request.headers
        if headers.get("x-goog-upload-command", "") != "start":
            raise invalid("The header X-Goog-Upload-Command must be 'start' to start an upload.")
        store_id = request.path_params.get("store")
        message: Message = START_FILE if store_id is None else START_STORE_UPLOAD
        start = parse_json(await bodies.read_body(request, MAX_JSON_BYTES), message)
        with self._store.transaction():
            self._store.forget_old()
            self._check_start(store_id, start)
            upload_id = uploads.start_upload(
                self._store,
                store_id=store_id,
                start=start,
                mime_type=headers.get("x-goog-upload-header-content-type", ""),
                declared=headers.get("x-goog-upload-header-content-length"),
            )
        here = request.url.replace(query=f"upload_id={upload_id}&upload_protocol=resumable")
        return Response(
            headers={
                "X-Goog-Upload-URL": str(here),
                "X-Goog-Upload-Status": "active",
                "X-Goog-Upload-Chunk-Granularity": "262144",
            }
        )

    def _check_start(self, store_id: str | None, start: dict[str, Any]) -> None:
        if store_id is None:
            file = start.get("file", {})
            self._store.free_file_id(file.get("name"))
            check_display_name(file.get("displayName", ""))
        else:
            self._store.store_row(store_id)
            check_display_name(start.get("displayName", ""))
            check_metadata(start.get("customMetadata", []))
            bodies.chunking(start)

    async def _go_on_uploading(self, request: Request, upload_id: str) -> Response:
        store_id = request.path_params.get("store")
        command = request.headers.get("x-goog-upload-command", "")
        commands = {part.strip() for part in command.split(",")}
        try:
            uploads.find_upload(self._store, upload_id, store_id)
            if commands in ({"query"}, {"cancel"}):
                return self._ask_or_cancel(upload_id, store_id, cancel="cancel" in commands)
            if not commands <= {"upload", "finalize"}:
                raise invalid(f"Unknown upload command {command!r}.")
            content = await bodies.read_body(request, PIECE_BYTES_MAX)
            with self._store.transaction():
                answer_json = uploads.receive(
                    self._store,
                    uploads.find_upload(self._store, upload_id, store_id),
                    offset=request.headers.get("x-goog-upload-offset"),
                    content=content,
                    finalize="finalize" in commands,
                    finish=self._finish_upload,
                )
        except ApiError as error:
            # The SDK overlooks a refusal marked `active` and repeats one without any mark.
            error.headers["X-Goog-Upload-Status"] = "final"
            raise
        if answer_json is None:
            return Response(headers={"X-Goog-Upload-Status": "active"})
        return JSONResponse(answer_json, headers={"X-Goog-Upload-Status": "final"})

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

    def _finish_upload(self, upload: uploads.Upload, sha256: str) -> dict[str, Any]:
        if upload.store_id is None:
            wanted = upload.start.get("file", {})
            identifier = self._store.add_file(
                upload.id,
                name=wanted.get("name"),
                display_name=wanted.get("displayName", ""),
                mime_type=wanted.get("mimeType") or upload.mime_type,
                size_bytes=upload.received_bytes,
                sha256=sha256,
            )
            return {"file": resources.file(self._store.file_row(identifier))}
        check_document_size(upload.received_bytes)
        start = upload.start
        display_name = start.get("displayName") or upload.id[:12]
        slug = "".join(c for c in display_name.lower() if c.isascii() and c.isalnum())[:27]
        operation = self._store.add_document(
            upload.store_id,
            identifier=f"{slug or upload.id[:12]}-{self._store.new_id()}",
            display_name=display_name,
            mime_type=start.get("mimeType") or upload.mime_type,
            content=self._store.file_bytes(upload.id),
            metadata=start.get("customMetadata", []),
            chunking=bodies.chunking(start),
            fate=self._fate(f"POST {_STORE_UPLOAD}"),
            is_upload=True,
        )
        return {"name": operation}

    def _fate(self, route: str) -> Fate:
        return self._faults.fate(route, self._store.pending_documents())

    # Raw files

    async def list_files(self, request: Request) -> Response:
        size, after = paging(request, *FILES_PAGE)
        rows = self._store.all(
            "SELECT * FROM files WHERE position > :after AND expires_at > :now"
            " ORDER BY position LIMIT :limit",
            after=after,
            now=self._store.clock(),
            limit=size + 1,
        )
        return page("files", [resources.file(row) for row in rows], [row[7] for row in rows], size)

    async def get_file(self, request: Request) -> Response:
        return JSONResponse(resources.file(self._store.file_row(request.path_params["file"])))

    async def delete_file(self, request: Request) -> Response:
        self._store.delete_file(request.path_params["file"])
        return JSONResponse({})

    # Stores

    async def create_store(self, request: Request) -> Response:
        wanted = parse_json(await bodies.read_body(request, MAX_JSON_BYTES), CREATE_STORE)
        identifier = self._store.create_store(
            wanted.get("displayName", ""),
            wanted.get("embeddingModel") or DEFAULT_EMBEDDING_MODEL,
        )
        return JSONResponse(self._store_json(self._store.store_row(identifier)))

    async def get_store(self, request: Request) -> Response:
        return JSONResponse(self._store_json(self._store.store_row(request.path_params["store"])))

    async def list_stores(self, request: Request) -> Response:
        size, after = paging(request, *DOCUMENTS_PAGE)
        rows = self._store.all(
            "SELECT * FROM stores WHERE position > :after ORDER BY position LIMIT :limit",
            after=after,
            limit=size + 1,
        )
        items = [self._store_json(row) for row in rows]
        return page("fileSearchStores", items, [row[4] for row in rows], size)

    async def delete_store(self, request: Request) -> Response:
        self._store.delete_store(
            request.path_params["store"], force=boolean(request.query_params.get("force"))
        )
        return JSONResponse({})

    def _store_json(self, row: tuple[Any, ...]) -> dict[str, Any]:
        return resources.store(row, self._store.store_counters(row[0]))

    # Documents and operations

    async def import_file(self, request: Request) -> Response:
        store_id = request.path_params["store"]
        wanted = parse_json(await bodies.read_body(request, MAX_JSON_BYTES), IMPORT_FILE)
        if not (file_name := wanted.get("fileName", "")).startswith("files/"):
            raise invalid("fileName must be of the form files/{file}.", "fileName")
        metadata = wanted.get("customMetadata", [])
        check_metadata(metadata)
        chunking = bodies.chunking(wanted)
        with self._store.transaction():
            self._store.store_row(store_id)
            file_id, _, mime_type, size_bytes, *_ = self._store.file_row(
                file_name.removeprefix("files/")
            )
            check_document_size(size_bytes)
            operation = self._store.add_document(
                store_id,
                identifier=f"{file_id[:27]}-{self._store.new_id()}",
                display_name=file_id,
                mime_type=mime_type,
                content=self._store.file_bytes(file_name),
                metadata=metadata,
                chunking=chunking,
                fate=self._fate(f"POST {_IMPORT}"),
                is_upload=False,
            )
        return JSONResponse({"name": operation})

    async def list_documents(self, request: Request) -> Response:
        store_id = request.path_params["store"]
        self._store.store_row(store_id)
        size, after = paging(request, *DOCUMENTS_PAGE)
        rows = self._store.all(
            f"SELECT {DOCUMENT_COLUMNS} FROM documents"
            " WHERE store_id = :store AND position > :after ORDER BY position LIMIT :limit",
            store=store_id,
            after=after,
            limit=size + 1,
            now=self._store.clock(),
        )
        items = [resources.document(store_id, row) for row in rows]
        return page("documents", items, [row[0] for row in rows], size)

    async def get_document(self, request: Request) -> Response:
        store_id = request.path_params["store"]
        row = self._store.document_row(store_id, request.path_params["document"])
        return JSONResponse(resources.document(store_id, row))

    async def delete_document(self, request: Request) -> Response:
        self._store.delete_document(
            request.path_params["store"],
            request.path_params["document"],
            force=boolean(request.query_params.get("force")),
        )
        return JSONResponse({})

    async def get_operation(self, request: Request) -> Response:
        store_id, identifier = request.path_params["store"], request.path_params["operation"]
        kind = "upload/operations" if "/upload/operations/" in request.url.path else "operations"
        name = f"fileSearchStores/{store_id}/{kind}/{identifier}"
        row = self._store.one(
            "SELECT document_id, is_upload, done_at, error_json FROM operations WHERE name = :name",
            name=name,
        )
        if row is None:
            raise ApiError(404, f"Operation {name} not found.")
        document_id, is_upload, done_at, error_json = row
        operation: dict[str, Any] = {"name": name}
        if done_at is not None and done_at <= self._store.clock():
            operation["done"] = True
            if error_json is not None:
                operation["error"] = json.loads(error_json)
            else:
                operation["response"] = resources.operation_response(
                    store_id, document_id, is_upload=bool(is_upload)
                )
        return JSONResponse(operation)

    # Search

    async def generate(self, request: Request) -> Response:
        """generateContent, and streamGenerateContent with its one answer in one event."""
        model = request.path_params["model"]
        wanted = parse_json(await bodies.read_body(request, MAX_JSON_BYTES), GENERATE)
        question = bodies.question(wanted)
        search = bodies.file_search(wanted)
        response_id = self._store.new_id()
        if search is None:
            body = answer.plain_response(question, model, response_id)
        else:
            body = self._search(question, search, model, response_id)
        if not request.url.path.endswith(":streamGenerateContent"):
            return JSONResponse(body)
        if request.query_params.get("alt") == "sse":
            text = f"data: {json.dumps(body)}\r\n\r\n"
            return Response(text, media_type="text/event-stream")
        return JSONResponse([body])

    def _search(
        self, question: str, search: dict[str, Any], model: str, response_id: str
    ) -> dict[str, Any]:
        names = search.get("fileSearchStoreNames", [])
        if not names:
            raise invalid("fileSearchStoreNames must not be empty.", "fileSearchStoreNames")
        if len(names) > STORES_PER_QUERY_MAX:
            raise invalid(
                f"At most {STORES_PER_QUERY_MAX} file search stores can be searched at once.",
                "fileSearchStoreNames",
            )
        ids = [name.removeprefix("fileSearchStores/") for name in names]
        for identifier in ids:
            self._store.store_row(identifier)
        top_k = search.get("topK", DEFAULT_TOP_K)
        if not 1 <= top_k <= TOP_K_MAX:
            raise invalid(f"topK must be between 1 and {TOP_K_MAX}, not {top_k}.", "topK")
        try:
            accepts = parse_filter(text) if (text := search.get("metadataFilter")) else None
        except FilterError as error:
            raise invalid(f"Invalid metadata filter: {error}.", "metadataFilter") from error
        hits = find(self._store, question, store_ids=ids, top_k=top_k, accepts=accepts)
        return answer.response(question, model, response_id, hits)
