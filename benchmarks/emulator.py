"""What `objlib serve` bears: small requests, documents, and one upload of a hundred megabytes.

Small requests stand beside the same clients asking a server of one line, so that the difference is
the emulator's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from benchmarks.filled import VOCABULARY
from benchmarks.measuring import peak_mb
from benchmarks.results import Result, Target
from benchmarks.sizes import Sizes

PART = "emulator"

CONNECTIONS = 8
DOCUMENTS = 1_000
DOCUMENT_WORDS = 900
LARGE_BYTES = 100 * 1024 * 1024
PIECE_BYTES = 8 * 1024 * 1024
UPLOAD = {"X-Goog-Upload-Protocol": "resumable", "Content-Type": "application/json"}

#: No web page can send this header, so a server without a key takes any content type with it.
RAW = {"X-Goog-Upload-Header-Content-Type": "text/plain"}

#: The least that uvicorn and Starlette can do.
BARE = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
async def answer(request):
    return JSONResponse({"name": "fileSearchStores/bench"})
app = Starlette(routes=[Route("/{rest:path}", answer)])
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
"""


class Connection:
    """One kept-alive HTTP/1.1 connection that costs the measuring side next to nothing."""

    def __init__(
        self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._host, self._reader, self._writer = host, reader, writer

    @classmethod
    async def open(cls, url: str) -> Connection:
        """Connect to a base URL."""
        parts = urlsplit(url)
        streams = await asyncio.open_connection(parts.hostname, parts.port, limit=2**20)
        return cls(parts.netloc, *streams)

    async def call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[dict[str, str], bytes]:
        """(headers by lower-case name, body) of an answer that must be 200."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}", f"Content-Length: {len(body)}"]
        headers = {"Content-Type": "application/json", **(headers or {})}
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        found = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])
        }
        content = await self._reader.readexactly(int(found.get("content-length", 0)))
        if " 200 " not in head[0]:
            raise RuntimeError(f"{method} {path}: {head[0]} {content[:200]!r}")
        return found, content

    def close(self) -> None:
        """Close it."""
        self._writer.close()


async def requests_s(url: str, path: str, count: int) -> float:
    """Seconds to GET one path over and over, on several connections at once."""
    connections = [await Connection.open(url) for _ in range(CONNECTIONS)]

    async def ask(connection: Connection) -> None:
        for _ in range(count // CONNECTIONS):
            await connection.call("GET", path)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for connection in connections:
            tasks.create_task(ask(connection))
    elapsed = time.perf_counter() - started
    for connection in connections:
        connection.close()
    return elapsed


async def add_documents_s(url: str, store: str, count: int) -> float:
    """Seconds to upload texts of five kilobytes straight into a store, indexed in the answer."""
    rng = random.Random(1)
    words = [f"w{rng.randrange(VOCABULARY)}" for _ in range(DOCUMENT_WORDS * 50)]
    texts = [" ".join(rng.sample(words, DOCUMENT_WORDS)) + "." for _ in range(count)]
    connections = [await Connection.open(url) for _ in range(CONNECTIONS)]

    async def add(connection: Connection) -> None:
        while texts:
            path = f"/upload/v1beta/{store}:uploadToFileSearchStore"
            body = texts.pop().encode()
            await connection.call("POST", path, body, {"Content-Type": "text/plain", **RAW})

    started = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for connection in connections:
            tasks.create_task(add(connection))
    elapsed = time.perf_counter() - started
    for connection in connections:
        connection.close()
    return elapsed


async def upload_large(url: str) -> float:
    """One raw file of a hundred megabytes in pieces, as the SDK sends them; its seconds."""
    connection = await Connection.open(url)
    started = time.perf_counter()
    start = {
        **UPLOAD,
        "X-Goog-Upload-Command": "start",
        "X-Goog-Upload-Header-Content-Length": str(LARGE_BYTES),
    }
    headers, _ = await connection.call("POST", "/upload/v1beta/files", b"{}", start)
    parts = urlsplit(headers["x-goog-upload-url"])
    piece = os.urandom(PIECE_BYTES)
    for offset in range(0, LARGE_BYTES, PIECE_BYTES):
        rest = LARGE_BYTES - offset
        command = "upload" if rest > PIECE_BYTES else "upload, finalize"
        sending = {"X-Goog-Upload-Command": command, "X-Goog-Upload-Offset": str(offset)}
        await connection.call(
            "POST", f"{parts.path}?{parts.query}", piece[: min(rest, PIECE_BYTES)], sending
        )
    connection.close()
    return time.perf_counter() - started


@contextlib.contextmanager
def running(*arguments: str, port: int) -> Iterator[psutil.Process]:
    """A server in a process of its own, once it accepts connections."""
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL) as server:
        try:
            for _ in range(100):
                with contextlib.suppress(OSError):
                    asyncio.run(_knock(port))
                    break
                time.sleep(0.1)
            yield psutil.Process(server.pid)
        finally:
            server.terminate()


async def _knock(port: int) -> None:
    (await Connection.open(f"http://127.0.0.1:{port}")).close()


def measure(work: Path, sizes: Sizes) -> Iterator[Result]:
    """Small requests, documents, and a large upload, each from a server of its own process."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    with running("-c", BARE, str(port), port=port):
        bare_s = asyncio.run(requests_s(url, "/v1beta/x", sizes.emulator))
    data = str(work / "served.db")
    with running("-m", "objlib", "serve", "--port", str(port), "--data", data, port=port) as server:
        store = asyncio.run(_new_store(url))
        documents = min(sizes.emulator, DOCUMENTS)
        began, documents_s = cpu_s(server), asyncio.run(add_documents_s(url, store, documents))
        yield Result(
            PART,
            "documents of 5 KB indexed",
            documents,
            documents_s,
            count=documents,
            cpu_s=cpu_s(server) - began,
            requests=documents,
            baseline="as many small answers by Starlette alone",
            baseline_s=bare_s * documents / sizes.emulator,
            targets=(Target("µs each", 20_000),),
        )
        for what, path in (
            ("GET of a store", f"/v1beta/{store}"),
            ("a page of 20 documents", f"/v1beta/{store}/documents?pageSize=20"),
        ):
            began, seconds = cpu_s(server), asyncio.run(requests_s(url, path, sizes.emulator))
            yield Result(
                PART,
                what,
                documents,
                seconds,
                count=sizes.emulator,
                cpu_s=cpu_s(server) - began,
                requests=sizes.emulator,
                baseline="Starlette alone",
                baseline_s=bare_s,
                targets=(Target("µs each", 1_000),),
            )
        before = server.memory_info().rss / 1024**2
        began, large_s = cpu_s(server), asyncio.run(upload_large(url))
        yield Result(
            PART,
            "upload of 100 MB",
            documents,
            large_s,
            cpu_s=cpu_s(server) - began,
            memory_mb=max(0.0, peak_mb(server.pid) - before),
            baseline="writing as much to a file",
            baseline_s=_written_s(work / "written"),
            targets=(Target("memory MB", 50),),
        )


def _written_s(path: Path) -> float:
    piece = os.urandom(PIECE_BYTES)
    started = time.perf_counter()
    with path.open("wb") as file:
        for _ in range(0, LARGE_BYTES, PIECE_BYTES):
            file.write(piece)
    return time.perf_counter() - started


def cpu_s(process: psutil.Process) -> float:
    """What a process has used of the processor so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _new_store(url: str) -> str:
    connection = await Connection.open(url)
    _, body = await connection.call("POST", "/v1beta/fileSearchStores", b"{}")
    connection.close()
    return str(json.loads(body)["name"])
