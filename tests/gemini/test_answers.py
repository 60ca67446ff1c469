"""Answers that are none are told for what they are: real HTTP, real SDK."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import io
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from objlib.errors import BackendUnavailable, InDoubt, ObjlibError, Rejected, Transient
from objlib.gemini.client import FileSearchClient
from objlib.gemini.transport import network_transport

KEY = "AIza/Sy+of=somebody~0123456789"
HTML = b"<html><title>Sign in to the guest network</title></html>"

Said = tuple[int, dict[str, str], bytes]


class Wire(BaseHTTPRequestHandler):
    """Says the same to everything, and remembers what it was asked."""

    answer: ClassVar[Callable[[str, str], Said]]
    asked: ClassVar[list[str]]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        self.rfile.read(size)
        self.asked.append(f"{self.command} {self.path}")
        status, headers, body = type(self).answer(self.command, self.path)
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)

    do_POST = do_DELETE = do_GET  # noqa: N815 - names of the library

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextlib.contextmanager
def wire(answer: Callable[[str, str], Said]) -> Iterator[tuple[str, list[str]]]:
    """A server; its address, and what it was asked."""
    asked: list[str] = []
    handler = type("Handler", (Wire,), {"answer": staticmethod(answer), "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


Call = Callable[[FileSearchClient], Awaitable[object]]


def failure(url: str, call: Call, key: str | None = KEY) -> ObjlibError:
    """What a call ends with."""

    async def made() -> None:
        transport = network_transport(url)
        async with FileSearchClient(api_key=key, base_url=url, transport=transport) as client:
            await call(client)

    with pytest.raises(ObjlibError) as caught:
        asyncio.run(made())
    return caught.value


async def pages(client: FileSearchClient) -> None:
    """List documents to the end."""
    async for _ in client.document_pages("fileSearchStores/s"):
        pass


DOCUMENT = "fileSearchStores/s/documents/d"
REPEATABLE: dict[str, Call] = {
    "list stores": lambda client: client.find_store("s"),
    "get store": lambda client: client.get_store("fileSearchStores/s"),
    "list documents": pages,
    "get document": lambda client: client.get_document(DOCUMENT),
    "delete document": lambda client: client.delete_document(DOCUMENT),
    "delete file": lambda client: client.delete_file("files/f"),
    "delete store": lambda client: client.delete_empty_store("fileSearchStores/s"),
    "get file": lambda client: client.get_file("files/f"),
    "upload": lambda client: client.upload_file(
        io.BytesIO(b"text"), name="f", mime_type="text/plain"
    ),
    "get operation": lambda client: client.get_operation(
        "fileSearchStores/s/operations/o", "fileSearchStores/s"
    ),
    "search": lambda client: client.generate("q", model="m", store_names=["fileSearchStores/s"]),
}
UNKEYED: dict[str, Call] = {
    "import": lambda client: client.import_file(
        "fileSearchStores/s", file_name="files/f", metadata={}
    ),
    "create store": lambda client: client.create_store("s"),
}


@pytest.mark.parametrize("body", [HTML, b"5", b"[]", b'"yes"', b"null", b"true", b"OK"])
@pytest.mark.parametrize("name", REPEATABLE)
def test_a_200_that_is_no_object_ends_the_run_at_the_first_one(name: str, body: bytes) -> None:
    """A gateway's page is neither a deletion nor a document that is gone; it is not asked twice."""
    with wire(lambda *_: (200, {"content-type": "text/html; charset=utf-8"}, body)) as (url, asked):
        error = failure(url, REPEATABLE[name])
    assert isinstance(error, BackendUnavailable)
    assert "no File Search" in str(error)
    assert len(asked) == 1


@pytest.mark.parametrize("name", REPEATABLE)
def test_a_404_that_is_not_the_backends_proves_no_absence(name: str) -> None:
    """Only an error in the API's shape says that something is not there."""
    with wire(lambda *_: (404, {"content-type": "text/html"}, HTML)) as (url, _):
        error = failure(url, REPEATABLE[name])
    assert isinstance(error, BackendUnavailable), error


@pytest.mark.parametrize(
    "said",
    [(200, {}, HTML), (200, {}, b"5"), (404, {}, HTML), (302, {"location": "/elsewhere"}, b"")],
)
@pytest.mark.parametrize("name", UNKEYED)
def test_an_import_answered_with_something_else_is_in_doubt(name: str, said: Said) -> None:
    """The effect may have happened."""
    with wire(lambda *_: said) as (url, asked):
        assert isinstance(failure(url, UNKEYED[name]), InDoubt)
    assert len(asked) == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": 5, "fileSearchStores": 5, "documents": 5, "candidates": 5, "done": []}',
        b'{"name": {}, "fileSearchStores": [5], "documents": [5], "candidates": [5], "error": 5}',
        b'{"name": ["x"], "fileSearchStores": {"a": 1}, "documents": "x", "candidates": 5}',
        b'{"name": ' + b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("name", [n for n in REPEATABLE if n.startswith(("list", "get", "search"))])
def test_wrong_kinds_of_values_are_told_at_once(name: str, body: bytes) -> None:
    """One request, one line; neither a bug of ours nor retries."""
    with wire(lambda *_: (200, {}, body)) as (url, asked):
        error = failure(url, REPEATABLE[name])
    assert isinstance(error, Rejected), error
    assert len(asked) == 1


def test_a_gateways_502_is_still_a_passing_failure() -> None:
    """Its page has nothing to do with the call, and the next one may get through."""
    with wire(lambda *_: (502, {"content-type": "text/html"}, HTML)) as (url, _):
        assert isinstance(failure(url, REPEATABLE["get store"]), Transient)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", ["get store", "upload", "delete document", "search"])
def test_a_redirect_takes_neither_key_nor_file_along(name: str, status: int) -> None:
    """The other place is named, without what else stood in the address, and never asked."""
    with wire(lambda *_: (200, {}, b"{}")) as (other, followed):
        location = other.replace("//", "//user:pw@") + "/" + KEY + "?key=" + KEY
        with wire(lambda *_: (status, {"location": location}, b"")) as (url, _):
            error = failure(url, REPEATABLE[name])
    assert isinstance(error, BackendUnavailable)
    assert other in str(error)
    assert not any(secret in str(error) for secret in (KEY, "pw", "user"))
    assert followed == []


def test_a_file_goes_to_no_other_host_than_the_backend() -> None:
    """Though the answer that starts an upload names one."""
    with wire(lambda *_: (200, {}, b"{}")) as (other, asked):
        headers = {"x-goog-upload-url": f"{other}/upload?upload_id=1"}
        with wire(lambda *_: (200, headers, b"")) as (url, _):
            error = failure(url, REPEATABLE["upload"])
    assert isinstance(error, BackendUnavailable)
    assert other in str(error)
    assert asked == []


@pytest.mark.parametrize(
    "echoed",
    ["AIza%2FSy%2Bof%3Dsomebody~0123456789", "QUl6YS9TeStvZj1zb21lYm9keX4wMTIzNDU2Nzg5"],
)
def test_a_key_that_comes_back_in_another_form_is_not_shown(echoed: str) -> None:
    """URL-encoded and in base64, in the message and in its cause."""
    body = b'{"error": {"code": 400, "message": "bad key %s"}}' % echoed.encode()
    with wire(lambda *_: (400, {}, body)) as (url, _):
        error = failure(url, REPEATABLE["get store"])
    assert "bad key ***" in str(error)
    assert echoed not in repr(error.__cause__)


_CLIENT = """
import asyncio, resource, sys
from objlib.errors import ObjlibError
from objlib.gemini.client import FileSearchClient
from objlib.gemini.transport import network_transport

async def main(url):
    transport = network_transport(url)
    async with FileSearchClient(api_key="k", base_url=url, transport=transport) as client:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            await client.get_store("fileSearchStores/s")
        except ObjlibError as error:
            print(type(error).__name__, error)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("status", [200, 503])
def test_an_endless_answer_is_refused_before_it_fills_the_memory(
    is_packed: bool, status: int
) -> None:
    """400 MB, as they are or packed to less than one: one line, and less than 120 MB."""
    size = 400 * 1024 * 1024
    body = b'{"name": "' + b"x" * (4 if is_packed else size)
    headers = {}
    if is_packed:
        packed = io.BytesIO()
        with gzip.open(packed, "wb", compresslevel=9) as file:
            for _ in range(400):
                file.write(b"x" * 1024 * 1024)
        body, headers = packed.getvalue(), {"content-encoding": "gzip"}
    with wire(lambda *_: (status, headers, body)) as (url, _):
        command = [sys.executable, "-c", _CLIENT, url]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    said, grown_kb = done.stdout.splitlines()
    if status == 200:
        assert said.startswith("BackendUnavailable")
        assert "larger than 32 MB" in said
    assert int(grown_kb) < 120 * 1024


@pytest.mark.parametrize("value", [b"{}", b'""', b"[]", b"0", b'{"name": "x"}'])
@pytest.mark.parametrize("name", [*REPEATABLE, *UNKEYED])
def test_an_answer_of_very_many_small_values_is_refused(name: str, value: bytes) -> None:
    """Some megabytes become gigabytes of records: of each kind of request, none is made of them."""
    many = b"[" + (value + b",") * 300_000 + value + b"]"
    body = b'{"documents": %b, "fileSearchStores": %b, "candidates": %b}' % (many, many, many)
    with wire(lambda *_: (200, {"x-goog-upload-status": "final"}, body)) as (url, asked):
        error = failure(url, {**REPEATABLE, **UNKEYED}[name])
    assert isinstance(error, BackendUnavailable | InDoubt)
    assert len(asked) == 1


def google_error(message: str) -> bytes:
    """An error in the API's shape."""
    said = json.dumps({"error": {"code": 400, "message": message, "status": "X"}})
    return said.encode()


def test_without_a_key_no_word_counts_as_one() -> None:
    """What stands in the key's place on the wire is no secret."""
    said = google_error("none of the embedded files")
    with wire(lambda *_: (400, {"content-type": "application/json"}, said)) as (url, _):
        error = failure(url, REPEATABLE["get store"], key=None)
    assert "none of the embedded files" in str(error)


def test_what_an_import_ended_with_repeats_no_secret() -> None:
    """An operation's error is kept in the catalog and shown by `failures`."""
    password = "hunter2hunter2"
    spelt = base64.b64encode(f"me:{password}".encode()).decode()
    said = {
        "name": "fileSearchStores/s/operations/o",
        "done": True,
        "error": {"code": 3, "message": f"refused {KEY} {password} Basic {spelt}"},
    }
    body = json.dumps(said).encode()
    with wire(lambda *_: (200, {"content-type": "application/json"}, body)) as (url, _):

        async def asked() -> str | None:
            at = url.replace("//", f"//me:{password}@")
            transport = network_transport(at)
            async with FileSearchClient(api_key=KEY, base_url=at, transport=transport) as client:
                name = "fileSearchStores/s/operations/o"
                return (await client.get_operation(name, "fileSearchStores/s")).error

        error = asyncio.run(asked())
    assert error is not None
    for secret in (KEY, password, spelt):
        assert secret not in error
