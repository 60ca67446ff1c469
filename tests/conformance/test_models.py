"""Section 9: models, and what is refused."""

from __future__ import annotations

import pytest

from tests.conformance.service import MODEL, VERSION, Service, error_of


@pytest.mark.fact("9", "REF models")
def test_models_are_listed_and_described(service: Service) -> None:
    """Clients look there when they start."""
    assert [model.name for model in service.sdk.models.list(config={"page_size": 5})]
    model = service.sdk.models.get(model=MODEL)
    assert model.name == f"models/{MODEL}"
    assert model.input_token_limit and "generateContent" in (model.supported_actions or [])


@pytest.mark.fact("9", "REF tokens")
def test_tokens_are_counted(service: Service) -> None:
    """Before the question is asked."""
    counted = service.sdk.models.count_tokens(model=MODEL, contents="Why do arches stand?")
    assert (counted.total_tokens or 0) > 0


@pytest.mark.fact("9", "REF models")
def test_a_name_that_is_no_models_is_refused(service: Service) -> None:
    """With 404."""
    body = {"contents": [{"parts": [{"text": "hello"}]}]}
    assert service.refused("POST", "models/no-model:generateContent", body)["code"] == 404


@pytest.mark.fact("9", "GUIDE")
def test_file_search_beside_google_search_is_refused(service: Service, store: str) -> None:
    """With 400."""
    tools = [{"fileSearch": {"fileSearchStoreNames": [store]}}, {"googleSearch": {}}]
    body = {"contents": [{"parts": [{"text": "hello"}]}], "tools": tools}
    assert service.refused("POST", f"models/{MODEL}:generateContent", body)["code"] == 400


@pytest.mark.fact("9", "gh py#1658, ?")
def test_a_finished_upload_takes_no_other_bytes(service: Service) -> None:
    """Upload has already been terminated."""
    url = service.start(5, {}).headers["x-goog-upload-url"]
    made = service.piece(url, b"hello").json()["file"]["name"]
    error = error_of(service.piece(url, b"hallo"))
    assert (error["code"], "terminated" in error["message"]) == (400, True)
    service.http.delete(f"/{VERSION}/{made}")
