"""The server on a port, by uvicorn."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from objlib.filestore.app import create_app
from objlib.filestore.faults import ConnectionDropped, FaultPlan
from objlib.filestore.storage import FileStore


class RefusedToListen(ValueError):
    """The address would let strangers in."""


class DropsConnections:
    """Turns a dropped answer into what a client sees of one: a connection closed in mid-answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except ConnectionDropped:
            # uvicorn closes a connection whose answer ends before its stated length.
            headers = [(b"content-length", b"1")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})


class _Announcing(uvicorn.Server):
    """Says so once connections are accepted."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._on_started()


async def serve(
    *,
    data: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    key: str | None = None,
    indexing_delay_s: float = 0.0,
    faults: FaultPlan | None = None,
    on_listening: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        port: 0 for a free one.
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
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        store = FileStore.open(data, indexing_delay_s=indexing_delay_s)
        try:
            app = DropsConnections(create_app(store, api_key=key, faults=faults))
            config = uvicorn.Config(app, log_level="error", lifespan="off", access_log=False)
            shown = f"[{host}]" if ":" in host else host
            url = f"http://{shown}:{listener.getsockname()[1]}"
            server = _Announcing(config, lambda: on_listening(url))
            await server.serve(sockets=[listener])
        finally:
            store.close()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
