"""The place of a passage in a text: its line, and in Markdown the heading that it stands below."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

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

    def one(citation: Citation) -> Citation:
        if citation.path is None or citation.page is not None or citation.part is not None:
            return citation
        place = _place_in_file(root, citation.path, links_to, citation.text)
        return (
            citation if place is None else replace(citation, line=place.line, heading=place.heading)
        )

    citations = await offload(lambda: [one(citation) for citation in result.citations])
    return replace(result, citations=citations)


def _place_in_file(root: Path, path: str, links_to: tuple[Path, ...], passage: str) -> Place | None:
    """Return the place of a passage in a file as it is now; None where it is not to be found."""
    try:
        if (root / path).stat().st_size > TEXT_BYTES_MAX:
            return None
        text = read_content(root, path, links_to).text
    except (OSError, FileChanged):
        return None
    has_headings = PurePosixPath(path).suffix.lower() in _MARKDOWN
    return place_of(passage, text, has_headings=has_headings)


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
