"""EPUB books: the documents of the spine, in reading order.

Source: EPUB 3.3, W3C, "Package document" and "OCF container".
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree import ElementTree

from objlib.formats.errors import Unreadable
from objlib.formats.text import extract
from objlib.formats.zipped import opened

_CONTAINER = "META-INF/container.xml"
#: What says that a book is protected: Adobe's, Readium's and Apple's.
_PROTECTIONS = frozenset({"META-INF/rights.xml", "META-INF/license.lcpl", "META-INF/sinf.xml"})
_ENCRYPTION = "META-INF/encryption.xml"


def chapters(content: bytes) -> Iterator[str]:
    """The text of each document of the spine."""
    with opened(content) as archive:
        names = set(archive.namelist())
        if names & _PROTECTIONS:
            raise Unreadable("The e-book is protected.")
        encrypted = _encrypted(archive.read(_ENCRYPTION)) if _ENCRYPTION in names else frozenset()
        for path in _spine(archive):
            if path in encrypted:
                raise Unreadable("The e-book is protected.")
            if path in names:  # books with an entry that leads nowhere are common
                yield extract(archive.read(path), "application/xhtml+xml")


def _spine(archive: zipfile.ZipFile) -> Iterator[str]:
    """The members to be read, in reading order."""
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
        if _is(element, "itemref") and (href := items.get(element.attrib["idref"])) is not None:
            yield posixpath.normpath(posixpath.join(folder, unquote(href)))


def _encrypted(declared: bytes) -> frozenset[str]:
    """The members that are; fonts often are, which harms nobody."""
    references = (
        element.attrib.get("URI", "")
        for element in ElementTree.fromstring(declared).iter()
        if _is(element, "CipherReference")
    )
    return frozenset(unquote(reference) for reference in references)


def _is(element: ElementTree.Element, name: str) -> bool:
    return element.tag.rpartition("}")[2] == name
