"""Structured output: JSON that fits the schema of the question, and says the answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from google.genai import types
from pydantic import BaseModel

from objlib.filestore.structured import filled
from objlib.filestore.wire import ApiError
from tests.filestore.mounted import asking, mounted


class Reason(BaseModel):
    """A form as the guide's sample has one."""

    why: str
    sure: bool
    numbers: list[int]
    other: Reason | None = None


def test_an_answer_fits_the_schema_and_its_grounding_fits_the_answer(tmp_path: Path) -> None:
    """As in the sample of the guide; segments cut the quote out of the JSON."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, 'Arches "stand" by their kéystone.')
            search = types.FileSearch(file_search_store_names=[store])
            answer = await server.sdk.models.generate_content(
                model="gemini-3.5-flash",
                contents="Why do arches stand?",
                config=types.GenerateContentConfig(
                    tools=[types.Tool(file_search=search)],
                    response_mime_type="application/json",
                    response_json_schema=Reason.model_json_schema(),
                ),
            )
            said = Reason.model_validate_json(answer.text or "")
            assert 'Arches "stand" by their kéystone.' in said.why
            assert answer.candidates and answer.candidates[0].grounding_metadata
            grounding = answer.candidates[0].grounding_metadata
            assert grounding.grounding_supports
            segment = grounding.grounding_supports[0].segment
            assert segment is not None
            raw = (answer.text or "").encode("utf-8")
            assert raw[segment.start_index or 0 : segment.end_index].decode() == segment.text

    asyncio.run(story())


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, {"answer": "said"}),
        ({"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}}, {"a": 0}),
        ({"type": "array", "items": {"enum": ["x", "y"]}, "minItems": 2}, ["x", "x"]),
        ({"type": ["null", "number"], "minimum": 2}, 2.0),
        ({"anyOf": [{"type": "null"}, {"const": 7}]}, 7),
        ({"$ref": "#/$defs/D", "$defs": {"D": {"type": "string", "format": "date"}}}, "1970-01-01"),
    ],
)
def test_each_part_of_a_schema_is_filled(schema: dict[str, Any], value: Any) -> None:
    """With the first thing that fits; a free string says the answer."""
    assert json.loads(filled(schema, "said")) == value


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nothing"},
        {"type": "array", "items": {"type": "string"}, "minItems": 10**9},
        {"$ref": "#"},
        {"properties": []},
        {"type": "integer", "minimum": "x"},
    ],
)
def test_a_schema_that_is_none_is_refused(schema: dict[str, Any]) -> None:
    """As too complex or invalid, never with a traceback."""
    with pytest.raises(ApiError) as refused:
        filled(schema, "said")
    assert refused.value.code == 400


def test_a_config_of_another_type_is_refused(tmp_path: Path) -> None:
    """A list where an object belongs."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            body = {**asking("q", await server.new_store()), "generationConfig": []}
            path = "/v1beta/models/gemini-3.5-flash:generateContent"
            assert (await server.refused("POST", path, body))["code"] == 400

    asyncio.run(story())
