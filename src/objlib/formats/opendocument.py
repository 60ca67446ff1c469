"""OpenDocument: headings and paragraphs, the rows of sheets, what is in the margins.

Source: OpenDocument 1.3, part 3 (schema), part 2 (packages).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from objlib.formats import tree
from objlib.formats.reading import Missing, Page, Unreadable, counted
from objlib.formats.zipped import Archive, opened

_BLANKS = {"s": " ", "tab": "\t", "line-break": "\n"}
#: What was deleted while changes were tracked, and the numbers of notes.
_SKIPPED = frozenset({"tracked-changes", "note-citation"})
#: Who commented on a text, and when.
_AUTHORSHIP = "{http://purl.org/dc/"
_OBJECT = re.compile(r"(?:\./)?Object [^/]+/content\.xml")


def paragraphs(content: bytes) -> Iterator[str | Missing]:
    """Yield the whole text, and that of headers and footers."""
    with opened(content) as archive:
        root, is_damaged = _content(archive)
        found = list(_blocks(root))
        for part in (*_objects(archive), *_margins(archive)):
            found += [block for block in _blocks(part) if block not in found]
    yield "\n\n".join(found)
    yield from _missing(root, is_damaged)


def slides(content: bytes) -> Iterator[Page | Missing]:
    """Yield each slide in the order of the show, with its notes; then what is on none of them."""
    with opened(content) as archive:
        root, is_damaged = _content(archive)
        found: set[str] = set()
        for number, slide in enumerate(tree.named(root, "page"), start=1):
            blocks = list(_blocks(slide))
            found.update(blocks)
            yield Page(None, "\n\n".join(blocks), f"slide {number}")
        others: list[str] = []
        for part in (root, *_objects(archive), *_margins(archive)):
            others += [block for block in _blocks(part) if block not in found]
            found.update(others)
    if others:
        yield Page(None, "\n\n".join(others))
    yield from _missing(root, is_damaged)


def sheets(content: bytes) -> Iterator[Page | Missing]:
    """Yield each sheet: its name, and a line a row, without empty cells.

    A cell or row that is there many times, as the file says in a number, is given once.
    """
    with opened(content) as archive:
        root, is_damaged = _content(archive)
    for table in tree.named(root, "table"):
        rows = (" | ".join(_cells(row)) for row in tree.named(table, "table-row"))
        shapes = (block for shapes in tree.named(table, "shapes") for block in _blocks(shapes))
        title = tree.attribute(table, "name") or ""
        said = "\n\n".join([title, *filter(None, rows), *shapes])
        yield Page(None, said, f"sheet {title}" if title else None)
    yield from _missing(root, is_damaged)


def _content(archive: Archive) -> tuple[Any, bool]:
    manifest = archive.find("META-INF/manifest.xml")
    if manifest is not None and b"encryption-data" in archive.read(manifest):
        raise Unreadable("The document is encrypted; save it without a password.")
    name = archive.find("content.xml")
    if name is None:
        raise Unreadable("The document is damaged: its main part is missing.")
    return tree.mended_tree(archive.read(name))


def _objects(archive: Archive) -> Iterator[Any]:
    """Yield the charts and documents within a document."""
    for name in archive.file.namelist():
        if _OBJECT.fullmatch(name):
            yield tree.tree(archive.read(name))


def _margins(archive: Archive) -> Iterator[Any]:
    if (styles := archive.find("styles.xml")) is not None:
        yield from tree.named(
            tree.tree(archive.read(styles)),
            *("header", "footer", "header-left", "footer-left", "header-first", "footer-first"),
        )


def _missing(root: Any, is_damaged: bool) -> Iterator[Missing]:
    if pictures := sum(1 for _ in tree.named(root, "image")):
        yield Missing(f"the text in {counted(pictures, 'picture')}")
    if is_damaged:
        yield Missing("a part that is damaged")


def _cells(row: Any) -> Iterator[str]:
    for cell in tree.named(row, "table-cell", "covered-table-cell"):
        if said := " ".join(_blocks(cell)):
            yield said


def _blocks(root: Any) -> Iterator[str]:
    """Yield headings and paragraphs; one that stands within another after that one."""
    unfinished: list[list[str]] = []
    finished: list[str] = []
    walk = tree.walk(root)
    for event, element in walk:
        name = tree.name(element)
        is_block = name in ("p", "h")
        if event == "start":
            if name in _SKIPPED or element.tag.startswith(_AUTHORSHIP):
                walk.skip_subtree()
            elif is_block:
                unfinished.append([element.text or ""])
            elif name in ("title", "desc"):
                finished.append(element.text or "")
            elif unfinished:
                unfinished[-1].append(_blank(element, name) or element.text or "")
        else:
            if is_block and unfinished:
                said = "".join(unfinished.pop())
                finished.insert(len(finished) if unfinished else 0, said)
            if unfinished:
                unfinished[-1].append(element.tail or "")
        if not unfinished:
            yield from (block.strip() for block in finished if block.strip())
            finished.clear()


def _blank(element: Any, name: str) -> str | None:
    return _BLANKS[name] * _count(tree.attribute(element, "c")) if name in _BLANKS else None


def _count(number: str | None) -> int:
    return min(int(number), 100) if number and number.isdigit() else 1
