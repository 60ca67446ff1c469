"""Checks that google-genai has all that objlib leans on, before the first call.

A release of the SDK may rename a call, a keyword or a field. Without this look that would be an
AttributeError in the middle of a run; with it one line says what has moved, and nothing is sent.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from types import ModuleType

from objlib.errors import ConfigurationError

#: Calls of `Client.aio` -> the keywords with which they are called.
CALLS: dict[str, tuple[str, ...]] = {
    "aclose": (),
    "file_search_stores.create": ("config",),
    "file_search_stores.delete": ("name",),
    "file_search_stores.documents.delete": ("name", "config"),
    "file_search_stores.documents.get": ("name",),
    "file_search_stores.documents.list": ("parent", "config"),
    "file_search_stores.get": ("name",),
    "file_search_stores.import_file": ("file_search_store_name", "file_name", "config"),
    "file_search_stores.list": ("config",),
    "files.delete": ("name",),
    "files.get": ("name",),
    "files.upload": ("file", "config"),
    "models.generate_content": ("model", "contents", "config"),
    "operations.get": ("operation",),
}
#: Its types -> the fields that are written or read.
FIELDS: dict[str, tuple[str, ...]] = {
    "CustomMetadata": ("key", "string_value", "string_list_value", "numeric_value"),
    "Document": ("name", "display_name", "state", "size_bytes", "create_time", "custom_metadata"),
    "File": ("name", "state", "size_bytes", "sha256_hash"),
    "FileSearch": ("file_search_store_names", "top_k", "metadata_filter"),
    "FileSearchStore": (
        "name",
        "display_name",
        "active_documents_count",
        "pending_documents_count",
        "failed_documents_count",
        "size_bytes",
    ),
    "GenerateContentConfig": ("tools",),
    "HttpOptions": ("base_url", "api_version", "timeout", "headers", "async_client_args"),
    "ImportFileConfig": ("custom_metadata", "http_options"),
    "ImportFileOperation": ("name", "done", "error", "response"),
    "StringList": ("values",),
    "Tool": ("file_search",),
    "UploadFileConfig": ("name", "mime_type", "http_options"),
}


def check_sdk(calls: object, types: ModuleType) -> None:
    """Look for all that is called, and stop where something has moved.

    Args:
        calls: `Client.aio`.

    Raises:
        ConfigurationError: something has moved; it names what, and what to install.
    """
    for moved in (*_moved_calls(calls), *_moved_fields(types)):
        raise ConfigurationError(
            f"google-genai {version('google-genai')} is none that objlib can work with: {moved}; "
            f"pip install '{_wanted()}'"
        )


def _moved_calls(calls: object) -> Iterator[str]:
    for path, keywords in CALLS.items():
        found: object = calls
        for name in path.split("."):
            found = getattr(found, name, None)
        if not callable(found):
            yield f"it has no {path}"
            continue
        parameters = inspect.signature(found).parameters.values()
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            continue
        names = {parameter.name for parameter in parameters}
        yield from (f"{path} takes no {name!r}" for name in keywords if name not in names)


def _moved_fields(types: ModuleType) -> Iterator[str]:
    for kind, fields in FIELDS.items():
        known = getattr(getattr(types, kind, None), "model_fields", {})
        yield from (f"{kind} has no {name!r}" for name in fields if name not in known)


def _wanted() -> str:
    """Return the range that this objlib was tested with."""
    try:
        ranges = requires("objlib") or []
    except PackageNotFoundError:  # run from a folder that was never installed
        ranges = []
    return next((each for each in ranges if each.startswith("google-genai")), "google-genai")
