"""Bytes and a MIME type to text, for the types that are text."""

from __future__ import annotations

import codecs
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
    if not (kind.startswith("text/") or kind in _TEXTUAL_APPLICATIONS | _HTML):
        raise NoText(f"text cannot be extracted from {kind}")
    text = _decode(content)
    return _without_markup(text) if kind in _HTML else text


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
