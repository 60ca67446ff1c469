"""FictionBook 2: title, annotation and every body of the book; not the pictures in it.

Source: the schema of FictionBook 2.0, gribuser.ru/xml/fictionbook.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from objlib.formats.errors import Unreadable

_BLOCKS = frozenset({"p", "v", "subtitle", "text-author", "book-title", "td", "th", "date"})
_READ = frozenset({"title-info", "body"})


def sections(content: bytes) -> Iterator[str]:
    """Yield the book's description, then each body: the text, the notes."""
    root = ElementTree.fromstring(content)
    if _name(root) != "FictionBook":
        raise Unreadable("The document is damaged: it is no FictionBook.")
    for part in root.iter():
        if _name(part) in _READ:
            blocks = (" ".join("".join(block.itertext()).split()) for block in _blocks(part))
            yield "\n\n".join(filter(None, blocks))


def _blocks(part: ElementTree.Element) -> Iterator[ElementTree.Element]:
    return (element for element in part.iter() if _name(element) in _BLOCKS)


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
