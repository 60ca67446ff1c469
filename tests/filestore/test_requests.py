"""What holds for every request: versions, keys, bodies, and answers in Google's shape."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.filestore.mounted import asking, error_of, mounted, starting

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
    ("POST", "/v1beta/interactions"),
    ("POST", "/v1beta/models/gemini-m:generateContent"),
    ("POST", "/v1beta/models/gemini-m:streamGenerateContent"),
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
        ("POST", "/v1beta/models/gemini-m:nothing"),
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


@settings(max_examples=40)
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


def test_a_bug_is_answered_with_an_internal_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 without a word of what happened, and the next request is answered."""

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a detail nobody should see")

    async def story() -> None:
        async with mounted(tmp_path) as server:
            with monkeypatch.context() as patch:
                patch.setattr("objlib.filestore.endpoints.search.find", broken)
                store = await server.new_store()
                path = "/v1beta/models/gemini-m:generateContent"
                error = await server.refused("POST", path, asking("arches", store))
                assert error["status"] == "INTERNAL"
                assert "detail" not in json.dumps(error)
            assert "content" in await server.ask("arches", store)

    asyncio.run(story())
