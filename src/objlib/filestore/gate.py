"""The gate that every request passes: key, faults, errors in Google's shape, counting."""

from __future__ import annotations

import hmac
import logging
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from objlib.filestore.faults import ConnectionDropped, FaultPlan
from objlib.filestore.kinds import Kind
from objlib.filestore.paging import empty_page
from objlib.filestore.refusals import OddlyShaped
from objlib.filestore.wire import ApiError

_log = logging.getLogger(__name__)

VERSIONS = ("v1", "v1beta", "v1alpha")
#: What a proxy in between may swallow.
_UPLOAD_HEADERS = ("x-goog-upload-url", "x-goog-upload-status")
_DRIPS = 10
#: Nothing was written: the transaction that could not be committed was rolled back.
_NO_ROOM = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_UNWRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

Handler = Callable[[Request], Awaitable[Response]]
Sleep = Callable[[float], Awaitable[None]]


class Gate:
    """Wraps handlers. `requests` counts what came in, by "METHOD template"."""

    def __init__(self, api_key: str | None, faults: FaultPlan, sleep: Sleep) -> None:
        self._api_key = api_key
        self._faults = faults
        self._sleep = sleep
        self._serving = 0
        self.requests: Counter[str] = Counter()

    def endpoint(self, route: str, handler: Handler) -> Handler:
        """A handler with everything that all of them need."""

        async def serve(request: Request) -> Response:
            self.requests[route] += 1
            self._serving += 1
            try:
                self._let_in(route, request)
                response = await self._answer(route, handler, request)
            except ApiError as error:
                return json_error(error)
            except (ConnectionDropped, ClientDisconnect):
                return _Cut(Response(b" "), 0)
            except Exception as error:
                if (told := _trouble_of_disk(error)) is not None:
                    return json_error(told)
                _log.exception("request failed: %s", route)
                return json_error(ApiError(500, "Internal error encountered."))
            finally:
                self._serving -= 1
            return self._on_its_way(route, response)

        return serve

    def _let_in(self, route: str, request: Request) -> None:
        if request.path_params["version"] not in VERSIONS:
            raise ApiError(404, f"Not found: {request.url.path}")
        # A piece of an upload carries no key: its URL is the credential.
        is_piece = route.startswith("POST /upload/") and "upload_id" in request.query_params
        if self._api_key is not None and not is_piece:
            _authenticate(request, self._api_key)

    async def _answer(self, route: str, handler: Handler, request: Request) -> Response:
        if (wait_s := self._faults.latency_s(route, self._serving)) > 0:
            await self._sleep(wait_s)
        if self._faults.striking(route, Kind.DROP_BEFORE):
            raise ConnectionDropped(route)
        if (refused := self._faults.refusal(route)) is not None:
            raise refused
        if self._faults.striking(route, Kind.EMPTY_PAGE):
            return empty_page(request)
        if self._faults.striking(route, Kind.EMPTY_LIST):
            return JSONResponse({})
        return await handler(request)

    def _on_its_way(self, route: str, response: Response) -> Response:
        """Return the part of an answer that the faults leave."""
        striking = self._faults.striking
        if striking(route, Kind.DROP_AFTER):
            return _Cut(response, 0)
        if striking(route, Kind.TRUNCATED_BODY):
            return _Cut(response, len(response.body) // 2)
        if striking(route, Kind.EMPTY_ANSWER):
            response = _emptied(response)
        if striking(route, Kind.UPLOAD_HEADERS_LOST):
            for name in _UPLOAD_HEADERS:
                del response.headers[name]
        for fault in striking(route, Kind.SLOW_DRIP):
            seconds = fault.seconds_at(self._faults.elapsed_s()) or 0.0
            return _Dripping(response, seconds / _DRIPS, self._sleep)
        return response


class _Cut(Response):
    """The beginning of an answer: the connection closes before its stated length."""

    def __init__(self, whole: Response, sent_bytes: int) -> None:
        super().__init__()
        self.status_code, self.raw_headers = whole.status_code, whole.raw_headers
        self.body = bytes(whole.body)[:sent_bytes]
        if not whole.body:
            self.headers["content-length"] = "1"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(_head(self))
        if self.body:
            await send({"type": "http.response.body", "body": self.body, "more_body": True})
        raise ConnectionDropped(scope["path"])


class _Dripping(Response):
    """An answer in small pieces, with pauses."""

    def __init__(self, whole: Response, pause_s: float, sleep: Sleep) -> None:
        super().__init__()
        self.status_code, self.raw_headers = whole.status_code, whole.raw_headers
        self.body = whole.body
        self._pause_s = pause_s
        self._sleep = sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(_head(self))
        size = -(-len(self.body) // _DRIPS)
        for number in range(_DRIPS):
            await self._sleep(self._pause_s)
            drip = bytes(self.body)[number * size : (number + 1) * size]
            is_last = number == _DRIPS - 1
            await send({"type": "http.response.body", "body": drip, "more_body": not is_last})


def _head(response: Response) -> dict[str, object]:
    return {
        "type": "http.response.start",
        "status": response.status_code,
        "headers": response.raw_headers,
    }


def _emptied(response: Response) -> Response:
    kept = {name: response.headers[name] for name in _UPLOAD_HEADERS if name in response.headers}
    return JSONResponse({}, headers=kept)


def _authenticate(request: Request, api_key: str) -> None:
    given = request.headers.get("x-goog-api-key") or request.query_params.get("key")
    if given is None:
        raise ApiError(
            403,
            "Method doesn't allow unregistered callers (callers without established identity)."
            " Please use API Key or other form of API consumer identity to call this API.",
        )
    if not hmac.compare_digest(given.encode(), api_key.encode()):
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
        }
        raise ApiError(400, "API key not valid. Please pass a valid API key.", details=[info])


def _trouble_of_disk(error: Exception) -> ApiError | None:
    """Return the problem that asking again cannot mend; None for everything else."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _NO_ROOM:
        return ApiError(507, f"the store's disk is full or failing ({error})")
    if code in _UNWRITABLE:
        return ApiError(500, f"the store's files cannot be written ({error})", status="UNWRITABLE")
    if code in _DAMAGED:
        return ApiError(500, f"the store's database is damaged ({error})", status="DATA_LOSS")
    return None


def json_error(error: ApiError) -> Response:
    """An error as Google writes it, or in the odd shape that a fault gave it."""
    if isinstance(error, OddlyShaped):
        return Response(error.content, status_code=error.code, media_type=error.media_type)
    return JSONResponse(error.body(), status_code=error.code, headers=error.headers)
