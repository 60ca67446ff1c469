"""Bytes and a MIME type to text, for the types that are text as they stand."""

from __future__ import annotations

import re

from objlib.formats.decoding import decode_text, is_text
from objlib.formats.reading import NoText

_JSON = "application/json"
_TEXTUAL_APPLICATIONS = frozenset(
    f"application/{name}"
    for name in (
        "json xml sql typescript ecmascript javascript dart ms-java x-csh x-latex x-php "
        "x-powershell x-sh x-shellscript x-tex x-zsh vnd.curl vnd.dart "
        "octet-stream"
    ).split()
)
#: Characters beyond ASCII as JSON may write them; not where a backslash before takes it away. The
#: two halves of a pair are taken together.
_ESCAPES = re.compile(r"(?<!\\)((?:\\\\)*)((?:\\u[0-9a-fA-F]{4})+)")


def extract(content: bytes, mime_type: str) -> str:
    """Return the text in a document; of JSON with characters for its escapes, or none is found.

    Raises:
        NoText: the type is not one of text, or the bytes are none.
    """
    kind = mime_type.partition(";")[0].strip().lower()
    if not (kind.startswith("text/") or kind in _TEXTUAL_APPLICATIONS):
        raise NoText(
            f"Documents of the type {kind} cannot be read; save it in a newer format or as PDF."
        )
    if b"\x00" in content and not is_text(content):
        raise NoText("The document is damaged: it is no text.")
    text = decode_text(content)
    return _ESCAPES.sub(_unescaped, text) if kind == _JSON else text


def _unescaped(found: re.Match[str]) -> str:
    units = bytes.fromhex(found.group(2).replace("\\u", ""))
    return found.group(1) + units.decode("utf-16-be", "replace")
