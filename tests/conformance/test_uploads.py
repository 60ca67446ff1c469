"""Section 2.3: the resumable upload protocol."""

from __future__ import annotations

import base64
import hashlib
import io

import httpx2
import pytest
from google import genai
from google.genai import types

from tests.conformance.service import Service, error_of, upload_named

MIB = 1024 * 1024


class Recorded(httpx2.HTTPTransport):
    """A transport that keeps the uploads' requests: (command, size, headers)."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, int, httpx2.Headers]] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        size = int(request.headers.get("content-length", 0))
        command = request.headers.get("x-goog-upload-command", "")
        self.seen.append((command, size, request.headers))
        return super().handle_request(request)


def upload_of(service: Service, content: bytes) -> tuple[types.File, Recorded]:
    """A file uploaded by the SDK, and the requests that it took."""
    transport = Recorded()
    options = types.HttpOptions(
        base_url=service.url, api_version="v1beta", client_args={"transport": transport}
    )
    sdk = genai.Client(api_key=service.key, vertexai=False, http_options=options)
    with sdk:
        file = sdk.files.upload(file=io.BytesIO(content), config={"mime_type": "text/plain"})
        sdk.files.delete(name=file.name or "")
    return file, transport


@pytest.mark.fact("2.3", "RUN")
def test_a_start_is_answered_with_a_url_and_an_empty_body(service: Service) -> None:
    """An absolute URL, and the status `active`."""
    started = service.start(5, {"file": {"display_name": "x"}})
    assert (started.status_code, started.content) == (200, b"")
    assert started.headers["x-goog-upload-status"] == "active"
    url = httpx2.URL(started.headers["x-goog-upload-url"])
    assert url.scheme in ("http", "https")
    assert url.path.startswith("/upload/v1beta/files")
    assert url.params["upload_id"]


@pytest.mark.fact("2.3", "RUN")
def test_a_piece_needs_no_key(service: Service) -> None:
    """The URL is the credential; the last piece is answered with the file and `final`."""
    url = service.start(5, {}).headers["x-goog-upload-url"]
    last = service.piece(url, b"hello")
    assert last.headers["x-goog-upload-status"] == "final"
    assert last.json()["file"]["sizeBytes"] == "5"
    service.sdk.files.delete(name=last.json()["file"]["name"])


@pytest.mark.fact("2.3", "RUN")
@pytest.mark.parametrize(
    ("size", "pieces"),
    [(0, [0]), (5, [5]), (8 * MIB, [8 * MIB]), (20 * MIB, [8 * MIB, 8 * MIB, 4 * MIB])],
)
def test_the_sdk_sends_pieces_of_eight_mebibytes(
    service: Service, size: int, pieces: list[int]
) -> None:
    """The last one finalizes; none at all is one empty finalize; size and hash are the whole's."""
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    file, transport = upload_of(service, content)
    sent = [(command, number) for command, number, _ in transport.seen if "upload" in command]
    assert [number for _, number in sent] == pieces
    assert [command for command, _ in sent] == ["upload"] * (len(pieces) - 1) + ["upload, finalize"]
    assert (file.size_bytes or 0) == size
    digest = hashlib.sha256(content).digest()
    assert base64.b64decode(file.sha256_hash or "") in (digest, digest.hex().encode())


@pytest.mark.fact("2.3", "RUN")
def test_the_sdk_sends_no_key_with_pieces(service: Service) -> None:
    """Only with the start."""
    _, transport = upload_of(service, b"hello")
    start, piece, *_ = transport.seen
    assert "x-goog-api-key" in start[2]
    assert "x-goog-api-key" not in piece[2]


@pytest.mark.fact("2.3", "RUN")
def test_a_piece_in_the_middle_is_answered_with_active(service: Service) -> None:
    """And nothing is made before the last one."""
    url = service.start(2 * 262_144, {}).headers["x-goog-upload-url"]
    half = b"x" * 262_144
    first = service.piece(url, half, command="upload")
    assert (first.status_code, first.headers["x-goog-upload-status"]) == (200, "active")
    last = service.piece(url, half, offset=262_144)
    assert last.json()["file"]["sizeBytes"] == str(2 * 262_144)
    service.sdk.files.delete(name=last.json()["file"]["name"])


@pytest.mark.fact("2.3", "RUN")
def test_the_length_need_not_be_known(service: Service) -> None:
    """The header may be left out."""
    url = service.start(None, {}).headers["x-goog-upload-url"]
    last = service.piece(url, b"hello")
    assert last.json()["file"]["sizeBytes"] == "5"
    service.sdk.files.delete(name=last.json()["file"]["name"])


@pytest.mark.fact("2.3", "?")
def test_how_far_an_upload_is_can_be_asked(service: Service) -> None:
    """The command `query`."""
    url = service.start(2 * 262_144, {}).headers["x-goog-upload-url"]
    service.piece(url, b"x" * 262_144, command="upload")
    answer = service.piece(url, b"", command="query")
    assert answer.headers["x-goog-upload-status"] == "active"
    assert answer.headers["x-goog-upload-size-received"] == "262144"


@pytest.mark.fact("2.3", "?")
def test_a_gap_is_refused(service: Service) -> None:
    """An offset beyond what was received; the answer is marked `final`, so the SDK sees it."""
    url = service.start(10, {}).headers["x-goog-upload-url"]
    refused = service.piece(url, b"hello", offset=5)
    assert error_of(refused)["code"] == 400


@pytest.mark.fact("2.3", "?")
def test_a_finalize_sent_again_gives_the_same_answer(service: Service) -> None:
    """The client resends when an answer got lost; there is one file."""
    url = service.start(5, {}).headers["x-goog-upload-url"]
    first, again = service.piece(url, b"hello"), service.piece(url, b"hello")
    assert again.json() == first.json()
    service.sdk.files.delete(name=first.json()["file"]["name"])


@pytest.mark.fact("2.3, 5.19", "gh js#1214")
def test_without_the_upload_headers_the_body_is_the_file(service: Service) -> None:
    """A proxy that takes them off makes a small JSON document of the start request."""
    store = service.new_store()
    response = service.http.post(
        f"/upload/v1beta/{store}:uploadToFileSearchStore",
        json={"displayName": "Why Arches Stand"},
    )
    assert response.status_code == 200, response.text
    operation = response.json()
    assert operation["name"].startswith(f"{store}/upload/operations/")
    assert operation["response"]["mimeType"] == "application/json"


@pytest.mark.fact("3.6", "RUN")
def test_a_start_for_a_store_may_have_an_empty_body(service: Service) -> None:
    """Nothing given, nothing said."""
    store = service.new_store()
    response = service.http.post(
        f"/upload/v1beta/{store}:uploadToFileSearchStore",
        headers={
            "X-Goog-Upload-Protocol": "resumable",
            "X-Goog-Upload-Command": "start",
            "X-Goog-Upload-Header-Content-Length": "5",
            "X-Goog-Upload-Header-Content-Type": "text/plain",
        },
    )
    last = service.piece(response.headers["x-goog-upload-url"], b"hello")
    document = service.settled(store, upload_named(last.json()["name"]))
    assert document.mime_type == "text/plain"


@pytest.mark.fact("4", "GUIDE")
def test_a_document_has_at_most_a_hundred_megabytes(service: Service) -> None:
    """Refused at the start, by the length that is declared."""
    store = service.new_store()
    response = service.start(101 * MIB, {}, f"{store}:uploadToFileSearchStore")
    assert response.status_code == 400, response.text
