"""Requests read and answers shaped, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.filestore.wire import (
    CREATE_STORE,
    GENERATE,
    IMPORT_FILE,
    START_FILE,
    ApiError,
    boolean,
    camel_case,
    compact,
    invalid,
    parse_json,
    rfc3339,
)


def test_snake_case_and_camel_case_are_read_alike_at_every_level() -> None:
    """The SDK mixes them within one request."""
    camel = {
        "fileName": "files/x",
        "customMetadata": [{"key": "a", "stringListValue": {"values": ["p"]}}],
        "chunkingConfig": {"whiteSpaceConfig": {"maxTokensPerChunk": 200, "maxOverlapTokens": 20}},
    }
    snake = {
        "file_name": "files/x",
        "custom_metadata": [{"key": "a", "string_list_value": {"values": ["p"]}}],
        "chunking_config": {
            "white_space_config": {"max_tokens_per_chunk": "200", "max_overlap_tokens": 20}
        },
    }

    assert parse_json(json.dumps(snake).encode(), IMPORT_FILE) == camel
    assert parse_json(json.dumps(camel).encode(), IMPORT_FILE) == camel


def test_an_empty_body_and_null_fields_say_nothing() -> None:
    """Proto JSON takes null for absent."""
    assert parse_json(b"", CREATE_STORE) == {}
    assert parse_json(b'{"displayName": null}', CREATE_STORE) == {}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe{}",
        b'{"displayName": "\xe9"}',
        b'{"displayName": "a\\u0000b"}',
        b'{"displayName": "\\ud800"}',
        b'{"displayName": 5}',
        b'{"displayName": ["a"]}',
        b'{"displayName": {"a": 1}}',
        b'{"display-name": "a"}',
        b'{"\\ud800": "a"}',
        b'{"": "a"}',
        b"[" * 100_000,
        b'{"displayName":' * 50_000,
        b"9" * 5_000,
        b'{"displayName": ' + b"9" * 5_000 + b"}",
    ],
)
def test_a_body_that_is_no_store_is_refused_and_the_refusal_can_be_written(body: bytes) -> None:
    """Whatever is wrong, the answer is a 400 that is itself valid JSON."""
    with pytest.raises(ApiError) as refused:
        parse_json(body, CREATE_STORE)

    assert (refused.value.code, refused.value.status) == (400, "INVALID_ARGUMENT")
    json.dumps(refused.value.body(), ensure_ascii=False, allow_nan=False).encode("utf-8")


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "true", "1" + "0" * 400]
)
def test_a_number_that_cannot_be_written_again_is_refused(number: str) -> None:
    """It would make every later answer with it invalid."""
    body = f'{{"customMetadata": [{{"key": "n", "numericValue": {number}}}]}}'
    with pytest.raises(ApiError):
        parse_json(body.encode(), IMPORT_FILE)


@pytest.mark.parametrize("number", ['"12"', "12", "12.0"])
def test_whole_numbers_come_as_numbers_or_text(number: str) -> None:
    """int64 travel as strings."""
    body = f'{{"file": {{"sizeBytes": {number}}}}}'
    assert parse_json(body.encode(), START_FILE) == {"file": {"sizeBytes": 12}}


def test_an_unknown_field_is_named_with_its_place() -> None:
    """The refusal says which name, and in BadRequest form where."""
    body = b'{"customMetadata": [{"key": "a", "text_value": "b"}]}'
    with pytest.raises(ApiError, match="text_value") as refused:
        parse_json(body, IMPORT_FILE)

    (detail,) = refused.value.body()["error"]["details"]
    assert detail["@type"].endswith("google.rpc.BadRequest")
    assert detail["fieldViolations"][0]["field"] == "customMetadata[0].textValue"


def test_a_body_too_large_is_refused_with_413() -> None:
    """A megabyte of JSON is enough for everybody."""
    with pytest.raises(ApiError) as refused:
        parse_json(b'{"displayName": "' + b"x" * 1_048_576 + b'"}', CREATE_STORE)
    assert refused.value.code == 413


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "file name display_name customMetadata key stringValue numeric_value contents parts"
                " string_list_value values chunkingConfig fileName tools".split()
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON_VALUES, st.sampled_from([CREATE_STORE, IMPORT_FILE, START_FILE, GENERATE]))
def test_any_json_is_read_or_refused(value: Any, message: Any) -> None:
    """For all JSON: nothing but ApiError is raised, and what is read can be written again."""
    try:
        read = parse_json(json.dumps(value).encode(), message)
    except ApiError as error:
        read = error.body()
    json.dumps(read, ensure_ascii=False, allow_nan=False).encode("utf-8")


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """For all bytes: nothing but ApiError is raised."""
    try:
        parse_json(body, IMPORT_FILE)
    except ApiError as error:
        assert error.code == 400


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (400, "INVALID_ARGUMENT"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (409, "ALREADY_EXISTS"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
    ],
)
def test_an_error_carries_the_status_of_its_code(code: int, status: str) -> None:
    """As AIP-193 pairs them; details only where there are some."""
    assert ApiError(code, "why").body() == {
        "error": {"code": code, "message": "why", "status": status}
    }


def test_a_status_can_be_more_precise_than_its_code() -> None:
    """A delete without force is a 400 FAILED_PRECONDITION."""
    assert ApiError(400, "x", status="FAILED_PRECONDITION").status == "FAILED_PRECONDITION"
    assert "details" not in invalid("x").body()["error"]


def test_times_are_rfc_3339_in_utc() -> None:
    """Microseconds, and Z."""
    assert rfc3339(0.25) == "1970-01-01T00:00:00.250000Z"


def test_what_proto_json_leaves_out_is_left_out() -> None:
    """None, false, empty text and empty lists; zero stays, for lists decide about it."""
    message = {"a": None, "b": False, "c": "", "d": [], "e": "x", "f": ["x"], "g": True}
    assert compact(message) == {"e": "x", "f": ["x"], "g": True}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, False),
        ("", False),
        ("false", False),
        ("False", False),
        ("0", False),
        ("true", True),
        ("True", True),
        ("1", True),
    ],
)
def test_booleans_in_a_query_are_read_as_python_and_as_json_write_them(
    text: str | None, value: bool
) -> None:
    """The SDK sends `force=True`, the documentation `force=true`."""
    assert boolean(text) is value


@pytest.mark.parametrize(
    ("name", "camel"),
    [("display_name", "displayName"), ("displayName", "displayName"), ("a", "a"), ("", "")],
)
def test_names_become_camel_case(name: str, camel: str) -> None:
    """And what already is stays."""
    assert camel_case(name) == camel
