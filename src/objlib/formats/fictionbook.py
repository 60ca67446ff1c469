"""FictionBook 2: title, annotation and every body of the book; not the pictures in it.

Source: the schema of FictionBook 2.0, gribuser.ru/xml/fictionbook.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from objlib.formats import tree
from objlib.formats.reading import Missing, Unreadable, counted
from objlib.formats.zipped import Archive, opened, opened_on_disk

#: Of the beginning of a book, in which it names itself.
DESCRIPTION_BYTES_MAX = 256 * 1024
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
        for name in _books_in(archive):
            yield from sections(archive.read(name))


def properties(file: BinaryIO) -> tuple[str, tuple[str, ...]]:
    """Return title and authors as the book names them, in its beginning.

    Raises:
        Unreadable: it is no FictionBook.
    """
    file.seek(0)
    return _named_in(file.read(DESCRIPTION_BYTES_MAX))


def zipped_properties(file: BinaryIO) -> tuple[str, tuple[str, ...]]:
    """Return title and authors of the first book in an archive.

    Raises:
        Unreadable: it is no archive, or there is no FictionBook in it.
    """
    with opened_on_disk(file) as archive:
        return _named_in(archive.beginning(_books_in(archive)[0], DESCRIPTION_BYTES_MAX))


def _named_in(beginning: bytes) -> tuple[str, tuple[str, ...]]:
    part = next(tree.named(_book(beginning)[0], "title-info"), None)
    if part is None:
        return "", ()
    title = next(tree.named(part, "book-title"), None)
    said = "" if title is None else " ".join("".join(title.itertext()).split())
    return said, tuple(_authors(part))


def _books_in(archive: Archive) -> list[str]:
    names = [name for name in archive.file.namelist() if name.lower().endswith(".fb2")]
    if not names:
        raise Unreadable("There is no FictionBook in the archive; unpack it here.")
    return names


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
