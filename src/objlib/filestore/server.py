"""The server on a port, by uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from objlib.filestore.answer import MetadataForm
from objlib.filestore.app import create_app
from objlib.filestore.faults import ConnectionDropped, FaultPlan
from objlib.filestore.net import is_loopback
from objlib.filestore.semantic import Embedder
from objlib.filestore.storage import FileStore
from objlib.filestore.visitors import Addressed, NoPages


class RefusedToListen(ValueError):
    """The address would let strangers in."""


class _Quietly:
    """Keeps dropped connections, which are on purpose, out of the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        logging.getLogger("uvicorn.error").addFilter(_is_no_dropped_connection)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(ConnectionDropped):
            await self._app(scope, receive, send)


def _is_no_dropped_connection(record: logging.LogRecord) -> bool:
    return record.msg != "ASGI callable returned without completing response."


class _Server(uvicorn.Server):
    """Says when connections are accepted, and ends its work before uvicorn repeats the signal."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_started: Callable[[], None],
        on_stopped: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._on_stopped = on_stopped

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets=sockets)
        await self._on_stopped()


async def serve(
    *,
    data: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    key: str | None = None,
    public_url: str | None = None,
    indexing_delay_s: float = 0.0,
    faults: FaultPlan | None = None,
    embedder: Embedder | None = None,
    citation_metadata: MetadataForm | None = None,
    on_listening: Callable[[str], None],
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, or until the event is set.

    Args:
        port: 0 for a free one.
        public_url: upload addresses begin with it: the address of a proxy before the server.
        embedder: lets search find by meaning too.
        citation_metadata: as for `create_app`.
        on_listening: told the base URL once connections are accepted.

    Raises:
        RefusedToListen: the host is not this machine's alone and there is no key.
        OSError: the address cannot be bound.
    """
    if key is None and not is_loopback(host):
        raise RefusedToListen(
            f"{host} can be reached by others; give a key to listen there, or use 127.0.0.1"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on: 40 ms an answer.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        store = FileStore.open(data, indexing_delay_s=indexing_delay_s, embedder=embedder)
        try:
            app: ASGIApp = create_app(
                store, api_key=key, faults=faults, citation_metadata=citation_metadata
            )
            app = Addressed(app, host, public_url)
            if key is None:
                app = NoPages(app, host, listener.getsockname()[1])
            app = _Quietly(app)
            config = uvicorn.Config(app, log_level="error", lifespan="off", access_log=False)
            shown = f"[{host}]" if ":" in host else host
            url = f"http://{shown}:{listener.getsockname()[1]}"
            server = _Server(config, lambda: on_listening(url), partial(_at_rest, store))
            stopping = asyncio.ensure_future(_stop(server, stop)) if stop is not None else None
            try:
                await server.serve(sockets=[listener])
            finally:
                if stopping is not None:
                    stopping.cancel()
        finally:
            store.close()


async def _at_rest(store: FileStore) -> None:
    await store.stopped()
    store.close()


async def _stop(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True
