"""A server without a key answers programs of this machine, and no web page: over real sockets."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.filestore.test_socket import sdk_at, serving

JSON = {"content-type": "application/json"}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server without a key, with a store in it."""
    with serving(tmp_path / "filestore.db") as (url, _):
        made = httpx2.post(f"{url}/v1beta/fileSearchStores", json={"displayName": "s"})
        assert made.status_code == 200
        yield url


def stores(url: str) -> int:
    """How many stores there are."""
    return len(httpx2.get(f"{url}/v1beta/fileSearchStores").json().get("fileSearchStores", []))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:PORT",
        "evil.example",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil.example:PORT",
        "127.0.0.1:PORT.evil.example",
        "evil.example#127.0.0.1:PORT",
        "user@127.0.0.1:PORT",
        "169.254.169.254:PORT",
        "0.0.0.0:PORT",
        "[::ffff:1.2.3.4]:PORT",
        "",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_another_name_is_not_answered(url: str, host: str, method: str) -> None:
    """DNS rebinding neither reads nor deletes."""
    told = {**JSON, "host": host.replace("PORT", str(urlsplit(url).port))}
    body = b'{"displayName": "planted"}' if method == "POST" else None
    answer = httpx2.request(method, f"{url}/v1beta/fileSearchStores", headers=told, content=body)
    assert answer.status_code in (400, 421)
    assert "fileSearchStores/" not in answer.text
    assert stores(url) == 1


def test_two_hosts_or_none_are_not_answered(url: str) -> None:
    """Nobody can say which of them was meant."""
    at = urlsplit(url)
    for hosts in ("", f"Host: {at.netloc}\r\nHost: evil.example\r\n"):
        with socket.create_connection((at.hostname, at.port)) as connection:
            connection.sendall(f"GET /v1beta/fileSearchStores HTTP/1.1\r\n{hosts}\r\n".encode())
            status = connection.recv(1000).split()[1]
        assert status in (b"400", b"421")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", ""])
def test_a_page_of_another_origin_is_refused(url: str, origin: str) -> None:
    """Whatever it asks for."""
    for method in ("GET", "POST", "DELETE"):
        answer = httpx2.request(
            method, f"{url}/v1beta/fileSearchStores", headers={**JSON, "origin": origin}
        )
        assert answer.status_code == 403
    assert stores(url) == 1


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "Text/Plain; charset=utf-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        None,
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "/v1beta/fileSearchStores",
        "/upload/v1beta/files",
        "/upload/v1beta/fileSearchStores/STORE:uploadToFileSearchStore",
    ],
)
def test_what_a_form_can_send_plants_nothing(url: str, path: str, content_type: str | None) -> None:
    """A page that leaves Origin out, as old browsers do, is told by the type of its body."""
    listed = httpx2.get(f"{url}/v1beta/fileSearchStores").json()
    store = listed["fileSearchStores"][0]["name"].partition("/")[2]
    headers = {} if content_type is None else {"content-type": content_type}
    answer = httpx2.post(
        url + path.replace("STORE", store), headers=headers, content=b'{"displayName": "planted"}'
    )
    assert answer.status_code == 415
    assert stores(url) == 1
    assert httpx2.get(f"{url}/v1beta/files").json().get("files", []) == []


def test_a_question_beforehand_gets_no_leave(url: str) -> None:
    """A preflight is answered without any header that would let the page go on."""
    headers = {
        "origin": "https://evil.example",
        "access-control-request-method": "DELETE",
        "access-control-request-headers": "content-type",
    }
    answer = httpx2.options(f"{url}/v1beta/fileSearchStores", headers=headers)
    assert answer.status_code >= 400
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_sdk_goes_all_the_way(url: str, name: str) -> None:
    """By either name, uploads included, whose address is at the name that was asked for."""
    at = url.replace("127.0.0.1", name)
    with sdk_at(at) as sdk:
        store = sdk.file_search_stores.create(config={"display_name": "another"})
        assert store.name
        file = sdk.files.upload(
            file=io.BytesIO(b"Arches stand."), config={"name": "mine", "mime_type": "text/plain"}
        )
        assert file.name
        sdk.file_search_stores.import_file(file_search_store_name=store.name, file_name=file.name)
        sdk.file_search_stores.delete(name=store.name, config={"force": True})
    headers = {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
    started = httpx2.post(f"{at}/upload/v1beta/files", headers=headers)
    assert started.headers["x-goog-upload-url"].startswith(f"{at}/upload/")


def test_with_a_key_a_server_answers_to_any_name(tmp_path: Path) -> None:
    """It may stand behind a proxy, and no page knows the key."""
    with serving(tmp_path / "filestore.db", key="secret") as (url, _):
        headers = {"host": "files.example.org", "x-goog-api-key": "secret"}
        assert httpx2.get(f"{url}/v1beta/fileSearchStores", headers=headers).status_code == 200


def upload_address(url: str, host: str, key: str) -> str:
    """The address that a started upload is told to go on at."""
    started = httpx2.post(
        f"{url}/upload/v1beta/files",
        headers={
            "host": host,
            "x-goog-api-key": key,
            "x-goog-upload-protocol": "resumable",
            "x-goog-upload-command": "start",
        },
    )
    assert started.status_code == 200, started.text
    return started.headers["x-goog-upload-url"].partition("/upload/")[0]


def test_uploads_go_on_at_a_name_of_the_servers_own(tmp_path: Path) -> None:
    """A Host header that is none of its names is replaced by the address that was reached."""
    with serving(tmp_path / "filestore.db", host="0.0.0.0", key="secret") as (bound, _):
        url = bound.replace("0.0.0.0", "127.0.0.1")
        port = urlsplit(url).port
        assert upload_address(url, "evil.example", "secret") == url
        assert upload_address(url, f"evil.example:{port}", "secret") == url
        assert upload_address(url, "user@localhost", "secret") == url
        for own in ("localhost", "127.0.0.1", socket.gethostname()):
            asked = f"{own}:{port}"
            assert upload_address(url, asked, "secret") == f"http://{asked}"


def test_a_proxys_address_goes_before_all_others(tmp_path: Path) -> None:
    """Clients see that one, over https."""
    public = "https://files.example.org"
    with serving(tmp_path / "filestore.db", key="secret", public_url=public) as (url, _):
        for host in ("files.example.org", "127.0.0.1"):
            assert upload_address(url, host, "secret") == public
