"""The limits of the API: sizes, lengths, numbers of things."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from objlib.filestore.wire import invalid

DOCUMENT_BYTES_MAX = 100 * 1024 * 1024
RAW_FILE_BYTES_MAX = 2 * 1024 * 1024 * 1024
DISPLAY_NAME_CHARS_MAX = 512
METADATA_ENTRIES_MAX = 20
STORES_PER_QUERY_MAX = 5

_MIME_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(\s*;.*)?", re.ASCII)


def check_display_name(name: str) -> None:
    """Raises 400 for a display name that is too long."""
    if len(name) > DISPLAY_NAME_CHARS_MAX:
        raise invalid(
            f"The display name is longer than {DISPLAY_NAME_CHARS_MAX} characters.", "displayName"
        )


def check_mime_type(mime_type: str, field: str) -> None:
    """Raises 400 for a MIME type that is given and is none."""
    if mime_type and not _MIME_TYPE.fullmatch(mime_type):
        raise invalid(
            f"* {field}: When provided, MIME type must be in a valid type/subtype format"
            " (e.g., 'text/plain', 'application/pdf').",
            field,
        )


def check_document_size(size_bytes: int) -> None:
    """Raises 400 for more bytes than a document may have."""
    if size_bytes > DOCUMENT_BYTES_MAX:
        raise invalid("The document is larger than 100 MB.")


def check_metadata(metadata: Sequence[dict[str, Any]]) -> None:
    """Raises 400 for too many entries, an entry without a key, or not exactly one value."""
    if len(metadata) > METADATA_ENTRIES_MAX:
        raise invalid(
            f"A document may have at most {METADATA_ENTRIES_MAX} custom metadata entries.",
            "customMetadata",
        )
    for entry in metadata:
        if not entry.get("key"):
            raise invalid("A custom metadata entry needs a key.", "customMetadata.key")
        if len(entry.keys() - {"key"}) != 1:
            raise invalid(
                f"The custom metadata entry {entry['key']!r} needs exactly one value.",
                "customMetadata",
            )
