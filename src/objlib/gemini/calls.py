"""Requests as they are on the wire, one record each: `client.calls`, for whoever measures.

A record says for which file a request was made, and nothing that is secret or grows without bound:
no query string, no upload URL, no header, no identifier. Where nobody listens nothing is measured.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass

import httpx2
from reactivex import Observable
from reactivex.subject import Subject

from objlib.reactive.hot import guarded

_file: ContextVar[str | None] = ContextVar("file", default=None)


def calls_are_about(path: str) -> None:
    """From here on the requests of this task are made for the file at `path`."""
    _file.set(path)


@dataclass(frozen=True, slots=True)
class Call:
    """A request and its answer.

    `template` is the path with names for identifiers; `sent_bytes` is the size of the request's
    body. Without an answer `status` is None and `error` names the kind of failure. `took_s` ends
    when the answer begins.
    """

    path: str | None
    method: str
    server: str
    port: int | None
    template: str
    status: int | None
    error: str | None
    sent_bytes: int
    took_s: float


class Observed(httpx2.AsyncBaseTransport):
    """Tells of every request that it puts on the wire."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self._calls: Subject[Call] = Subject()
        #: Requests put on the wire so far.
        self.requests = 0

    @property
    def calls(self) -> Observable[Call]:
        """Hot and guarded: each request when its answer begins, or when there will be none."""
        return guarded(self._calls)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        if not self._calls.observers:
            return await self._inner.handle_async_request(request)
        began_at = time.perf_counter()
        status: int | None = None
        error: str | None = None
        try:
            response = await self._inner.handle_async_request(request)
            status = response.status_code
            return response
        except BaseException as failure:
            error = type(failure).__name__
            raise
        finally:
            self._calls.on_next(_call(request, status, error, time.perf_counter() - began_at))

    async def aclose(self) -> None:
        await self._inner.aclose()
        self._calls.on_completed()


def _call(request: httpx2.Request, status: int | None, error: str | None, took_s: float) -> Call:
    return Call(
        path=_file.get(),
        method=request.method,
        server=request.url.host,
        port=request.url.port,
        template=template_of(request.url.path),
        status=status,
        error=error,
        sent_bytes=int(request.headers.get("content-length", 0)),
        took_s=took_s,
    )


#: Collections of the API -> what stands for the identifier behind them.
_COLLECTIONS = {
    "documents": "{document}",
    "fileSearchStores": "{store}",
    "files": "{file}",
    "models": "{model}",
    "operations": "{operation}",
}
_LITERALS = {*_COLLECTIONS, "upload", "v1", "v1beta", "interactions"}


def template_of(path: str) -> str:
    """`/v1beta/files/abc` -> `/v1beta/files/{file}`; what is not known to be a word is left out."""
    *before, last = path.strip("/").split("/")
    last, colon, verb = last.partition(":")
    words: list[str] = []
    for segment in (*before, last):
        of_collection = _COLLECTIONS.get(words[-1]) if words else None
        # `files:verb` and `stores/x/upload/operations/y`: a known word is never an identifier.
        words.append(segment if segment in _LITERALS else of_collection or "{id}")
    return f"/{'/'.join(words)}{colon}{verb if verb.isalpha() else ''}"
