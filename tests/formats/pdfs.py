"""PDF documents for tests, which pypdf alone writes."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from typing import Any

import pypdf


def written(save: Callable[[Any], Any]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


def pdf_of(*pages: str) -> bytes:
    """A PDF with a line of ASCII on each page."""
    writer = pypdf.PdfWriter()
    generic = importlib.import_module("pypdf.generic")
    name, dictionary = generic.NameObject, generic.DictionaryObject
    font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    font_object = writer._add_object(
        dictionary({name(key): name(value) for key, value in font.items()})
    )
    for line in pages:
        page = writer.add_blank_page(width=600, height=800)
        fonts = dictionary({name("/F1"): font_object})
        page[name("/Resources")] = dictionary({name("/Font"): fonts})
        stream = generic.DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 50 700 Td ({line}) Tj ET".encode())
        page[name("/Contents")] = writer._add_object(stream)
    return written(writer.write)


def encrypted(content: bytes, user_password: str) -> bytes:
    """The same PDF under a password; an empty one is asked for nothing."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    writer.encrypt(user_password=user_password, owner_password="owner", algorithm="RC4-128")
    return written(writer.write)
