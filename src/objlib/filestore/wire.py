"""The JSON of the wire: what requests may say, what answers look like, how errors are shaped.

Facts: the Gemini API reference (v1beta), "Files", "File Search Stores" and "Documents"; AIP-193 for
errors. Requests mix camelCase and snake_case at every level (the SDK does), and both are read;
answers are camelCase, int64 are strings, times are RFC 3339 in UTC, and what is false, zero or
empty is left out, as proto JSON does.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

MAX_JSON_BYTES = 1024 * 1024

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ALREADY_EXISTS",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    507: "RESOURCE_EXHAUSTED",
}


#: int64 travel as strings.
_INT64 = re.compile(r"-?[0-9]{1,19}")


class ApiError(Exception):
    """An answer other than 200."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: str | None = None,
        details: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or _STATUS.get(code, "UNKNOWN")
        self.details = details or []
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The error as Google writes it."""
        error: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "status": self.status,
        }
        if self.details:
            error["details"] = self.details
        return {"error": error}


def invalid(message: str, field: str | None = None) -> ApiError:
    """400 INVALID_ARGUMENT, naming the field where there is one."""
    if field is None:
        return ApiError(400, message)
    violation = {"field": field, "description": message}
    detail = {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [violation],
    }
    return ApiError(400, message, details=[detail])


#: A message: field -> kind, where a kind is `str`, `int`, `float`, `object` (anything),
#: a nested message, or a list of one of these.
Message = Mapping[str, Any]

CHUNKING: Message = {"whiteSpaceConfig": {"maxTokensPerChunk": int, "maxOverlapTokens": int}}
CUSTOM_METADATA: list[Message] = [
    {
        "key": str,
        "stringValue": str,
        "numericValue": float,
        "stringListValue": {"values": [str]},
    }
]
START_FILE: Message = {
    "file": {"name": str, "displayName": str, "mimeType": str, "sizeBytes": int, "source": str}
}
START_STORE_UPLOAD: Message = {
    "displayName": str,
    "mimeType": str,
    "customMetadata": CUSTOM_METADATA,
    "chunkingConfig": CHUNKING,
}
CREATE_STORE: Message = {"displayName": str, "embeddingModel": str}
IMPORT_FILE: Message = {
    "fileName": str,
    "customMetadata": CUSTOM_METADATA,
    "chunkingConfig": CHUNKING,
}
CONTENT: Message = {"role": str, "parts": [object]}
GENERATE: Message = {
    "contents": [CONTENT],
    "tools": [object],
    "toolConfig": object,
    "generationConfig": object,
    "systemInstruction": object,
    "safetySettings": object,
    "cachedContent": str,
    "labels": object,
    "model": str,
    "serviceTier": str,
}
COUNT_TOKENS: Message = {"contents": [CONTENT], "generateContentRequest": GENERATE}
_EMBED_CONFIG: Message = {
    "taskType": str,
    "title": str,
    "outputDimensionality": int,
    "autoTruncate": object,
    "documentOcr": object,
    "audioTrackExtraction": object,
}
EMBED: Message = {
    "model": str,
    "content": CONTENT,
    "taskType": str,
    "title": str,
    "outputDimensionality": int,
    "embedContentConfig": _EMBED_CONFIG,
}
BATCH_EMBED: Message = {"requests": [EMBED]}
INTERACTION: Message = {
    "model": str,
    "agent": str,
    "agentConfig": object,
    "input": object,
    "tools": [object],
    "store": object,
    "stream": object,
    "background": object,
    "systemInstruction": object,
    "generationConfig": object,
    "responseFormat": object,
    "responseMimeType": object,
    "responseModalities": object,
    "previousInteractionId": str,
    "safetySettings": object,
    "serviceTier": str,
    "labels": object,
}
FILE_SEARCH: Message = {
    "fileSearchStoreNames": [str],
    "topK": int,
    "metadataFilter": str,
    "retrievalConfig": object,
    "retrievalResources": object,
}


def parse_json(body: bytes, message: Message) -> dict[str, Any]:
    """A request body as a message with camelCase names.

    Raises:
        ApiError: 400 for what is no JSON, no object, has an unknown field or a wrong type; 413 for
            what is too large.
    """
    if len(body) > MAX_JSON_BYTES:
        raise ApiError(413, "Request payload size exceeds the limit.")
    if not body:
        return {}
    try:
        value = json.loads(body.decode("utf-8"))
        # Half a surrogate pair and numbers without end are read, but no answer could hold them.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    if not isinstance(value, dict):
        raise invalid("Invalid JSON payload received. Expected an object.")
    result: dict[str, Any] = read_message(value, message, "")
    return result


def read_message(value: Any, kind: Any, where: str) -> Any:
    """Check a value against a kind and give its fields their camelCase names."""
    if kind is object:
        return value
    if isinstance(kind, list):
        if not isinstance(value, list):
            raise invalid(f"Invalid value at '{where}': expected a list.", where)
        return [read_message(item, kind[0], f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(kind, Mapping):
        return _fields(value, kind, where)
    return _scalar(value, kind, where)


def _fields(value: Any, kind: Message, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(f"Invalid value at '{where}': expected an object.", where)
    result: dict[str, Any] = {}
    for name, content in value.items():
        camel = camel_case(name)
        path = f"{where}.{camel}".lstrip(".")
        if camel not in kind:
            raise invalid(
                f'Invalid JSON payload received. Unknown name "{name}"'
                f"{f' at {where!r}' if where else ''}: Cannot find field.",
                path,
            )
        if content is not None:
            result[camel] = read_message(content, kind[camel], path)
    return result


def _scalar(value: Any, kind: type, where: str) -> Any:
    if kind is str and isinstance(value, str):
        if "\x00" in value:
            raise invalid(f"Invalid value at '{where}': it holds a NUL character.", where)
        return value
    if isinstance(value, str) and kind is int and _INT64.fullmatch(value):
        return int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if kind is float and abs(value) <= sys.float_info.max:
            return float(value)
        if kind is int and value == int(value):
            return int(value)
    raise invalid(f"Invalid value at '{where}': expected {kind.__name__}.", where)


def camel_case(name: str) -> str:
    """`display_name` -> `displayName`; camelCase stays."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def rfc3339(seconds: float) -> str:
    """Seconds since the epoch as `2026-11-23T14:00:00.000000Z`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def compact(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message without what proto JSON leaves out: None, false, empty strings and lists."""
    return {name: value for name, value in message.items() if value not in (None, False, "", [])}


def boolean(text: str | None) -> bool:
    """A boolean in a query: `true`, and `True` as the SDK writes it."""
    return (text or "").lower() in ("true", "1")
