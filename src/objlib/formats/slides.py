"""PowerPoint presentations, slide shows and templates."""

from __future__ import annotations

from collections.abc import Iterator

from objlib.formats import tree
from objlib.formats.package import Written, main_part, related, written_beside, written_in
from objlib.formats.reading import Missing, Page, Unreadable
from objlib.formats.zipped import Archive, opened

_BESIDE = ("notesSlide", "comments", "diagramData", "chart")


def text(content: bytes) -> Iterator[Page | Missing]:
    """Yield each slide in the order of the show: its text, its notes, its comments."""
    shown = Written()
    with opened(content) as archive:
        main = main_part(archive, "ppt/presentation.xml")
        for number, part in enumerate(_slides(archive, main), start=1):
            if part is None:
                yield Missing(f"slide {number} is missing")
                continue
            try:
                slide = written_in(archive, part)
                slide.add(written_beside(archive, part, *_BESIDE))
            except Unreadable:
                yield Missing(f"slide {number} is damaged")
                continue
            yield Page(None, "\n\n".join(slide.blocks), f"slide {number}")
            slide.blocks.clear()
            shown.add(slide)
    yield from shown.missing()


def _slides(archive: Archive, main: str) -> Iterator[str | None]:
    """Yield the part of each slide; None for one that is missing."""
    parts = {one.id: one.part for one in related(archive, main)}
    for element in tree.named(tree.tree(archive.read(main)), "sldId"):
        yield next((parts[key] for key in element.attrib.values() if key in parts), None)
