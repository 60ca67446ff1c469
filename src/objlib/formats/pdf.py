"""PDF, by pypdf."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import pypdf

from objlib.formats.reading import Missing, Unreadable, counted

PAGES_MAX = 20_000

# It warns about each oddity of a file that it can read all the same.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)


def pages(content: bytes) -> Iterator[str | Missing]:
    """Yield the text of each page, with its comments and the entries in its forms.

    A page that is a picture has none.
    """
    reader = pypdf.PdfReader(io.BytesIO(content))
    # A document that asks for no password to be read opens with an empty one.
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("The PDF is encrypted: it needs a password; save it without one.")
    count = len(reader.pages)
    if count > PAGES_MAX:
        raise Unreadable(f"The PDF has more than {PAGES_MAX} pages.")
    found = [_read(reader, number) for number in range(count)]
    if not any(text and text.strip() for text in found):
        if count and None not in found:
            raise Unreadable(
                "The PDF has no text in it: a scan? Let a program recognise its text (OCR) first."
            )
        raise Unreadable("The document is damaged: none of its pages can be read.")
    empty = 0
    for number, text in enumerate(found, start=1):
        yield text or ""
        if text is None:
            yield Missing(f"page {number} is damaged")
        elif not text.strip():
            empty += 1
    if empty:
        yield Missing(f"{counted(empty, 'page')} without text: scans?")


def _read(reader: Any, number: int) -> str | None:
    """Return the text of a page; None if it is damaged."""
    try:
        page = reader.pages[number]
        text = page.extract_text()
    except MemoryError:
        raise
    except Exception:  # the library raises whatever damage makes it stumble over
        return None
    try:
        return "\n".join([text, *_noted(page)])
    except Exception:
        return str(text)


def _noted(page: Any) -> Iterator[str]:
    """Yield what was written onto a page: comments, and what a form was filled in with."""
    for reference in page.get("/Annots") or ():
        note = reference.get_object()
        key = "/V" if note.get("/Subtype") == "/Widget" else "/Contents"
        said = note.get(key)
        said = said.get_object() if said is not None else None
        if isinstance(said, str) and not said.startswith("/") and said.strip():
            yield said.strip()
