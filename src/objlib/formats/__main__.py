"""The program of `read_isolated`: it reads a document from stdin and writes its pages as JSON."""

from __future__ import annotations

import json
import sys

from objlib.formats import Page, Unreadable, read
from objlib.formats.isolated import DEADLINE_S, MEMORY_BYTES_MAX
from objlib.formats.text import NoText

#: The text of a document of 100 MB, with room to spare.
TEXT_CHARS_MAX = 200_000_000


def main() -> None:
    """Read one document."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
        # It must come to an end also when whoever started it is gone.
        resource.setrlimit(resource.RLIMIT_CPU, (int(DEADLINE_S), int(DEADLINE_S)))
    try:
        answer: dict[str, object] = {"pages": _pages(sys.stdin.buffer.read(), sys.argv[1])}
    except NoText as problem:
        answer = {"problem": type(problem).__name__, "message": str(problem)}
    json.dump(answer, sys.stdout)


def _pages(content: bytes, mime_type: str) -> list[Page]:
    """All pages, unless they are more text than any document has."""
    pages, characters = [], 0
    for page in read(content, mime_type):
        characters += len(page.text)
        if characters > TEXT_CHARS_MAX:
            raise Unreadable("The document has too much text.")
        pages.append(page)
    return pages


if __name__ == "__main__":
    main()
