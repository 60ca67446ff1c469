"""The identity of a document: the header in its text, and its key.

Names and metadata are not embedded by the API, so what must be findable is written into the text:

    [objlib:1]
    title: Why Arches Stand
    course: The Craft of Bridges
    path: The Craft of Bridges/Year 1/Q1/Week 1 - Why Arches Stand.txt
    [/objlib]

    The text itself.

The markers hold no white space, so a chunker that cuts between words leaves them whole.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping

from objlib.library.metadata import MetadataValue

#: Part of the treatment in the upload key: raise it when the form of the header changes.
HEADER_VERSION = 1

UPLOAD_KEY_CHARS = 26

_BEGIN = f"[objlib:{HEADER_VERSION}]"
_BEGIN_OF_ANY_VERSION = "[objlib:"
_END = "[/objlib]"
_AFTER_HEADER = "\n\n"
_REPEATED = re.compile(r"\[objlib:\d+\](?:(?!\n\s*\n).)*?\[/objlib\](?: \[\d+\])*\s*", re.DOTALL)


def identity_header(
    path: str, metadata: Mapping[str, MetadataValue], part: int | None = None
) -> str:
    """The block that goes before a text: title first, the other fields by name, the path last.

    Args:
        part: which part of the file this is. Of how many is not said, or what is appended to a file
            would change them all.
    """
    names = sorted(metadata, key=lambda name: (name != "title", name))
    fields = [(name, _one_line(metadata[name])) for name in names]
    place = [("path", _one_line(path)), ("part", str(part or ""))]
    lines = [f"{name}: {value}" for name, value in (*fields, *place) if value]
    return "\n".join((_BEGIN, *lines, _END)) + _AFTER_HEADER


def strip_identity_header(passage: str) -> str:
    """A retrieved passage without the header, whole or cut off at either end.

    Chunks may begin or end inside the header. A text that holds neither marker is left as it is,
    and so is a marker in the midst of a text: a header holds no empty line.
    """
    while (rest := _without_one_header(passage)) != passage:
        passage = rest
    return passage


def without_headers(answer: str) -> str:
    """Return what a model said without the headers that it repeats."""
    return _REPEATED.sub("", answer)


def upload_key(
    library_id: str,
    path: str,
    content_hash: str,
    metadata: Mapping[str, MetadataValue],
    treatment: str,
) -> str:
    """The identity of one version of one file: 26 characters of `[a-z2-7]`, fit for `files/<key>`.

    Args:
        library_id: tells apart two libraries that share a store.
        path: relative to the library's root.
        content_hash: SHA-256 of the file on disk, in hex.
        metadata: what is sent along; its order does not matter.
        treatment: what is done to the content on the way up (converter, header version).
    """
    identity = [library_id, path, content_hash, dict(metadata), treatment]
    canonical = json.dumps(
        identity, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    digest = hashlib.sha256(canonical.encode("ascii")).digest()
    return base64.b32encode(digest).decode("ascii").lower()[:UPLOAD_KEY_CHARS]


def _one_line(value: MetadataValue) -> str:
    """A value that can neither break the line nor pass for a marker."""
    plain = ", ".join(value) if isinstance(value, list) else str(value)
    text = " ".join(plain.split())
    return text.replace(_BEGIN_OF_ANY_VERSION, "(objlib:").replace(_END, "(/objlib)")


def _without_one_header(passage: str) -> str:
    before, end, rest = passage.partition(_END)
    is_header = before.startswith(_BEGIN_OF_ANY_VERSION)
    if "\n\n" in before or (not is_header and _BEGIN_OF_ANY_VERSION in before):
        return passage
    if end:
        return rest.removeprefix(_AFTER_HEADER) if rest.startswith(_AFTER_HEADER) else rest.lstrip()
    return "" if is_header else passage
