"""Author and title of a book, from the little of it that says so.

A scan asks this of every book, in its own process, so no more is unpacked and parsed than a
package document or a description takes. A book that is broken has none, and its reader says why.
"""

from __future__ import annotations

from typing import BinaryIO

from objlib.formats import epub, fictionbook

#: MIME type of a book -> the function that reads what it says of itself.
_BOOKS = {
    "application/epub+zip": epub.properties,
    "application/x-fictionbook+xml": fictionbook.properties,
    "application/x-zip-compressed-fb2": fictionbook.zipped_properties,
}


def about(file: BinaryIO, mime_type: str) -> dict[str, str | list[str]]:
    """Return `title` and `author` as a book names them, as far as it does.

    Several authors are a list. Never raises for what is in the file.

    Args:
        file: seekable.

    Raises:
        OSError: it cannot be read.
    """
    try:
        title, authors = _BOOKS[mime_type](file)
    except OSError:
        raise
    except Exception:  # the libraries raise whatever damage makes them stumble over
        return {}
    found: dict[str, str | list[str]] = {"title": title} if title else {}
    if authors:
        found["author"] = authors[0] if len(authors) == 1 else list(authors)
    return found
