"""The resumable upload protocol, piece by piece."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from google.genai import errors
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from objlib.filestore import Fault, Kind
from tests.filestore.mounted import content_of, error_of, mounted, starting

DAY_S = 24 * 3600.0
MIB = 1024 * 1024


async def slowly(content: bytes) -> AsyncIterator[bytes]:
    """A body that arrives byte by byte, so that requests overlap."""
    for byte in content:
        await asyncio.sleep(0)
        yield bytes([byte])


def test_an_upload_in_one_piece_becomes_a_file(tmp_path: Path) -> None:
    """Start answers with a URL of our own, the last piece with the file and `final`."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(5, {"file": {"display_name": " Ä & [x] "}})
            assert url.startswith("http://filestore.invalid/upload/v1beta/files?upload_id=")
            assert "upload_protocol=resumable" in url

            response = await server.piece(url, b"hello")

            assert response.headers["x-goog-upload-status"] == "final"
            file = response.json()["file"]
            assert file["displayName"] == " Ä & [x] "
            assert file["sizeBytes"] == "5"
            assert file["mimeType"] == "text/plain"
            assert file["state"] == "ACTIVE"
            digest = hashlib.sha256(b"hello").digest()
            assert file["sha256Hash"] == base64.b64encode(digest).decode()

    asyncio.run(story())


def test_the_sdk_uploads_twenty_mebibytes_in_three_pieces(tmp_path: Path) -> None:
    """Pieces of 8 MiB arrive in order, and size and digest are those of the whole."""
    content = bytes(range(256)) * (20 * MIB // 256)

    async def story() -> None:
        async with mounted(tmp_path) as server:
            file = await server.sdk.files.upload(
                file=io.BytesIO(content), config={"mime_type": "text/plain", "name": "whole"}
            )

            assert file.name == "files/whole"
            assert file.size_bytes == len(content)
            assert file.sha256_hash is not None
            assert base64.b64decode(file.sha256_hash) == hashlib.sha256(content).digest()
            assert server.requests["POST /upload/{version}/files"] == 1 + 3
            assert content_of(server.store, "files/whole") == content

    asyncio.run(story())


@pytest.mark.parametrize("size", [0, 1, 8 * MIB])
def test_the_sdk_uploads_any_size(tmp_path: Path, size: int) -> None:
    """Nothing at all and exactly one piece are no special cases."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            file = await server.sdk.files.upload(
                file=io.BytesIO(b"x" * size), config={"mime_type": "text/plain"}
            )
            assert (file.size_bytes or 0) == size
            assert server.requests["POST /upload/{version}/files"] == 2

    asyncio.run(story())


def test_an_upload_goes_on_after_a_break(tmp_path: Path) -> None:
    """`query` says how much has arrived, and the rest is sent from there."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(6)
            first = await server.piece(url, b"abc", command="upload")
            assert first.headers["x-goog-upload-status"] == "active"

        async with mounted(tmp_path) as server:
            answer = await server.piece(url, b"", command="query")
            assert answer.headers["x-goog-upload-status"] == "active"
            assert answer.headers["x-goog-upload-size-received"] == "3"

            last = await server.piece(url, b"def", offset=3)
            name = last.json()["file"]["name"]
            assert content_of(server.store, name) == b"abcdef"

    asyncio.run(story())


def test_an_identical_piece_sent_again_is_accepted_and_counted_once(tmp_path: Path) -> None:
    """The client did not hear the answer; nothing is doubled."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(6)
            for _ in range(3):
                answer = await server.piece(url, b"abc", command="upload")
                assert answer.headers["x-goog-upload-status"] == "active"
            last = await server.piece(url, b"def", offset=3)
            assert content_of(server.store, last.json()["file"]["name"]) == b"abcdef"

    asyncio.run(story())


def test_pieces_sent_at_the_same_time_are_taken_once(tmp_path: Path) -> None:
    """A client that gave up waiting and repeats itself makes no second file and no 500."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(3)
            headers = {"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"}
            posts = (
                server.http.post(url, content=slowly(b"abc"), headers=headers) for _ in range(5)
            )
            answers = await asyncio.gather(*posts)

            assert {answer.status_code for answer in answers} == {200}
            assert len({answer.json()["file"]["name"] for answer in answers}) == 1
            listed = await server.call("GET", "/v1beta/files")
            assert len(listed["files"]) == 1

    asyncio.run(story())


def test_another_piece_at_a_known_place_is_refused(tmp_path: Path) -> None:
    """Other bytes than those received are a mistake, and so is a gap; the upload stays."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(6)
            await server.piece(url, b"abc", command="upload")
            for content, offset in ((b"xyz", 0), (b"abxd", 0), (b"ef", 4), (b"x", 2)):
                error = error_of(await server.piece(url, content, offset=offset, command="upload"))
                assert error["status"] == "INVALID_ARGUMENT"
            answer = await server.piece(url, b"", command="query")
            assert answer.headers["x-goog-upload-size-received"] == "3"
            assert (await server.piece(url, b"def", offset=3)).status_code == 200

    asyncio.run(story())


@pytest.mark.parametrize(
    "offset",
    ["-1", "x", "", "1.0", "9" * 30, "٣"],
    ids="minus letter empty dot huge arabic".split(),
)
def test_an_offset_that_is_no_number_is_refused(tmp_path: Path, offset: str) -> None:
    """Headers are not trusted either."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(3)
            headers = [
                (b"X-Goog-Upload-Command", b"upload"),
                (b"X-Goog-Upload-Offset", offset.encode()),
            ]
            error_of(await server.http.post(url, content=b"abc", headers=headers))
            assert (await server.piece(url, b"abc")).status_code == 200

    asyncio.run(story())


def test_a_length_that_lies_is_refused(tmp_path: Path) -> None:
    """Neither more nor fewer bytes than declared make a file; the right number still does."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(4)
            assert "declared" in error_of(await server.piece(url, b"abcde"))["message"]
            assert "declared" in error_of(await server.piece(url, b"abc"))["message"]
            assert (await server.piece(url, b"abcd")).status_code == 200
            listed = await server.call("GET", "/v1beta/files")
            assert len(listed["files"]) == 1

    asyncio.run(story())


def test_an_upload_of_unknown_length_ends_when_it_is_finalized(tmp_path: Path) -> None:
    """The length header may be left out."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(None)
            await server.piece(url, b"abc", command="upload")
            last = await server.piece(url, b"", offset=3, command="finalize")
            assert last.json()["file"]["sizeBytes"] == "3"

    asyncio.run(story())


def test_a_finalize_repeated_gives_the_same_answer_and_no_second_file(tmp_path: Path) -> None:
    """The answer is kept for a client that lost it."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(3)
            first = await server.piece(url, b"abc")
            again = await server.piece(url, b"abc")
            assert again.headers["x-goog-upload-status"] == "final"
            assert again.json() == first.json()
            listed = await server.call("GET", "/v1beta/files")
            assert len(listed["files"]) == 1

    asyncio.run(story())


def test_a_cancelled_upload_takes_nothing_more(tmp_path: Path) -> None:
    """Its bytes are gone and it makes no file."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(6)
            await server.piece(url, b"abc", command="upload")
            answer = await server.piece(url, b"", command="cancel")
            assert answer.headers["x-goog-upload-status"] == "cancelled"

            error = error_of(await server.piece(url, b"def", offset=3))

            assert error["status"] == "FAILED_PRECONDITION"
            assert server.store.one("SELECT COUNT(*) FROM pieces") == (0,)
            assert await server.call("GET", "/v1beta/files") == {}

    asyncio.run(story())


def test_what_is_finished_cannot_be_cancelled(tmp_path: Path) -> None:
    """The file is there, and a repeated finalize still says so."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(3)
            first = await server.piece(url, b"abc")
            answer = await server.piece(url, b"", command="cancel")
            assert answer.headers["x-goog-upload-status"] == "final"
            assert (await server.piece(url, b"abc")).json() == first.json()

    asyncio.run(story())


def test_an_unknown_upload_or_command_is_refused(tmp_path: Path) -> None:
    """404 for an upload nobody started, 400 for a word nobody knows."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            nowhere = "/upload/v1beta/files?upload_id=unknown"
            assert error_of(await server.piece(nowhere, b"abc"))["status"] == "NOT_FOUND"
            url = await server.start(3)
            for command in ("", "begin", "upload, begin", "query, finalize"):
                error = error_of(await server.piece(url, b"abc", command=command))
                assert error["status"] == "INVALID_ARGUMENT"

    asyncio.run(story())


def test_an_upload_goes_on_only_where_it_was_started(tmp_path: Path) -> None:
    """The id of a file upload means nothing at the address of a store."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            url = await server.start(3)
            query = url.partition("?")[2]
            elsewhere = f"/upload/v1beta/{store}:uploadToFileSearchStore?{query}"
            assert error_of(await server.piece(elsewhere, b"abc"))["code"] == 404

    asyncio.run(story())


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"X-Goog-Upload-Command": "upload"}, 400),
        ({"X-Goog-Upload-Header-Content-Length": "many"}, 400),
        ({"X-Goog-Upload-Header-Content-Length": "-5"}, 400),
        ({"X-Goog-Upload-Header-Content-Length": str(2 * 1024**3 + 1)}, 400),
    ],
)
def test_a_start_that_makes_no_sense_is_refused(
    tmp_path: Path, headers: dict[str, str], code: int
) -> None:
    """Nothing is kept of it."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            response = await server.http.post(
                "/upload/v1beta/files", json={}, headers={**starting(5), **headers}
            )
            assert error_of(response)["code"] == code
            assert server.store.one("SELECT COUNT(*) FROM uploads") == (0,)

    asyncio.run(story())


def test_what_would_be_refused_at_the_end_is_refused_at_the_start(tmp_path: Path) -> None:
    """No megabytes are sent for nothing."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            files, documents = (
                "/upload/v1beta/files",
                f"/upload/v1beta/{store}:uploadToFileSearchStore",
            )
            for path, body in (
                (files, {"file": {"displayName": "x" * 513}}),
                (files, {"file": {"name": "files/No Good"}}),
                (documents, {"displayName": "x" * 513}),
                (documents, {"customMetadata": [{"key": "a"}]}),
                (documents, {"chunkingConfig": {"whiteSpaceConfig": {"maxTokensPerChunk": 5}}}),
            ):
                response = await server.http.post(path, json=body, headers=starting(5))
                assert error_of(response)["code"] == 400, body
            response = await server.http.post(documents, json={}, headers=starting(100 * MIB + 1))
            assert "100 MB" in error_of(response)["message"]

    asyncio.run(story())


def test_a_piece_of_any_size_is_kept_in_blocks(tmp_path: Path) -> None:
    """So that neither the server nor the data file ever holds a whole file in one value."""
    content = bytes(range(256)) * (5 * MIB // 512)

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(None)
            file = (await server.piece(url, content)).json()["file"]
            assert file["sizeBytes"] == str(len(content))
            sizes = server.store.all("SELECT LENGTH(content) FROM pieces ORDER BY offset")
            assert sizes == [(MIB,), (MIB,), (MIB // 2,)]
            assert content_of(server.store, file["name"]) == content

    asyncio.run(story())


def test_what_arrived_before_a_break_stays(tmp_path: Path) -> None:
    """A request that breaks off in the middle; the next one begins wherever it likes before."""
    content = bytes(range(256)) * (3 * MIB // 256)

    async def broken_off() -> AsyncIterator[bytes]:
        yield content[: 2 * MIB + 5]
        raise ClientDisconnect

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(len(content))
            with pytest.raises(httpx2.RemoteProtocolError):
                await server.http.post(
                    url, content=broken_off(), headers={"X-Goog-Upload-Command": "upload"}
                )
            answer = await server.piece(url, b"", command="query")
            assert answer.headers["x-goog-upload-size-received"] == str(2 * MIB)
            start = MIB + 7
            file = (await server.piece(url, content[start:], offset=start)).json()["file"]
            assert content_of(server.store, file["name"]) == content

    asyncio.run(story())


@settings(max_examples=50)
@given(
    content=st.binary(min_size=1, max_size=60),
    cuts=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=6),
)
def test_pieces_cut_and_repeated_in_any_way_make_the_whole(
    content: bytes, cuts: list[tuple[float, float]]
) -> None:
    """Each piece begins at or before what was received; none is refused, and the file is right."""

    async def story(folder: Path) -> None:
        async with mounted(folder) as server:
            url = await server.start(len(content))
            received = 0
            for back, forth in [*cuts, (1.0, 1.0)]:
                start = int(back * received)
                end = start + int(forth * (len(content) - start))
                answer = await server.piece(url, content[start:end], offset=start, command="upload")
                assert answer.status_code == 200, answer.text
                received = max(received, end)
            last = await server.piece(url, b"", offset=received, command="finalize")
            assert content_of(server.store, last.json()["file"]["name"]) == content

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(story(Path(folder)))


def test_a_name_taken_meanwhile_is_refused_at_the_end_and_the_upload_stays(tmp_path: Path) -> None:
    """409 twice in a row; once the name is free again the same last piece makes the file.

    What arrived is kept either way.
    """

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(6, {"file": {"name": "files/mine"}})
            await server.piece(url, b"abc", command="upload")
            await server.new_file("another", "mine")
            for _ in range(2):
                answer = await server.piece(url, b"def", offset=3)
                assert error_of(answer)["status"] == "ALREADY_EXISTS"
            received = await server.piece(url, b"", command="query")
            assert received.headers["x-goog-upload-size-received"] == "6"
            assert content_of(server.store, "files/mine") == b"another"

            await server.call("DELETE", "/v1beta/files/mine")

            assert (await server.piece(url, b"def", offset=3)).status_code == 200
            assert content_of(server.store, "files/mine") == b"abcdef"

    asyncio.run(story())


def test_a_refused_piece_is_an_error_at_once_to_the_plain_sdk(tmp_path: Path) -> None:
    """The SDK repeats pieces without an upload status three times, sleeping in between."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(3, {"file": {"name": "files/mine"}})
            await server.new_file("another", "mine")
            answer = await server.piece(url, b"abc")
            assert (answer.status_code, answer.headers["x-goog-upload-status"]) == (409, "final")
            with pytest.raises(errors.ClientError, match="409"):
                await server.sdk.files.upload(
                    file=io.BytesIO(b"x"), config={"name": "mine", "mime_type": "text/plain"}
                )

    asyncio.run(story())


def test_uploads_nobody_goes_on_with_are_forgotten_after_a_day(tmp_path: Path) -> None:
    """Bytes of unfinished uploads and answers of finished ones go when the next upload starts."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            left = await server.start(6)
            await server.piece(left, b"abc", command="upload")
            finished = await server.start(3)
            await server.piece(finished, b"xyz")
            server.clock.now += DAY_S - 1
            recent = await server.start(6)
            await server.piece(recent, b"abc", command="upload")
            assert (await server.piece(left, b"", command="query")).status_code == 200

            server.clock.now += 2
            await server.start(1)

            assert error_of(await server.piece(left, b"def", offset=3))["code"] == 404
            assert error_of(await server.piece(finished, b"xyz"))["code"] == 404
            assert (await server.piece(recent, b"def", offset=3)).status_code == 200
            contents = server.store.all("SELECT content FROM pieces ORDER BY content")
            assert contents == [(b"abc",), (b"def",), (b"xyz",)]

    asyncio.run(story())


def test_bytes_of_expired_files_are_freed_when_the_next_upload_starts(tmp_path: Path) -> None:
    """A data file does not grow with files that nobody can see."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            await server.new_file("old")
            server.clock.now += 2 * DAY_S + 1
            await server.new_file("new")
            assert server.store.all("SELECT content FROM pieces") == [(b"new",)]
            assert server.store.one("SELECT COUNT(*) FROM files") == (1,)

    asyncio.run(story())


def test_upload_to_a_store_makes_a_document_of_the_given_name(tmp_path: Path) -> None:
    """Its id begins with a slug of the display name; the operation's last segment is its id."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            operation = await server.sdk.file_search_stores.upload_to_file_search_store(
                file_search_store_name=store,
                file=io.BytesIO(b"Arches stand."),
                config={
                    "display_name": "Why Arches Stand",
                    "mime_type": "text/plain",
                    "custom_metadata": [{"key": "year", "numeric_value": 1934}],
                },
            )
            assert operation.name is not None
            assert operation.name.startswith(f"{store}/upload/operations/why-arches-stand-")
            (document,) = await server.documents(store)
            assert document["displayName"] == "Why Arches Stand"
            assert document["name"].rpartition("/")[2] == operation.name.rpartition("/")[2]
            assert document["customMetadata"] == [{"key": "year", "numericValue": 1934.0}]
            assert document["sizeBytes"] == "13"
            assert server.store.one("SELECT COUNT(*) FROM pieces") == (0,)

    asyncio.run(story())


def test_upload_to_a_store_that_is_deleted_meanwhile_makes_no_document(tmp_path: Path) -> None:
    """404, and nothing is left lying about."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            url = await server.start(3, path=f"/upload/v1beta/{store}:uploadToFileSearchStore")
            await server.call("DELETE", f"/v1beta/{store}")
            assert error_of(await server.piece(url, b"abc"))["code"] == 404
            assert server.store.one("SELECT COUNT(*) FROM documents") == (0,)

    asyncio.run(story())


def test_upload_to_an_unknown_store_is_refused(tmp_path: Path) -> None:
    """At the start."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            response = await server.http.post(
                "/upload/v1beta/fileSearchStores/none:uploadToFileSearchStore",
                json={},
                headers=starting(3),
            )
            assert error_of(response)["status"] == "NOT_FOUND"

    asyncio.run(story())


def test_an_upload_interrupted_by_dropped_connections_can_be_finished(tmp_path: Path) -> None:
    """An answer lost after the effect: the same piece again is answered with the file."""

    async def story() -> None:
        drop = Fault(Kind.DROP_AFTER, route="POST /upload/*", after=1, times=2)
        async with mounted(tmp_path, drop) as server:
            url = await server.start(6)
            statuses = []
            for content, offset, command in (
                (b"abc", 0, "upload"),
                (b"abc", 0, "upload"),
                (b"def", 3, "upload, finalize"),
            ):
                try:
                    answer = await server.piece(url, content, offset=offset, command=command)
                    statuses.append(answer.headers["x-goog-upload-status"])
                except Exception as error:
                    statuses.append(type(error).__name__)
            assert statuses == ["RemoteProtocolError", "RemoteProtocolError", "final"]

    asyncio.run(story())


def test_a_finished_upload_takes_no_other_bytes(tmp_path: Path) -> None:
    """The same finalize is answered again, one with other bytes is refused."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            for path in ("/upload/v1beta/files", f"/v1beta/{store}:uploadToFileSearchStore"):
                url = await server.start(5, path=path)
                assert "/upload/v1beta/" in url
                answer = (await server.piece(url, b"hello")).json()
                assert (await server.piece(url, b"hello")).json() == answer
                assert (await server.piece(url, b"", offset=5)).json() == answer
                for offset, other in ((0, b"hallo"), (0, b"hell"), (5, b"!")):
                    response = await server.piece(url, other, offset=offset)
                    assert response.status_code == 400
                    assert "already been terminated" in response.json()["error"]["message"]
            assert len(await server.documents(store)) == 1

    asyncio.run(story())
