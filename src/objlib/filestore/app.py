"""The routes: each reads a request, calls the storage, and shapes the answer.

Mounted in-process by an ASGI transport or served by uvicorn; either way no lifespan event is
needed. Speaks `v1`, `v1beta` and `v1alpha` alike. Facts: the Gemini API reference (v1beta).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from objlib.filestore import answer, uploads
from objlib.filestore.chunking import Chunking
from objlib.filestore.faults import ConnectionDropped, Fault, FaultPlan, Kind, refusal
from objlib.filestore.filters import FilterError, parse_filter
from objlib.filestore.retrieval import DEFAULT_TOP_K, TOP_K_MAX, find
from objlib.filestore.storage import (
    DEFAULT_EMBEDDING_MODEL,
    DOCUMENT_COLUMNS,
    Fate,
    FileStore,
)
from objlib.filestore.wire import (
    CREATE_STORE,
    FILE_SEARCH,
    GENERATE,
    IMPORT_FILE,
    MAX_JSON_BYTES,
    START_FILE,
    START_STORE_UPLOAD,
    ApiError,
    Message,
    boolean,
    camel_case,
    compact,
    invalid,
    parse_json,
    read_message,
    rfc3339,
)

_log = logging.getLogger(__name__)

VERSIONS = ("v1", "v1beta", "v1alpha")
STORES_PER_QUERY_MAX = 5
QUESTION_CHARS_MAX = 32_768
PIECE_BYTES_MAX = 64 * 1024 * 1024
DOCUMENTS_PAGE, FILES_PAGE = (10, 20), (10, 100)

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
    app = _App(routes=routes, exception_handlers={404: _no_route, 405: _no_route})
    app.state.requests = api.requests
    return app


class _App(Starlette):
    """Lets a dropped connection through to the transport; Starlette would answer it with a 500."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self.router_with_errors()(scope, receive, send)

    def router_with_errors(self) -> Any:
        from starlette.middleware.exceptions import ExceptionMiddleware

        if self.middleware_stack is None:
            self.middleware_stack = ExceptionMiddleware(
                self.router, handlers=dict(self.exception_handlers)
            )
        return self.middleware_stack


async def _no_route(request: Request, _error: Exception) -> Response:
    return _json_error(ApiError(404, f"Not found: {request.method} {request.url.path}"))


def _json_error(error: ApiError) -> Response:
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
            (
                "POST",
                "/upload/{version}/fileSearchStores/{store}:uploadToFileSearchStore",
                self.upload,
            ),
            ("GET", "/{version}/files", self.list_files),
            ("GET", "/{version}/files/{file}", self.get_file),
            ("DELETE", "/{version}/files/{file}", self.delete_file),
            ("GET", stores, self.list_stores),
            ("POST", stores, self.create_store),
            ("POST", one + ":importFile", self.import_file),
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
                self._authenticate(request)
                await self._trouble_before(route)
                response = await handler(request)
            except ApiError as error:
                return _json_error(error)
            except (ConnectionDropped, ClientDisconnect):
                raise
            except Exception:
                _log.exception("request failed: %s", route)
                return _json_error(ApiError(500, "Internal error encountered."))
            if self._faults.striking(route, Kind.DROP_AFTER):
                raise ConnectionDropped(route)
            return response

        return serve

    def _authenticate(self, request: Request) -> None:
        # A piece of an upload carries no key: its URL is the credential.
        if self._api_key is None or "upload_id" in request.query_params:
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
        refusals: list[Fault] = self._faults.striking(
            route, Kind.STORAGE_FULL, Kind.RATE_LIMIT, Kind.ERROR
        )
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
        start = parse_json(await _body(request, MAX_JSON_BYTES), message)
        if store_id is None:
            self._store.free_file_id(start.get("file", {}).get("name"))
        else:
            self._store.store_row(store_id)
            _chunking(start)
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

    async def _go_on_uploading(self, request: Request, upload_id: str) -> Response:
        upload = uploads.find_upload(self._store, upload_id)
        commands = {
            part.strip() for part in request.headers.get("x-goog-upload-command", "").split(",")
        }
        if commands == {"query"}:
            return Response(
                headers={
                    "X-Goog-Upload-Status": upload.state,
                    "X-Goog-Upload-Size-Received": str(upload.received_bytes),
                }
            )
        if commands == {"cancel"}:
            uploads.cancel(self._store, upload)
            return Response(headers={"X-Goog-Upload-Status": "cancelled"})
        if not commands or not commands <= {"upload", "finalize"}:
            raise invalid(f"Unknown upload command {', '.join(sorted(commands))!r}.")
        answer_json = uploads.receive(
            self._store,
            upload,
            offset=request.headers.get("x-goog-upload-offset"),
            content=await _body(request, PIECE_BYTES_MAX),
            finalize="finalize" in commands,
            finish=self._finish_upload,
        )
        if answer_json is None:
            return Response(headers={"X-Goog-Upload-Status": "active"})
        return JSONResponse(answer_json, headers={"X-Goog-Upload-Status": "final"})

    def _finish_upload(self, upload: uploads.Upload, sha256: str) -> dict[str, Any]:
        if upload.store_id is None:
            wanted = upload.start.get("file", {})
            identifier = self._store.add_file(
                upload.id,
                name=wanted.get("name"),
                display_name=wanted.get("displayName", ""),
                mime_type=wanted.get("mimeType") or upload.mime_type,
                sha256=sha256,
            )
            return {"file": _file_json(self._store.file_row(identifier))}
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
            chunking=_chunking(start),
            fate=self._fate("POST /upload/{version}/fileSearchStores:uploadToFileSearchStore"),
            is_upload=True,
        )
        return {"name": operation}

    def _fate(self, route: str) -> Fate:
        return self._faults.fate(route, self._store.pending_documents())

    # Raw files

    async def list_files(self, request: Request) -> Response:
        size, after = _paging(request, *FILES_PAGE)
        rows = self._store.all(
            "SELECT * FROM files WHERE position > :after AND expires_at > :now"
            " ORDER BY position LIMIT :limit",
            after=after,
            now=self._store.clock(),
            limit=size + 1,
        )
        return _page("files", [_file_json(row) for row in rows], [row[7] for row in rows], size)

    async def get_file(self, request: Request) -> Response:
        return JSONResponse(_file_json(self._store.file_row(request.path_params["file"])))

    async def delete_file(self, request: Request) -> Response:
        self._store.delete_file(request.path_params["file"])
        return JSONResponse({})

    # Stores

    async def create_store(self, request: Request) -> Response:
        wanted = parse_json(await _body(request, MAX_JSON_BYTES), CREATE_STORE)
        identifier = self._store.create_store(
            wanted.get("displayName", ""),
            wanted.get("embeddingModel") or DEFAULT_EMBEDDING_MODEL,
        )
        return JSONResponse(self._store_json(self._store.store_row(identifier)))

    async def get_store(self, request: Request) -> Response:
        return JSONResponse(self._store_json(self._store.store_row(request.path_params["store"])))

    async def list_stores(self, request: Request) -> Response:
        size, after = _paging(request, *DOCUMENTS_PAGE)
        rows = self._store.all(
            "SELECT * FROM stores WHERE position > :after ORDER BY position LIMIT :limit",
            after=after,
            limit=size + 1,
        )
        items = [self._store_json(row) for row in rows]
        return _page("fileSearchStores", items, [row[4] for row in rows], size)

    async def delete_store(self, request: Request) -> Response:
        self._store.delete_store(
            request.path_params["store"], force=boolean(request.query_params.get("force"))
        )
        return JSONResponse({})

    def _store_json(self, row: tuple[Any, ...]) -> dict[str, Any]:
        identifier, display_name, model, created_at, _ = row
        active, pending, failed, size = self._store.store_counters(identifier)
        counters = {
            "activeDocumentsCount": active,
            "pendingDocumentsCount": pending,
            "failedDocumentsCount": failed,
            "sizeBytes": size,
        }
        return compact(
            {
                "name": f"fileSearchStores/{identifier}",
                "displayName": display_name,
                "createTime": rfc3339(created_at),
                "updateTime": rfc3339(created_at),
                "embeddingModel": model,
                **{name: str(number) for name, number in counters.items() if number},
            }
        )

    # Documents and operations

    async def import_file(self, request: Request) -> Response:
        store_id = request.path_params["store"]
        self._store.store_row(store_id)
        wanted = parse_json(await _body(request, MAX_JSON_BYTES), IMPORT_FILE)
        if not (file_name := wanted.get("fileName", "")).startswith("files/"):
            raise invalid("fileName must be of the form files/{file}.", "fileName")
        row = self._store.file_row(file_name.removeprefix("files/"))
        with self._store.transaction():
            operation = self._store.add_document(
                store_id,
                identifier=f"{row[0][:27]}-{self._store.new_id()}",
                display_name=row[0],
                mime_type=row[2],
                content=self._store.file_bytes(file_name),
                metadata=wanted.get("customMetadata", []),
                chunking=_chunking(wanted),
                fate=self._fate("POST /{version}/fileSearchStores/{store}:importFile"),
                is_upload=False,
            )
        return JSONResponse({"name": operation})

    async def list_documents(self, request: Request) -> Response:
        store_id = request.path_params["store"]
        self._store.store_row(store_id)
        size, after = _paging(request, *DOCUMENTS_PAGE)
        rows = self._store.all(
            f"SELECT {DOCUMENT_COLUMNS} FROM documents"
            " WHERE store_id = :store AND position > :after ORDER BY position LIMIT :limit",
            store=store_id,
            after=after,
            limit=size + 1,
            now=self._store.clock(),
        )
        items = [_document_json(store_id, row) for row in rows]
        return _page("documents", items, [row[0] for row in rows], size)

    async def get_document(self, request: Request) -> Response:
        store_id = request.path_params["store"]
        row = self._store.document_row(store_id, request.path_params["document"])
        return JSONResponse(_document_json(store_id, row))

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
                operation["response"] = _operation_response(store_id, document_id, bool(is_upload))
        return JSONResponse(operation)

    # Search

    async def generate(self, request: Request) -> Response:
        """generateContent, and streamGenerateContent with its one answer in one event."""
        model = request.path_params["model"]
        wanted = parse_json(await _body(request, MAX_JSON_BYTES), GENERATE)
        question = _question(wanted)
        search = _file_search(wanted)
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
            accepts = parse_filter(search.get("metadataFilter", ""))
        except FilterError as error:
            raise invalid(f"Invalid metadata filter: {error}.", "metadataFilter") from error
        hits = find(self._store, question, store_ids=ids, top_k=top_k, accepts=accepts)
        return answer.response(question, model, response_id, hits)


def _operation_response(store_id: str, document_id: str, is_upload: bool) -> dict[str, Any]:
    # An import was seen to answer with the bare id, an upload with the full name.
    parent = f"fileSearchStores/{store_id}"
    if not is_upload:
        return {"parent": parent, "documentName": document_id}
    return {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1main."
        "UploadToFileSearchStoreResponse",
        "parent": parent,
        "documentName": f"{parent}/documents/{document_id}",
    }


def _file_json(row: tuple[Any, ...]) -> dict[str, Any]:
    identifier, display_name, mime_type, size, sha256, created_at, expires_at, _ = row
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


def _document_json(store_id: str, row: tuple[Any, ...]) -> dict[str, Any]:
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


async def _body(request: Request, limit: int) -> bytes:
    """The body, refused as soon as it is longer than the limit."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > limit:
            raise ApiError(413, f"Request payload size exceeds the limit: {limit} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


def _chunking(message: dict[str, Any]) -> Chunking:
    wanted = message.get("chunkingConfig", {}).get("whiteSpaceConfig", {})
    default = Chunking()
    max_tokens = wanted.get("maxTokensPerChunk", default.max_tokens)
    try:
        return Chunking(
            max_tokens=max_tokens,
            overlap_tokens=wanted.get(
                "maxOverlapTokens", min(default.overlap_tokens, max(0, max_tokens - 1))
            ),
        )
    except ValueError as error:
        raise invalid(str(error), "chunkingConfig") from error


def _question(message: dict[str, Any]) -> str:
    """The text of the last turn."""
    contents = message.get("contents", [])
    if not contents:
        raise invalid("contents must not be empty.", "contents")
    parts = contents[-1].get("parts", [])
    texts = [part["text"] for part in parts if isinstance(part, dict) and "text" in part]
    question = "\n".join(text for text in texts if isinstance(text, str))
    if len(question) > QUESTION_CHARS_MAX:
        raise invalid(f"The question is longer than {QUESTION_CHARS_MAX} characters.", "contents")
    return question


def _file_search(message: dict[str, Any]) -> dict[str, Any] | None:
    for tool in message.get("tools", []):
        if not isinstance(tool, dict):
            raise invalid("Invalid value at 'tools': expected an object.", "tools")
        for name, content in tool.items():
            if camel_case(name) == "fileSearch":
                search: dict[str, Any] = read_message(content, FILE_SEARCH, "tools.fileSearch")
                return search
    return None


def _paging(request: Request, default: int, largest: int) -> tuple[int, int]:
    """(page size, position after which to go on). A size above the largest is brought down."""
    query = parse_qs(request.url.query)
    text = query.get("pageSize", query.get("page_size", [""]))[0]
    if text and not (text.lstrip("-").isascii() and text.lstrip("-").isdigit() and len(text) < 10):
        raise invalid(f"pageSize must be a number, not {text!r}.", "pageSize")
    size = int(text) if text else 0
    if size < 0:
        raise invalid("pageSize must not be negative.", "pageSize")
    token = query.get("pageToken", query.get("page_token", [""]))[0]
    return min(size or default, largest), _position(token)


def _page(name: str, items: list[dict[str, Any]], positions: list[int], size: int) -> Response:
    """A page of `size` items; one item more than that means that there is a next page."""
    body: dict[str, Any] = {name: items[:size]} if items else {}
    if len(items) > size:
        token = f"p{positions[size - 1]}".encode("ascii")
        body["nextPageToken"] = base64.urlsafe_b64encode(token).decode("ascii")
    return JSONResponse(body)


def _position(token: str) -> int:
    if not token:
        return 0
    try:
        decoded = base64.urlsafe_b64decode(token.encode("ascii")).decode("ascii")
        if decoded[:1] != "p":
            raise ValueError(decoded)
        return int(decoded[1:])
    except (ValueError, binascii.Error) as error:
        raise invalid("The page token is not valid.", "pageToken") from error
