"""The place of a passage in a text: its line, and in Markdown the heading that it stands below."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from objlib.formats.decoding import is_text
from objlib.library.content import read_content
from objlib.library.hashing import FileChanged
from objlib.search.query import Citation, SearchResult
from objlib.threads import Offload

#: A longer text is not read to say in which line something stands.
TEXT_BYTES_MAX = 5_000_000
#: So many words of a passage are looked for.
_WORDS = 12
_MARKDOWN = frozenset({".md", ".markdown", ".mkd"})
_HEADING = re.compile(
    r"^(?:#{1,6}[ \t]+(?P<atx>[^\n]+)|(?P<setext>[^\n]+)\n(?:=+|-{3,})[ \t]*)$", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a passage: its line, from 1, and the heading above it, if there is one."""

    line: int
    heading: str | None = None


async def placed(
    result: SearchResult, root: Path, links_to: tuple[Path, ...], offload: Offload
) -> SearchResult:
    """Return a result whose citations know their places, where the texts are at hand.

    What has pages or parts has a place already.
    """

    texts: dict[str, str | None] = {}

    def one(citation: Citation) -> Citation:
        path = citation.path
        if path is None or citation.page is not None or citation.part is not None:
            return citation
        if path not in texts:
            texts[path] = _text(root, path, links_to)
        if (text := texts[path]) is None:
            return citation
        has_headings = PurePosixPath(path).suffix.lower() in _MARKDOWN
        place = place_of(citation.text, text, has_headings=has_headings)
        return (
            citation if place is None else replace(citation, line=place.line, heading=place.heading)
        )

    citations = await offload(lambda: [one(citation) for citation in result.citations])
    return replace(result, citations=citations)


def _text(root: Path, path: str, links_to: tuple[Path, ...]) -> str | None:
    """Return the text of a file as it is now; None for what is none, or cannot be read."""
    try:
        if (root / path).stat().st_size > TEXT_BYTES_MAX:
            return None
        content = read_content(root, path, links_to)
    except (OSError, FileChanged):
        return None
    return content.text if is_text(content.raw) else None


def place_of(passage: str, text: str, *, has_headings: bool) -> Place | None:
    """Return the place of a passage in a text, white space apart."""
    words = passage.split()[:_WORDS]
    if not words:
        return None
    found = re.search(r"\s+".join(map(re.escape, words)), text)
    if found is None:
        return None
    heading = None
    if has_headings:
        # A passage that begins with a heading stands below it.
        for match in _HEADING.finditer(text, 0, found.end()):
            if match.start() <= found.start():
                heading = " ".join((match["atx"] or match["setext"]).strip(" \t#").split()) or None
    return Place(text.count("\n", 0, found.start()) + 1, heading)
