"""Web pages: the text that a reader sees, one paragraph a block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from objlib.formats.declared import decoded
from objlib.formats.decoding import is_text
from objlib.formats.reading import Missing, NoText, counted

TYPES = frozenset({"text/html", "application/xhtml+xml"})
_HIDDEN = frozenset({"script", "style", "template", "noscript"})
#: XHTML may close these at once, for HTML the rest of the page would be inside.
_EMPTY_RAW = re.compile(r"<(script|style|title|noscript|textarea|iframe)\b[^<>]*/>", re.IGNORECASE)
_XML_DECLARATION = re.compile(r"\A\s*<\?xml\b[^>]*\?>")
_BLOCKS = frozenset(
    "address article aside blockquote body br caption center dd details dialog dir div dl dt "
    "fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr legend li main menu "
    "nav ol optgroup option p pre search section select summary table tbody td tfoot th thead "
    "title tr ul".split()
)
#: They stand apart from the words around them, in the same line.
_BOXES = frozenset({"button", "input", "meter", "output", "progress", "textarea"})
#: Elements in one another. The time that the parser takes grows with the square of it. Pages that
#: close no paragraph and no item look deeper than they are.
DEPTH_MAX = 20_000
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/<>]*)[^<>]*>")
_HIDDEN_RAW = re.compile(r"<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_VOID = frozenset(
    "area base br col dd dt embed hr img input li link meta option p source td th tr wbr".split()
)
#: UTF-16 without its mark.
_WIDE = (b"<\0", b"\0<")
_AS_WRITTEN = frozenset({"pre", "textarea"})
_BLANKS = re.compile(r"[ \t\n\r\f]+")
_AROUND_BREAKS = re.compile(r" *\n\n[ \n]*")


def text(content: bytes) -> Iterator[str | Missing]:
    """Yield the whole text, then what of the page is a picture without words."""
    if b"\0" in content and not (is_text(content) or content.startswith(_WIDE)):
        raise NoText("The document is damaged: it is no text.")
    shown, pictures = without_markup(decoded(content))
    yield shown
    if pictures:
        yield Missing(f"{counted(pictures, 'picture')} without a description")


def without_markup(page: str) -> tuple[str, int]:
    """Return what a reader sees of a page, and the number of its pictures without a description."""
    page = _XML_DECLARATION.sub("", page, count=1)
    if _is_too_deep(page):
        page = _TAG.sub("\n", _HIDDEN_RAW.sub("", page))
    parsed = LexborHTMLParser(_EMPTY_RAW.sub(r"<\1></\1>", page))
    pieces: list[str] = []
    pictures, as_written = 0, 0
    for node, is_end in _walk(parsed.root):
        tag = node.tag
        if tag == "-text":
            said = node.text_content or ""
            pieces.append(said if as_written else _BLANKS.sub(" ", said))
        elif tag in _BLOCKS:
            pieces.append("\n\n")
        elif tag in _BOXES:
            pieces.append("" if pieces and pieces[-1].endswith(" ") else " ")
        elif tag in ("img", "image") and not is_end:
            said = (node.attributes.get("alt") or "").strip()
            pieces.append(f" {said} " if said else "")
            pictures += not said
        if tag in _AS_WRITTEN:
            as_written += -1 if is_end else 1
    return _AROUND_BREAKS.sub("\n\n", "".join(pieces)).strip(), pictures


def _is_too_deep(page: str) -> bool:
    """Return True for a page whose nesting would keep the parser for minutes."""
    if page.count("<") <= DEPTH_MAX:
        return False
    depth = 0
    for tag in _TAG.finditer(page):
        if tag[2].lower() not in _VOID and not tag[0].endswith("/>"):
            depth += -1 if tag[1] else 1
        if depth > DEPTH_MAX:
            return True
    return False


def _walk(root: Any) -> Iterator[tuple[Any, bool]]:
    """Yield each node as it begins, and as it ends if it is an element; nothing that is hidden.

    It neither calls itself nor looks at a node twice: pages are nested a hundred thousand deep.
    """
    node = root
    while node is not None:
        below = None
        if node.tag not in _HIDDEN:
            yield node, False
            below = node.child
        if below is not None:
            node = below
            continue
        if node.tag not in _HIDDEN and node.tag != "-text":
            yield node, True
        while node is not None and node.next is None:
            node = node.parent
            if node is None or node.mem_id == root.mem_id:
                return
            yield node, True
        node = node.next if node is not None else None
