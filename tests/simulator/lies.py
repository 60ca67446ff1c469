"""Answers that are none, and listings that prove too much: what stands between client and server.

A captive portal, a gateway, a cache or a changed service answers 200 with something else, sends
people on to another host, or puts the pages of a listing together wrongly.
"""

from __future__ import annotations

import fnmatch
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2

from objlib.backend import EMBEDDED_URL

ELSEWHERE = "elsewhere.invalid"
LISTING = "GET *documents"

#: Instead of the server, which never learns of the request.
INSTEAD = ("html", "number", "redirect")
#: In place of the server's answer, when the effect is there.
AFTERWARDS = ("html after", "number after", "wrong types", "upload elsewhere")
#: Of listings.
PAGES = ("repeated page", "shifted pages", "looping tokens")


@dataclass(frozen=True, slots=True)
class Lie:
    """One way in which answers are wrong.

    Args:
        route: a glob over "METHOD path".
        probability: of each request that matches.
        times: at most so many hits.
    """

    kind: str
    route: str = "*"
    probability: float = 1.0
    times: int | None = None

    def __str__(self) -> str:
        often = f", {self.times} times" if self.times is not None else ""
        return f"lie: {self.kind} at {self.route}, p={self.probability:.2f}{often}"


@dataclass(eq=False, slots=True)
class Liar(httpx2.AsyncBaseTransport):
    """The server, behind something that does not tell the truth while `lies` are on.

    Args:
        honest: the server, with its own faults.
        plain: the same server without them.
        on_elsewhere: told of requests to another host.
    """

    honest: httpx2.AsyncBaseTransport
    plain: httpx2.AsyncBaseTransport
    rng: random.Random
    on_elsewhere: Callable[[httpx2.Request], None]
    lies: tuple[Lie, ...] = ()
    _hits: dict[int, int] = field(default_factory=dict)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host == ELSEWHERE:
            self.on_elsewhere(request)
            return httpx2.Response(200, json={})
        lie = self._striking(f"{request.method} {request.url.path}")
        if lie is None and request.url.params.get("pageToken", "").startswith("o"):
            return await self._page("", request)  # the rest of a listing that began with a lie
        if lie is None:
            return await self.honest.handle_async_request(request)
        if lie.kind in INSTEAD:
            return _instead(lie.kind, request)
        if lie.kind in PAGES:
            return await self._page(lie.kind, request)
        response = await self.honest.handle_async_request(request)
        await response.aread()
        return _afterwards(lie.kind, response) if response.status_code == 200 else response

    def _striking(self, route: str) -> Lie | None:
        for number, lie in enumerate(self.lies):
            if not fnmatch.fnmatchcase(route, lie.route):
                continue
            hits = self._hits.get(number, 0)
            if lie.times is not None and hits >= lie.times:
                continue
            if self.rng.random() < lie.probability:
                self._hits[number] = hits + 1
                return lie
        return None

    # Listings

    async def _page(self, kind: str, request: httpx2.Request) -> httpx2.Response:
        """Answer with a page whose token is an offset into what there is at this moment."""
        query = request.url.params
        size, token = int(query.get("pageSize", "10")), query.get("pageToken", "")
        if token and not token.startswith("o"):  # of a listing that was begun honestly
            return await self.honest.handle_async_request(request)
        offset = int(token.removeprefix("o") or 0)
        documents = await self._all(request)
        body: dict[str, Any] = {"documents": documents[offset : offset + size]}
        following = offset + size
        if kind == "repeated page" and offset:
            body["documents"] = documents[offset - size : offset]
        if kind == "looping tokens" and offset >= 2 * size:
            following = size
        if following < len(documents):
            body["nextPageToken"] = f"o{following}"
        return httpx2.Response(200, json=body)

    async def _all(self, request: httpx2.Request) -> list[dict[str, Any]]:
        documents: list[dict[str, Any]] = []
        token = ""
        while True:
            url = request.url.copy_with(params={"pageSize": "20", "pageToken": token})
            response = await self.plain.handle_async_request(httpx2.Request("GET", url))
            page = json.loads(await response.aread())
            documents += page.get("documents", [])
            token = page.get("nextPageToken", "")
            if not token:
                return documents


def _instead(kind: str, request: httpx2.Request) -> httpx2.Response:
    if kind == "redirect":
        status = 302 if request.method == "GET" else 307
        place = str(request.url.copy_with(host=ELSEWHERE))
        return httpx2.Response(status, headers={"location": place})
    return _portal() if kind == "html" else httpx2.Response(200, json=5)


def _afterwards(kind: str, response: httpx2.Response) -> httpx2.Response:
    if kind == "upload elsewhere":
        headers = httpx2.Headers(response.headers)
        if "x-goog-upload-url" in headers:
            url = headers["x-goog-upload-url"].replace(EMBEDDED_URL, f"http://{ELSEWHERE}")
            headers["x-goog-upload-url"] = url
        return httpx2.Response(200, headers=headers, content=response.content)
    if kind == "html after":
        return _portal()
    if kind == "number after":
        return httpx2.Response(200, json=5)
    try:
        said = json.loads(response.content)
    except ValueError:
        return response
    kept = {name: value for name, value in response.headers.items() if name.startswith("x-")}
    return httpx2.Response(200, headers=kept, json=_of_wrong_types(said))


def _of_wrong_types(value: Any) -> Any:
    """The same names with other kinds of values, one level down."""
    if not isinstance(value, dict):
        return value
    return {
        name: 7 if isinstance(held, dict | list) else [{"value": held}]
        for name, held in value.items()
    }


def _portal() -> httpx2.Response:
    return httpx2.Response(
        200, headers={"content-type": "text/html"}, content=b"<html>Please sign in.</html>"
    )
