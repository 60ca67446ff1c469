"""PDF, by pypdf."""

from __future__ import annotations

import io
from collections.abc import Iterator

from objlib.formats.errors import Unreadable, library

PAGES_MAX = 20_000


def pages(content: bytes) -> Iterator[str]:
    """The text of each page. A page that is a picture has none."""
    pypdf = library("pypdf")
    reader = pypdf.PdfReader(io.BytesIO(content))
    # A document that asks for no password to be read opens with an empty one.
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("The PDF is encrypted: it needs a password.")
    if len(reader.pages) > PAGES_MAX:
        raise Unreadable(f"The PDF has more than {PAGES_MAX} pages.")
    for page in reader.pages:
        yield page.extract_text()
