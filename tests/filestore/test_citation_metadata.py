"""The metadata of citations: a list of entries or a map, as a client expects it."""

from __future__ import annotations

from typing import Any, Literal

import httpx2
import pytest

from objlib.filestore.testing import emulator

ENTRY = {"key": "year", "numericValue": 1984}


def cited(url: str) -> tuple[Any, Any]:
    """The metadata of a citation of generateContent, and of one of an interaction."""
    store = httpx2.post(f"{url}/v1beta/fileSearchStores", json={}).json()["name"]
    started = httpx2.post(
        f"{url}/upload/v1beta/{store}:uploadToFileSearchStore",
        json={"displayName": "A", "customMetadata": [ENTRY]},
        headers={
            "X-Goog-Upload-Protocol": "resumable",
            "X-Goog-Upload-Command": "start",
            "X-Goog-Upload-Header-Content-Type": "text/plain",
        },
    )
    httpx2.post(
        started.headers["x-goog-upload-url"],
        content=b"Arches stand.",
        headers={"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"},
    )
    tool = {"fileSearch": {"fileSearchStoreNames": [store]}}
    body = {"contents": [{"parts": [{"text": "arches"}]}], "tools": [tool]}
    answer = httpx2.post(f"{url}/v1beta/models/gemini-any:generateContent", json=body).json()
    chunk = answer["candidates"][0]["groundingMetadata"]["groundingChunks"][0]
    wanted = {"type": "file_search", "file_search_store_names": [store]}
    body = {"model": "gemini-any", "input": "arches", "tools": [wanted]}
    told = httpx2.post(f"{url}/v1beta/interactions", json=body).json()
    annotation = told["steps"][0]["content"][0]["annotations"][0]
    return chunk["retrievedContext"]["customMetadata"], annotation["custom_metadata"]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (None, ([ENTRY], {"year": 1984})),
        ("list", ([ENTRY], [ENTRY])),
        ("map", ({"year": 1984}, {"year": 1984})),
    ],
)
def test_the_form_can_be_chosen(form: Literal["list", "map"] | None, expected: Any) -> None:
    """Without a choice each endpoint has its own."""
    with emulator(citation_metadata=form) as url:
        assert cited(url) == expected
