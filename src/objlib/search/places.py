"""The place of a passage: its line in a text, its heading in Markdown, its slide or its sheet."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from objlib.formats import NoText, Page, has_named_parts
from objlib.formats.decoding import is_text
from objlib.formats.isolated import read_isolated
from objlib.library.content import read_content
from objlib.library.hashing import FileChanged
from objlib.library.mime import DOCUMENT_TYPES
from objlib.search.query import Citation, SearchResult
from objlib.threads import Offload

#: A longer text is not read to say in which line something stands.
TEXT_BYTES_MAX = 5_000_000
#: So many words of a passage are looked for.
_WORDS = 12
#: Nobody waits longer to learn on which slide something stands.
_DEADLINE_S = 5.0
_WORD = re.compile(r"\w+")
#: Types whose pages, where a store tells them, are slides.
SLIDES = frozenset(kind for kind, _ in DOCUMENT_TYPES.values() if "presentation" in kind)
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
    """Return a result whose citations know their places, where the files are at hand.

    What has pages or parts has a place already.
    """
    paths = {citation.path for citation in result.citations if _wants_a_place(citation)}
    named = [path for path in paths if path is not None and has_named_parts(_type(path))]
    read = await asyncio.gather(*(_parts(root, path, links_to, offload) for path in named))
    parts = dict(zip(named, read, strict=True))
    texts: dict[str, str | None] = {}

    def one(citation: Citation) -> Citation:
        path = citation.path
        if path is None or citation.part is not None:
            return citation
        if citation.page is not None:  # a store that counts slides as pages
            is_slide = _type(path) in SLIDES
            return replace(citation, place=f"slide {citation.page}") if is_slide else citation
        if path in parts:
            return replace(citation, place=part_of(citation.text, parts[path]))
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


def _wants_a_place(citation: Citation) -> bool:
    return citation.path is not None and citation.page is None and citation.part is None


def _type(path: str) -> str:
    """Return the type of a document, by the extension of its name."""
    return DOCUMENT_TYPES.get(PurePosixPath(path).suffix.lower(), ("", b""))[0]


async def _parts(
    root: Path, path: str, links_to: tuple[Path, ...], offload: Offload
) -> tuple[Page, ...]:
    """Return the slides or sheets of a file as it is now; none where it cannot be read soon."""

    def content() -> bytes | None:
        is_long = (root / path).stat().st_size > TEXT_BYTES_MAX
        return None if is_long else read_content(root, path, links_to).raw

    try:
        raw = await offload(content)
        if raw is None:
            return ()
        return (await read_isolated(raw, _type(path), deadline_s=_DEADLINE_S)).pages
    except (OSError, FileChanged, NoText):
        return ()


def part_of(passage: str, parts: Sequence[Page]) -> str | None:
    """Return the name of the slide or sheet that a passage begins on, or else ends on.

    Words are compared: what stands between cells depends on who made text of them.
    """
    words = _WORD.findall(passage.casefold())
    texts = [f" {' '.join(_WORD.findall(part.text.casefold()))} " for part in parts]
    for some in (words[:_WORDS], words[-_WORDS:]):
        wanted = f" {' '.join(some)} "
        for part, text in zip(parts, texts, strict=True):
            if some and wanted in text:
                return part.name
    return None


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
