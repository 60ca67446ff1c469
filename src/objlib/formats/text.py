"""Bytes and a MIME type to text, for the types that are text."""

from __future__ import annotations

import codecs
import re

from charset_normalizer import from_bytes
from selectolax.lexbor import LexborHTMLParser

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

#: UTF-32 first: one of its marks begins like UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: What texts were written in before UTF-8.
_LEGACY_ENCODINGS = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r", "cp866"),
    *("gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp874"),
)
_TIE = 0.1
#: At most one damaged place in twenty bytes beyond ASCII: it was UTF-8 once.
_DAMAGE_DIVISOR = 20


class NoText(ValueError):
    """No text can be had from these bytes."""


def extract(content: bytes, mime_type: str) -> str:
    """The text in a document.

    Raises:
        NoText: the type is not one of text, or the bytes are none.
    """
    kind = mime_type.partition(";")[0].strip().lower()
    if not (kind.startswith("text/") or kind in _TEXTUAL_APPLICATIONS | HTML):
        raise NoText(f"text cannot be extracted from {kind}")
    text = _decode(content)
    return _without_markup(text) if kind in HTML else text


def _decode(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    if b"\x00" in content:
        raise NoText("the bytes are binary")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_legacy(content)


def _decode_legacy(content: bytes) -> str:
    """Damaged UTF-8, or the most plausible of the old encodings: Windows-1252 if that is one."""
    text = content.decode("utf-8", errors="replace")
    beyond_ascii = sum(byte >= 0x80 for byte in content)
    if text.count("\ufffd") * _DAMAGE_DIVISOR <= beyond_ascii:
        return text
    matches = from_bytes(content, cp_isolation=list(_LEGACY_ENCODINGS))
    best = matches.best()
    if best is None:
        return content.decode("cp1252", errors="replace")
    for match in matches:
        is_as_good = match.chaos <= best.chaos + _TIE and match.coherence >= best.coherence - _TIE
        if is_as_good and "cp1252" in match.could_be_from_charset:
            return str(match)
    return str(best)


def _without_markup(text: str) -> str:
    page = LexborHTMLParser(_EMPTY_RAW.sub(r"<\1></\1>", text))
    page.strip_tags(_HIDDEN, recursive=True)
    parts = (
        node.text_content if node.tag == "-text" else "\n\n" if node.tag in _BLOCKS else ""
        for node in (page.root.traverse(include_text=True) if page.root is not None else ())
    )
    return "".join(part or "" for part in parts).strip()
