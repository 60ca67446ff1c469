"""The door of the page: who may come in, what may be sent, and what the browser is told.

A page of somebody else in the same browser can send requests to a port of this machine, and read
the answers once its name points at 127.0.0.1 (DNS rebinding). So the Host and the peer are checked
on every request; nobody comes in without the cookie, which the token of the printed address is
exchanged for; and what changes something needs an Origin of our own, `Sec-Fetch-Site` and a token
that only our forms have.

Source: Fetch standard, https://fetch.spec.whatwg.org, and Fetch Metadata, W3C.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from objlib.service.servers import is_loopback

#: `Referrer-Policy` is `same-origin` and not `no-referrer`: with that one a browser sends
#: `Origin: null` with a form, and ours could not be told from another's. Nothing goes elsewhere.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SAFE = frozenset({"GET", "HEAD"})

_PORT = re.compile(r":\d+$")

ELSEWHERE = (
    "This page answers by its own address only.\n"
    "For a proxy in front of it, start it with --host and --token, and pass the Host header on.\n"
)
CLOSED = (
    "This is somebody's library, and it opens with the address that `objlib web` printed.\n"
    "That address works once; start `objlib web` again for a new one.\n"
)


@dataclass(slots=True)
class Door:
    """The keys of one running page.

    Args:
        host: the address that was bound.
        port: the port that was bound.
        token: one that people chose, which works again and again; else one is drawn, for one use.
    """

    host: str
    port: int
    token: str | None = None
    _session: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    _instance: str = field(default_factory=lambda: secrets.token_hex(4))
    _once: str | None = field(default_factory=lambda: secrets.token_urlsafe(24))

    @property
    def address(self) -> str:
        """The address to open, with the token in it."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.port}/?{urlencode({'token': self.token or self._once})}"

    @property
    def cookie(self) -> str:
        """Name of the cookie: another one for each start, so that two pages get along."""
        return f"objlib_{self._instance}"

    @property
    def form_token(self) -> str:
        """The token that a form of ours carries."""
        return hmac.new(self._session.encode(), b"form", hashlib.sha256).hexdigest()

    def exchanged(self, token: str) -> str | None:
        """Return the value of the cookie for a token, or None for a wrong or a used one."""
        if self.token is not None:
            return self._session if _equal(token, self.token) else None
        if self._once is None or not _equal(token, self._once):
            return None
        self._once = None
        return self._session

    def knows(self, headers: Headers) -> bool:
        """Return whether a request brings the cookie."""
        value = cookie_parser(headers.get("cookie", "")).get(self.cookie, "")
        return _equal(value, self._session)

    def is_addressed(self, headers: Headers, peer: str | None) -> bool:
        """Return whether a request asked for this page by its name, from where it may be asked."""
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            return False
        if not is_loopback(self.host):
            return True  # the token protects it: a foreign name has no cookie of ours
        said = hosts[0] if _PORT.search(hosts[0]) else f"{hosts[0]}:80"  # which is left out
        name, _, port = said.rpartition(":")
        is_ours = is_loopback(name.strip("[]").lower()) and port == str(self.port)
        return is_ours and (peer is None or is_loopback(peer))

    def may_post(self, headers: Headers, form: dict[str, str]) -> bool:
        """Return whether a request that changes something comes from a form of ours."""
        host = headers.get("host", "")
        own = [f"http://{host}"], [f"https://{host}"]  # the latter behind a proxy
        return (
            headers.getlist("origin") in own
            and headers.get("sec-fetch-site") == "same-origin"
            and _equal(form.get("form_token", ""), self.form_token)
        )


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


class Guarded:
    """Lets in who may come in, and gives every answer the headers that keep the browser narrow."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        peer = scope["client"][0] if scope.get("client") else None
        if not self._door.is_addressed(headers, peer):
            return PlainTextResponse(ELSEWHERE, 421)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        token = next((value for name, value in query if name == "token"), None)
        if self._door.knows(headers):
            return self._clean(scope, query) if token is not None else None
        if token is None or (session := self._door.exchanged(token)) is None:
            return PlainTextResponse(CLOSED, 403)
        entered = self._clean(scope, query)
        entered.set_cookie(self._door.cookie, session, httponly=True, samesite="lax", path="/")
        return entered

    @staticmethod
    def _clean(scope: Scope, query: list[tuple[str, str]]) -> RedirectResponse:
        """Return the way to the same address without the token."""
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        path = "/" + urlsplit(scope["path"]).path.lstrip("/")
        return RedirectResponse(f"{path}?{rest}" if rest else path, 303)
