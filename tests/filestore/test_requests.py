"""What holds for every request: versions, keys, bodies, faults, and answers in Google's shape."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google.genai import errors
from hypothesis import given, settings
from hypothesis import strategies as st

from objlib.filestore import Fault, Kind
from tests.filestore.mounted import Mounted, asking, error_of, mounted, starting

#: Every route, with a path that fits its template.
ROUTES = [
    ("POST", "/upload/v1beta/files"),
    ("POST", "/upload/v1beta/{store}:uploadToFileSearchStore"),
    ("GET", "/v1beta/files"),
    ("GET", "/v1beta/files/x"),
    ("DELETE", "/v1beta/files/x"),
    ("GET", "/v1beta/fileSearchStores"),
    ("POST", "/v1beta/fileSearchStores"),
    ("POST", "/v1beta/{store}:importFile"),
    ("GET", "/v1beta/{store}/documents"),
    ("GET", "/v1beta/{store}/documents/x"),
    ("DELETE", "/v1beta/{store}/documents/x"),
    ("GET", "/v1beta/{store}/operations/x"),
    ("GET", "/v1beta/{store}/upload/operations/x"),
    ("GET", "/v1beta/{store}"),
    ("DELETE", "/v1beta/{store}"),
    ("POST", "/v1beta/models/m:generateContent"),
    ("POST", "/v1beta/models/m:streamGenerateContent"),
]
POSTS = [path for method, path in ROUTES if method == "POST"]


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
def test_all_versions_are_spoken_alike(tmp_path: Path, version: str) -> None:
    """What is made at one is found at the others."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            url = await server.start(5, path=f"/upload/{version}/files")
            assert f"/upload/{version}/files?" in url
            file = (await server.piece(url, b"hello")).json()["file"]["name"]
            body = {"fileName": file}
            operation = await server.call("POST", f"/{version}/{store}:importFile", body)
            assert (await server.call("GET", f"/{version}/{operation['name']}"))["done"]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v2/files"),
        ("GET", "/v1beta/files/"),
        ("GET", "/v1beta/nothing"),
        ("PUT", "/v1beta/files/x"),
        ("POST", "/v1beta/files"),
        ("GET", "/v1beta/fileSearchStores/a/b/c/d"),
        ("POST", "/v1beta/models/m:countTokens"),
        ("GET", "/v1beta/fileSearchStores/%00"),
        ("GET", "/v1beta/files/%ff%fe"),
    ],
)
def test_what_is_not_there_is_refused_in_googles_shape(
    tmp_path: Path, method: str, path: str
) -> None:
    """No redirect, no HTML, no plain text."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            assert (await server.refused(method, path))["code"] in (403, 404)

    asyncio.run(story())


def test_requests_are_counted_by_method_and_template(tmp_path: Path) -> None:
    """Refused ones as well."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            await server.new_store()
            await server.refused("GET", "/v1beta/files/x")
            await server.refused("GET", "/v1beta/files/y")
            assert server.requests == {
                "POST /{version}/fileSearchStores": 1,
                "GET /{version}/files/{file}": 2,
            }

    asyncio.run(story())


# Keys


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_request_needs_the_key(tmp_path: Path, method: str, path: str) -> None:
    """403 without one, 400 with ErrorInfo for another one; not even an upload id opens the door."""

    async def story() -> None:
        async with mounted(tmp_path, api_key="secret") as server:
            where = path.replace("{store}", "fileSearchStores/x")
            missing = await server.refused(method, where)
            assert (missing["code"], missing["status"]) == (403, "PERMISSION_DENIED")
            for wrong in ("wrong", "", "secret ä", "SECRET"):
                error = await server.refused(method, where, params={"key": wrong})
                assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
                assert error["message"].startswith("API key not valid")
                assert error["details"][0]["reason"] == "API_KEY_INVALID"
            if not where.startswith("/upload/"):
                query = {"upload_id": "x"}
                assert (await server.refused(method, where, params=query))["code"] == 403

    asyncio.run(story())


def test_the_key_is_taken_from_header_or_query(tmp_path: Path) -> None:
    """As the SDK and as the documentation send it."""

    async def story() -> None:
        async with mounted(tmp_path, api_key="secret") as server:
            header = {"x-goog-api-key": "secret"}
            assert await server.call("GET", "/v1beta/files", headers=header) == {}
            assert await server.call("GET", "/v1beta/files", params={"key": "secret"}) == {}
            assert [file async for file in await server.sdk.files.list()] == []

    asyncio.run(story())


def test_a_piece_of_an_upload_needs_no_key(tmp_path: Path) -> None:
    """Its URL is the credential, and says nothing of the key it was got with."""

    async def story() -> None:
        async with mounted(tmp_path, api_key="secret") as server:
            response = await server.http.post(
                "/upload/v1beta/files?key=secret", json={}, headers=starting(5)
            )
            url = response.headers["x-goog-upload-url"]
            assert "secret" not in url
            assert (await server.piece(url, b"hello")).status_code == 200

    asyncio.run(story())


# Bodies

MALFORMED: list[bytes] = [
    b"{",
    b"[1]",
    b"\xff\xfe",
    b'{"displayName": "\xff"}',
    b'{"file": {"displayName": "a\\u0000"}, "displayName": "\\u0000", "fileName": "\\u0000",'
    b' "contents": "\\u0000"}',
    b'{"nonsense": 1}',
    b'{"file": 5, "displayName": 5, "fileName": 5, "contents": 5}',
    b'{"displayName": "\\udc00"}',
    b"[" * 50_000,
    b'{"a":' * 50_000,
]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body[:12]))
def test_a_malformed_body_is_refused_and_the_server_stays_up(
    tmp_path: Path, path: str, body: bytes
) -> None:
    """400 in Google's shape; the next request is answered."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            where = path.replace("{store}", await server.new_store())
            response = await server.http.post(where, content=body, headers=starting(5))
            assert error_of(response)["status"] == "INVALID_ARGUMENT"
            await server.new_store()

    asyncio.run(story())


@pytest.mark.parametrize("path", POSTS)
def test_a_body_too_large_is_refused(tmp_path: Path, path: str) -> None:
    """413, wherever JSON is expected."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            where = path.replace("{store}", await server.new_store())
            body = b'{"displayName": "' + b"x" * 2_000_000 + b'"}'
            response = await server.http.post(where, content=body, headers=starting(5))
            assert error_of(response)["code"] == 413
            await server.new_store()

    asyncio.run(story())


@settings(deadline=None, max_examples=40)
@given(
    body=st.one_of(
        st.binary(max_size=50),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        "contents parts text tools fileSearch fileSearchStoreNames topK file "
                        "metadataFilter fileName customMetadata key stringValue displayName".split()
                    ),
                    inner,
                    max_size=3,
                )
            ),
            max_leaves=10,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_no_body_makes_an_internal_error(body: bytes) -> None:
    """For all bodies at all addresses: 200, or an error of the client's."""

    async def story(folder: Path) -> None:
        async with mounted(folder) as server:
            for path in POSTS:
                where = path.replace("{store}", "fileSearchStores/x")
                response = await server.http.post(where, content=body, headers=starting(5))
                assert response.status_code < 500, (path, response.text)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(story(Path(folder)))


# Trouble on purpose


async def list_files(server: Mounted) -> httpx2.Response:
    """A request that any fault may strike."""
    return await server.http.get("/v1beta/files")


def test_latency_is_waited_for(tmp_path: Path) -> None:
    """As long as the fault says, by the way of sleeping that was handed in."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def story() -> None:
        slow = Fault(Kind.LATENCY, seconds=1.5, times=2)
        async with mounted(tmp_path, slow, sleep=sleep) as server:
            for _ in range(3):
                await list_files(server)
            assert slept == [1.5, 1.5]

    asyncio.run(story())


def test_a_rate_limit_says_how_long_to_wait_or_nothing(tmp_path: Path) -> None:
    """With RetryInfo and Retry-After, or bare."""

    async def story() -> None:
        faults = (
            Fault(Kind.RATE_LIMIT, seconds=2.5, times=1),
            Fault(Kind.RATE_LIMIT, after=1, times=1),
        )
        async with mounted(tmp_path, *faults) as server:
            first, second = await list_files(server), await list_files(server)
            error = error_of(first)
            assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
            assert error["details"][0]["@type"].endswith("google.rpc.RetryInfo")
            assert error["details"][0]["retryDelay"] == "2.5s"
            assert first.headers["retry-after"] == "2.5"
            assert "details" not in error_of(second)
            assert "retry-after" not in second.headers
            assert (await list_files(server)).status_code == 200

    asyncio.run(story())


def test_errors_have_the_status_asked_for(tmp_path: Path) -> None:
    """503 unless another one is wanted."""

    async def story() -> None:
        faults = (
            Fault(Kind.ERROR, times=1),
            Fault(Kind.ERROR, status=500, message="Boom.", after=1, times=1),
        )
        async with mounted(tmp_path, *faults) as server:
            assert error_of(await list_files(server))["status"] == "UNAVAILABLE"
            with pytest.raises(errors.ServerError, match=r"500.*Boom"):
                await server.sdk.files.list()

    asyncio.run(story())


def test_errors_come_in_odd_shapes(tmp_path: Path) -> None:
    """Without a body, as a page for people, and in a list."""

    async def story() -> None:
        kinds = (Kind.EMPTY_ERROR, Kind.HTML_ERROR, Kind.WRAPPED_ERROR)
        faults = [Fault(kind, times=1, after=n) for n, kind in enumerate(kinds)]
        async with mounted(tmp_path, *faults) as server:
            empty, page, wrapped = [await list_files(server) for _ in kinds]
            assert (empty.status_code, empty.content) == (503, b"")
            assert page.headers["content-type"].startswith("text/html")
            assert page.text.startswith("<html>")
            assert wrapped.json()[0]["error"]["status"] == "UNAVAILABLE"
            assert (await list_files(server)).status_code == 200

    asyncio.run(story())


def test_upload_headers_can_be_lost_on_the_way(tmp_path: Path) -> None:
    """The start without its URL, a piece without its status; the effect is there."""

    async def story() -> None:
        lost = Fault(Kind.UPLOAD_HEADERS_LOST, times=1)
        async with mounted(tmp_path, lost) as server:
            body = {"file": {"name": "files/mine"}}
            response = await server.http.post(
                "/upload/v1beta/files", json=body, headers=starting(5)
            )
            assert response.status_code == 200
            assert "x-goog-upload-url" not in response.headers
            assert "x-goog-upload-status" not in response.headers
            assert server.store.one("SELECT COUNT(*) FROM uploads") == (1,)
            assert await server.new_file("hello", "mine") == "files/mine"

    asyncio.run(story())


def test_an_empty_page_in_the_middle_leads_on(tmp_path: Path) -> None:
    """Its token continues where the empty page was asked for; nothing is left out or doubled."""

    async def story() -> None:
        route = "GET */documents"
        faults = [Fault(Kind.EMPTY_PAGE, route, times=1, after=n) for n in (0, 2)]
        async with mounted(tmp_path, *faults) as server:
            store = await server.new_store()
            made = [await server.add(store, f"text {n}") for n in range(25)]
            assert [document["name"] for document in await server.documents(store)] == made
            assert server.requests["GET /{version}/fileSearchStores/{store}/documents"] == 4

    asyncio.run(story())


def test_a_full_store_says_so(tmp_path: Path) -> None:
    """429 with the words by which it is told from a rate limit."""

    async def story() -> None:
        full = Fault(Kind.STORAGE_FULL, route="POST *:importFile")
        async with mounted(tmp_path, full) as server:
            store = await server.new_store()
            body = {"fileName": await server.new_file("hello")}
            error = await server.refused("POST", f"/v1beta/{store}:importFile", body)
            assert error["status"] == "RESOURCE_EXHAUSTED"
            assert "reached the storage limit" in error["message"]

    asyncio.run(story())


def test_a_connection_dropped_before_has_no_effect_and_after_has_one(tmp_path: Path) -> None:
    """The client cannot tell them apart."""

    async def story() -> None:
        create = "POST /{version}/fileSearchStores"
        faults = (
            Fault(Kind.DROP_BEFORE, route=create, times=1),
            Fault(Kind.DROP_AFTER, route=create, times=1),
        )
        async with mounted(tmp_path, *faults) as server:
            for expected in (0, 1):
                with pytest.raises(httpx2.RemoteProtocolError):
                    await server.new_store()
                page = await server.call("GET", "/v1beta/fileSearchStores")
                assert len(page.get("fileSearchStores", [])) == expected

    asyncio.run(story())


def test_an_answer_that_is_an_error_is_not_dropped(tmp_path: Path) -> None:
    """There was no effect whose answer could be lost."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(Kind.DROP_AFTER)) as server:
            assert error_of(await server.http.get("/v1beta/files/x"))["code"] == 403

    asyncio.run(story())


def test_a_fault_strikes_its_route_only(tmp_path: Path) -> None:
    """A glob over method and template."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(Kind.ERROR, route="DELETE *")) as server:
            store = await server.new_store()
            assert (await server.refused("DELETE", f"/v1beta/{store}"))["code"] == 503

    asyncio.run(story())


def test_the_same_seed_gives_the_same_trouble(tmp_path: Path) -> None:
    """A fault of one half strikes about half of the requests, the same ones every time."""

    async def statuses(folder: Path) -> list[int]:
        async with mounted(folder, Fault(Kind.ERROR, probability=0.5)) as server:
            return [(await list_files(server)).status_code for _ in range(40)]

    first = asyncio.run(statuses(tmp_path / "a"))
    assert first == asyncio.run(statuses(tmp_path / "b"))
    assert 10 < first.count(503) < 30


def test_a_bug_is_answered_with_an_internal_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 without a word of what happened, and the next request is answered."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a detail nobody should see")

    async def story() -> None:
        async with mounted(tmp_path) as server:
            with monkeypatch.context() as patch:
                patch.setattr("objlib.filestore.app.find", broken)
                store = await server.new_store()
                path = "/v1beta/models/m:generateContent"
                error = await server.refused("POST", path, asking("arches", store))
                assert error["status"] == "INTERNAL"
                assert "detail" not in json.dumps(error)
            assert "content" in await server.ask("arches", store)

    asyncio.run(story())
