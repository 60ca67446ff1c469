"""Section 1.2: stores; 1.5: what their deletion does."""

from __future__ import annotations

import re

import pytest
from google.genai import errors, types

from tests.conformance.service import Service, waited_for

TWELVE = "[a-z0-9]{12}"


@pytest.mark.fact("1.2", "OP")
def test_a_name_is_a_slug_and_twelve_characters(service: Service) -> None:
    """The slug is opaque; what it keeps of the display name is not certain. 40 at most."""
    name = service.new_store("Objlib Conformance 1").removeprefix("fileSearchStores/")
    assert re.fullmatch(rf"[a-z0-9-]+-{TWELVE}", name)
    assert name.startswith("objlib")
    assert len(name) <= 40


@pytest.mark.fact("1.2", "REF")
def test_a_long_display_name_makes_no_long_name(service: Service) -> None:
    """40 characters at most."""
    assert len(service.new_store("x" * 300).removeprefix("fileSearchStores/")) <= 40


@pytest.mark.fact("1.2", "SDK tests")
def test_a_store_without_a_display_name_has_a_random_name(service: Service) -> None:
    """For example `gzn7kdl2wpxl-4z2yqvuxbcxw`."""
    made = service.sdk.file_search_stores.create()
    service.keep_store(made.name or "")
    assert re.fullmatch(rf"fileSearchStores/{TWELVE}-{TWELVE}", made.name or "")
    assert not made.display_name


@pytest.mark.fact("1.2", "OP")
def test_display_names_are_not_unique(service: Service) -> None:
    """Twice the same makes two stores; a store is found by listing and comparing."""
    display_name = f"twins {service.word()}"
    twins = {service.new_store(display_name) for _ in range(2)}
    listed = service.sdk.file_search_stores.list(config={"page_size": 20})
    assert {found.name for found in listed if found.display_name == display_name} == twins
    assert len(twins) == 2


@pytest.mark.fact("1.2", "REF")
def test_a_display_name_has_at_most_512_characters(service: Service) -> None:
    """One more is refused."""
    service.new_store("x" * 512)
    with pytest.raises(errors.ClientError, match="400"):
        service.new_store("x" * 513)


@pytest.mark.fact("1.2", "REF")
def test_the_name_is_the_servers(service: Service) -> None:
    """It is output only: giving one does not make it so."""
    body = {"displayName": "x", "name": "fileSearchStores/mine"}
    response = service.http.post("/v1beta/fileSearchStores", json=body)
    if response.status_code == 200:
        made = service.keep_store(response.json()["name"])
        assert made != "fileSearchStores/mine"
    else:
        assert response.status_code == 400


@pytest.mark.fact("1.2", "REF")
def test_counts_are_text_and_zeros_are_left_out(service: Service) -> None:
    """int64 in proto JSON."""
    store = service.new_store()
    made = service.call("GET", store)
    for count in ("activeDocumentsCount", "pendingDocumentsCount", "failedDocumentsCount"):
        assert made.get(count, "0") == "0"
    service.add(store, "Arches stand.")

    def seen() -> dict[str, str] | None:
        now: dict[str, str] = service.call("GET", store)
        return now if now.get("activeDocumentsCount") == "1" else None

    assert waited_for(seen)["activeDocumentsCount"] == "1"


@pytest.mark.fact("1.2", "REF")
def test_size_counts_the_raw_bytes(service: Service) -> None:
    """Of what was ingested."""
    store = service.new_store()
    service.add(store, "x" * 1000)
    assert waited_for(lambda: service.call("GET", store).get("sizeBytes")) == "1000"


@pytest.mark.fact("1.2, 2.2", "REF, GUIDE")
def test_the_embedding_model_is_fixed_at_creation(service: Service) -> None:
    """The one asked for; a bare id gets `models/` from the SDK."""
    made = service.sdk.file_search_stores.create(
        config=types.CreateFileSearchStoreConfig(embedding_model="gemini-embedding-2")
    )
    service.keep_store(made.name or "")
    assert service.call("GET", made.name or "")["embeddingModel"] == "models/gemini-embedding-2"


@pytest.mark.fact("2.2", "GUIDE")
def test_there_is_an_embedding_model_without_asking(service: Service, store: str) -> None:
    """The server's default."""
    assert service.call("GET", store)["embeddingModel"].startswith("models/")


@pytest.mark.fact("1.2", "DISC")
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_store_cannot_be_changed(service: Service, store: str, method: str) -> None:
    """There is no such method."""
    response = service.http.request(method, f"/v1beta/{store}", json={"displayName": "other"})
    assert response.status_code in (404, 405, 501)
    assert service.call("GET", store)["displayName"] == "objlib conformance"


@pytest.mark.fact("2.4", "REF, 5.15 ?")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_store_is_not_found(service: Service, method: str) -> None:
    """404; of a store of another project 403 is thinkable."""
    assert service.refused(method, "fileSearchStores/none-000000000000")["code"] in (403, 404)


@pytest.mark.fact("1.5", "gh py#1774")
def test_a_store_with_documents_is_deleted_by_force_only(service: Service) -> None:
    """400 FAILED_PRECONDITION without; with force its documents are gone as well."""
    store = service.new_store()
    document = service.add(store, "Arches stand.")
    with pytest.raises(errors.ClientError) as refused:
        service.sdk.file_search_stores.delete(name=store)
    assert (refused.value.code, refused.value.status) == (400, "FAILED_PRECONDITION")
    assert "Cannot delete non-empty FileSearchStore" in str(refused.value)
    service.sdk.file_search_stores.delete(name=store, config={"force": True})
    for name in (store, document.name or ""):
        assert service.refused("GET", name)["code"] in (403, 404)


@pytest.mark.fact("1.5", "gh py#1774")
def test_an_empty_store_is_deleted_without_force(service: Service) -> None:
    """200 and `{}`."""
    assert service.call("DELETE", service.new_store()) == {}


@pytest.mark.fact("2.1", "RUN, docs curl")
@pytest.mark.parametrize("force", ["True", "true"])
def test_booleans_in_a_query_are_read_as_both_write_them(service: Service, force: str) -> None:
    """The SDK with a capital letter, curl without."""
    store = service.new_store()
    service.add(store, "Arches stand.")
    assert service.call("DELETE", store, force=force) == {}


@pytest.mark.fact("2.2", "REF")
def test_a_list_comes_in_pages_of_at_most_twenty(service: Service) -> None:
    """Ten unless asked otherwise; the last page has no token."""
    made = [service.new_store("a page of stores") for _ in range(11)]
    first = service.call("GET", "fileSearchStores")
    assert len(first["fileSearchStores"]) == 10
    assert first["nextPageToken"]
    seen: list[str] = []
    query: dict[str, str | int] = {"pageSize": 20}
    while True:
        page = service.call("GET", "fileSearchStores", **query)
        names = [found["name"] for found in page.get("fileSearchStores", [])]
        assert len(names) <= 20
        seen += names
        if not page.get("nextPageToken"):
            break
        query["pageToken"] = page["nextPageToken"]
    assert [name for name in seen if name in made] == made
    assert len(seen) == len(set(seen))
