"""Sections 2.1 and 2.4: what holds for every call, and errors."""

from __future__ import annotations

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from tests.conformance.service import Service, error_of


@pytest.mark.fact("2.1", "SDK, ?")
@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
def test_every_version_answers(service: Service, version: str) -> None:
    """SDK 3 asks `v1` unless told otherwise, older ones `v1beta`."""
    options = types.HttpOptions(base_url=service.url, api_version=version)
    with genai.Client(api_key=service.key, vertexai=False, http_options=options) as sdk:
        made = sdk.file_search_stores.create(config={"display_name": f"at {version}"})
        service.keep_store(made.name or "")
        assert sdk.file_search_stores.get(name=made.name or "").display_name == f"at {version}"


@pytest.mark.fact("2.1", "SDK")
def test_the_sdk_asks_v1_unless_told_otherwise(service: Service, store: str) -> None:
    """And is answered."""
    options = types.HttpOptions(base_url=service.url)
    with genai.Client(api_key=service.key, vertexai=False, http_options=options) as sdk:
        assert sdk.file_search_stores.get(name=store).name == store


@pytest.mark.fact("2.1", "docs curl")
def test_the_key_may_be_in_the_query(service: Service, store: str) -> None:
    """`?key=`."""
    url = f"{service.url}/v1beta/{store}"
    response = httpx2.get(url, params={"key": service.key}, trust_env=False)
    assert response.status_code == 200


@pytest.mark.fact("7", "?")
def test_without_a_key_nobody_is_let_in(service: Service) -> None:
    """403 PERMISSION_DENIED."""
    refused = httpx2.get(f"{service.url}/v1beta/fileSearchStores", trust_env=False)
    assert error_of(refused)["status"] == "PERMISSION_DENIED"


@pytest.mark.fact("7", "?")
def test_a_key_that_is_none_is_an_invalid_argument(service: Service) -> None:
    """400, in words that say so."""
    headers = {"x-goog-api-key": "no-such-key"}
    url = f"{service.url}/v1beta/fileSearchStores"
    error = error_of(httpx2.get(url, headers=headers, trust_env=False))
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert "API key not valid" in error["message"]


@pytest.mark.fact("2.1", "RUN")
@pytest.mark.parametrize(
    "body",
    [
        {"fileName": "", "customMetadata": [{"key": "a", "stringValue": "v"}]},
        {"file_name": "", "custom_metadata": [{"key": "a", "string_value": "v"}]},
        {"fileName": "", "customMetadata": [{"key": "a", "string_value": "v"}]},
        {
            "fileName": "",
            "chunkingConfig": {
                "white_space_config": {"max_tokens_per_chunk": 100, "maxOverlapTokens": "5"}
            },
        },
    ],
)
def test_both_spellings_of_a_field_are_read(
    service: Service, store: str, body: dict[str, object]
) -> None:
    """camelCase and snake_case, mixed at will, whole numbers as text too."""
    name = service.new_file("Arches stand.").name
    body = {key: name if value == "" else value for key, value in body.items()}
    assert service.call("POST", f"{store}:importFile", body)["name"].startswith(store)


@pytest.mark.fact("7", "REF")
def test_an_unknown_field_is_refused(service: Service) -> None:
    """400 INVALID_ARGUMENT that names it."""
    error = service.refused("POST", "fileSearchStores", {"displayNames": "x"})
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert "displayNames" in error["message"]


@pytest.mark.fact("2.1", "RUN")
def test_text_beyond_ascii_is_safe_on_the_wire(service: Service) -> None:
    """Escaped by the SDK or not."""
    for content in (
        b'{"displayName": "\\u00dcber \\u5317"}',
        '{"displayName": "Über 北"}'.encode(),
    ):
        response = service.http.post(
            "/v1beta/fileSearchStores",
            content=content,
            headers={"content-type": "application/json"},
        )
        made = response.json()
        service.keep_store(made["name"])
        assert made["displayName"] == "Über 北"


@pytest.mark.fact("2.4", "REF")
def test_a_body_that_is_no_json_is_refused(service: Service) -> None:
    """400, in Google's shape."""
    response = service.http.post("/v1beta/fileSearchStores", content=b"{")
    assert error_of(response)["status"] == "INVALID_ARGUMENT"


@pytest.mark.fact("2.4", "REF")
def test_an_error_has_code_message_and_status(service: Service, store: str) -> None:
    """The SDK makes a ClientError of it."""
    with pytest.raises(errors.ClientError) as refused:
        service.sdk.file_search_stores.documents.get(name=f"{store}/documents/none")
    assert refused.value.code == 404
    assert refused.value.status == "NOT_FOUND"
    assert refused.value.message


@pytest.mark.fact("2.4", "REF")
def test_a_path_that_is_none_is_not_found(service: Service) -> None:
    """404 or, where the method is wrong, something of the kind."""
    for path in ("/v1beta/fileSearchStore", "/v9/fileSearchStores"):
        assert service.http.get(path).status_code == 404
