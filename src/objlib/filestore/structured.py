"""Structured output: an answer as JSON that fits the schema of the question.

An extractive server cannot fill a form. Each free string says the whole answer; every other value
is the first one that the schema allows. So a client's parsing is tried, and its text can be found.

Source: ai.google.dev/gemini-api/docs/structured-output; JSON Schema, and the API's own `Schema`,
whose types are written in capitals.
"""

from __future__ import annotations

import json
from typing import Any

from objlib.filestore.wire import invalid

JSON = "application/json"
DEPTH_MAX = 12

Schema = dict[str, Any]

_FORMATS = {
    "date": "1970-01-01",
    "date-time": "1970-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT0S",
}


def schema_of_generation(config: Any) -> Schema | None:
    """Return the schema that a generationConfig asks for; any object's when it is JSON alone."""
    given = _object(config, "generationConfig")
    if _either(given, "responseMimeType", "response_mime_type") != JSON:
        return None
    schema = _either(given, "responseJsonSchema", "response_json_schema") or _either(
        given, "responseSchema", "response_schema"
    )
    return _object(schema, "generationConfig.responseSchema")


def schema_of_interaction(wanted: dict[str, Any]) -> Schema | None:
    """Return the schema that an interaction's response format asks for."""
    given = wanted.get("responseFormat")
    for one in given if isinstance(given, list) else [given]:
        form = _object(one, "response_format")
        if _either(form, "mimeType", "mime_type") == JSON:
            return _object(form.get("schema"), "response_format.schema")
        if form and wanted.get("responseMimeType") == JSON:  # as it was in the first release
            return form
    return {} if wanted.get("responseMimeType") == JSON else None


def filled(schema: Schema, text: str) -> str:
    """Return JSON that fits a schema and says a text. Raises 400 for a schema that is none."""
    root = schema or {"type": "object", "properties": {"answer": {"type": "string"}}}
    return json.dumps(_value(root, root, text, 0), ensure_ascii=False)


def reshape(body: dict[str, Any], schema: Schema) -> None:
    """Put JSON in the place of an answer's text; its segments are looked for within it."""
    candidate = body["candidates"][0]
    part = candidate["content"]["parts"][0]
    part["text"] = filled(schema, part["text"])
    grounding = candidate.get("groundingMetadata", {})
    supports = []
    for support in grounding.get("groundingSupports", []):
        said = json.dumps(support["segment"]["text"], ensure_ascii=False)[1:-1]
        before, found, _ = part["text"].partition(said)
        if found:
            start = len(before.encode("utf-8"))
            segment = {"startIndex": start, "endIndex": start + len(said.encode("utf-8"))}
            supports.append({**support, "segment": {**segment, "text": said}})
    if "groundingSupports" in grounding:
        grounding["groundingSupports"] = supports


def _object(value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(f"Invalid value at '{where}': expected an object.", where)
    return value


def _either(given: dict[str, Any], name: str, other: str) -> Any:
    return given.get(name, given.get(other))


def _value(schema: Any, root: Schema, text: str, depth: int) -> Any:
    if depth > DEPTH_MAX:
        raise invalid("The schema is too complex: it is nested too deep.", "schema")
    if schema is True:
        return text
    if not isinstance(schema, dict):
        raise invalid("Invalid schema: expected an object.", "schema")
    if isinstance(pointer := schema.get("$ref"), str):
        return _value(_referred(pointer, root), root, text, depth + 1)
    for name in ("anyOf", "oneOf", "allOf", "any_of"):
        if isinstance(choices := schema.get(name), list) and choices:
            return _value(
                next((c for c in choices if not _is_null(c)), None), root, text, depth + 1
            )
    if "const" in schema:
        return schema["const"]
    if isinstance(values := schema.get("enum"), list) and values:
        return values[0]
    return _of_type(schema, root, text, depth)


def _of_type(schema: Schema, root: Schema, text: str, depth: int) -> Any:
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    names = [str(kind).lower() for kind in (kinds if isinstance(kinds, list) else [kinds])]
    kind = next((name for name in names if name != "null"), "null")
    if kind == "object":
        return _properties(schema, root, text, depth)
    if kind == "array":
        least = _number(schema, "minItems", "min_items")
        items = schema.get("items")
        # One item shows its shape, except where a schema holds itself.
        count = least or (1 if items is not None and depth < DEPTH_MAX // 2 else 0)
        if not 0 <= count <= 100:
            raise invalid("The schema is too complex: minItems is too large.", "schema")
        return [_value(items, root, text, depth + 1) for _ in range(int(count))]
    if kind in ("number", "integer"):
        least = _number(schema, "minimum", "minimum")
        return int(least) if kind == "integer" else float(least)
    if kind == "string":
        return _FORMATS.get(str(schema.get("format")), text)
    if kind in ("boolean", "null"):
        return False if kind == "boolean" else None
    raise invalid(f"Invalid schema: there is no type {kind!r}.", "schema")


def _properties(schema: Schema, root: Schema, text: str, depth: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        raise invalid("Invalid schema: properties is an object, required a list.", "schema")
    return {
        name: _value(inner, root, text, depth + 1)
        for name, inner in properties.items()
        if name in required or depth < DEPTH_MAX // 2
    }


def _referred(pointer: str, root: Schema) -> Any:
    found: Any = root
    for step in pointer.removeprefix("#").strip("/").split("/"):
        found = found.get(step) if isinstance(found, dict) and step else found
    return found


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and str(schema.get("type")).lower() == "null"


def _number(schema: Schema, name: str, other: str) -> float:
    """A number of a schema, which the API's own writes as a string; 0 where there is none."""
    value = _either(schema, name, other) or 0
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise invalid(f"Invalid schema: {name} is not a number.", "schema") from error
