"""Lets in programs of this machine, and no web page: the guard of a server without a key.

A page in a browser here can send requests to a port of this machine. It can even read the answers,
once it has pointed its own name at 127.0.0.1 (DNS rebinding). Three headers that no page can forge
tell it from a program: Host says which name was asked for, Origin says whose page asks, and without
a question beforehand, which gets no answer here, a page sends simple content types only.

Source: Fetch standard, https://fetch.spec.whatwg.org, "CORS-safelisted request-header".
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from objlib.filestore.gate import json_error
from objlib.filestore.net import is_loopback
from objlib.filestore.wire import ApiError

#: What a page may send in a POST without asking first; the empty one stands for none. For PUT and
#: DELETE it has to ask always.
_SIMPLE = frozenset({"", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})


class NoPages:
    """Refuses what a web page could have sent.

    Args:
        host: the address that was bound.
        port: the port that was bound.
    """

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self._app = app
        self._host = host
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._refusal(scope["method"], Headers(scope=scope))
        if refused is None:
            await self._app(scope, receive, send)
        else:
            await json_error(refused)(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> ApiError | None:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            shown = f"[{self._host}]" if ":" in self._host else self._host
            return ApiError(
                421,
                f"This server has no key and answers as http://{shown}:{self._port} only.",
                status="PERMISSION_DENIED",
            )
        if origins and origins != [f"http://{hosts[0]}"]:
            return ApiError(403, "This server has no key and lets no web page of others in.")
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        is_upload = any(name.startswith("x-goog-upload-") for name in headers)
        if method == "POST" and content_type in _SIMPLE and not is_upload:
            return ApiError(
                415,
                "This server has no key and takes no content type that a web page may send:"
                " use application/json, or the X-Goog-Upload headers.",
                status="INVALID_ARGUMENT",
            )
        return None

    def _is_ours(self, asked: str) -> bool:
        """Return whether a Host header names what was bound, with its port."""
        host, port = _host_and_port(asked)
        return port == self._port and (host == self._host.lower() or is_loopback(host))


class Addressed:
    """Gives every request an address of the server's own: upload addresses are made from it.

    The Host header is kept where it is one of the server's names, because a client sends a file to
    the host it asked and to no other. Any other is replaced by the address that was reached.

    Args:
        host: the address that was bound.
        public_url: the address of a proxy before the server, which goes before all others.
    """

    def __init__(self, app: ASGIApp, host: str, public_url: str | None = None) -> None:
        self._app = app
        self._names = {host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}
        self._public = None if public_url is None else urlsplit(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = Headers(scope=scope).getlist("host")
        reached, port = scope["server"]
        scheme = scope["scheme"]
        if self._public is not None:
            scheme, host = self._public.scheme, self._public.netloc
        elif len(hosts) == 1 and self._is_ours(hosts[0], reached):
            host = hosts[0]
        else:
            host = f"[{reached}]:{port}" if ":" in reached else f"{reached}:{port}"
        others = [(name, value) for name, value in scope["headers"] if name != b"host"]
        headers = [(b"host", host.encode("latin-1")), *others]
        await self._app({**scope, "scheme": scheme, "headers": headers}, receive, send)

    def _is_ours(self, asked: str, reached: str) -> bool:
        host, port = _host_and_port(asked)
        return port is not None and (host in self._names or host == reached or is_loopback(host))


def _host_and_port(asked: str) -> tuple[str, int | None]:
    """Return the two halves of a Host header; no port where there is none that makes sense."""
    host, colon, port = asked.rpartition(":")
    if not colon or asked.endswith("]"):
        host, port = asked, "80"
    is_port = port.isascii() and port.isdigit() and len(port) < len("100000")
    return host.removeprefix("[").removesuffix("]").lower(), int(port) if is_port else None
