"""Interactions that are kept: asked for again, gone on with, in the background, deleted."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.filestore.mounted import mounted

PATH = "/v1beta/interactions"


def wanting(store: str, /, **more: Any) -> dict[str, Any]:
    """The body of a question to a store."""
    tool = {"type": "file_search", "file_search_store_names": [store]}
    return {"model": "gemini-3.5-flash", "input": "Why do arches stand?", "tools": [tool], **more}


def test_an_interaction_is_kept_and_can_be_gone_on_with(tmp_path: Path) -> None:
    """Until it is deleted or 55 days old; one with `store: false` is not."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, "Arches stand by their keystone.")
            made = await server.call("POST", PATH, wanting(store))
            assert await server.call("GET", f"{PATH}/{made['id']}") == made
            events = await server.http.get(f"{PATH}/{made['id']}?stream=true")
            assert events.text.count("event: ") == 6
            body = wanting(store, previous_interaction_id=made["id"], store=False)
            following = await server.call("POST", PATH, body)
            assert following["previous_interaction_id"] == made["id"]
            assert (await server.refused("GET", f"{PATH}/{following['id']}"))["code"] == 404
            other = await server.call("POST", PATH, wanting(store))
            assert await server.call("DELETE", f"{PATH}/{made['id']}") == {}
            assert (await server.refused("DELETE", f"{PATH}/{made['id']}"))["code"] == 404
            assert (await server.refused("POST", PATH, body))["code"] == 404
            server.clock.now += 55 * 24 * 3600
            assert (await server.refused("GET", f"{PATH}/{other['id']}"))["code"] == 404

    asyncio.run(story())


def test_an_agent_works_in_the_background(tmp_path: Path) -> None:
    """The first answer says that it is at work, the next look has the report."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, "Arches stand by their keystone.")
            body = wanting(store, agent="deep-research-preview-04-2026", background=True)
            del body["model"]
            begun = await server.call("POST", PATH, body)
            assert begun["status"] == "in_progress" and "steps" not in begun
            done = await server.call("GET", f"{PATH}/{begun['id']}")
            assert done["status"] == "completed"
            assert "keystone" in done["steps"][0]["content"][0]["text"]

    asyncio.run(story())


def test_an_interaction_answers_by_a_schema(tmp_path: Path) -> None:
    """As `response_format`, in today's form and in that of the first release."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, "Arches stand by their keystone.")
            schema = {"type": "object", "properties": {"why": {"type": "string"}}}
            forms: list[dict[str, Any]] = [
                {
                    "response_format": {
                        "type": "text",
                        "mime_type": "application/json",
                        "schema": schema,
                    }
                },
                {"response_format": schema, "response_mime_type": "application/json"},
            ]
            for form in forms:
                made = await server.call("POST", PATH, wanting(store, **form))
                text = made["steps"][0]["content"][0]["text"]
                assert "keystone" in json.loads(text)["why"]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"model": ""}, 400),
        ({"model": "gpt-9"}, 404),
        ({"agent": "deep-research-preview-04-2026"}, 400),
        ({"model": "", "agent": "deep-research-preview-04-2026"}, 400),
        ({"model": "", "agent": "nobody", "background": True}, 404),
        ({"background": True, "store": False}, 400),
        ({"previous_interaction_id": "gone"}, 404),
    ],
)
def test_an_interaction_that_makes_no_sense_is_refused(
    tmp_path: Path, more: dict[str, Any], code: int
) -> None:
    """With the reason; nothing is kept."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            assert (await server.refused("POST", PATH, wanting(store, **more)))["code"] == code

    asyncio.run(story())
