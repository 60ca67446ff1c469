"""Sections 1.3, 1.5 and 1.6: documents."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from google.genai import errors, types

from objlib.filestore import Fault, Kind
from tests.conformance.service import (
    Service,
    contexts,
    metadata_of,
    upload_named,
    uploaded,
    waited_for,
)
from tests.filestore.mounted import mounted

TWELVE = "[a-z0-9]{12}"


# Names


@pytest.mark.fact("1.3", "OP")
def test_an_imported_document_is_named_after_the_files_id(service: Service, store: str) -> None:
    """Its id is the file's with twelve characters; never the file's display name."""
    file = service.new_file("Arches stand.", display_name="Why Arches Stand")
    operation = service.sdk.file_search_stores.import_file(
        file_search_store_name=store, file_name=file.name or ""
    )
    document = service.settled(store, operation)
    identifier = (file.name or "").removeprefix("files/")
    assert document.display_name == identifier
    assert re.fullmatch(rf"{store}/documents/{identifier}-{TWELVE}", document.name or "")


@pytest.mark.fact("1.3", "GUIDE, OP")
def test_a_chosen_file_name_is_seen_in_document_id_and_citation(service: Service) -> None:
    """As display name, as prefix of the id, as title."""
    store = service.new_store()
    word = service.word()
    document = service.add(store, f"The {word} is an arch of stone.")
    assert document.display_name and document.name
    assert document.display_name.startswith("conf")
    prefix = document.name.rpartition("/")[2].rpartition("-")[0]
    assert prefix.replace("-", "") == document.display_name.replace("-", "")
    answer = service.cites(f"What is the {word}?", store, document)
    assert contexts(answer)[0].title == document.display_name


@pytest.mark.fact("9", "3P for uploads, ? for imports")
def test_the_id_of_an_imported_document_drops_hyphens(service: Service) -> None:
    """It was recorded of uploads; that imports do the same is a belief."""
    store = service.new_store()
    document = service.add(store, "An arch of stone.")
    assert document.display_name and "-" in document.display_name
    assert f"/documents/{document.display_name.replace('-', '')}-" in (document.name or "")


@pytest.mark.fact("1.3", "REF stores, REF docs")
def test_an_uploaded_document_has_the_display_name_given(service: Service, store: str) -> None:
    """Its id is a slug of that and twelve characters."""
    operation = uploaded(service, store, b"Arches stand.", display_name="Why Arches Stand")
    document = service.settled(store, operation)
    assert document.display_name == "Why Arches Stand"
    identifier = (document.name or "").rpartition("/")[2]
    assert re.fullmatch(rf"[a-z0-9-]+-{TWELVE}", identifier)
    assert identifier.startswith("why")


@pytest.mark.fact("1.3", "REF stores, gh js#1208")
def test_without_a_display_name_the_file_name_is_taken(service: Service, store: str) -> None:
    """The one in the header of the upload."""
    path = f"{store}:uploadToFileSearchStore"
    started = service.start(5, {}, path, **{"X-Goog-Upload-File-Name": "arches.txt"})
    last = service.piece(started.headers["x-goog-upload-url"], b"hello")
    operation = upload_named(last.json()["name"])
    assert service.settled(store, operation).display_name == "arches.txt"


@pytest.mark.fact("1.3", "DISC")
def test_an_import_has_no_display_name(service: Service, store: str) -> None:
    """The field does not exist: 400."""
    body = {"fileName": service.new_file().name, "displayName": "x"}
    error = service.refused("POST", f"{store}:importFile", body)
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")


# Fields


@pytest.mark.fact("1.3", "REF docs")
def test_the_fields_of_a_document(service: Service, store: str) -> None:
    """State with a prefix, size as text; no link to the file, no count of chunks, no error."""
    document = service.call("GET", service.add(store, "Arches stand.").name or "")
    assert document["state"] == "STATE_ACTIVE"
    assert document["sizeBytes"] == "13"
    assert document["mimeType"] == "text/plain"
    assert document["createTime"] <= document["updateTime"]
    assert document.keys() <= {
        *("name", "displayName", "customMetadata", "createTime", "updateTime"),
        *("state", "sizeBytes", "mimeType"),
    }


@pytest.mark.fact("1.3", "REF docs")
def test_metadata_comes_back_as_it_was_given(service: Service, store: str) -> None:
    """Text, number, list of texts; also from the SDK's spelling of them."""
    document = service.add(store, "x y z", author="Ада Лавлейс", year=1843, tags=["a", "b c"])
    entries = service.call("GET", document.name or "")["customMetadata"]
    assert sorted(entries, key=lambda entry: str(entry["key"])) == [
        {"key": "author", "stringValue": "Ада Лавлейс"},
        {"key": "tags", "stringListValue": {"values": ["a", "b c"]}},
        {"key": "year", "numericValue": 1843},
    ]


@pytest.mark.fact("1.3", "REF docs")
def test_a_document_has_at_most_twenty_metadata_entries(service: Service, store: str) -> None:
    """The twenty-first is refused."""
    document = service.add(store, "x y z", **{f"k{n}": "v" for n in range(20)})
    assert len(document.custom_metadata or []) == 20
    entries = [{"key": f"k{n}", "stringValue": "v"} for n in range(21)]
    body = {"fileName": service.new_file().name, "customMetadata": entries}
    assert service.refused("POST", f"{store}:importFile", body)["code"] == 400


@pytest.mark.fact("1.3", "REF docs")
@pytest.mark.parametrize(
    "entry",
    [{"key": "a"}, {"stringValue": "x"}, {"key": "a", "stringValue": "x", "numericValue": 1}],
)
def test_an_entry_has_a_key_and_exactly_one_value(
    service: Service, store: str, entry: dict[str, Any]
) -> None:
    """Anything else is 400."""
    body = {"fileName": service.new_file().name, "customMetadata": [entry]}
    assert service.refused("POST", f"{store}:importFile", body)["code"] == 400


@pytest.mark.fact("1.3", "OP")
def test_names_and_metadata_are_not_searched(service: Service) -> None:
    """What only they say is not found; what the text says is."""
    store = service.new_store()
    hidden, said = service.word(), service.word()
    document = service.add(store, f"The arch of {said} is of stone.", title=hidden)
    service.cites(f"What is the arch of {said} made of?", store, document)
    answer = service.ask(hidden, [store])
    assert all(hidden not in (context.text or "") for context in contexts(answer))


@pytest.mark.fact("1.2", "DISC")
def test_a_document_cannot_be_changed(service: Service, store: str) -> None:
    """There is no such method."""
    name = service.add(store, "Arches stand.").name
    response = service.http.patch(f"/v1beta/{name}", json={"displayName": "other"})
    assert response.status_code in (404, 405, 501)


# Import


@pytest.mark.fact("2.2", "RUN")
def test_an_import_needs_the_full_name_of_the_file(service: Service, store: str) -> None:
    """The SDK sends it as given and adds no `files/`."""
    identifier = (service.new_file().name or "").removeprefix("files/")
    with pytest.raises(errors.ClientError) as refused:
        service.sdk.file_search_stores.import_file(
            file_search_store_name=store, file_name=identifier
        )
    assert refused.value.code == 400


@pytest.mark.fact("5.15", "OP, gh py#1218")
def test_an_import_of_a_file_that_is_gone_is_403(service: Service, store: str) -> None:
    """Like a get of it."""
    body = {"fileName": f"files/{service.new_id()}"}
    assert service.refused("POST", f"{store}:importFile", body)["status"] == "PERMISSION_DENIED"


@pytest.mark.fact("2.2", "3P")
@pytest.mark.parametrize(("tokens", "overlap"), [(21, 0), (21, 20), (512, 511), (200, 20)])
def test_chunks_of_21_to_512_tokens_can_be_asked_for(
    service: Service, store: str, tokens: int, overlap: int
) -> None:
    """With an overlap smaller than the chunk."""
    file = service.new_file("Arches stand. " * 100)
    operation = service.sdk.file_search_stores.import_file(
        file_search_store_name=store,
        file_name=file.name or "",
        config=types.ImportFileConfig(
            chunking_config=types.ChunkingConfig(
                white_space_config=types.WhiteSpaceConfig(
                    max_tokens_per_chunk=tokens, max_overlap_tokens=overlap
                )
            )
        ),
    )
    service.settled(store, operation)


@pytest.mark.fact("2.2", "3P")
@pytest.mark.parametrize(("tokens", "overlap"), [(20, 0), (513, 0), (100, 100), (0, 0), (100, -1)])
def test_other_chunks_are_refused(service: Service, store: str, tokens: int, overlap: int) -> None:
    """400."""
    config = {"maxTokensPerChunk": tokens, "maxOverlapTokens": overlap}
    body = {
        "fileName": service.new_file().name,
        "chunkingConfig": {"whiteSpaceConfig": config},
    }
    assert service.refused("POST", f"{store}:importFile", body)["code"] == 400


@pytest.mark.fact("5.6", "gh py#1900")
@pytest.mark.parametrize("mime_type", ["text", "/plain", "text/", "text plain", "a/b/c"])
def test_a_mime_type_in_the_body_must_be_one(service: Service, store: str, mime_type: str) -> None:
    """400, with the words of the service."""
    path = f"{store}:uploadToFileSearchStore"
    response = service.start(5, {"mimeType": mime_type}, path)
    assert response.status_code == 400, response.text
    assert "MIME type must be in a valid type/subtype format" in response.text


@pytest.mark.fact("1.6", "OP")
def test_nothing_is_deduplicated(service: Service) -> None:
    """The same file imported twice is two documents."""
    store = service.new_store()
    file = service.new_file("Arches stand.")
    names = set()
    for _ in range(2):
        operation = service.sdk.file_search_stores.import_file(
            file_search_store_name=store, file_name=file.name or ""
        )
        names.add(service.settled(store, operation).name)
    listed = service.sdk.file_search_stores.documents.list(parent=store)
    assert {document.name for document in listed} == names
    assert len(names) == 2


@pytest.mark.fact("8", "?")
def test_one_file_goes_into_several_stores(service: Service) -> None:
    """The content is copied; there is no lasting link."""
    file = service.new_file("Arches stand.")
    for _ in range(2):
        store = service.new_store()
        operation = service.sdk.file_search_stores.import_file(
            file_search_store_name=store, file_name=file.name or ""
        )
        assert service.settled(store, operation).size_bytes == 13


# Lists


@pytest.mark.fact("2.2, 5.13", "REF")
def test_documents_come_in_pages_oldest_first(service: Service) -> None:
    """Ten unless asked otherwise, twenty at most, ascending by time; no token at the end."""
    store = service.new_store()
    file = service.new_file("Arches stand.")
    made = []
    for _ in range(21):
        operation = service.sdk.file_search_stores.import_file(
            file_search_store_name=store, file_name=file.name or ""
        )
        made.append(service.settled(store, operation).name)
    first = service.call("GET", f"{store}/documents")
    assert len(first["documents"]) == 10
    page = service.call("GET", f"{store}/documents", pageSize=20)
    rest = service.call("GET", f"{store}/documents", pageSize=20, pageToken=page["nextPageToken"])
    assert "nextPageToken" not in rest
    listed = page["documents"] + rest["documents"]
    assert [document["name"] for document in listed] == made
    times = [document["createTime"] for document in listed]
    assert times == sorted(times)
    assert [
        document.name for document in service.sdk.file_search_stores.documents.list(parent=store)
    ] == made


@pytest.mark.fact("2.2", "?")
def test_a_page_size_above_the_maximum_gives_the_maximum_or_is_refused(
    service: Service, store: str
) -> None:
    """Never more than twenty."""
    response = service.http.get(f"/v1beta/{store}/documents", params={"pageSize": 1000})
    if response.status_code == 200:
        assert len(response.json().get("documents", [])) <= 20
    else:
        assert response.status_code == 400


@pytest.mark.fact("2.1", "REF")
def test_an_empty_list_is_an_empty_object(service: Service) -> None:
    """Empty fields are left out."""
    assert service.call("GET", f"{service.new_store()}/documents") == {}


@pytest.mark.fact("2.4", "REF")
def test_a_page_token_that_is_none_is_refused(service: Service, store: str) -> None:
    """400."""
    assert service.refused("GET", f"{store}/documents", pageToken="nonsense")["code"] == 400


# Deletes


@pytest.mark.fact("1.5", "gh py#1774")
def test_a_document_is_deleted_by_force_only(service: Service) -> None:
    """400 FAILED_PRECONDITION without."""
    store = service.new_store()
    name = service.add(store, "Arches stand.").name or ""
    error = service.refused("DELETE", name)
    assert (error["code"], error["status"]) == (400, "FAILED_PRECONDITION")
    assert "Cannot delete non-empty Document" in error["message"]
    service.sdk.file_search_stores.documents.delete(name=name, config={"force": True})
    assert service.refused("GET", name)["code"] == 404
    assert service.refused("DELETE", name, force=True)["code"] == 404


@pytest.mark.fact("1.5", "OP")
def test_a_document_outlives_its_file(service: Service) -> None:
    """Listed and citable when the raw file is gone."""
    store = service.new_store()
    word = service.word()
    document = service.add(store, f"The {word} is an arch.")
    service.sdk.files.delete(name=f"files/{document.display_name}")
    service.cites(f"What is the {word}?", store, document)
    assert service.call("GET", document.name or "")["state"] == "STATE_ACTIVE"


@pytest.mark.fact("1.5", "REF")
def test_a_file_outlives_its_document(service: Service) -> None:
    """And what was deleted is no longer cited."""
    store = service.new_store()
    word = service.word()
    document = service.add(store, f"The {word} is an arch.")
    service.cites(f"What is the {word}?", store, document)
    service.sdk.file_search_stores.documents.delete(
        name=document.name or "", config={"force": True}
    )
    assert service.sdk.files.get(name=f"files/{document.display_name}").name

    def gone() -> bool | None:
        return True if not service.titles(f"What is the {word}?", store) else None

    assert waited_for(gone)


@pytest.mark.fact("1.6", "OP")
def test_what_is_done_is_seen_at_once(service: Service, store: str) -> None:
    """By a get and by a list; search may lag."""
    file = service.new_file("Arches stand.")
    begun = service.sdk.file_search_stores.import_file(
        file_search_store_name=store,
        file_name=file.name or "",
        config=types.ImportFileConfig(custom_metadata=metadata_of({"a": "x"})),
    )
    operation = service.done(begun)
    identifier = (operation.name or "").rpartition("/")[2]
    name = f"{store}/documents/{identifier}"
    assert service.call("GET", name)["name"] == name
    listed = service.sdk.file_search_stores.documents.list(parent=store)
    assert name in [document.name for document in listed]


@pytest.mark.emulator
@pytest.mark.fact("1.6, 5.2", "OP")
def test_search_lags_behind_the_list(tmp_path: Path) -> None:
    """Active and done, and found only seconds later."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(Kind.SEARCH_LAG, seconds=7.3)) as server:
            store = await server.new_store()
            await server.add(store, "Arches stand.")
            (document,) = await server.documents(store)
            assert document["state"] == "STATE_ACTIVE"
            assert "groundingMetadata" not in await server.ask("arches", store)
            server.clock.now += 7.3
            assert "groundingMetadata" in await server.ask("arches", store)

    asyncio.run(story())
