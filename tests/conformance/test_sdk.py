"""Sections 3 and 5: what the SDK makes of the protocol, and of a service in trouble.

All of it needs faults, so all of it runs on an embedded server.
"""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest
from google.genai import errors, types

from objlib.filestore import Fault, Kind
from tests.filestore.mounted import mounted

pytestmark = pytest.mark.emulator

LIST_STORES = "GET /{version}/fileSearchStores"
LIST_DOCUMENTS = "GET /{version}/fileSearchStores/{store}/documents"
IMPORT = "POST *:importFile"
RETRIES = types.HttpOptions(
    retry_options=types.HttpRetryOptions(attempts=2, initial_delay=0.01, jitter=0.0)
)


@pytest.mark.fact("3.3", "RUN")
def test_the_sdk_does_not_try_again_by_itself(tmp_path: Path) -> None:
    """One attempt, whatever the status."""

    async def story() -> None:
        for status in (429, 500, 503):
            folder = tmp_path / str(status)
            async with mounted(folder, Fault(Kind.ERROR, status=status)) as server:
                with pytest.raises(errors.APIError):
                    await server.sdk.file_search_stores.list()
                assert server.requests[LIST_STORES] == 1

    asyncio.run(story())


@pytest.mark.fact("3.3", "RUN")
def test_the_sdks_retries_do_not_wait_as_they_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 429 that asks for half a minute is repeated after the SDK's own pause."""
    slept: list[float] = []

    async def sleep(seconds: float, result: object = None) -> None:
        slept.append(seconds)

    async def story() -> None:
        busy = Fault(Kind.RATE_LIMIT, seconds=30.0, times=1)
        async with mounted(tmp_path, busy) as server:
            monkeypatch.setattr(asyncio, "sleep", sleep)
            await server.sdk.file_search_stores.list(
                config=types.ListFileSearchStoresConfig(http_options=RETRIES)
            )
            assert server.requests[LIST_STORES] == 2
            assert sum(slept) < 2

    asyncio.run(story())


@pytest.mark.fact("3.3", "RUN")
def test_the_sdks_retries_repeat_an_import(tmp_path: Path) -> None:
    """Like any other call; after an error from behind the effect that would be two documents."""

    async def story() -> None:
        broken = Fault(Kind.ERROR, route=IMPORT, times=1)
        async with mounted(tmp_path, broken) as server:
            store = await server.new_store()
            await server.sdk.file_search_stores.import_file(
                file_search_store_name=store,
                file_name=await server.new_file("hello"),
                config=types.ImportFileConfig(http_options=RETRIES),
            )
            assert server.requests["POST /{version}/fileSearchStores/{store}:importFile"] == 2

    asyncio.run(story())


@pytest.mark.fact("2.4, 3.4", "gh google-gemini/gemini-cli#3180")
def test_a_rate_limit_says_in_two_places_how_long_to_wait(tmp_path: Path) -> None:
    """In the details and in a header."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(Kind.RATE_LIMIT, seconds=2.5)) as server:
            with pytest.raises(errors.ClientError) as refused:
                await server.sdk.file_search_stores.list()
            error = refused.value
            assert (error.code, error.status) == (429, "RESOURCE_EXHAUSTED")
            (info,) = error.details["error"]["details"]
            assert info["@type"] == "type.googleapis.com/google.rpc.RetryInfo"
            assert info["retryDelay"] == "2.5s"
            assert error.response.headers["retry-after"] == "2.5"

    asyncio.run(story())


@pytest.mark.fact("2.4, 3.4", "RUN")
@pytest.mark.parametrize(
    ("kind", "status", "message"),
    [
        (Kind.ERROR, "UNAVAILABLE", "The service is currently unavailable."),
        (Kind.WRAPPED_ERROR, "UNAVAILABLE", "The service is currently unavailable."),
        (Kind.EMPTY_ERROR, "Service Unavailable", ""),
        (Kind.HTML_ERROR, "Service Unavailable", "<html>"),
    ],
)
def test_errors_of_every_shape_become_server_errors(
    tmp_path: Path, kind: Kind, status: str, message: str
) -> None:
    """In a list, without a body, as a page."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(kind)) as server:
            with pytest.raises(errors.ServerError) as refused:
                await server.sdk.file_search_stores.list()
            assert (refused.value.code, refused.value.status) == (503, status)
            assert (refused.value.message or "").startswith(message)

    asyncio.run(story())


@pytest.mark.fact("5.4", "gh py#2489")
def test_an_outage_of_uploads_has_an_empty_message(tmp_path: Path) -> None:
    """And a status that is none of proto's, while the rest works."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(Kind.UPLOAD_OUTAGE)) as server:
            with pytest.raises(errors.ServerError) as refused:
                await server.sdk.files.upload(
                    file=io.BytesIO(b"x"), config={"mime_type": "text/plain"}
                )
            assert (refused.value.message, refused.value.status) == ("", "Service Unavailable")
            await server.sdk.file_search_stores.list()

    asyncio.run(story())


@pytest.mark.fact("5.3", "gh py#1658")
def test_an_import_can_fail_while_tokens_are_counted(tmp_path: Path) -> None:
    """503, in the service's words."""

    async def story() -> None:
        fault = Fault(Kind.ERROR, route=IMPORT, message="Failed to count tokens.")
        async with mounted(tmp_path, fault) as server:
            store = await server.new_store()
            with pytest.raises(errors.ServerError, match="Failed to count tokens"):
                await server.sdk.file_search_stores.import_file(
                    file_search_store_name=store, file_name=await server.new_file("hello")
                )

    asyncio.run(story())


@pytest.mark.fact("5.12", "gh py#1774")
def test_a_full_store_is_a_429_of_its_own(tmp_path: Path) -> None:
    """Told from a rate limit by its message."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(Kind.STORAGE_FULL, route=IMPORT)) as server:
            store = await server.new_store()
            with pytest.raises(errors.ClientError, match="reached the storage limit of") as full:
                await server.sdk.file_search_stores.import_file(
                    file_search_store_name=store, file_name=await server.new_file("hello")
                )
            assert full.value.code == 429

    asyncio.run(story())


@pytest.mark.fact("5.14", "gh py#2037")
def test_documents_could_not_be_listed_for_a_while(tmp_path: Path) -> None:
    """400 with words about corpora; no proof that the store is empty."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(Kind.LIST_REGRESSION, times=1)) as server:
            store = await server.new_store()
            await server.add(store, "Arches stand.")
            documents = server.sdk.file_search_stores.documents
            with pytest.raises(errors.ClientError, match=r"corpora/\*/documents/\*"):
                await documents.list(parent=store)
            assert len([document async for document in await documents.list(parent=store)]) == 1

    asyncio.run(story())


@pytest.mark.fact("3.5", "RUN")
def test_an_empty_page_after_the_first_breaks_the_pager(tmp_path: Path) -> None:
    """IndexError out of the loop; an empty first page is survived."""

    async def story() -> None:
        for after, survives in ((0, True), (1, False)):
            fault = Fault(Kind.EMPTY_PAGE, route=LIST_DOCUMENTS, times=1, after=after)
            async with mounted(tmp_path / str(after), fault) as server:
                store = await server.new_store()
                for number in range(12):
                    await server.add(store, f"text {number}")
                pager = await server.sdk.file_search_stores.documents.list(parent=store)
                if survives:
                    assert len([document async for document in pager]) == 12
                else:
                    with pytest.raises(IndexError):
                        assert [document async for document in pager]

    asyncio.run(story())


@pytest.mark.fact("5.22", "RUN")
def test_an_operation_may_have_no_name(tmp_path: Path) -> None:
    """200 with an empty object; it cannot be polled, and yet there is a document."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(Kind.EMPTY_ANSWER, route=IMPORT)) as server:
            store = await server.new_store()
            operation = await server.sdk.file_search_stores.import_file(
                file_search_store_name=store, file_name=await server.new_file("hello")
            )
            assert operation.name is None
            with pytest.raises(ValueError, match="Operation name is empty"):
                await server.sdk.operations.get(operation)
            assert len(await server.documents(store)) == 1

    asyncio.run(story())


@pytest.mark.fact("2.3", "RUN")
def test_a_start_without_its_url_is_a_key_error(tmp_path: Path) -> None:
    """What a proxy that takes the headers off looks like."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(Kind.UPLOAD_HEADERS_LOST)) as server:
            with pytest.raises(KeyError):
                await server.sdk.files.upload(
                    file=io.BytesIO(b"x"), config={"mime_type": "text/plain"}
                )

    asyncio.run(story())


@pytest.mark.fact("3.4", "RUN")
def test_an_answer_cut_off_is_no_api_error(tmp_path: Path) -> None:
    """It comes out of the HTTP library, whether it was lost before the effect or after it."""

    async def story() -> None:
        for kind in (Kind.DROP_BEFORE, Kind.DROP_AFTER, Kind.TRUNCATED_BODY):
            async with mounted(tmp_path / kind, Fault(kind)) as server:
                with pytest.raises(Exception, match="closed") as lost:
                    await server.sdk.file_search_stores.list()
                assert not isinstance(lost.value, errors.APIError)

    asyncio.run(story())


@pytest.mark.fact("3.6", "RUN")
def test_a_path_beyond_ascii_cannot_be_uploaded(tmp_path: Path) -> None:
    """Its name travels in a header; a stream works."""
    path = tmp_path / "Über.txt"
    path.write_text("hello")

    async def story() -> None:
        async with mounted(tmp_path) as server:
            with pytest.raises(UnicodeEncodeError):
                await server.sdk.files.upload(file=str(path), config={"mime_type": "text/plain"})
            with path.open("rb") as stream:
                file = await server.sdk.files.upload(
                    file=stream, config={"mime_type": "text/plain"}
                )
            assert file.size_bytes == 5

    asyncio.run(story())


@pytest.mark.fact("3.6", "RUN")
def test_large_whole_numbers_change_in_metadata(tmp_path: Path) -> None:
    """They are floats: 2^53 + 1 is 2^53."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.sdk.file_search_stores.import_file(
                file_search_store_name=store,
                file_name=await server.new_file("hello"),
                config={"custom_metadata": [{"key": "n", "numeric_value": 2**53 + 1}]},
            )
            (document,) = await server.documents(store)
            (entry,) = document["customMetadata"]
            assert entry["numericValue"] == 2**53
            assert json.dumps(entry["numericValue"]) == "9007199254740992.0"

    asyncio.run(story())


@pytest.mark.fact("3.6", "RUN")
def test_a_path_tells_its_type_and_a_stream_does_not(tmp_path: Path) -> None:
    """`.md` is text/markdown; an unknown ending is a ValueError."""
    known, unknown = tmp_path / "a.md", tmp_path / "a.nothing"
    for path in (known, unknown):
        path.write_text("hello")

    async def story() -> None:
        async with mounted(tmp_path) as server:
            file = await server.sdk.files.upload(file=str(known))
            assert file.mime_type == "text/markdown"
            for source in (str(unknown), io.BytesIO(b"hello")):
                with pytest.raises(ValueError, match="mime"):
                    await server.sdk.files.upload(file=source)

    asyncio.run(story())
