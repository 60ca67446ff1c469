"""Documents and operations: imported, indexed as time passes, listed, deleted."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from google.genai import errors, types

from objlib.filestore import Fault, Kind
from tests.filestore.mounted import metadata_of, mounted

MIB = 1024 * 1024


def test_an_imported_document_is_called_by_the_id_of_its_file(tmp_path: Path) -> None:
    """The display name of the file plays no part; the document's id is that id and twelve more."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            body = {"file": {"name": "files/mine", "displayName": "My File"}}
            await server.piece(await server.start(5, body), b"hello")

            operation = await server.sdk.file_search_stores.import_file(
                file_search_store_name=store,
                file_name="files/mine",
                config={"custom_metadata": [{"key": "year", "numeric_value": 1934}]},
            )

            assert operation.name is not None
            document_id = operation.name.rpartition("/")[2]
            assert re.fullmatch(r"mine-[a-z0-9]{12}", document_id)
            (document,) = await server.documents(store)
            assert document == {
                "name": f"{store}/documents/{document_id}",
                "displayName": "mine",
                "customMetadata": [{"key": "year", "numericValue": 1934.0}],
                "createTime": "2026-11-23T12:00:00.000000Z",
                "updateTime": "2026-11-23T12:00:00.000000Z",
                "state": "STATE_ACTIVE",
                "sizeBytes": "5",
                "mimeType": "text/plain",
            }

    asyncio.run(story())


def test_importing_twice_makes_two_documents(tmp_path: Path) -> None:
    """Nothing is deduplicated, in one store or in several."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store, other = await server.new_store(), await server.new_store()
            file = await server.new_file("hello", "mine")
            for target in (store, store, other):
                await server.import_file(target, file)
            first, second = await server.documents(store)
            assert first["name"] != second["name"]
            assert first["displayName"] == second["displayName"] == "mine"
            assert len(await server.documents(other)) == 1

    asyncio.run(story())


def test_the_name_of_a_document_has_forty_characters_at_most(tmp_path: Path) -> None:
    """A long file id is cut short in it, not in the display name."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.import_file(store, await server.new_file("hello", "x" * 40))
            (document,) = await server.documents(store)
            assert len(document["name"].rpartition("/")[2]) == 40
            assert document["displayName"] == "x" * 40

    asyncio.run(story())


def test_a_document_is_pending_until_it_is_indexed(tmp_path: Path) -> None:
    """Its state follows the clock, and an operation is done no sooner."""

    async def story() -> None:
        async with mounted(tmp_path, indexing_delay_s=5.0) as server:
            store = await server.new_store()
            operation = await server.import_file(store, await server.new_file("Arches stand."))
            document = operation.replace("/operations/", "/documents/")

            found = await server.call("GET", f"/v1beta/{document}")
            assert found["state"] == "STATE_PENDING"
            assert await server.call("GET", f"/v1beta/{operation}") == {"name": operation}
            assert "groundingMetadata" not in await server.ask("arches", store)

            server.clock.now += 5

            found = await server.call("GET", f"/v1beta/{document}")
            assert found["state"] == "STATE_ACTIVE"
            assert found["updateTime"] > found["createTime"]
            assert (await server.call("GET", f"/v1beta/{operation}"))["done"] is True
            assert "groundingMetadata" in await server.ask("arches", store)

    asyncio.run(story())


def test_an_import_answers_with_a_bare_document_id_and_an_upload_with_the_full_name(
    tmp_path: Path,
) -> None:
    """Both forms of operation name are answered, each in its own way."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            imported = await server.import_file(store, await server.new_file("hello"))
            url = await server.start(5, path=f"/upload/v1beta/{store}:uploadToFileSearchStore")
            uploaded = (await server.piece(url, b"hello")).json()["name"]

            operation = await server.sdk.operations.get(
                types.ImportFileOperation.model_validate({"name": imported})
            )
            assert operation.done
            assert operation.response is not None
            assert operation.response.document_name == imported.rpartition("/")[2]
            assert operation.response.parent == store
            full = await server.sdk.operations.get(
                types.UploadToFileSearchStoreOperation.model_validate({"name": uploaded})
            )
            assert full.response is not None
            assert full.response.document_name == uploaded.replace(
                "/upload/operations/", "/documents/"
            )

    asyncio.run(story())


def test_an_unknown_operation_is_not_found(tmp_path: Path) -> None:
    """Nor is an import at the address of an upload."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            operation = await server.import_file(store, await server.new_file("hello"))
            elsewhere = operation.replace("/operations/", "/upload/operations/")
            for name in (f"{store}/operations/x", f"{store}/upload/operations/x", elsewhere):
                assert (await server.refused("GET", f"/v1beta/{name}"))["status"] == "NOT_FOUND"

    asyncio.run(story())


def test_a_document_with_chunks_is_deleted_by_force_only(tmp_path: Path) -> None:
    """400 FAILED_PRECONDITION without; with it the text is not found any more."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            document = await server.add(store, "Arches stand.")
            documents = server.sdk.file_search_stores.documents

            with pytest.raises(errors.ClientError, match="Cannot delete non-empty Document") as no:
                await documents.delete(name=document)
            assert (no.value.code, no.value.status) == (400, "FAILED_PRECONDITION")
            await documents.delete(name=document, config={"force": True})

            assert (await server.refused("GET", f"/v1beta/{document}"))["status"] == "NOT_FOUND"
            gone = await server.refused("DELETE", f"/v1beta/{document}?force=true")
            assert gone["status"] == "NOT_FOUND"
            assert "groundingMetadata" not in await server.ask("arches", store)
            assert server.store.one("SELECT COUNT(*) FROM chunks") == (0,)

    asyncio.run(story())


def test_a_document_without_chunks_is_deleted_without_force(tmp_path: Path) -> None:
    """A text without words has failed, and holds nothing."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            document = await server.add(store, " … ")
            assert (await server.call("GET", f"/v1beta/{document}"))["state"] == "STATE_FAILED"
            assert await server.call("DELETE", f"/v1beta/{document}") == {}

    asyncio.run(story())


@pytest.mark.parametrize("body", [{}, {"fileName": ""}, {"fileName": "mine"}, {"fileName": "/x"}])
def test_an_import_needs_the_full_name_of_a_file(tmp_path: Path, body: dict[str, str]) -> None:
    """`files/` is not added for the client."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.new_file("hello", "mine")
            error = await server.refused("POST", f"/v1beta/{store}:importFile", body)
            assert error["status"] == "INVALID_ARGUMENT"

    asyncio.run(story())


def test_an_import_into_an_unknown_store_is_not_found(tmp_path: Path) -> None:
    """The file does not matter then."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            body = {"fileName": await server.new_file("hello")}
            path = "/v1beta/fileSearchStores/none:importFile"
            assert (await server.refused("POST", path, body))["status"] == "NOT_FOUND"

    asyncio.run(story())


def test_a_file_too_large_for_a_document_is_refused_unread(tmp_path: Path) -> None:
    """By its size on record."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            file = await server.new_file("hello", "large")
            size = 100 * MIB + 1
            server.store.all("UPDATE files SET size_bytes = :size", size=size)
            body = {"fileName": file}
            error = await server.refused("POST", f"/v1beta/{store}:importFile", body)
            assert "100 MB" in error["message"]

    asyncio.run(story())


@pytest.mark.parametrize(
    "entry",
    [
        {"key": "a", "stringValue": "x"},
        {"key": "a", "stringValue": ""},
        {"key": "a", "numericValue": 0},
        {"key": "a", "numericValue": -2.5},
        {"key": "a", "stringListValue": {"values": ["x", "y"]}},
        {"key": "a", "stringListValue": {}},
        {"key": "ключ", "stringValue": "значение"},
    ],
)
def test_metadata_of_every_kind_comes_back_as_it_was(tmp_path: Path, entry: Any) -> None:
    """Text, number or list of texts."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            body = {"fileName": await server.new_file("hello"), "customMetadata": [entry]}
            await server.call("POST", f"/v1beta/{store}:importFile", body)
            (document,) = await server.documents(store)
            assert document["customMetadata"] == [entry]

    asyncio.run(story())


@pytest.mark.parametrize(
    "entries",
    [
        [{"stringValue": "x"}],
        [{"key": "", "stringValue": "x"}],
        [{"key": "a"}],
        [{"key": "a", "stringValue": "x", "numericValue": 1}],
        [{"key": "a", "stringValue": 5}],
        [{"key": "a", "numericValue": "5"}],
        [{"key": "a", "stringListValue": ["x"]}],
        [{"key": "a", "stringListValue": {"values": [1]}}],
        [{"key": "a", "stringListValue": {"values": "x"}}],
        [{"key": f"k{n}", "stringValue": "x"} for n in range(21)],
        [None],
        {"key": "a", "stringValue": "x"},
    ],
)
def test_metadata_beyond_the_limits_is_refused(tmp_path: Path, entries: Any) -> None:
    """At most twenty entries, each a key and exactly one value of the right type."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            body = {"fileName": await server.new_file("hello"), "customMetadata": entries}
            error = await server.refused("POST", f"/v1beta/{store}:importFile", body)
            assert error["status"] == "INVALID_ARGUMENT"
            assert await server.documents(store) == []

    asyncio.run(story())


def test_twenty_entries_of_metadata_are_taken(tmp_path: Path) -> None:
    """The limit itself is allowed."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, "hello", **{f"k{n}": float(n) for n in range(20)})
            (document,) = await server.documents(store)
            expected = metadata_of({f"k{n}": float(n) for n in range(20)})
            assert document["customMetadata"] == expected

    asyncio.run(story())


def test_chunks_are_as_large_as_the_import_says(tmp_path: Path) -> None:
    """Both spellings of the SDK are understood, and what is out of range is refused."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            file = await server.new_file("One two three four five six. " * 20)
            config = {"white_space_config": {"max_tokens_per_chunk": 30, "max_overlap_tokens": 0}}
            body = {"fileName": file, "chunkingConfig": config}
            await server.call("POST", f"/v1beta/{store}:importFile", body)
            assert server.store.one("SELECT COUNT(*) FROM chunks") == (4,)
            config = {"white_space_config": {"max_tokens_per_chunk": 600}}
            body = {"fileName": file, "chunkingConfig": config}
            error = await server.refused("POST", f"/v1beta/{store}:importFile", body)
            assert "maxTokensPerChunk" in error["message"]

    asyncio.run(story())


# Paging


def test_documents_come_oldest_first_and_twenty_at_most(tmp_path: Path) -> None:
    """Ten unless asked, never more than twenty, and the last page has no token."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            for number in range(45):
                await server.import_file(store, await server.new_file("hello", f"f{number}"))

            path = f"/v1beta/{store}/documents"
            assert len((await server.call("GET", path))["documents"]) == 10
            sizes = []
            for size in (1, 20, 21, 1000):
                page = await server.call("GET", path, params={"pageSize": size})
                sizes.append(len(page["documents"]))
            assert sizes == [1, 20, 20, 20]
            listed = await server.documents(store)
            assert [document["displayName"] for document in listed] == [f"f{n}" for n in range(45)]
            pager = await server.sdk.file_search_stores.documents.list(
                parent=store, config={"page_size": 20}
            )
            assert [d.display_name async for d in pager] == [f"f{n}" for n in range(45)]

    asyncio.run(story())


def test_files_come_a_hundred_at_most(tmp_path: Path) -> None:
    """Files have larger pages than documents and stores."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            for number in range(101):
                await server.new_file("x", f"f{number}")
            page = await server.call("GET", "/v1beta/files", params={"pageSize": 500})
            assert len(page["files"]) == 100
            last = await server.call(
                "GET", "/v1beta/files", params={"pageToken": page["nextPageToken"]}
            )
            assert [file["name"] for file in last["files"]] == ["files/f100"]
            assert "nextPageToken" not in last

    asyncio.run(story())


def test_stores_are_listed_in_pages_too(tmp_path: Path) -> None:
    """Oldest first."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            names = [await server.new_store(f"s{n}") for n in range(23)]
            pager = await server.sdk.file_search_stores.list(config={"page_size": 20})
            assert [store.name async for store in pager] == names

    asyncio.run(story())


def test_an_exact_page_has_no_next_one(tmp_path: Path) -> None:
    """No empty page follows, and an empty list has no items at all."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            path = f"/v1beta/{store}/documents"
            assert await server.call("GET", path) == {}
            for _ in range(3):
                await server.add(store, "hello")
            page = await server.call("GET", path, params={"pageSize": 3})
            assert len(page["documents"]) == 3
            assert "nextPageToken" not in page

    asyncio.run(story())


def test_documents_deleted_or_added_between_pages_shift_nothing(tmp_path: Path) -> None:
    """Each document that is there all the time is seen exactly once, and so is one added behind."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            made = [await server.add(store, f"text {n}") for n in range(7)]
            path = f"/v1beta/{store}/documents"
            first = await server.call("GET", path, params={"pageSize": 5})
            for name in (made[0], *made[4:]):
                await server.call("DELETE", f"/v1beta/{name}?force=True")
            added = await server.add(store, "late")

            query = {"pageSize": 5, "pageToken": first["nextPageToken"]}
            rest = await server.call("GET", path, params=query)

            assert [d["name"] for d in first["documents"]] == made[:5]
            assert [d["name"] for d in rest["documents"]] == [added]

    asyncio.run(story())


@pytest.mark.parametrize(
    "query",
    [
        {"pageSize": "-1"},
        {"pageSize": "--1"},
        {"pageSize": "ten"},
        {"pageSize": "1.5"},
        {"pageSize": "٣"},
        {"pageSize": "9" * 40},
        {"pageToken": "x"},
        {"pageToken": "ä"},
        {"pageToken": "eDE="},
        {"pageToken": "cHg="},
        {"pageToken": "cDk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OQ=="},
        {"pageToken": "A" * 5000},
    ],
)
def test_a_bad_page_size_or_token_is_refused(tmp_path: Path, query: dict[str, str]) -> None:
    """400, for each of the three lists."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            for path in ("fileSearchStores", "files", f"{store}/documents"):
                error = await server.refused("GET", f"/v1beta/{path}", params=query)
                assert error["status"] == "INVALID_ARGUMENT"

    asyncio.run(story())


# Trouble on purpose


def test_documents_meet_the_fate_they_were_given(tmp_path: Path) -> None:
    """Failed, failed for a while, stuck, silent, without an end, ended badly, found late."""
    faults = {
        "failed": Fault(Kind.DOCUMENT_FAILED, times=1),
        "recovers": Fault(Kind.DOCUMENT_FAILED, times=1, after=1, seconds=60.0),
        "stuck": Fault(Kind.DOCUMENT_STUCK, times=1, after=2),
        "silent": Fault(Kind.SILENT_IMPORT, times=1, after=3),
        "unending": Fault(Kind.OPERATION_STUCK, times=1, after=4),
        "error": Fault(Kind.OPERATION_FAILED, times=1, after=5),
        "late": Fault(Kind.SEARCH_LAG, times=1, after=6, seconds=60.0),
        "healthy": Fault(Kind.SEARCH_LAG, times=0),
    }

    async def story() -> None:
        async with mounted(tmp_path, *faults.values()) as server:
            store = await server.new_store()
            operations = {}
            for name in faults:
                file = await server.new_file(f"Arches stand {name}.", name)
                operations[name] = await server.import_file(store, file)

            async def states() -> dict[str, str]:
                listed = await server.documents(store)
                return {d["displayName"]: d["state"].removeprefix("STATE_") for d in listed}

            async def done() -> set[str]:
                found = {n: await server.call("GET", f"/v1beta/{o}") for n, o in operations.items()}
                return {name for name, operation in found.items() if operation.get("done")}

            async def found() -> set[str]:
                hits = (await server.ask("arches", store, topK=20))["groundingMetadata"]
                return {chunk["retrievedContext"]["title"] for chunk in hits["groundingChunks"]}

            assert await states() == {
                "failed": "FAILED",
                "recovers": "FAILED",
                "stuck": "PENDING",
                "unending": "ACTIVE",
                "late": "ACTIVE",
                "healthy": "ACTIVE",
            }
            assert await done() == faults.keys() - {"stuck", "unending"}
            assert await found() == {"unending", "healthy"}
            operation = await server.call("GET", f"/v1beta/{operations['error']}")
            assert operation["error"] == {
                "code": 13,
                "message": "Failed to process the document.",
            }
            assert "response" not in operation

            server.clock.now += 60

            assert await states() == {
                "failed": "FAILED",
                "recovers": "ACTIVE",
                "stuck": "PENDING",
                "unending": "ACTIVE",
                "late": "ACTIVE",
                "healthy": "ACTIVE",
            }
            assert await found() == {"recovers", "unending", "late", "healthy"}

    asyncio.run(story())


def test_a_fault_on_uploads_to_a_store_strikes_there(tmp_path: Path) -> None:
    """The route of the fault is the template of the request, and other imports are spared."""

    async def story() -> None:
        route = "POST /upload/{version}/fileSearchStores/{store}:uploadToFileSearchStore"
        async with mounted(tmp_path, Fault(Kind.DOCUMENT_FAILED, route=route)) as server:
            store = await server.new_store()
            await server.add(store, "hello")
            url = await server.start(5, path=f"/upload/v1beta/{store}:uploadToFileSearchStore")
            await server.piece(url, b"hello")
            states = [document["state"] for document in await server.documents(store)]
            assert states == ["STATE_ACTIVE", "STATE_FAILED"]

    asyncio.run(story())
