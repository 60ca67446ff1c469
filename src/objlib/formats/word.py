"""Word documents and templates, with and without macros."""

from __future__ import annotations

from collections.abc import Iterator

from objlib.formats import html
from objlib.formats.declared import decoded
from objlib.formats.decoding import decode_text
from objlib.formats.package import Written, main_part, related, written_beside, written_in
from objlib.formats.reading import Missing, Unreadable
from objlib.formats.zipped import Archive, opened

_NOTES = ("footnotes", "endnotes", "comments", "diagramData", "chart")
_MARGINS = ("header", "footer")


def text(content: bytes) -> Iterator[str | Missing]:
    """Yield the whole text: the body, what was put into it, its notes, what is in the margins."""
    with opened(content) as archive:
        main = main_part(archive, "word/document.xml")
        document = written_in(archive, main)
        chunks, chunks_missing = _chunks(archive, main)
        document.embedded -= len(chunks) + len(chunks_missing)
        document.blocks += chunks
        for kind in (*_NOTES, *_MARGINS):
            document.add(_beside(archive, main, kind))
    yield "\n\n".join(document.blocks)
    yield from document.missing()
    yield from chunks_missing


def _beside(archive: Archive, main: str, kind: str) -> Written:
    try:
        return written_beside(archive, main, kind)
    except Unreadable:
        return Written(is_damaged=True)


def _chunks(archive: Archive, main: str) -> tuple[list[str], list[Missing]]:
    """Return the text of whole files that a document takes in, and those that could not be read."""
    found: list[str] = []
    missing: list[Missing] = []
    for one in related(archive, main):
        if one.kind != "aFChunk":
            continue
        suffix = one.target.rpartition(".")[2].lower()
        content = archive.read(one.part) if one.part is not None else b""
        if suffix in ("htm", "html", "xhtml"):
            found.append(html.without_markup(decoded(content))[0])
        elif suffix == "txt":
            found.append(decode_text(content))
        else:
            missing.append(Missing(f"{one.target}, a file within the document"))
    return found, missing
