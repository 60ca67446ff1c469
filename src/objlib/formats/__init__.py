"""Text out of documents of every kind: which reader a MIME type has, and what may go wrong.

Text, Markdown and HTML need nothing. The libraries for the rest come with the extra `formats`;
without it such a document fails with a message that says so.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from objlib.formats.errors import LibraryMissing, Unreadable
from objlib.formats.text import HTML, extract

__all__ = ["LibraryMissing", "Page", "Unreadable", "is_plain", "kind_of", "read"]


class Page(NamedTuple):
    """A part of a document that is read in one go. Only paginated formats have numbers, from 1."""

    number: int | None
    text: str


Reader = Callable[[bytes], Iterator[str]]

_OFFICE = "application/vnd.openxmlformats-officedocument."

#: MIME type -> module and function that reads it.
_READERS = {
    "application/pdf": ("pdf", "pages"),
    f"{_OFFICE}wordprocessingml.document": ("office", "word"),
    f"{_OFFICE}wordprocessingml.template": ("office", "word"),
    f"{_OFFICE}presentationml.presentation": ("office", "slides"),
    f"{_OFFICE}spreadsheetml.sheet": ("office", "sheets"),
    "application/vnd.ms-word.document.macroenabled.12": ("office", "word"),
    "application/vnd.ms-word.template.macroenabled.12": ("office", "word"),
    f"{_OFFICE}presentationml.slideshow": ("office", "slides"),
    f"{_OFFICE}presentationml.template": ("office", "slides"),
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": ("office", "slides"),
    f"{_OFFICE}spreadsheetml.template": ("office", "sheets"),
    "application/vnd.ms-excel.sheet.macroenabled.12": ("office", "sheets"),
    "application/vnd.oasis.opendocument.text": ("opendocument", "paragraphs"),
    "application/vnd.oasis.opendocument.text-template": ("opendocument", "paragraphs"),
    "application/vnd.oasis.opendocument.presentation": ("opendocument", "paragraphs"),
    "application/vnd.oasis.opendocument.spreadsheet": ("opendocument", "sheets"),
    "application/epub+zip": ("epub", "chapters"),
    "application/x-fictionbook+xml": ("fictionbook", "sections"),
    "application/rtf": ("rtf", "text"),
    "text/rtf": ("rtf", "text"),
    "application/vnd.jupyter": ("notebook", "cells"),
    "application/x-ipynb+json": ("notebook", "cells"),
}
_PAGINATED = frozenset({"application/pdf"})


def read(content: bytes, mime_type: str) -> Iterator[Page]:
    """The text of a document, page by page; what has no pages in parts without numbers.

    Raises:
        NoText: the type is not one of text, or the bytes are none.
        Unreadable: the document is damaged, encrypted, or would grow beyond all bounds.
        LibraryMissing: the extra `formats` is not installed.
    """
    kind = kind_of(mime_type)
    if kind not in _READERS:
        yield Page(None, extract(content, mime_type))
        return
    is_paginated = kind in _PAGINATED
    try:
        for number, text in enumerate(_reader(kind)(content), start=1):
            yield Page(number if is_paginated else None, text)
    except LibraryMissing:
        if not kind.startswith("text/"):
            raise
        yield Page(None, extract(content, mime_type))  # with its markup, better than not at all
    except Unreadable:
        raise
    except MemoryError as error:
        raise Unreadable("The document takes more memory than there is for one.") from error
    except Exception as error:  # the libraries raise whatever damage makes them stumble over
        raise Unreadable(f"The document is damaged: it cannot be read as {kind}.") from error


def kind_of(mime_type: str) -> str:
    """A MIME type without its parameters."""
    return mime_type.partition(";")[0].strip().lower()


def is_plain(mime_type: str) -> bool:
    """Return True for a document that is its text as it stands: nothing is parsed."""
    kind = kind_of(mime_type)
    return kind not in _READERS and kind not in HTML


def _reader(kind: str) -> Reader:
    module, function = _READERS[kind]
    reader: Reader = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    return reader
