"""Section 1.1: raw files."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from google.genai import errors, types

from tests.conformance.service import Service
from tests.filestore.mounted import mounted

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.mark.fact("1.1", "OP")
def test_an_id_made_by_the_server_is_twelve_letters_and_digits(service: Service) -> None:
    """For example `files/sqowzecl39n8`."""
    assert re.fullmatch(r"files/[a-z0-9]{12}", service.new_file().name or "")


@pytest.mark.fact("1.1", "REF")
def test_the_client_may_choose_the_id(service: Service) -> None:
    """With or without `files/` in front."""
    for prefix in ("", "files/"):
        chosen = service.new_id()
        assert service.new_file(name=prefix + chosen).name == f"files/{chosen}"


@pytest.mark.fact("1.1", "REF, 3P")
@pytest.mark.parametrize("name", ["a/b", "A", "a_b", "-a", "a-", "a" * 41, "é", "a b"])
def test_an_id_has_lower_case_letters_digits_and_dashes_inside(service: Service, name: str) -> None:
    """At most 40 of them; everything else is 400 INVALID_ARGUMENT."""
    with pytest.raises(errors.ClientError) as refused:
        service.new_file(name=name)
    assert (refused.value.code, refused.value.status) == (400, "INVALID_ARGUMENT")


@pytest.mark.fact("1.1", "REF")
def test_an_id_of_forty_characters_is_taken(service: Service) -> None:
    """That is the longest."""
    chosen = service.new_id().ljust(40, "x")
    assert service.new_file(name=chosen).name == f"files/{chosen}"


@pytest.mark.fact("1.1", "?")
def test_an_id_that_is_taken_is_409(service: Service) -> None:
    """ALREADY_EXISTS, and the first file stays what it was."""
    first = service.new_file("first", name=service.new_id())
    with pytest.raises(errors.ClientError) as refused:
        service.new_file("second", name=first.name)
    assert (refused.value.code, refused.value.status) == (409, "ALREADY_EXISTS")
    assert service.sdk.files.get(name=first.name or "").sha256_hash == first.sha256_hash


@pytest.mark.fact("1.1", "OP")
@pytest.mark.parametrize(
    "name",
    [
        "Lecture",
        "UPPER lower",
        "[x] & <y>",
        "trailing  ",
        "a  b",
        "x" * 500,
        "Über 北京",
        "a/b.txt",
    ],
)
def test_display_names_are_kept_verbatim(service: Service, name: str) -> None:
    """Case, brackets, spaces, length, script."""
    file = service.new_file(display_name=name)
    assert service.sdk.files.get(name=file.name or "").display_name == name


@pytest.mark.fact("1.1", "REF")
def test_a_display_name_has_at_most_512_characters(service: Service) -> None:
    """One more is refused."""
    assert len(service.new_file(display_name="x" * 512).display_name or "") == 512
    with pytest.raises(errors.ClientError, match="400"):
        service.new_file(display_name="x" * 513)


@pytest.mark.fact("1.1", "REF")
def test_the_fields_of_a_file(service: Service) -> None:
    """int64 as text, times in RFC 3339, 48 hours to live, states without a prefix."""
    name = service.new_file("hello", display_name="A file").name or ""
    file = service.call("GET", name)
    assert file["name"] == name
    assert file["displayName"] == "A file"
    assert file["mimeType"] == "text/plain"
    assert file["sizeBytes"] == "5"
    assert file["state"] == "ACTIVE"
    assert file["uri"].endswith(name)
    for field in ("createTime", "updateTime", "expirationTime"):
        assert RFC_3339.fullmatch(file[field])
    created, expires = (
        datetime.fromisoformat(file[field]) for field in ("createTime", "expirationTime")
    )
    assert abs(expires - created - timedelta(hours=48)) < timedelta(minutes=5)


@pytest.mark.fact("1.1, 6.6", "REF, ?")
def test_the_hash_is_of_the_bytes(service: Service) -> None:
    """base64; of the digest or of its hexadecimal text is not certain, so both pass."""
    digest = hashlib.sha256(b"hello").digest()
    found = base64.b64decode(service.new_file("hello").sha256_hash or "")
    assert found in (digest, digest.hex().encode())


@pytest.mark.fact("1.1", "SDK")
def test_a_file_that_was_uploaded_says_so(service: Service) -> None:
    """`source` is UPLOADED."""
    assert service.call("GET", service.new_file().name or "")["source"] == "UPLOADED"


@pytest.mark.fact("1.1", "OP, gh py#1218")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_file_is_403_and_not_404(service: Service, method: str) -> None:
    """PERMISSION_DENIED, with words about a file that may not exist."""
    error = service.refused(method, f"files/{service.new_id()}")
    assert (error["code"], error["status"]) == (403, "PERMISSION_DENIED")
    assert "permission" in error["message"]
    assert "may not exist" in error["message"]


@pytest.mark.fact("1.1", "OP, gh py#1218")
def test_a_file_that_was_deleted_is_403(service: Service) -> None:
    """At the next delete, too."""
    name = service.new_file().name or ""
    service.sdk.files.delete(name=name)
    for method in ("GET", "DELETE"):
        assert service.refused(method, name)["status"] == "PERMISSION_DENIED"


@pytest.mark.fact("2.2", "RUN")
def test_the_sdk_finds_a_file_by_id_name_and_uri(service: Service) -> None:
    """`x`, `files/x` and the uri."""
    file = service.new_file()
    assert file.name and file.uri
    for form in (file.name, file.name.removeprefix("files/"), file.uri):
        assert service.sdk.files.get(name=form).name == file.name


@pytest.mark.fact("2.2", "RUN")
def test_a_file_is_deleted_with_an_empty_object(service: Service) -> None:
    """200 and `{}`."""
    assert service.call("DELETE", service.new_file().name or "") == {}


@pytest.mark.fact("2.2", "REF")
def test_a_new_file_is_in_the_list(service: Service) -> None:
    """Pages of up to 100."""
    name = service.new_file().name
    listed = service.sdk.files.list(config={"page_size": 100})
    assert name in [file.name for file in listed]


@pytest.mark.fact("4", "REF")
def test_a_raw_file_has_at_most_two_gigabytes(service: Service) -> None:
    """Refused at the start, by the length that is declared."""
    response = service.start(2 * 1024**3 + 1, {})
    assert response.status_code == 400, response.text


@pytest.mark.emulator
@pytest.mark.fact("1.1", "GUIDE, OP")
def test_a_file_lives_48_hours(tmp_path: Path) -> None:
    """A second before it is there; then it is 403, out of the list, and its name is free."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            name = await server.new_file("hello", "mine")
            server.clock.now += 48 * 3600 - 1
            assert (await server.sdk.files.get(name=name)).state == types.FileState.ACTIVE
            server.clock.now += 1
            for call in (server.sdk.files.get, server.sdk.files.delete):
                with pytest.raises(errors.ClientError, match="403"):
                    await call(name=name)
            assert await server.call("GET", "/v1beta/files") == {}
            await server.new_file("hello again", "mine")

    asyncio.run(story())
