"""The site: its addresses, its errors, and the server that shows it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from objlib import Settings
from objlib.errors import BackendUnavailable, CatalogError, ConfigurationError, ObjlibError
from objlib.service.servers import is_loopback
from objlib.web import browsing, pages, rounds
from objlib.web.desk import Desk, NoFolderYet
from objlib.web.door import Door, Guarded
from objlib.web.patience import Impatient
from objlib.web.rendering import respond, static

_log = logging.getLogger(__name__)
_STATIC = {"page.css": "text/css", "page.js": "text/javascript", "mark.svg": "image/svg+xml"}
_CLOSING_S = 3


def create_site(desk: Desk) -> ASGIApp:
    """Return the site of one library, with its door before it."""
    shown = [
        ("/", "/search.json", pages.search),
        ("/passage/{key}", "/passage/{key}.json", pages.passage),
        ("/files", "/files.json", browsing.files),
        ("/file", "/file.json", browsing.file),
        ("/run", "/run.json", rounds.run),
        ("/failures", "/failures.json", pages.failures),
        ("/verify", "/verify.json", rounds.verify),
        ("/health", "/health.json", pages.health),
    ]
    routes = [Route(twin, page) for _, twin, page in shown]
    routes += [Route(address, page) for address, _, page in shown]
    routes += [
        Route("/original/{key}", pages.original),
        Route("/run/events", rounds.events),
        Route("/run", rounds.act, methods=["POST"]),
        Route("/verify/events", rounds.proof_events),
        Route("/verify", rounds.prove, methods=["POST"]),
        Route("/library", rounds.choose, methods=["POST"]),
        Route("/static/{name}", _static),
    ]
    site = Starlette(
        routes=routes,
        exception_handlers={
            NoFolderYet: rounds.no_folder_yet,
            ObjlibError: _problem,
            HTTPException: _http_problem,
            Exception: _bug,
        },
    )
    site.router.redirect_slashes = False
    site.state.desk = desk
    return Guarded(site, desk.door)


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        raise HTTPException(404)
    return Response(static(name), media_type=_STATIC[name])


def status_of(error: ObjlibError) -> int:
    """Return the HTTP status for an error of the family."""
    if isinstance(error, ConfigurationError):
        return 400
    return 503 if isinstance(error, BackendUnavailable | CatalogError) else 502


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ObjlibError)
    return _said(request, status_of(error), str(error))


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "There is no such page.", 405: "That page is only for looking."}
    return _said(request, error.status_code, words.get(error.status_code, error.detail))


async def _bug(request: Request, error: Exception) -> Response:
    _log.error("a page failed", exc_info=error)
    return _said(request, 500, "A bug in objlib; the terminal has the details.")


def _said(request: Request, status: int, problem: str) -> Response:
    return respond(request, "problem.html", {"status": status, "problem": problem}, status=status)


async def show(
    settings: Settings,
    *,
    host: str,
    port: int,
    token: str | None,
    on_listening: Callable[[str], None],
) -> None:
    """Show the page of a library until a signal comes.

    Args:
        port: 0 for any free one.
        token: one of the user's own; needed where others than this machine can come in.
        on_listening: told the address to open.

    Raises:
        ConfigurationError: the address cannot be used, or would let strangers in.
        CatalogError: there is a catalog, and it cannot be opened.
    """
    if not is_loopback(host) and token is None:
        raise ConfigurationError(f"others can reach {host}; choose a secret for them with --token")
    with _bound(host, port) as listening:
        desk = Desk(settings, Door(host, listening.getsockname()[1], token))
        await desk.open()
        config = uvicorn.Config(
            create_site(desk),
            http=Impatient,
            ws="none",
            proxy_headers=False,  # the peer is who it is, whatever a header says
            log_level="error",  # warnings are about what strangers send
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=_CLOSING_S,
            limit_concurrency=200,
        )
        server = _Server(config, desk, lambda: on_listening(desk.door.address))
        try:
            await server.serve(sockets=[listening])
        finally:
            desk.closing.set()
            await desk.close()


class _Server(uvicorn.Server):
    """A server that says when it listens, and ends open streams when it is to stop."""

    def __init__(
        self, config: uvicorn.Config, desk: Desk, on_listening: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._desk = desk
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_listening()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Hear signals and do not repeat them: the round ends before the process does."""
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._desk.closing.set()
        await asyncio.sleep(0)
        await super().shutdown(sockets)


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named asyncio sends small packets at once; else a page waits 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"{host}:{port} cannot be used: {error.strerror or error}; choose another --port"
            ) from error
        yield listening
