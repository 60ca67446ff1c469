"""What `objlib serve` bears: small requests, documents, and one upload of a hundred megabytes.

    python -m benchmarks.emulator

Small requests stand beside the same clients asking a server of one line, so that the difference is
the emulator's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.growth import VOCABULARY

CONNECTIONS = 8
REQUESTS = 4_000
DOCUMENTS = 1_000
DOCUMENT_WORDS = 900
LARGE_BYTES = 100 * 1024 * 1024
PIECE_BYTES = 8 * 1024 * 1024
UPLOAD = {"X-Goog-Upload-Protocol": "resumable", "Content-Type": "application/json"}

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

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, url: str) -> Connection:
        """Connect to a base URL."""
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port, limit=2**20))

    async def call(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[dict[str, str], bytes]:
        """(headers by lower-case name, body) of an answer that must be 200."""
        lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
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


async def requests_a_second(url: str, path: str) -> float:
    """GET one path over and over, on several connections at once."""
    connections = [await Connection.open(url) for _ in range(CONNECTIONS)]

    async def ask(connection: Connection) -> None:
        for _ in range(REQUESTS // CONNECTIONS):
            await connection.call("GET", path)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for connection in connections:
            tasks.create_task(ask(connection))
    elapsed = time.perf_counter() - started
    for connection in connections:
        connection.close()
    return REQUESTS / elapsed


async def documents_a_second(url: str, store: str) -> float:
    """Upload texts of five kilobytes straight into a store: each is indexed in the answer."""
    rng = random.Random(1)
    words = [f"w{rng.randrange(VOCABULARY)}" for _ in range(DOCUMENT_WORDS * 50)]
    texts = [" ".join(rng.sample(words, DOCUMENT_WORDS)) + "." for _ in range(DOCUMENTS)]
    connections = [await Connection.open(url) for _ in range(CONNECTIONS)]

    async def add(connection: Connection) -> None:
        while texts:
            path = f"/upload/v1beta/{store}:uploadToFileSearchStore"
            body = texts.pop().encode()
            await connection.call("POST", path, body, {"Content-Type": "text/plain"})

    started = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for connection in connections:
            tasks.create_task(add(connection))
    elapsed = time.perf_counter() - started
    for connection in connections:
        connection.close()
    return DOCUMENTS / elapsed


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


def main() -> None:
    """Measure and show."""
    port = 8597
    url = f"http://127.0.0.1:{port}"
    table = Table("objlib serve", "measured", "beside", "target")
    with running("-c", BARE, str(port), port=port):
        bare = asyncio.run(requests_a_second(url, "/v1beta/x"))
    with (
        tempfile.TemporaryDirectory() as folder,
        running(
            *(
                "-m",
                "objlib",
                "serve",
                "--port",
                str(port),
                "--data",
                str(Path(folder) / "data.db"),
            ),
            port=port,
        ) as server,
    ):
        store = asyncio.run(_new_store(url))
        documents = asyncio.run(documents_a_second(url, store))
        for what, path in (
            ("GET of a store", f"/v1beta/{store}"),
            ("a page of 20 documents", f"/v1beta/{store}/documents?pageSize=20"),
        ):
            rate = asyncio.run(requests_a_second(url, path))
            beside = f"{bare:,.0f}/s by Starlette alone"
            table.add_row(what, f"{rate:,.0f}/s", beside, "1,000/s")
        table.add_row("documents of 5 KB indexed", f"{documents:,.0f}/s", "", "50/s")
        before = server.memory_info().rss
        seconds = asyncio.run(upload_large(url))
        grown = (_peak_bytes(server) - before) / 1024**2
        table.add_row("upload of 100 MB", f"{seconds:.1f} s, +{grown:.0f} MB", "", "flat memory")
    Console(width=100).print(table)


async def _new_store(url: str) -> str:
    connection = await Connection.open(url)
    _, body = await connection.call("POST", "/v1beta/fileSearchStores", b"{}")
    connection.close()
    return str(json.loads(body)["name"])


def _peak_bytes(process: psutil.Process) -> int:
    """The most memory the process ever held (VmHWM)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(
        int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")
    )


if __name__ == "__main__":
    main()
