"""Models: their list, one of them, and what can be asked of them besides an answer."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from objlib.filestore import bodies, models
from objlib.filestore.paging import MODELS_PAGE, page, paging
from objlib.filestore.wire import (
    BATCH_EMBED,
    COUNT_TOKENS,
    EMBED,
    MAX_JSON_BYTES,
    Message,
    invalid,
    parse_json,
)


async def list_models(request: Request) -> Response:
    """A page of the models that the guide names."""
    size, after = paging(request, *MODELS_PAGE)
    version = request.path_params["version"]
    names = models.LISTED[after : after + size + 1]
    items = [models.described(name, version) for name in names]
    return page("models", items, list(range(after + 1, after + len(items) + 1)), size)


async def get_model(request: Request) -> Response:
    """A model, known or of a name that may yet come."""
    return JSONResponse(
        models.described(request.path_params["model"], request.path_params["version"])
    )


async def count_tokens(request: Request) -> Response:
    """The size of what would be asked."""
    wanted = await _body(request, COUNT_TOKENS)
    models.described(request.path_params["model"], request.path_params["version"])
    whole = wanted.get("generateContentRequest", wanted)
    parts = [part for turn in whole.get("contents", []) for part in turn.get("parts", [])]
    if isinstance(instruction := whole.get("systemInstruction"), dict):
        parts += instruction.get("parts", [])
    total = models.count_tokens(bodies.joined(parts, "contents"))
    details = [{"modality": "TEXT", "tokenCount": total}]
    return JSONResponse({"totalTokens": total, "promptTokensDetails": details})


async def embed(request: Request) -> Response:
    """The vector of one text."""
    _check(request, "embedContent")
    values = _vector(await _body(request, EMBED))
    return JSONResponse({"embedding": {"values": values}})


async def batch_embed(request: Request) -> Response:
    """The vectors of several texts, in their order."""
    _check(request, "batchEmbedContents")
    requests = (await _body(request, BATCH_EMBED)).get("requests", [])
    if not 1 <= len(requests) <= models.REQUESTS_PER_BATCH_MAX:
        raise invalid(
            f"A batch has 1 to {models.REQUESTS_PER_BATCH_MAX} requests, not {len(requests)}.",
            "requests",
        )
    return JSONResponse({"embeddings": [{"values": _vector(wanted)} for wanted in requests]})


def _check(request: Request, method: str) -> None:
    models.check_embeds(request.path_params["model"], request.path_params["version"], method)


def _vector(wanted: dict[str, Any]) -> list[float]:
    config = wanted.get("embedContentConfig", {})
    text = bodies.joined(wanted.get("content", {}).get("parts", []), "content")
    if not text:
        raise invalid("content must not be empty.", "content")
    size = wanted.get("outputDimensionality", config.get("outputDimensionality"))
    return models.embedding(text, size)


async def _body(request: Request, message: Message) -> dict[str, Any]:
    return parse_json(await bodies.read_body(request, MAX_JSON_BYTES), message)
