"""A server process on a port: the SDK's other client, sudden death, two at once, who may listen."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import types

from objlib.filestore import FileStore
from objlib.filestore.net import is_loopback
from objlib.filestore.server import RefusedToListen, serve
from tests.filestore.mounted import error_of, starting

_PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from objlib.filestore import Fault, FaultPlan
from objlib.filestore.server import serve

options = json.loads(sys.argv[1])
faults = FaultPlan([Fault(**fault) for fault in options.pop("faults", [])])
data = Path(options.pop("data"))
say = lambda url: print(url, flush=True)
asyncio.run(serve(data=data, faults=faults, on_listening=say, **options))
"""


@contextmanager
def serving(
    data: Path, *, stderr: int | None = None, **options: Any
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server process; its URL and itself."""
    told = json.dumps({"data": str(data), **options})
    command = [sys.executable, "-c", _PROGRAM, told]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


@contextmanager
def sdk_at(url: str, key: str = "any") -> Iterator[genai.Client]:
    """The SDK's synchronous client."""
    options = types.HttpOptions(base_url=url, api_version="v1beta")
    client = genai.Client(api_key=key, vertexai=False, http_options=options)
    try:
        yield client
    finally:
        client.close()


def test_the_synchronous_sdk_goes_all_the_way(tmp_path: Path) -> None:
    """Store, upload in several pieces, import, operation, document, question, delete."""
    content = ("Arches stand because stones press on each other.\n\n" * 180_000).encode()
    assert len(content) > 8 * 1024 * 1024
    with serving(tmp_path / "filestore.db") as (url, _), sdk_at(url) as sdk:
        store = sdk.file_search_stores.create(config={"display_name": "a-store"})
        assert store.name
        whole = sdk.files.upload(
            file=io.BytesIO(content), config={"name": "whole", "mime_type": "application/zip"}
        )
        assert whole.size_bytes == len(content)
        file = sdk.files.upload(
            file=io.BytesIO(content[:1000]), config={"name": "mine", "mime_type": "text/plain"}
        )
        assert file.name
        operation = sdk.file_search_stores.import_file(
            file_search_store_name=store.name, file_name=file.name
        )
        assert sdk.operations.get(operation).done
        (document,) = sdk.file_search_stores.documents.list(parent=store.name)
        assert document.state == types.DocumentState.STATE_ACTIVE
        tool = types.Tool(file_search=types.FileSearch(file_search_store_names=[store.name]))
        answer = sdk.models.generate_content(
            model="gemini-2.5-flash",
            contents="Why do arches stand?",
            config=types.GenerateContentConfig(tools=[tool]),
        )
        assert answer.text == "Arches stand because stones press on each other."
        sdk.file_search_stores.delete(name=store.name, config={"force": True})
        assert list(sdk.file_search_stores.list()) == []


def test_what_was_acknowledged_survives_sudden_death(tmp_path: Path) -> None:
    """After `kill -9` in mid-traffic every store and every piece that was answered is there."""
    data = tmp_path / "filestore.db"
    acknowledged: list[str] = []
    with serving(data) as (url, process), httpx2.Client(base_url=url) as http:
        started = http.post("/upload/v1beta/files", json={}, headers=starting(6))
        upload = httpx2.URL(started.headers["x-goog-upload-url"])
        headers = {"X-Goog-Upload-Command": "upload", "X-Goog-Upload-Offset": "0"}
        http.post(upload, content=b"abc", headers=headers)

        def keep_creating() -> None:
            with httpx2.Client(base_url=url) as other:
                while True:
                    try:
                        answer = other.post("/v1beta/fileSearchStores", json={"displayName": "x"})
                    except httpx2.TransportError:
                        return
                    acknowledged.append(answer.json()["name"])
                    busy.set()

        busy = threading.Event()
        worker = threading.Thread(target=keep_creating)
        worker.start()
        assert busy.wait(10)
        process.send_signal(signal.SIGKILL)
        process.wait()
        worker.join()

    with serving(data) as (url, _), httpx2.Client(base_url=url) as http:
        for name in acknowledged:
            assert http.get(f"/v1beta/{name}").status_code == 200
        query = {"X-Goog-Upload-Command": "query"}
        here = f"{upload.path}?{upload.query.decode()}"
        assert http.post(here, headers=query).headers["x-goog-upload-size-received"] == "3"
        last = {"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "3"}
        answer = http.post(here, content=b"def", headers=last)
        assert answer.json()["file"]["sizeBytes"] == "6"


def test_two_servers_on_one_data_file_see_the_same(tmp_path: Path) -> None:
    """And both write: nothing is lost, no request fails."""
    data = tmp_path / "filestore.db"
    with serving(data) as (first, _), serving(data) as (second, _):

        async def fill(url: str) -> list[str]:
            async with httpx2.AsyncClient(base_url=url) as http:
                answers = [await http.post("/v1beta/fileSearchStores", json={}) for _ in range(40)]
                return [str(answer.json()["name"]) for answer in answers]

        async def story() -> None:
            one, two = await asyncio.gather(fill(first), fill(second))
            async with httpx2.AsyncClient(base_url=second) as http:
                for name in one + two:
                    assert (await http.get(f"/v1beta/{name}")).status_code == 200

        asyncio.run(story())


def test_a_dropped_connection_is_one_on_a_socket_too(tmp_path: Path) -> None:
    """The client sees the connection end without an answer, before the effect or after it."""
    route = "POST /{version}/fileSearchStores"
    faults = [
        {"kind": "drop_before", "route": route, "times": 1},
        {"kind": "drop_after", "route": route, "times": 1},
    ]
    with (
        serving(tmp_path / "filestore.db", faults=faults) as (url, _),
        httpx2.Client(base_url=url) as http,
    ):
        for expected in (0, 1):
            with pytest.raises(httpx2.RemoteProtocolError):
                http.post("/v1beta/fileSearchStores", json={})
            page = http.get("/v1beta/fileSearchStores").json()
            assert len(page.get("fileSearchStores", [])) == expected


def test_answers_do_not_wait_for_acknowledgements(tmp_path: Path) -> None:
    """Nagle's algorithm is off on accepted connections: it would cost 40 ms an answer."""

    async def story(url: str) -> list[float]:
        async with httpx2.AsyncClient(base_url=url) as http:
            answers = [await http.post("/v1beta/fileSearchStores", json={}) for _ in range(20)]
            return sorted(answer.elapsed.total_seconds() for answer in answers)

    with serving(tmp_path / "filestore.db") as (url, _):
        assert asyncio.run(story(url))[9] < 0.03


def test_a_client_that_goes_away_leaves_the_server_up(tmp_path: Path) -> None:
    """Half a body, half a request, or no HTTP at all."""
    with serving(tmp_path / "filestore.db") as (url, _), httpx2.Client(base_url=url) as http:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        for said in (
            b"POST /v1beta/fileSearchStores HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{",
            b"GET /v1beta/fi",
            b"\x16\x03\x01\x02\x00\x01",
        ):
            with socket.create_connection(address) as connection:
                connection.sendall(said)
        assert http.get("/v1beta/fileSearchStores").json() == {}


def test_a_key_is_asked_for_on_a_socket(tmp_path: Path) -> None:
    """The SDK with the right key is let in, and nobody without."""
    with serving(tmp_path / "filestore.db", key="secret") as (url, _), sdk_at(url, "secret") as sdk:
        assert list(sdk.file_search_stores.list()) == []
        assert error_of(httpx2.get(f"{url}/v1beta/files"))["code"] == 403


def test_a_key_in_an_address_is_never_in_the_log(tmp_path: Path) -> None:
    """curl sends it so: let in, refused, not found, broken off, or no HTTP at all."""
    with serving(tmp_path / "filestore.db", key="s3cr3t", stderr=subprocess.STDOUT) as (
        url,
        process,
    ):
        for path in ("fileSearchStores", "files/none", "nothing/at/all", "files?pageSize=x"):
            mark = "&" if "?" in path else "?"
            httpx2.get(f"{url}/v1beta/{path}{mark}key=s3cr3t")
        httpx2.get(f"{url}/v1beta/files?key=s3cr3t-and-wrong")
        httpx2.post(f"{url}/v1beta/fileSearchStores?key=s3cr3t", content=b"{")
        address = (url.rpartition("/")[2].partition(":")[0], int(url.rpartition(":")[2]))
        for said in (
            b"GET /v1beta/files?key=s3cr3t NONSENSE\r\n\r\n",
            b"GET /?key=s3cr3t HTTP/1.1\r\n",
        ):
            with socket.create_connection(address) as connection:
                connection.sendall(said)
        httpx2.get(f"{url}/v1beta/files?key=s3cr3t")
        process.terminate()
        assert process.stdout is not None
        assert "s3cr3t" not in process.stdout.read()


def test_a_server_ends_when_it_is_told_to(tmp_path: Path) -> None:
    """SIGTERM, with the data file closed."""
    data = tmp_path / "filestore.db"
    with serving(data) as (url, process):
        httpx2.post(f"{url}/v1beta/fileSearchStores", json={})
        process.terminate()
        assert process.wait(10) in (0, -signal.SIGTERM)
    assert not data.with_name("filestore.db-wal").exists()


def test_a_server_without_a_key_listens_to_this_machine_only(tmp_path: Path) -> None:
    """Anything else is refused before the data file is made."""
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        with pytest.raises(RefusedToListen, match="give a key"):
            asyncio.run(serve(data=tmp_path / "f.db", host=host, on_listening=print))
    assert not (tmp_path / "f.db").exists()


def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    """And no data file is made."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            asyncio.run(serve(data=tmp_path / "f.db", port=port, on_listening=print))
    assert not (tmp_path / "f.db").exists()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
    ],
)
def test_loopback_is_told_from_the_rest(host: str, expected: bool) -> None:
    """A name other than localhost could be anybody."""
    assert is_loopback(host) is expected


def test_the_data_file_of_a_running_server_can_be_opened(tmp_path: Path) -> None:
    """A command in this process and a server in another share it."""
    data = tmp_path / "filestore.db"
    with serving(data) as (url, _):
        name = httpx2.post(f"{url}/v1beta/fileSearchStores", json={}).json()["name"]
        store = FileStore.open(data)
        try:
            assert store.store_row(name.partition("/")[2])[1] == name.partition("/")[2]
        finally:
            store.close()
