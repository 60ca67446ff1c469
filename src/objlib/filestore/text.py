"""Bytes and a MIME type to text, for the types that are text."""

from __future__ import annotations

import html.parser

from charset_normalizer import from_bytes

_TEXTUAL_APPLICATIONS = frozenset(
    f"application/{name}"
    for name in (
        "json xml sql typescript ecmascript javascript dart ms-java x-csh x-latex x-php "
        "x-powershell x-sh x-shellscript x-tex x-zsh vnd.curl vnd.dart vnd.jupyter "
        "octet-stream"
    ).split()
)
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_HIDDEN = frozenset({"script", "style", "template", "noscript"})
_BLOCKS = frozenset(
    "address article aside blockquote br dd div dl dt footer h1 h2 h3 h4 h5 h6 header hr li main "
    "nav ol p pre section table td th tr ul".split()
)


class NoText(ValueError):
    """No text can be had from these bytes."""


def extract(content: bytes, mime_type: str) -> str:
    """The text in a document.

    Raises:
        NoText: the type is not one of text, or the bytes are none.
    """
    kind = mime_type.partition(";")[0].strip().lower()
    if not (kind.startswith("text/") or kind in _TEXTUAL_APPLICATIONS):
        raise NoText(f"text cannot be extracted from {kind}")
    text = _decode(content)
    return _without_markup(text) if kind in _HTML else text


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    if b"\x00" in content:
        raise NoText("the bytes are binary")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        best = from_bytes(content).best()
        return str(best) if best else content.decode("utf-8", errors="replace")


class _Visible(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in _HIDDEN
        if tag in _BLOCKS:
            self.parts.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in _HIDDEN))

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def _without_markup(text: str) -> str:
    visible = _Visible()
    visible.feed(text)
    visible.close()
    return "".join(visible.parts).strip()
