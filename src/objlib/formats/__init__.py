"""Text out of documents of every kind: which reader a MIME type has, and what may go wrong."""

from __future__ import annotations

import importlib

from objlib.formats.reading import Missing, NoText, Page, Reader, Reading, Unreadable
from objlib.formats.text import extract

__all__ = [
    "Missing",
    "NoText",
    "Page",
    "Reading",
    "Unreadable",
    "has_named_parts",
    "is_plain",
    "kind_of",
    "read",
]

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPENDOCUMENT = "application/vnd.oasis.opendocument."

#: MIME type -> module and function that reads it.
_READERS = {
    "text/html": ("html", "text"),
    "application/xhtml+xml": ("html", "text"),
    "application/pdf": ("pdf", "pages"),
    f"{_OFFICE}wordprocessingml.document": ("word", "text"),
    f"{_OFFICE}wordprocessingml.template": ("word", "text"),
    "application/vnd.ms-word.document.macroenabled.12": ("word", "text"),
    "application/vnd.ms-word.template.macroenabled.12": ("word", "text"),
    f"{_OFFICE}presentationml.presentation": ("slides", "text"),
    f"{_OFFICE}presentationml.slideshow": ("slides", "text"),
    f"{_OFFICE}presentationml.template": ("slides", "text"),
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": ("slides", "text"),
    f"{_OFFICE}spreadsheetml.sheet": ("sheets", "text"),
    f"{_OFFICE}spreadsheetml.template": ("sheets", "text"),
    "application/vnd.ms-excel.sheet.macroenabled.12": ("sheets", "text"),
    f"{_OPENDOCUMENT}text": ("opendocument", "paragraphs"),
    f"{_OPENDOCUMENT}text-template": ("opendocument", "paragraphs"),
    f"{_OPENDOCUMENT}presentation": ("opendocument", "slides"),
    f"{_OPENDOCUMENT}spreadsheet": ("opendocument", "sheets"),
    "application/epub+zip": ("epub", "chapters"),
    "application/x-fictionbook+xml": ("fictionbook", "sections"),
    "application/x-zip-compressed-fb2": ("fictionbook", "zipped"),
    "application/rtf": ("rtf", "text"),
    "text/rtf": ("rtf", "text"),
    "application/vnd.jupyter": ("notebook", "cells"),
    "application/x-ipynb+json": ("notebook", "cells"),
    "message/rfc822": ("mail", "message"),
    "application/mbox": ("mail", "mailbox"),
    "multipart/related": ("mail", "page"),
    "application/vnd.ms-outlook": ("outlook", "message"),
}
#: Module that reads a kind -> the kind in people's words.
_WORDS = {
    "html": "a web page",
    "pdf": "a PDF",
    "word": "a Word document",
    "slides": "a presentation",
    "sheets": "a spreadsheet",
    "opendocument": "an OpenDocument file",
    "epub": "an e-book",
    "fictionbook": "an e-book",
    "rtf": "rich text",
    "notebook": "a notebook",
    "mail": "a mail",
    "outlook": "a mail",
}
_PAGINATED = frozenset({"application/pdf"})
#: Readers that name the parts of a document.
_NAMING = frozenset(
    {
        ("slides", "text"),
        ("sheets", "text"),
        ("opendocument", "slides"),
        ("opendocument", "sheets"),
    }
)
#: The text of a document of 100 MB, with room to spare.
TEXT_CHARS_MAX = 200_000_000


def read(content: bytes, mime_type: str) -> Reading:
    """Return the text of a document, page by page, and what of it could not be read.

    Raises:
        NoText: the type is not one of text, or the bytes are none.
        Unreadable: the document is damaged, encrypted, or would grow beyond all bounds.
    """
    kind = kind_of(mime_type)
    if kind not in _READERS:
        return Reading((Page(None, extract(content, mime_type)),))
    try:
        return _reading(_reader(kind), content, kind in _PAGINATED)
    except NoText:
        raise
    except MemoryError as error:
        raise Unreadable("The document takes more memory than there is for one.") from error
    except RecursionError as error:
        raise Unreadable("The document is damaged: it is nested too deeply.") from error
    except Exception as error:  # the libraries raise whatever damage makes them stumble over
        words = _WORDS.get(_READERS[kind][0], "what it is called")
        raise Unreadable(f"The document is damaged: it cannot be read as {words}.") from error


def kind_of(mime_type: str) -> str:
    """Return a MIME type without its parameters."""
    return mime_type.partition(";")[0].strip().lower()


def is_plain(mime_type: str) -> bool:
    """Return True for a document that is its text as it stands: there is nothing to be parsed."""
    return kind_of(mime_type) not in _READERS


def has_named_parts(mime_type: str) -> bool:
    """Return True for slides and sheets, whose pages have names."""
    return _READERS.get(kind_of(mime_type)) in _NAMING


def _reading(reader: Reader, content: bytes, is_paginated: bool) -> Reading:
    pages: list[Page] = []
    missing: list[str] = []
    characters = 0
    for part in reader(content):
        if isinstance(part, Missing):
            missing.append(part.what)
            continue
        page = part if isinstance(part, Page) else Page(None, part)
        characters += len(page.text)
        if characters > TEXT_CHARS_MAX:
            raise Unreadable("The document has too much text.")
        pages.append(page._replace(number=len(pages) + 1) if is_paginated else page)
    return Reading(tuple(pages), tuple(dict.fromkeys(missing)))


def _reader(kind: str) -> Reader:
    module, function = _READERS[kind]
    reader: Reader = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    return reader
