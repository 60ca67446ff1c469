"""The protocol as an OpenAPI description, for fuzzers.

    python -m tests.filestore.openapi > openapi.json
    schemathesis run openapi.json --url http://127.0.0.1:8471

Requests are described from the same tables by which the server reads them, so that a fuzzer comes
through the door; answers are described here a second time, so that it can tell what is wrong.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from objlib.filestore import wire

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
INT64: Schema = {"type": "string", "pattern": "^-?[0-9]{1,19}$"}
TIME: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}
STATE: Schema = {"enum": ["STATE_PENDING", "STATE_ACTIVE", "STATE_FAILED"]}

_VECTOR: Schema = {
    "type": "object",
    "required": ["values"],
    "properties": {"values": {"type": "array", "items": {"type": "number"}}},
    "additionalProperties": False,
}

#: Answers: name -> (required fields, other fields).
_ANSWERS: dict[str, tuple[Schema, Schema]] = {
    "Empty": ({}, {}),
    "File": (
        {
            **dict.fromkeys(("name", "uri", "sha256Hash"), TEXT),
            "sizeBytes": INT64,
            **dict.fromkeys(("createTime", "updateTime", "expirationTime"), TIME),
            "state": {"enum": ["ACTIVE"]},
            "source": {"enum": ["UPLOADED"]},
        },
        {"displayName": TEXT, "mimeType": TEXT},
    ),
    "Store": (
        {"name": TEXT, "createTime": TIME, "updateTime": TIME, "embeddingModel": TEXT},
        {
            "displayName": TEXT,
            **dict.fromkeys(
                ("activeDocumentsCount", "pendingDocumentsCount", "failedDocumentsCount"), INT64
            ),
            "sizeBytes": INT64,
        },
    ),
    "Document": (
        {
            **dict.fromkeys(("name", "displayName"), TEXT),
            **dict.fromkeys(("createTime", "updateTime"), TIME),
            "sizeBytes": INT64,
            "state": STATE,
        },
        {"mimeType": TEXT, "customMetadata": {"type": "array"}},
    ),
    "Operation": (
        {"name": TEXT},
        {
            "done": {"const": True},
            "response": {"type": "object"},
            "error": {"type": "object"},
            "metadata": {"type": "object"},
        },
    ),
    "Answer": (
        {"candidates": {"type": "array", "minItems": 1}, "usageMetadata": {"type": "object"}},
        {"modelVersion": TEXT, "responseId": TEXT},
    ),
    "Model": (
        {
            **dict.fromkeys(("name", "version", "displayName", "description"), TEXT),
            "inputTokenLimit": {"type": "integer"},
            "outputTokenLimit": {"type": "integer"},
            "supportedGenerationMethods": {"type": "array", "items": TEXT},
        },
        {},
    ),
    "Count": ({"totalTokens": {"type": "integer"}, "promptTokensDetails": {"type": "array"}}, {}),
    "Embedding": ({"embedding": _VECTOR}, {}),
    "Embeddings": ({"embeddings": {"type": "array", "items": _VECTOR}}, {}),
    "Interaction": (
        {
            **dict.fromkeys(("id", "object", "status", "role"), TEXT),
            **dict.fromkeys(("created", "updated"), TIME),
        },
        {
            **dict.fromkeys(("model", "agent", "previous_interaction_id"), TEXT),
            "steps": {"type": "array"},
            "usage": {"type": "object"},
        },
    ),
}
for _name, _items in (
    ("files", "File"),
    ("fileSearchStores", "Store"),
    ("documents", "Document"),
    ("models", "Model"),
):
    _items_schema = {"type": "array", "items": {"$ref": f"#/components/schemas/{_items}"}}
    _ANSWERS[f"List{_items}s"] = ({}, {_name: _items_schema, "nextPageToken": TEXT})

_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "status"],
            "properties": {"code": {"type": "integer"}, "message": TEXT, "status": TEXT},
        }
    },
}

_MODEL = "/{version}/models/{model}"
_STORE = "/{version}/fileSearchStores/{store}"
#: (method, template, message of the request, name of the answer)
_CALLS: list[tuple[str, str, wire.Message | None, str]] = [
    ("get", "/{version}/files", None, "ListFiles"),
    ("get", "/{version}/files/{file}", None, "File"),
    ("delete", "/{version}/files/{file}", None, "Empty"),
    ("get", "/{version}/fileSearchStores", None, "ListStores"),
    ("post", "/{version}/fileSearchStores", wire.CREATE_STORE, "Store"),
    ("get", _STORE, None, "Store"),
    ("delete", _STORE, None, "Empty"),
    ("post", _STORE + ":importFile", wire.IMPORT_FILE, "Operation"),
    ("get", _STORE + "/documents", None, "ListDocuments"),
    ("get", _STORE + "/documents/{document}", None, "Document"),
    ("delete", _STORE + "/documents/{document}", None, "Empty"),
    ("get", _STORE + "/media/{media}", None, "Picture"),
    ("get", _STORE + "/operations/{operation}", None, "Operation"),
    ("get", _STORE + "/upload/operations/{operation}", None, "Operation"),
    ("get", "/{version}/models", None, "ListModels"),
    ("get", _MODEL, None, "Model"),
    ("post", _MODEL + ":generateContent", wire.GENERATE, "Answer"),
    ("post", _MODEL + ":streamGenerateContent", wire.GENERATE, "Answers"),
    ("post", _MODEL + ":countTokens", wire.COUNT_TOKENS, "Count"),
    ("post", _MODEL + ":embedContent", wire.EMBED, "Embedding"),
    ("post", _MODEL + ":batchEmbedContents", wire.BATCH_EMBED, "Embeddings"),
    ("get", "/{version}/interactions/{interaction}", None, "Interaction"),
    ("delete", "/{version}/interactions/{interaction}", None, "Empty"),
    ("post", "/{version}/interactions", wire.INTERACTION, "Interaction"),
    ("post", "/upload/{version}/files", wire.START_FILE, "Upload"),
    ("post", _STORE + ":uploadToFileSearchStore", wire.START_STORE_UPLOAD, "Upload"),
    ("post", "/upload" + _STORE + ":uploadToFileSearchStore", wire.START_STORE_UPLOAD, "Upload"),
]


def openapi() -> Schema:
    """The whole description."""
    paths: Schema = {}
    for method, template, message, answer in _CALLS:
        paths.setdefault(template, {})[method] = _operation(method, template, message, answer)
    schemas = {
        name: {
            "type": "object",
            "required": sorted(required),
            "properties": {**required, **others},
            "additionalProperties": False,
        }
        for name, (required, others) in _ANSWERS.items()
    }
    schemas["Answers"] = {"type": "array", "items": {"$ref": "#/components/schemas/Answer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Gemini File Search", "version": "v1beta"},
        "paths": paths,
        "components": {"schemas": {**schemas, "Error": _ERROR}},
    }


def _operation(method: str, template: str, message: wire.Message | None, answer: str) -> Schema:
    names = [part.split("}")[0] for part in template.split("{")[1:]]
    parameters = [_in_path(name) for name in names]
    if answer.startswith("List"):
        parameters += [
            {"name": "pageSize", "in": "query", "schema": {"type": "integer", "minimum": 0}},
            {"name": "pageToken", "in": "query", "schema": TEXT},
        ]
    if method == "delete" and template.startswith(_STORE):
        parameters.append({"name": "force", "in": "query", "schema": {"type": "boolean"}})
    if answer == "Upload":
        parameters += _UPLOAD_HEADERS
    operation: Schema = {
        "operationId": f"{method} {template}",
        "parameters": parameters,
        "responses": {
            "200": _ok(answer),
            "default": {
                "description": "refused",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    if message is not None:
        schema = schema_of(message)
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation


_UPLOAD_HEADERS = [
    {"name": "X-Goog-Upload-Protocol", "in": "header", "schema": {"enum": ["resumable"]}},
    {
        "name": "X-Goog-Upload-Command",
        "in": "header",
        "schema": {"enum": ["start", "upload", "upload, finalize", "query", "cancel"]},
    },
    {"name": "X-Goog-Upload-Offset", "in": "header", "schema": {"type": "integer"}},
    {"name": "X-Goog-Upload-Header-Content-Length", "in": "header", "schema": {"type": "integer"}},
    {"name": "upload_id", "in": "query", "schema": TEXT},
]


def _ok(answer: str) -> Schema:
    if answer == "Upload":
        return {"description": "done, or a URL to go on with"}
    if answer == "Picture":
        return {"description": "its bytes", "content": {"image/png": {}, "image/jpeg": {}}}
    schema = {"$ref": f"#/components/schemas/{answer}"}
    content: Schema = {"application/json": {"schema": schema}}
    if answer == "Interaction":
        content["text/event-stream"] = {}
    return {"description": "done", "content": content}


def _in_path(name: str) -> Schema:
    schema = {"enum": ["v1", "v1beta", "v1alpha"]} if name == "version" else TEXT
    return {"name": name, "in": "path", "required": True, "schema": schema}


def schema_of(kind: Any) -> Schema:
    """What `wire.read_message` lets through, as a JSON schema."""
    if isinstance(kind, Mapping):
        null = {"type": "null"}  # what proto JSON takes for a field that is not there
        properties = {name: {"anyOf": [schema_of(inner), null]} for name, inner in kind.items()}
        return {"type": "object", "properties": properties, "additionalProperties": False}
    if isinstance(kind, list):
        return {"type": "array", "items": schema_of(kind[0])}
    if kind is object:
        return {}
    return {str: TEXT, int: {"type": "integer"}, float: {"type": "number"}}[kind]


if __name__ == "__main__":
    json.dump(openapi(), sys.stdout, indent=2)
