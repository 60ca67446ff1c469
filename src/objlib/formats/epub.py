"""EPUB books: the documents of the spine, in reading order.

Source: EPUB 3.3, W3C, "Package document" and "OCF container".
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree import ElementTree

from objlib.formats.errors import Unreadable
from objlib.formats.text import extract
from objlib.formats.zipped import opened

_CONTAINER = "META-INF/container.xml"
_RIGHTS = "META-INF/rights.xml"


def chapters(content: bytes) -> Iterator[str]:
    """The text of each document of the spine."""
    with opened(content) as archive:
        if _RIGHTS in archive.namelist():
            raise Unreadable("The e-book is protected.")
        container = ElementTree.fromstring(archive.read(_CONTAINER))
        package_path = next(
            element.attrib["full-path"] for element in container.iter() if _is(element, "rootfile")
        )
        package = ElementTree.fromstring(archive.read(package_path))
        items = {
            element.attrib["id"]: element.attrib["href"]
            for element in package.iter()
            if _is(element, "item")
        }
        folder = posixpath.dirname(package_path)
        for element in package.iter():
            if _is(element, "itemref"):
                path = posixpath.normpath(
                    posixpath.join(folder, unquote(items[element.attrib["idref"]]))
                )
                yield extract(archive.read(path), "application/xhtml+xml")


def _is(element: ElementTree.Element, name: str) -> bool:
    return element.tag.rpartition("}")[2] == name
