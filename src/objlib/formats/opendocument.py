"""OpenDocument texts: headings and paragraphs of `content.xml`.

The standard library's expat refuses entities that blow up, so its parser is enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from objlib.formats.zipped import opened

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_BLOCKS = frozenset({f"{_TEXT}p", f"{_TEXT}h"})
_BLANKS = {f"{_TEXT}s": " ", f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}


def paragraphs(content: bytes) -> Iterator[str]:
    """The whole text."""
    with opened(content) as archive:
        root = ElementTree.fromstring(archive.read("content.xml"))
    found = ("".join(_pieces(element)) for element in root.iter() if element.tag in _BLOCKS)
    yield "\n\n".join(text for text in found if text.strip())


def _pieces(element: ElementTree.Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag in _BLANKS:
            yield _BLANKS[child.tag]
        elif child.tag not in _BLOCKS:  # a paragraph in a frame stands for itself
            yield from _pieces(child)
        yield child.tail or ""
