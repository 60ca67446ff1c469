"""Bytes and a MIME type to text, for the types that are text."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser

from objlib.formats.decoding import NO_MARK, decode_text, mark_of

_TEXTUAL_APPLICATIONS = frozenset(
    f"application/{name}"
    for name in (
        "json xml sql typescript ecmascript javascript dart ms-java x-csh x-latex x-php "
        "x-powershell x-sh x-shellscript x-tex x-zsh vnd.curl vnd.dart vnd.jupyter "
        "octet-stream"
    ).split()
)
HTML = frozenset({"text/html", "application/xhtml+xml"})
_HIDDEN = ["script", "style", "template", "noscript"]
#: XHTML may close these at once, for HTML the rest of the page would be inside.
_EMPTY_RAW = re.compile(r"<(script|style|title|noscript|textarea|iframe)\b[^<>]*/>", re.IGNORECASE)
_BLOCKS = frozenset(
    "address article aside blockquote br dd div dl dt footer h1 h2 h3 h4 h5 h6 header hr li main "
    "nav ol p pre section table td th tr ul".split()
)


class NoText(ValueError):
    """No text can be had from these bytes."""


def extract(content: bytes, mime_type: str) -> str:
    """Return the text in a document.

    Raises:
        NoText: the type is not one of text, or the bytes are none.
    """
    kind = mime_type.partition(";")[0].strip().lower()
    if not (kind.startswith("text/") or kind in _TEXTUAL_APPLICATIONS | HTML):
        raise NoText(f"text cannot be extracted from {kind}")
    if b"\x00" in content and mark_of(content) is NO_MARK:
        raise NoText("the bytes are binary")
    text = decode_text(content)
    return _without_markup(text) if kind in HTML else text


def _without_markup(text: str) -> str:
    page = LexborHTMLParser(_EMPTY_RAW.sub(r"<\1></\1>", text))
    page.strip_tags(_HIDDEN, recursive=True)
    parts = (
        node.text_content if node.tag == "-text" else "\n\n" if node.tag in _BLOCKS else ""
        for node in (page.root.traverse(include_text=True) if page.root is not None else ())
    )
    return "".join(part or "" for part in parts).strip()
