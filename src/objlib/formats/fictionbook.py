"""FictionBook 2: title, annotation and every body of the book; not the pictures in it.

Source: the schema of FictionBook 2.0, gribuser.ru/xml/fictionbook.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from objlib.formats import tree
from objlib.formats.reading import Missing, Unreadable, counted
from objlib.formats.zipped import opened

_BLOCKS = frozenset({"p", "v", "subtitle", "text-author", "book-title", "td", "th", "date"})
_NAMES = ("first-name", "middle-name", "last-name", "nickname")


def sections(content: bytes) -> Iterator[str | Missing]:
    """Yield what the book says of itself, then each body: the text, the notes."""
    root, is_damaged = _book(content)
    for part in tree.named(root, "title-info", "body"):
        is_title = tree.name(part) == "title-info"
        authors = _authors(part) if is_title else []
        blocks = (" ".join("".join(block.itertext()).split()) for block in _blocks(part))
        yield "\n\n".join(filter(None, (*authors, *blocks)))
    if is_damaged:
        yield Missing("a part that is damaged")
    bodies = list(tree.named(root, "body"))
    if pictures := sum(1 for body in bodies for _ in tree.named(body, "image")):
        yield Missing(f"the text in {counted(pictures, 'picture')}")


def zipped(content: bytes) -> Iterator[str | Missing]:
    """Yield the text of the books in an archive, which is one as a rule."""
    with opened(content) as archive:
        names = [name for name in archive.file.namelist() if name.lower().endswith(".fb2")]
        if not names:
            raise Unreadable("There is no FictionBook in the archive; unpack it here.")
        for name in names:
            yield from sections(archive.read(name))


def properties(content: bytes) -> dict[str, str | list[str]]:
    """Return title and authors as the book names them; a key is left out where it does not."""
    found: dict[str, str | list[str]] = {}
    for part in tree.named(_book(content)[0], "title-info"):
        title = next(tree.named(part, "book-title"), None)
        if title is not None and (said := " ".join("".join(title.itertext()).split())):
            found["title"] = said
        if authors := _authors(part):
            found["authors"] = authors
    return found


def _book(content: bytes) -> tuple[Any, bool]:
    root, is_damaged = tree.mended_tree(content)
    if tree.name(root) != "FictionBook":
        raise Unreadable("The document is damaged: it is no FictionBook.")
    return root, is_damaged


def _authors(title_info: Any) -> list[str]:
    return [
        said
        for author in title_info
        if tree.name(author) == "author"
        and (
            said := " ".join(
                (part.text or "").strip() for part in author if tree.name(part) in _NAMES
            ).strip()
        )
    ]


def _blocks(part: Any) -> Iterator[Any]:
    return (element for element in part.iter() if tree.name(element) in _BLOCKS)
