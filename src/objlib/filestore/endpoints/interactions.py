"""The Interactions API, as far as file search goes: one question, one answer, kept unless unwanted.

What runs in the background is answered before it is done, and done when it is asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from objlib.filestore import answer, bodies, structured
from objlib.filestore.endpoints.search import Search
from objlib.filestore.models import check_generates
from objlib.filestore.retrieval import NOTHING
from objlib.filestore.storage import FileStore
from objlib.filestore.wire import (
    INTERACTION,
    MAX_JSON_BYTES,
    ApiError,
    boolean,
    invalid,
    parse_json,
    rfc3339,
)

#: How long the service keeps them for those who pay.
KEPT_S = 55 * 24 * 3600.0

_AGENT = re.compile(r"(?:deep-research|antigravity)-[a-z0-9.-]+")


class Interactions:
    """The handler of interactions."""

    def __init__(self, store: FileStore, search: Search, form: answer.MetadataForm = "map") -> None:
        self._form = form
        self._store = store
        self._search = search

    async def create(self, request: Request) -> Response:
        """An answer with file citations, as one object or as events."""
        wanted = parse_json(await bodies.read_body(request, MAX_JSON_BYTES), INTERACTION)
        who = _who(wanted, request.path_params["version"])
        if previous := wanted.get("previousInteractionId"):
            self._kept(previous)
        question = bodies.said_in(wanted.get("input"))
        search = bodies.file_search_of_interaction(wanted)
        found = NOTHING if search is None else await self._search.found(question, search)
        hits = found.hits
        parts = answer.quote(found)
        text = answer.NO_TOOL if search is None else answer.text_of(parts, hits)
        schema = structured.schema_of_interaction(wanted)
        annotations: list[dict[str, Any]] = []
        for start, end, part in answer.segments(parts):
            hit = hits[part.hit]
            citation = {
                "type": "file_citation",
                "file_name": hit.title,
                "source": hit.text,
                "start_index": start,
                "end_index": end,
            }
            if hit.metadata:
                citation["custom_metadata"] = answer.in_form(hit.metadata, self._form)
            if hit.page is not None:
                citation["page_number"] = hit.page
            if hit.media_id is not None:
                citation["media_id"] = hit.media_id
            annotations.append(citation)
        if schema is not None:  # the citations are of the text that it is made of
            text, annotations = structured.filled(schema, text), []
        content: dict[str, Any] = {"type": "text", "text": text}
        if annotations:
            content["annotations"] = annotations
        usage = answer.usage(question, text, hits)
        moment = rfc3339(self._store.clock())
        interaction: dict[str, Any] = {
            "id": self._store.new_id(),
            "object": "interaction",
            "status": "completed",
            **who,
            "role": "model",
            "created": moment,
            "updated": moment,
            "steps": [{"type": "model_output", "content": [content]}],
            "usage": {
                "total_input_tokens": usage["promptTokenCount"],
                "total_output_tokens": usage["candidatesTokenCount"],
                "total_tool_use_tokens": usage["toolUsePromptTokenCount"],
                "total_tokens": usage["totalTokenCount"],
            },
        }
        if previous:
            interaction["previous_interaction_id"] = previous
        if wanted.get("store") is not False:
            self._keep(interaction)
        if wanted.get("background") and not wanted.get("stream"):
            return JSONResponse(_begun(interaction))
        return _told(interaction, as_events=bool(wanted.get("stream")))

    async def get(self, request: Request) -> Response:
        """An interaction that was kept, as one object or as events."""
        interaction = self._kept(request.path_params["interaction"])
        return _told(interaction, as_events=boolean(request.query_params.get("stream")))

    async def delete(self, request: Request) -> Response:
        """Forget an interaction."""
        identifier = request.path_params["interaction"]
        with self._store.transaction():
            self._kept(identifier)
            self._store.all("DELETE FROM interactions WHERE id = :id", id=identifier)
        return JSONResponse({})

    def _keep(self, interaction: dict[str, Any]) -> None:
        now = self._store.clock()
        with self._store.transaction():
            self._store.all("DELETE FROM interactions WHERE created_at <= :then", then=now - KEPT_S)
            self._store.insert(
                "INSERT INTO interactions (id, content_json, created_at) VALUES (?, ?, ?)",
                *(interaction["id"], json.dumps(interaction), now),
            )

    def _kept(self, identifier: str) -> dict[str, Any]:
        row = self._store.one(
            "SELECT content_json FROM interactions WHERE id = :id AND created_at > :then",
            id=identifier,
            then=self._store.clock() - KEPT_S,
        )
        if row is None:
            raise ApiError(404, f"Interaction {identifier} not found.")
        interaction: dict[str, Any] = json.loads(row[0])
        return interaction


def _who(wanted: dict[str, Any], version: str) -> dict[str, str]:
    """Return the model or the agent that answers. Raises 400 and 404 for what is neither."""
    model, agent = wanted.get("model", ""), wanted.get("agent", "")
    if bool(model) == bool(agent):
        raise invalid("Exactly one of model and agent must be given.", "model")
    if wanted.get("background") and wanted.get("store") is False:
        raise invalid("What runs in the background must be stored.", "background")
    if model:
        check_generates(model.removeprefix("models/"), version, "interactions")
        return {"model": model}
    if not _AGENT.fullmatch(agent):
        raise ApiError(404, f"Agent {agent} is not found for API version {version}.")
    if not wanted.get("background"):
        raise invalid("An agent runs in the background only: set background.", "background")
    return {"agent": agent}


def _begun(interaction: dict[str, Any]) -> dict[str, Any]:
    """Return an interaction as it is before it is done."""
    rest = {name: value for name, value in interaction.items() if name not in ("steps", "usage")}
    return {**rest, "status": "in_progress"}


def _told(interaction: dict[str, Any], *, as_events: bool) -> Response:
    if not as_events:
        return JSONResponse(interaction)
    lines = (
        f"event: {event['event_type']}\ndata: {json.dumps(event)}\n\n"
        for event in _events(interaction, interaction["steps"][0]["content"][0])
    )
    return Response("".join(lines), media_type="text/event-stream")


def _events(interaction: dict[str, Any], content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same interaction as a stream of events: its text in one piece, then its citations.

    Shapes: google.genai 3.4.0, `InteractionSSEEvent` and the models of its variants.
    """
    yield {"event_type": "interaction.created", "interaction": _begun(interaction)}
    yield {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}}
    said: dict[str, Any] = {"type": "text", "text": content["text"]}
    yield {"event_type": "step.delta", "index": 0, "delta": said}
    if "annotations" in content:
        cited = {"type": "text_annotation_delta", "annotations": content["annotations"]}
        yield {"event_type": "step.delta", "index": 0, "delta": cited}
    yield {"event_type": "step.stop", "index": 0}
    yield {"event_type": "interaction.completed", "interaction": interaction}
