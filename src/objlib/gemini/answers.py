"""Takes an answer for one only when it can be: from the backend itself, of a bounded size, JSON.

The SDK looks at the status alone. It follows redirects and takes the key along, sends a file to
whichever host an answer names, takes a gateway's page in place of `{}` for a deletion, and reads
400 MB into memory. So every answer is read and judged here first.
"""

from __future__ import annotations

import contextlib

import httpx2

from objlib.redaction import echoes_of, redacted, without_credentials

#: A page of documents has some 100 kB, an answer with its passages less than 1 MB.
ANSWER_BYTES_MAX = 32 * 1024 * 1024
#: Of an error's body no more is read.
ERROR_BYTES_MAX = 1024 * 1024

#: Objects, lists and values in them: a page of documents has some thousands. 2 MB of `{},` become
#: 400 MB of records.
ANSWER_VALUES_MAX = 200_000

_REDIRECTS = range(300, 400)
#: Headers that no longer hold of a body that was read and unpacked.
_OF_THE_TRANSFER = ("content-encoding", "content-length", "transfer-encoding")


class Unusable(httpx2.RequestError):
    """An answer that is none. Asking again would bring the same one."""


class Judged(httpx2.AsyncBaseTransport):
    """Reads each answer and raises `Unusable` for what is none.

    Args:
        inner: the transport that does the work.
        base_url: requests go there and nowhere else.
        secrets: an answer that repeats one is read without: it would name a document, or stand
            in a passage.
    """

    def __init__(
        self, inner: httpx2.AsyncBaseTransport, base_url: str, secrets: tuple[str, ...] = ()
    ) -> None:
        self._inner = inner
        self._origin = _origin_of(httpx2.URL(base_url))
        self._secrets = tuple(secret for secret in secrets if echoes_of([secret]))
        self._echoes = echoes_of(secrets)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if _origin_of(request.url) != self._origin:
            raise Unusable(
                f"it wants the file sent to another place, {_shown(str(request.url))}, "
                "and none goes there; check base_url"
            )
        response = await self._inner.handle_async_request(request)
        try:
            if response.status_code in _REDIRECTS:
                place = _shown(str(request.url.join(response.headers.get("location", ""))))
                raise Unusable(
                    f"it sends us on to {place}, and neither the key nor a file follows; "
                    "set base_url to the address that answers itself"
                )
            body = self._without_secrets(await _body_of(response))
        finally:
            await response.aclose()
        if response.status_code == httpx2.codes.OK:
            _check(request, response, body)
        for name in _OF_THE_TRANSFER:
            response.headers.pop(name, None)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            content=body,
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _without_secrets(self, body: bytes) -> bytes:
        if not any(echo in body for echo in self._echoes):
            return body
        text = body.decode("latin-1")  # byte by byte
        return redacted(text, self._secrets).encode("latin-1")


async def _body_of(response: httpx2.Response) -> bytes:
    is_ok = response.status_code == httpx2.codes.OK
    limit = ANSWER_BYTES_MAX if is_ok else ERROR_BYTES_MAX
    pieces: list[bytes] = []
    size = 0
    async with contextlib.aclosing(response.aiter_bytes(64 * 1024)) as stream:
        async for piece in stream:
            size += len(piece)
            if size > limit and is_ok:
                raise Unusable(f"its answer is larger than {limit // 1024 // 1024} MB")
            pieces.append(piece)
            if size > limit:
                break
    return b"".join(pieces)


def _check(request: httpx2.Request, response: httpx2.Response, body: bytes) -> None:
    """Raise `Unusable` for a 200 that is no JSON object where one must be."""
    said = body.strip()
    is_step = "x-goog-upload-command" in request.headers  # the protocol is in the headers
    if request.method == "DELETE":
        is_answer = said.startswith(b"{") and not said.strip(b"{} \t\r\n")
    else:
        is_answer = said.startswith(b"{") or (is_step and not said)
    if not is_answer:
        kind = response.headers.get("content-type", "").partition(";")[0].strip() or "no type"
        raise Unusable(f"what answers is no File Search (200 with {len(body):,} bytes of {kind})")
    if sum(said.count(mark) for mark in (b"{", b"[", b",")) > ANSWER_VALUES_MAX:
        raise Unusable(f"its answer holds more than {ANSWER_VALUES_MAX:,} values")


def _origin_of(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _shown(url: str) -> str:
    """An address for people: without credentials, and without a path that may hold some."""
    parts = httpx2.URL(without_credentials(url) or "http://unknown")
    return f"{parts.scheme}://{parts.netloc.decode('ascii', 'replace')}"
