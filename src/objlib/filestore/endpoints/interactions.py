"""The Interactions API, as far as file search goes: one question, one answer, nothing kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from objlib.filestore import answer, bodies
from objlib.filestore.endpoints.search import Search
from objlib.filestore.retrieval import NOTHING, values_of
from objlib.filestore.storage import FileStore
from objlib.filestore.wire import INTERACTION, MAX_JSON_BYTES, parse_json, rfc3339


class Interactions:
    """The handler of interactions."""

    def __init__(self, store: FileStore, search: Search) -> None:
        self._store = store
        self._search = search

    async def create(self, request: Request) -> Response:
        """An answer with file citations, as one object or as events."""
        wanted = parse_json(await bodies.read_body(request, MAX_JSON_BYTES), INTERACTION)
        model = wanted.get("model", "")
        question = bodies.said_in(wanted.get("input"))
        search = bodies.file_search_of_interaction(wanted)
        found = NOTHING if search is None else await self._search.found(question, search)
        hits = found.hits
        parts = answer.quote(found)
        text = answer.NO_TOOL if search is None else answer.text_of(parts, hits)
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
                citation["custom_metadata"] = values_of(hit.metadata)
            if hit.page is not None:
                citation["page_number"] = hit.page
            annotations.append(citation)
        content: dict[str, Any] = {"type": "text", "text": text}
        if annotations:
            content["annotations"] = annotations
        usage = answer.usage(question, text, hits)
        moment = rfc3339(self._store.clock())
        interaction: dict[str, Any] = {
            "id": self._store.new_id(),
            "object": "interaction",
            "status": "completed",
            "model": model,
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
        if not wanted.get("stream"):
            return JSONResponse(interaction)
        lines = (
            f"event: {event['event_type']}\ndata: {json.dumps(event)}\n\n"
            for event in _events(interaction, content)
        )
        return Response("".join(lines), media_type="text/event-stream")


def _events(interaction: dict[str, Any], content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same interaction as a stream of events: its text in one piece, then its citations.

    Shapes: google.genai 3.4.0, `InteractionSSEEvent` and the models of its variants.
    """
    begun = {**interaction, "status": "in_progress"}
    del begun["steps"], begun["usage"]
    yield {"event_type": "interaction.created", "interaction": begun}
    yield {"event_type": "step.start", "index": 0, "step": {"type": "model_output"}}
    said: dict[str, Any] = {"type": "text", "text": content["text"]}
    yield {"event_type": "step.delta", "index": 0, "delta": said}
    if "annotations" in content:
        cited = {"type": "text_annotation_delta", "annotations": content["annotations"]}
        yield {"event_type": "step.delta", "index": 0, "delta": cited}
    yield {"event_type": "step.stop", "index": 0}
    yield {"event_type": "interaction.completed", "interaction": interaction}
