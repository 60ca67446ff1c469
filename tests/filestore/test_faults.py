"""Trouble on purpose: what goes wrong before the effect, instead of it and after it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest
from google.genai import errors

from objlib.filestore import Fault, Kind
from tests.filestore.mounted import Mounted, error_of, mounted, starting


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


def test_a_body_can_break_off_in_the_middle(tmp_path: Path) -> None:
    """After the effect; the client sees a connection that closed too early."""

    async def story() -> None:
        create = "POST /{version}/fileSearchStores"
        async with mounted(tmp_path, Fault(Kind.TRUNCATED_BODY, create, times=1)) as server:
            with pytest.raises(httpx2.RemoteProtocolError):
                await server.new_store()
            page = await server.call("GET", "/v1beta/fileSearchStores")
            assert len(page["fileSearchStores"]) == 1

    asyncio.run(story())


def test_a_body_can_drip(tmp_path: Path) -> None:
    """It arrives whole, after as many seconds as were asked for."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def story() -> None:
        drip = Fault(Kind.SLOW_DRIP, seconds=20.0, after=1, times=2)
        async with mounted(tmp_path, drip, sleep=sleep) as server:
            store = await server.new_store()
            assert (await server.call("GET", f"/v1beta/{store}"))["name"] == store
            assert await server.call("GET", "/v1beta/files") == {}
            assert sum(slept) == pytest.approx(40.0)
            assert len(slept) > 2

    asyncio.run(story())


def test_an_answer_can_be_empty_although_all_went_well(tmp_path: Path) -> None:
    """To an import: no name to poll, and yet a document; to a finalize: still `final`."""

    async def story() -> None:
        faults = (
            Fault(Kind.EMPTY_ANSWER, route="POST *:importFile"),
            Fault(Kind.EMPTY_ANSWER, route="POST /upload/*", after=3),
        )
        async with mounted(tmp_path, *faults) as server:
            store = await server.new_store()
            file = await server.new_file("Arches stand.")
            body = {"fileName": file}
            assert await server.call("POST", f"/v1beta/{store}:importFile", body) == {}
            assert len(await server.documents(store)) == 1
            last = await server.piece(await server.start(2), b"ab")
            assert last.json() == {}
            assert last.headers["x-goog-upload-status"] == "final"
            assert len((await server.call("GET", "/v1beta/files"))["files"]) == 2

    asyncio.run(story())


def test_lists_can_be_empty_or_refused_for_a_while(tmp_path: Path) -> None:
    """As seen: 400 with words about corpora, for documents only; and nothing where there is much.

    Whatever route the fault names, other requests are spared.
    """

    async def story() -> None:
        faults = (Fault(Kind.LIST_REGRESSION, times=1), Fault(Kind.EMPTY_LIST, after=1, times=2))
        async with mounted(tmp_path, *faults) as server:
            store = await server.new_store()
            document = await server.add(store, "Arches stand.")
            error = await server.refused("GET", f"/v1beta/{store}/documents")
            assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
            assert error["message"] == "Document name must be of the format corpora/*/documents/*"
            assert len((await server.call("GET", "/v1beta/files"))["files"]) == 1
            assert await server.call("GET", f"/v1beta/{store}/documents") == {}
            assert await server.call("GET", "/v1beta/files") == {}
            assert (await server.call("GET", f"/v1beta/{document}"))["state"] == "STATE_ACTIVE"
            assert len(await server.documents(store)) == 1

    asyncio.run(story())


def test_the_front_end_of_uploads_can_be_down_alone(tmp_path: Path) -> None:
    """503 with an empty message and a status that is none of proto's."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(Kind.UPLOAD_OUTAGE, times=1)) as server:
            store = await server.new_store()
            response = await server.http.post("/upload/v1beta/files", headers=starting(3))
            assert response.status_code == 503
            assert response.json()["error"] == {
                "message": "",
                "code": 503,
                "status": "Service Unavailable",
            }
            assert (await server.call("GET", f"/v1beta/{store}"))["name"] == store
            assert await server.new_file("abc", "mine") == "files/mine"

    asyncio.run(story())


def test_a_raw_file_can_be_gone_before_its_time(tmp_path: Path) -> None:
    """At a get, a delete or an import; it stays gone, and its name is free."""

    async def story() -> None:
        faults = (
            Fault(Kind.FILE_EXPIRED, route="GET *", times=1),
            Fault(Kind.FILE_EXPIRED, route="DELETE *", times=1),
            Fault(Kind.FILE_EXPIRED, route="POST *", times=1),
        )
        async with mounted(tmp_path, *faults) as server:
            store = await server.new_store()
            for method in ("GET", "DELETE", "POST"):
                name = await server.new_file("hello", "mine")
                path, body = f"/v1beta/{name}", None
                if method == "POST":
                    path, body = f"/v1beta/{store}:importFile", {"fileName": name}
                for _ in range(2):
                    error = await server.refused(method, path, body)
                    assert error["status"] == "PERMISSION_DENIED"
                assert await server.call("GET", "/v1beta/files") == {}

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
