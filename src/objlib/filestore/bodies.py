"""The bodies of requests, checked and read."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from objlib.filestore.chunking import Chunking
from objlib.filestore.wire import FILE_SEARCH, ApiError, camel_case, invalid, read_message

QUESTION_CHARS_MAX = 32_768

#: The guide: "File Search cannot be combined with Grounding with Google Search, URL Context".
_NOT_WITH_FILE_SEARCH = {"googleSearch", "googleSearchRetrieval", "urlContext"}


async def read_body(request: Request, limit: int) -> bytes:
    """The body, refused as soon as it is longer than the limit."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > limit:
            raise ApiError(413, f"Request payload size exceeds the limit: {limit} bytes.")
        pieces.append(piece)
    return b"".join(pieces)


def chunking(message: dict[str, Any]) -> Chunking:
    """The chunking that an import asks for. Raises 400 beyond the limits."""
    wanted = message.get("chunkingConfig", {}).get("whiteSpaceConfig", {})
    default = Chunking()
    max_tokens = wanted.get("maxTokensPerChunk", default.max_tokens)
    try:
        return Chunking(
            max_tokens=max_tokens,
            overlap_tokens=wanted.get(
                "maxOverlapTokens", min(default.overlap_tokens, max(0, max_tokens - 1))
            ),
        )
    except ValueError as error:
        raise invalid(str(error), "chunkingConfig") from error


def question(message: dict[str, Any]) -> str:
    """The text of the last turn."""
    contents = message.get("contents", [])
    if not contents:
        raise invalid("contents must not be empty.", "contents")
    return joined(contents[-1].get("parts", []), "contents")


def said_in(turns: Any) -> str:
    """The text of an interaction's input: a string, or the last of its steps."""
    if isinstance(turns, str):
        return joined([{"text": turns}], "input")
    if not isinstance(turns, list) or not turns or not isinstance(turns[-1], dict):
        raise invalid("input must be a text or a list of steps.", "input")
    content = turns[-1].get("content")
    return joined(content if isinstance(content, list) else turns, "input")


def joined(parts: list[Any], where: str) -> str:
    """The text of some parts. Raises 400 when it is too long."""
    texts = [part["text"] for part in parts if isinstance(part, dict) and "text" in part]
    text = "\n".join(said for said in texts if isinstance(said, str))
    if len(text) > QUESTION_CHARS_MAX:
        raise invalid(f"The question is longer than {QUESTION_CHARS_MAX} characters.", where)
    return text


def file_search(message: dict[str, Any]) -> dict[str, Any] | None:
    """The fileSearch tool of a question, or None. Raises 400 beside a tool it does not go with."""
    named = [tool for entry in _objects(message) for tool in _tools(entry)]
    return _file_search(named, "tools.fileSearch")


def file_search_of_interaction(message: dict[str, Any]) -> dict[str, Any] | None:
    """The file_search tool of an interaction, or None. Raises 400 like `file_search`."""
    named = [
        (str(tool.get("type")), {name: value for name, value in tool.items() if name != "type"})
        for tool in _objects(message)
    ]
    return _file_search([(camel_case(name), content) for name, content in named], "tools")


def _objects(message: dict[str, Any]) -> list[dict[str, Any]]:
    for tool in message.get("tools", []):
        if not isinstance(tool, dict):
            raise invalid("Invalid value at 'tools': expected an object.", "tools")
    tools: list[dict[str, Any]] = message.get("tools", [])
    return tools


def _tools(entry: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(camel_case(name), content) for name, content in entry.items()]


def _file_search(named: list[tuple[str, Any]], where: str) -> dict[str, Any] | None:
    wanted = [content for name, content in named if name == "fileSearch"]
    if not wanted:
        return None
    given = {name for name, content in named if content is not None}
    if others := sorted(given & _NOT_WITH_FILE_SEARCH):
        raise invalid(f"The tool fileSearch cannot be combined with {', '.join(others)}.", "tools")
    search: dict[str, Any] = read_message(wanted[0], FILE_SEARCH, where)
    return search
