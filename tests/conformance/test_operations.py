"""Section 1.4: operations."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from google.genai import types

from objlib.filestore import Fault, Kind
from tests.conformance.service import Service, import_named, uploaded
from tests.filestore.mounted import mounted


@pytest.mark.fact("1.4", "OP")
def test_the_operation_of_an_import_names_its_document(service: Service, store: str) -> None:
    """By its bare id, or in full; `parent` is the store."""
    file = service.new_file("Arches stand.")
    operation = service.done(
        service.sdk.file_search_stores.import_file(
            file_search_store_name=store, file_name=file.name or ""
        )
    )
    assert operation.response is not None
    assert operation.response.parent == store
    named = operation.response.document_name or ""
    full = named if "/" in named else f"{store}/documents/{named}"
    found = service.sdk.file_search_stores.documents.get(name=full)
    assert found.display_name == (file.name or "").removeprefix("files/")


@pytest.mark.fact("1.4", "gh js#1214, ?")
def test_the_last_part_of_an_operation_is_the_documents_id(service: Service, store: str) -> None:
    """Of an upload for certain, of an import likely."""
    operation = uploaded(service, store, b"Arches stand.")
    document = service.settled(store, operation)
    assert (operation.name or "").startswith(f"{store}/upload/operations/")
    assert (document.name or "").rpartition("/")[2] == (operation.name or "").rpartition("/")[2]


@pytest.mark.fact("1.4", "gh js#1214")
def test_the_operation_of_an_upload_says_type_and_size(service: Service, store: str) -> None:
    """And its document in full."""
    operation = service.done(uploaded(service, store, b"Arches stand."))
    shown = service.call("GET", operation.name or "")
    response = shown["response"]
    assert response["@type"].endswith("UploadToFileSearchStoreResponse")
    assert (response["mimeType"], response["sizeBytes"]) == ("text/plain", "13")
    assert response["documentName"].startswith(f"{store}/documents/")


@pytest.mark.fact("2.2", "RUN")
def test_an_operation_is_polled_by_its_name_alone(service: Service, store: str) -> None:
    """After a restart nothing else is needed."""
    file = service.new_file("Arches stand.")
    begun = service.sdk.file_search_stores.import_file(
        file_search_store_name=store, file_name=file.name or ""
    )
    again = service.done(import_named(begun.name))
    assert again.response is not None


@pytest.mark.fact("2.4", "REF")
def test_an_unknown_operation_is_not_found(service: Service, store: str) -> None:
    """404."""
    assert service.refused("GET", f"{store}/operations/none-000000000000")["code"] == 404


@pytest.mark.emulator
@pytest.mark.fact("1.4", "OP, RUN")
def test_an_operation_that_is_not_done_is_only_a_name(tmp_path: Path) -> None:
    """proto JSON leaves `done: false` out; the SDK shows None."""

    async def story() -> None:
        async with mounted(tmp_path, indexing_delay_s=60.0) as server:
            store = await server.new_store()
            name = await server.import_file(store, await server.new_file("hello"))
            assert await server.call("GET", f"/v1beta/{name}") == {"name": name}
            operation = await server.sdk.operations.get(import_named(name))
            assert operation.done is None
            server.clock.now += 60
            operation = await server.sdk.operations.get(import_named(name))
            assert operation.done is True

    asyncio.run(story())


@pytest.mark.emulator
@pytest.mark.fact("1.4, 5.1", "OP, gh js#1211")
def test_an_operation_may_never_be_done_although_its_document_is_active(tmp_path: Path) -> None:
    """The document is the truth."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(Kind.OPERATION_STUCK)) as server:
            store = await server.new_store()
            name = await server.import_file(store, await server.new_file("hello"))
            server.clock.now += 300
            operation = await server.sdk.operations.get(import_named(name))
            assert operation.done is None
            (document,) = await server.documents(store)
            assert document["state"] == "STATE_ACTIVE"

    asyncio.run(story())


@pytest.mark.emulator
@pytest.mark.fact("1.3", "REF docs")
def test_a_document_is_pending_until_its_chunks_are_processed(tmp_path: Path) -> None:
    """Counted as such, and not searched."""

    async def story() -> None:
        async with mounted(tmp_path, indexing_delay_s=60.0) as server:
            store = await server.new_store()
            name = await server.add(store, "Arches stand.")
            documents = server.sdk.file_search_stores.documents
            assert (await documents.get(name=name)).state == types.DocumentState.STATE_PENDING
            shown = await server.sdk.file_search_stores.get(name=store)
            assert (shown.pending_documents_count, shown.active_documents_count) == (1, None)
            assert "groundingMetadata" not in await server.ask("arches", store)
            server.clock.now += 60
            assert (await documents.get(name=name)).state == types.DocumentState.STATE_ACTIVE
            assert "groundingMetadata" in await server.ask("arches", store)

    asyncio.run(story())


@pytest.mark.emulator
@pytest.mark.fact("2.4", "RUN")
def test_the_error_of_an_operation_has_the_number_of_grpc(tmp_path: Path) -> None:
    """13 and not 500; in the SDK a plain dict."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(Kind.OPERATION_FAILED)) as server:
            store = await server.new_store()
            name = await server.import_file(store, await server.new_file("hello"))
            operation = await server.sdk.operations.get(import_named(name))
            assert operation.done
            assert operation.error == {"code": 13, "message": "Failed to process the document."}

    asyncio.run(story())
