"""XML to a tree, also where it is not quite XML, and never more than the bytes hold.

Entities are neither expanded nor fetched: a document that defines its own is refused.
"""

from __future__ import annotations

import html.entities
import re
from collections.abc import Iterator
from typing import Any

from lxml import etree  # type: ignore[import-untyped]

from objlib.formats.declared import decoded
from objlib.formats.reading import Unreadable

_DECLARATION = re.compile(r"\A\s*<\?xml\b[^>]*\?>")
_CONTROLS = {code: None for code in range(0x20) if chr(code) not in "\t\n\r"}
_AMPERSAND = re.compile(r"&(?:#\d+;|#x[0-9a-fA-F]+;|(\w+);)?")
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})


def tree(content: bytes) -> Any:
    """Return the root element of a document; see `mended_tree`."""
    return mended_tree(content)[0]


def mended_tree(content: bytes) -> tuple[Any, bool]:
    """Return the root element, and True if a part of the document may be missing from the tree.

    Bare ampersands, entities of HTML, undeclared prefixes, control characters and white space
    before the declaration are mended, which loses nothing.

    Raises:
        Unreadable: nothing of it is XML, or it defines entities.
    """
    try:
        return _parsed(content, recover=False)[0], False
    except etree.XMLSyntaxError:
        text = _DECLARATION.sub("", decoded(content)).translate(_CONTROLS).lstrip()
        mended = _AMPERSAND.sub(_escaped, text).encode("utf-8", "replace")
    try:
        root, problems = _parsed(mended, recover=True)
    except etree.XMLSyntaxError as error:
        raise Unreadable("The document is damaged: it is not XML.") from error
    if root is None:
        raise Unreadable("The document is damaged: it is not XML.")
    return root, any(problem.domain_name != "NAMESPACE" for problem in problems)


def name(element: Any) -> str:
    """Return the name of an element without its namespace; empty for what is no element."""
    tag = element.tag
    return tag.rpartition("}")[2].rpartition(":")[2] if isinstance(tag, str) else ""


def attribute(element: Any, wanted: str) -> str | None:
    """Return an attribute by its name, in whatever namespace it is."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2].rpartition(":")[2] == wanted:
            return str(value)
    return None


def named(root: Any, *wanted: str) -> Iterator[Any]:
    """Yield the elements of these names, in the order of the document."""
    return (element for element in root.iter() if name(element) in wanted)


def walk(root: Any) -> Any:
    """Yield ("start" or "end", element), in the order of the document; see `etree.iterwalk`."""
    return etree.iterwalk(root, events=("start", "end"))


def _parsed(content: bytes, *, recover: bool) -> tuple[Any, Any]:
    parser = etree.XMLParser(
        recover=recover,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )
    root = etree.fromstring(content, parser)
    dtd = root.getroottree().docinfo.internalDTD if root is not None else None
    if dtd is not None and any(True for _ in dtd.iterentities()):
        raise Unreadable("The document is damaged: it defines XML entities, which could blow up.")
    return root, parser.error_log


def _escaped(found: re.Match[str]) -> str:
    """An ampersand as XML has it."""
    entity = found.group(1)
    if entity is None:
        return found.group() if len(found.group()) > 1 else "&amp;"
    if entity in _OF_XML:
        return found.group()
    character = html.entities.html5.get(f"{entity};")
    return character if character else f"&amp;{entity};"
