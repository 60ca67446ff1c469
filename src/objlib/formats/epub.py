"""EPUB books: what they say of themselves, and the documents of the spine in reading order.

Books are made by many programs, so references are followed as far as they can be understood.

Source: EPUB 3.3, W3C, "Package document" and "OCF container".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO
from urllib.parse import unquote

from objlib.formats import html, tree
from objlib.formats.declared import decoded
from objlib.formats.reading import Missing, Unreadable, counted
from objlib.formats.zipped import Archive, opened, opened_on_disk

#: What says that a book is protected: Adobe's, Readium's and Apple's.
_PROTECTIONS = ("META-INF/rights.xml", "META-INF/license.lcpl", "META-INF/sinf.xml")
_CHAPTERS = (".xhtml", ".html", ".htm", ".xml")
#: Of the beginning of a package document, in which the book names itself.
PACKAGE_BYTES_MAX = 1024 * 1024
_CHAPTER_TYPES = frozenset({"application/xhtml+xml", "text/html", "text/x-oeb1-document"})


@dataclass(frozen=True, slots=True)
class _Book:
    """A package document: what the book says of itself, and what there is to be read."""

    title: str
    authors: tuple[str, ...]
    #: (the reference as it is written, the member that it leads to), in reading order.
    spine: tuple[tuple[str, str | None], ...]


def chapters(content: bytes) -> Iterator[str | Missing]:
    """Yield title and authors, then the text of each document of the spine."""
    with opened(content) as archive:
        if any(archive.find(name) for name in _PROTECTIONS):
            raise Unreadable("The e-book is protected.")
        book, encrypted = _book(archive), _encrypted(archive)
        if about := "\n\n".join(filter(None, (book.title, ", ".join(book.authors)))):
            yield about
        pictures = 0
        for number, (reference, member) in enumerate(book.spine, start=1):
            if member is None:
                yield Missing(f"chapter {number} ({reference or 'without a name'}) is missing")
                continue
            if member in encrypted:
                raise Unreadable("The e-book is protected.")
            try:
                text, more = html.without_markup(decoded(archive.read(member)))
            except Unreadable:
                yield Missing(f"chapter {number} ({reference}) is damaged")
                continue
            pictures += more
            yield text
    if pictures:
        yield Missing(f"{counted(pictures, 'picture')} without a description")


def properties(file: BinaryIO) -> tuple[str, tuple[str, ...]]:
    """Return title and authors as the book names them.

    Raises:
        Unreadable: it is damaged, or its package document is far too large.
    """
    with opened_on_disk(file) as archive:
        path = _package_path(archive)
        if path is None:
            return "", ()
        package = tree.tree(archive.beginning(path, PACKAGE_BYTES_MAX))
        return next(_said(package, "title"), ""), tuple(_said(package, "creator"))


def _book(archive: Archive) -> _Book:
    path = _package_path(archive)
    package = tree.tree(archive.read(path)) if path is not None else None
    if package is None:
        return _Book("", (), _without_spine(archive))
    items = {
        item.get("id"): item.get("href", "")
        for item in tree.named(package, "item")
        if item.get("id")
    }
    references = [item.get("idref") for item in tree.named(package, "itemref")]
    hrefs = [items.get(reference) or "" for reference in references if reference is not None]
    if not any(hrefs):  # an empty spine: the manifest has some order, too
        hrefs = [
            item.get("href", "")
            for item in tree.named(package, "item")
            if item.get("media-type", "").strip().lower() in _CHAPTER_TYPES
            and "nav" not in item.get("properties", "").split()
        ]
    spine: dict[tuple[str, str | None], None] = {}
    for href in hrefs:
        member = archive.find(href, path or "") if href else None
        # Two references to places in one document are one chapter.
        spine.setdefault((unquote(href.partition("#")[0]), member))
    return _Book(
        next(_said(package, "title"), ""),
        tuple(_said(package, "creator")),
        tuple(spine) or _without_spine(archive),
    )


def _package_path(archive: Archive) -> str | None:
    """Return the member that is the package document; None for a book without one."""
    container = archive.find("META-INF/container.xml")
    if container is not None:
        described = archive.beginning(container, PACKAGE_BYTES_MAX)
        for rootfile in tree.named(tree.tree(described), "rootfile"):
            if (found := archive.find(rootfile.get("full-path", ""))) is not None:
                return found
    return next((name for name in archive.file.namelist() if name.lower().endswith(".opf")), None)


def _without_spine(archive: Archive) -> tuple[tuple[str, str | None], ...]:
    """Whatever looks like a chapter, in the order of names."""
    names = sorted(
        name
        for name in archive.file.namelist()
        if name.lower().endswith(_CHAPTERS) and not name.startswith("META-INF/")
    )
    if not names:
        raise Unreadable("The e-book is damaged: there are no chapters in it.")
    return tuple((name, name) for name in names)


def _said(package: Any, wanted: str) -> Iterator[str]:
    for element in tree.named(package, wanted):
        if said := " ".join("".join(element.itertext()).split()):
            yield said


def _encrypted(archive: Archive) -> frozenset[str | None]:
    """The members that are encrypted; fonts often are, which harms nobody."""
    declared = archive.find("META-INF/encryption.xml")
    if declared is None:
        return frozenset()
    root = tree.tree(archive.read(declared))
    found = (archive.find(one.get("URI", "")) for one in tree.named(root, "CipherReference"))
    return frozenset(found) - {None}
