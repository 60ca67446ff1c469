"""OpenDocument: headings and paragraphs of `content.xml`, and the rows of sheets.

The standard library's expat refuses entities that blow up, so its parser is enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from objlib.formats.zipped import opened

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_BLOCKS = frozenset({f"{_TEXT}p", f"{_TEXT}h"})
_BLANKS = {f"{_TEXT}s": " ", f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}


def paragraphs(content: bytes) -> Iterator[str]:
    """The whole text."""
    root = _root(content)
    found = ("".join(_pieces(element)) for element in root.iter() if element.tag in _BLOCKS)
    yield "\n\n".join(text for text in found if text.strip())


def sheets(content: bytes) -> Iterator[str]:
    """Each sheet: its name, and a line a row, without empty cells.

    A cell or row that is there many times, as the file says in a number, is given once.
    """
    for table in _root(content).iter(f"{_TABLE}table"):
        rows = (" | ".join(_cells(row)) for row in table.iter(f"{_TABLE}table-row"))
        yield "\n\n".join([table.attrib.get(f"{_TABLE}name", ""), *filter(None, rows)])


def _root(content: bytes) -> ElementTree.Element:
    with opened(content) as archive:
        return ElementTree.fromstring(archive.read("content.xml"))


def _cells(row: ElementTree.Element) -> Iterator[str]:
    for cell in row.iter(f"{_TABLE}table-cell"):
        said = " ".join("".join(_pieces(element)) for element in cell.iter(f"{_TEXT}p"))
        if said.strip():
            yield said


def _pieces(element: ElementTree.Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if child.tag in _BLANKS:
            yield _BLANKS[child.tag]
        elif child.tag not in _BLOCKS:  # a paragraph in a frame stands for itself
            yield from _pieces(child)
        yield child.tail or ""
