"""A server in this process with a clock of its own; in front of it the SDK and plain HTTP."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from google import genai
from google.genai import types
from google.genai.client import AsyncClient
from starlette.applications import Starlette

from objlib.backend import EMBEDDED_URL, in_process
from objlib.filestore import Fault, FaultPlan, FileStore, create_app
from objlib.gemini.transport import HonestUploads

#: 2026-11-23T12:00:00Z.
NOON = 1_795_435_200.0


@dataclass(slots=True)
class Clock:
    """Time that moves when a test says so."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class LoopClock(Clock):
    """Time that moves with that of the running event loop, which a test may make virtual."""

    _began: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def __call__(self) -> float:
        return self.now + asyncio.get_running_loop().time() - self._began


@dataclass(slots=True)
class Mounted:
    """A server and two ways to talk to it."""

    store: FileStore
    clock: Clock
    http: httpx2.AsyncClient
    requests: dict[str, int]
    plan: FaultPlan
    app: Starlette
    _new_client: Callable[[], genai.Client]
    _client: genai.Client | None = None

    @property
    def sdk(self) -> AsyncClient:
        """The SDK; made when it is needed, for that takes longer than most tests."""
        if self._client is None:
            self._client = self._new_client()
        return self._client.aio

    async def aclose(self) -> None:
        """Close the SDK, if there is one."""
        if self._client is not None:
            await self._client.aio.aclose()
            self._client.close()

    async def call(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        """The parsed answer to a request that must succeed."""
        response = await self.http.request(method, path, json=json, **options)
        assert response.status_code == 200, response.text
        return response.json()

    async def refused(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        """The error in the answer to a request that must be refused, in Google's shape."""
        return error_of(await self.http.request(method, path, json=json, **options))

    async def new_store(self, display_name: str = "a-store") -> str:
        """The resource name of a new, empty store."""
        store = await self.call("POST", "/v1beta/fileSearchStores", {"displayName": display_name})
        return str(store["name"])

    async def start(
        self,
        size: int | None,
        body: Any = None,
        *,
        path: str = "/upload/v1beta/files",
        mime_type: str = "text/plain",
    ) -> str:
        """Start a resumable upload; its URL."""
        response = await self.http.post(path, json=body or {}, headers=starting(size, mime_type))
        assert response.status_code == 200, response.text
        assert response.headers["x-goog-upload-status"] == "active"
        return response.headers["x-goog-upload-url"]

    async def piece(
        self, url: str, content: bytes, *, offset: int = 0, command: str = "upload, finalize"
    ) -> httpx2.Response:
        """Send a piece of an upload, as the SDK does."""
        headers = {"X-Goog-Upload-Command": command, "X-Goog-Upload-Offset": str(offset)}
        return await self.http.post(url, content=content, headers=headers)

    async def new_file(
        self, content: str | bytes, name: str | None = None, *, mime_type: str = "text/plain"
    ) -> str:
        """The resource name of a new raw file."""
        raw = content.encode() if isinstance(content, str) else content
        body = {"file": {"name": f"files/{name}"} if name else {}}
        url = await self.start(len(raw), body, mime_type=mime_type)
        response = await self.piece(url, raw)
        assert response.status_code == 200, response.text
        return str(response.json()["file"]["name"])

    async def import_file(self, store: str, file: str, **metadata: Any) -> str:
        """Import a raw file; the name of the operation."""
        body: Any = {"fileName": file, "customMetadata": metadata_of(metadata)}
        operation = await self.call("POST", f"/v1beta/{store}:importFile", body)
        return str(operation["name"])

    async def add(self, store: str, content: str | bytes, **metadata: Any) -> str:
        """Upload and import a text; the full name of its document."""
        operation = await self.import_file(store, await self.new_file(content), **metadata)
        return f"{store}/documents/{operation.rpartition('/')[2]}"

    async def documents(self, store: str) -> list[dict[str, Any]]:
        """Every document of a store, oldest first."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            query = {"pageSize": 20, "pageToken": token}
            page = await self.call("GET", f"/v1beta/{store}/documents", params=query)
            found += page.get("documents", [])
            if not (token := page.get("nextPageToken", "")):
                return found

    async def ask(self, question: str, *stores: str, **search: Any) -> dict[str, Any]:
        """The one candidate of an answer from these stores."""
        body = asking(question, *stores, **search)
        answer = await self.call("POST", "/v1beta/models/gemini-2.5-flash:generateContent", body)
        candidate: dict[str, Any] = answer["candidates"][0]
        return candidate


@asynccontextmanager
async def mounted(
    folder: Path,
    *faults: Fault,
    api_key: str | None = None,
    indexing_delay_s: float = 0.0,
    sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    clock: Clock | None = None,
) -> AsyncIterator[Mounted]:
    """A server over a data file in a folder."""
    clock = clock or Clock()
    store = FileStore.open(
        folder / "filestore.db",
        clock=clock,
        rng=random.Random(5),
        indexing_delay_s=indexing_delay_s,
    )
    plan = FaultPlan(faults, seed=1)
    app = create_app(store, api_key=api_key, faults=plan if faults else None, sleep=sleep)
    transport = in_process(app)

    def new_client() -> genai.Client:
        return genai.Client(
            api_key=api_key or "any",
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=EMBEDDED_URL,
                api_version="v1beta",
                async_client_args={"transport": HonestUploads(transport)},
            ),
        )

    try:
        async with httpx2.AsyncClient(
            transport=transport, base_url=EMBEDDED_URL, trust_env=False
        ) as http:
            server = Mounted(store, clock, http, app.state.requests, plan, app, new_client)
            try:
                yield server
            finally:
                await server.aclose()
    finally:
        store.close()


def starting(size: int | None, mime_type: str = "text/plain") -> dict[str, str]:
    """The headers that start a resumable upload."""
    headers = {
        "X-Goog-Upload-Protocol": "resumable",
        "X-Goog-Upload-Command": "start",
        "X-Goog-Upload-Header-Content-Type": mime_type,
    }
    if size is not None:
        headers["X-Goog-Upload-Header-Content-Length"] = str(size)
    return headers


def asking(question: str, *stores: str, **search: Any) -> dict[str, Any]:
    """The body of a question to some stores."""
    return {
        "contents": [{"role": "user", "parts": [{"text": question}]}],
        "tools": [{"fileSearch": {"fileSearchStoreNames": list(stores), **search}}],
    }


def metadata_of(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Custom metadata entries from plain values."""
    entries: list[dict[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, str):
            entries.append({"key": key, "stringValue": value})
        elif isinstance(value, Sequence):
            entries.append({"key": key, "stringListValue": {"values": list(value)}})
        else:
            entries.append({"key": key, "numericValue": value})
    return entries


def content_of(store: FileStore, owner: str) -> bytes:
    """The whole content of a raw file (`files/{id}`) or an upload."""
    rows = store.all("SELECT content FROM pieces WHERE owner = :owner ORDER BY offset", owner=owner)
    return b"".join(content for (content,) in rows)


def error_of(response: httpx2.Response) -> Any:
    """The error in an answer, checked for Google's shape."""
    assert response.status_code >= 400, response.text
    body = response.json()
    assert body.keys() == {"error"}
    error = body["error"]
    assert error["code"] == response.status_code
    assert isinstance(error["message"], str)
    assert error["status"].isupper()
    return error


def texts_of(candidate: dict[str, Any]) -> list[str]:
    """The passages an answer is grounded in, best first."""
    chunks = candidate.get("groundingMetadata", {}).get("groundingChunks", [])
    return [chunk["retrievedContext"]["text"] for chunk in chunks]
