"""The place of a passage in a text."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.formats import Page
from objlib.library.content import Content, read_content
from objlib.search import places
from objlib.search.places import Place, part_of, place_of, placed
from objlib.search.query import Citation, SearchResult
from objlib.threads import in_thread

NOTES = "# Bees\n\nThey fly.\n\n## Wax ##\nIt\n  melts at 62 degrees.\n\nHoney\n=====\nSweet.\n"


@pytest.mark.parametrize(
    ("passage", "expected"),
    [
        ("They fly.", Place(3, "Bees")),
        ("It melts at 62 degrees.", Place(6, "Wax")),
        ("Sweet.", Place(11, "Honey")),
        ("## Wax ## It melts", Place(5, "Wax")),
        ("Nowhere.", None),
        (" \n", None),
    ],
)
def test_a_passage_stands_in_a_line_below_a_heading(passage: str, expected: Place | None) -> None:
    """White space apart."""
    assert place_of(passage, NOTES, has_headings=True) == expected


def test_a_text_without_headings_has_lines() -> None:
    """Where `#` begins a comment."""
    assert place_of("They fly.", NOTES, has_headings=False) == Place(3)


@given(st.text(alphabet="ab #=-\n", max_size=80), st.integers(0, 80), st.booleans())
def test_what_stands_in_a_text_is_found(text: str, start: int, has_headings: bool) -> None:
    """For all texts and beginnings: a line that there is, and no error."""
    place = place_of(text[start:], text, has_headings=has_headings)
    assert (place is None) == (not text[start:].strip())
    if place is not None:
        assert 1 <= place.line <= text.count("\n") + 1


def test_a_file_is_read_once_for_all_its_passages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is no text has no lines."""
    (tmp_path / "notes.md").write_text(NOTES)
    (tmp_path / "scan.bin").write_bytes(b"\x00\xff\xfe" * 99 + b"They fly." + b"\x00" * 99)
    cited = [
        Citation("notes.md", "Notes", "They fly.", {}),
        Citation("notes.md", "Notes", "Sweet.", {}),
        Citation("scan.bin", "Scan", "They fly.", {}),
    ]

    read: list[str] = []

    def reading(root: Path, path: str, links_to: tuple[Path, ...]) -> Content:
        read.append(path)
        return read_content(root, path, links_to)

    monkeypatch.setattr(places, "read_content", reading)

    async def go() -> list[int | None]:
        result = await placed(SearchResult("", cited, ""), tmp_path, (), in_thread)
        return [citation.line for citation in result.citations]

    assert asyncio.run(go()) == [3, 11, None]
    assert read == ["notes.md", "scan.bin"]


@pytest.mark.parametrize(
    ("passage", "expected"),
    [
        ("Bees FLY", "slide 1"),
        ("wax | 62", "sheet Wax"),
        ("| wax |\n|---|\n| 62 |", "sheet Wax"),
        ("nowhere", None),
        ("|", None),
        ("", None),
    ],
)
def test_a_passage_stands_on_a_slide_or_a_sheet(passage: str, expected: str | None) -> None:
    """Whatever stands between the words; by its end where its beginning is not there."""
    parts = (
        Page(None, "Bees fly.\n\nThey fly home.", "slide 1"),
        Page(None, "wax\n62 degrees", "sheet Wax"),
    )
    long = "word " * 12
    assert part_of(passage, parts) == expected
    assert part_of(long + "bees fly they fly home", (Page(None, "They fly home", "x"),)) is None
    assert part_of(long + long, (Page(None, long, "x"),)) == "x"


def test_a_slide_that_a_store_counts_as_a_page_is_a_slide(tmp_path: Path) -> None:
    """A page of a PDF stays one."""
    cited = [
        Citation("talk.pptx", "Talk", "Bees fly.", {}, page=4),
        Citation("book.pdf", "Book", "Bees fly.", {}, page=4),
    ]
    found = asyncio.run(placed(SearchResult("", cited, ""), tmp_path, (), in_thread))
    assert [(one.page, one.place) for one in found.citations] == [(4, "slide 4"), (4, None)]
