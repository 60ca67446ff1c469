"""Chooses the File Search that answers: Gemini, a server at a URL, or the embedded one.

The only module outside `objlib.filestore` that imports it. What comes out is the same client in all
three cases, and nothing behind it knows which one it has.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2

from objlib.config import GEMINI_BASE_URL, Settings, api_key
from objlib.congestion.gate import RequestGate
from objlib.errors import BackendUnavailable, ConfigurationError, Hint
from objlib.filestore import (
    ConnectionDropped,
    Embedder,
    EmbedderMissing,
    FaultPlan,
    FileStore,
    MultilingualE5,
    create_app,
)
from objlib.filestore.net import is_loopback as is_loopback
from objlib.gemini.transport import network_transport
from objlib.redaction import without_credentials
from objlib.threads import in_thread

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient

#: A host that never resolves: requests to the embedded server stay in this process.
EMBEDDED_URL = "http://filestore.invalid"


@dataclass(frozen=True, slots=True)
class Backend:
    """A chosen backend. `identity` is what a catalog is bound to."""

    identity: str
    description: str
    base_url: str
    api_key: str | None
    data: Path | None = None
    is_semantic: bool = False


def choose(settings: Settings) -> Backend:
    """Pick the backend that settings and environment ask for."""
    key = api_key(settings)
    if (url := settings.server_url) is not None:
        if not url.startswith(("http://", "https://")):
            shown = url.rpartition("@")[2]
            raise ConfigurationError(f"the base URL {shown!r} must start with http:// or https://")
        place = without_credentials(url)
        if not place or not url.isprintable() or " " in url:
            raise ConfigurationError("the base URL is no address; write http://HOST:PORT")
        if (
            key is not None
            and url.startswith("http://")
            and not is_loopback(urlsplit(url).hostname or "")
        ):
            raise ConfigurationError(
                f"the key would travel to {place} unencrypted; write https://, or unset the key"
            )
        return Backend(place.rstrip("/"), f"server at {place}", url, key)
    if key is not None:
        return Backend("gemini", "Gemini", GEMINI_BASE_URL, key)
    data = embedded_data(settings)
    return Backend(
        "embedded",
        f"embedded, {data} (set GEMINI_API_KEY to use Gemini)",
        EMBEDDED_URL,
        None,
        data,
        settings.semantic,
    )


def embedded_data(settings: Settings) -> Path:
    """The data file of the embedded store: beside the catalog."""
    return settings.db.parent / "filestore.db"


async def serve(
    data: Path,
    *,
    host: str,
    port: int,
    key: str | None,
    public_url: str | None,
    faults: str | None,
    latency_s: float,
    semantic: bool,
    on_listening: Callable[[str], None],
) -> None:
    """Serve a data file on a port until a signal comes.

    Args:
        public_url: the address of a proxy before the server; None for none.
        faults: trouble on purpose: a ready-made profile or a fault file; None for none.
        latency_s: what every request takes at least.
        semantic: search by meaning too.

    Raises:
        ConfigurationError: the address cannot be used, or would let strangers in; the faults
            cannot be read.
    """
    from objlib.filestore.declared import InvalidFaults, load_faults
    from objlib.filestore.server import RefusedToListen
    from objlib.filestore.server import serve as serve_filestore

    if public_url is not None and not _is_origin(public_url):
        raise ConfigurationError(f"the public URL {public_url!r} is not of the form https://HOST")
    try:
        declared = load_faults(faults, latency_s=latency_s)
        await serve_filestore(
            data=data,
            host=host,
            port=port,
            key=key,
            public_url=public_url,
            faults=None if declared is None else FaultPlan(declared.faults, declared.seed),
            indexing_delay_s=0.0 if declared is None else declared.indexing_delay_s,
            embedder=_embedder(semantic),
            on_listening=on_listening,
        )
    except InvalidFaults as error:
        raise ConfigurationError(str(error)) from error
    except RefusedToListen as error:
        raise ConfigurationError(f"{error} (OBJLIB_SERVE_KEY)") from error
    except (sqlite3.Error, OSError) as error:
        if isinstance(error, OSError) and error.filename is None:  # of the port
            raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        raise ConfigurationError(f"cannot open the data {data} ({error})") from error


def _is_origin(url: str) -> bool:
    """Return True for scheme and host, with or without a port, and nothing else."""
    return (
        re.fullmatch(r"https?://[\w.-]+(:\d{1,5})?/?|https?://\[[\da-f:]+\](:\d{1,5})?/?", url)
        is not None
    )


def _embedder(is_wanted: bool) -> Embedder | None:
    try:
        return MultilingualE5() if is_wanted else None
    except EmbedderMissing as error:
        raise ConfigurationError(str(error)) from error


class _InProcess(httpx2.AsyncBaseTransport):
    """The embedded server as a transport; a dropped answer looks as it would on a socket."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx2.ASGITransport(app=app)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await self._inner.handle_async_request(request)
        except ConnectionDropped as error:
            raise httpx2.RemoteProtocolError("the server closed the connection") from error


def in_process(app: Any) -> httpx2.AsyncBaseTransport:
    """A transport to an embedded server in this process, without a socket."""
    return _InProcess(app)


@contextlib.asynccontextmanager
async def connected(backend: Backend, gate: RequestGate) -> AsyncIterator[FileSearchClient]:
    """A client for the backend; the embedded server is opened and closed with it."""
    # With it comes the SDK: half a second, which is nobody's turn of the loop.
    module = await in_thread(lambda: importlib.import_module("objlib.gemini.client"))
    new_client: type[FileSearchClient] = module.FileSearchClient

    async with contextlib.AsyncExitStack() as stack:
        transport: httpx2.AsyncBaseTransport
        if backend.data is None:
            transport = network_transport(backend.base_url)
        else:
            embedder = _embedder(backend.is_semantic)
            try:
                store = FileStore.open(backend.data, embedder=embedder)
            except (sqlite3.Error, OSError) as error:
                raise BackendUnavailable(
                    f"the embedded store {backend.data} cannot be opened ({error})",
                    hint=Hint.RESTORE_OR_START_NEW_CATALOG,
                ) from error
            stack.callback(store.close)
            stack.push_async_callback(store.stopped)
            transport = in_process(create_app(store))
        async with new_client(
            api_key=backend.api_key, base_url=backend.base_url, transport=transport, gate=gate
        ) as client:
            yield client
