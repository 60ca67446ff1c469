"""search: a question that names files is asked of them, too, and both answers are one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]
import pptx
import pytest

from objlib import Library
from objlib.errors import ConfigurationError

OPENING = "Mr. Speaker, I speak to you tonight. " * 60
SPEECHES = {
    "Talks - 1984 - Reagan.txt": OPENING + "The deficit must come down. " * 3 + OPENING,
    "Talks - 1985 - Reagan.txt": OPENING + "Taxes are low. " + OPENING,
    "Talks - 1984 - Mondale.txt": "Debt is bad. " + OPENING,
    "Talks - 1996 - Clinton.txt": "The deficit of 1984 was worse than the deficit now. " * 40,
}


@asynccontextmanager
async def uploaded(folder: Path) -> AsyncIterator[Library]:
    """A library of speeches that is in the embedded store."""
    root = folder / "library"
    root.mkdir()
    for name, text in SPEECHES.items():
        (root / name).write_text(text)
    async with Library.open(root, db=folder / "data" / "library.db") as library:
        await library.scan()
        await library.upload()
        yield library


def test_the_passage_is_found_and_not_the_place_with_the_name(tmp_path: Path) -> None:
    """Files that are named come first, the others follow, and the result says what was named."""

    async def story() -> None:
        async with uploaded(tmp_path) as library:
            result = await library.search("Reagan 1984 on the deficit")
            assert result.named == {"title": ("Reagan",), "year": (1984,)}
            first = result.citations[0]
            assert first.path == "Talks - 1984 - Reagan.txt"
            assert "deficit must come down" in first.text
            assert "Talks - 1996 - Clinton.txt" in [one.path for one in result.citations]
            assert "deficit must come down. [1]" in result.cited_answer
            assert len(result.citations) <= 5

    asyncio.run(story())


def test_what_is_named_is_looked_for_within_a_filter(tmp_path: Path) -> None:
    """Both hold; where no file does both, the filter alone does."""

    async def story() -> None:
        async with uploaded(tmp_path) as library:
            for wanted, paths in (
                ("year = 1984", ["Talks - 1984 - Reagan.txt"]),
                ('title = "Clinton"', ["Talks - 1996 - Clinton.txt"]),
            ):
                result = await library.search("Reagan on the deficit", metadata_filter=wanted)
                assert [one.path for one in result.citations][:1] == paths
                assert all(one.metadata["year"] == 1984 for one in result.citations) or (
                    "Clinton" in wanted
                )

    asyncio.run(story())


@pytest.mark.parametrize("question", ["deficit", "Carter on the deficit", "deficit 1999", "1984"])
def test_what_no_file_has_names_nothing(tmp_path: Path, question: str) -> None:
    """And a year alone is a question like any other."""

    async def story() -> None:
        async with uploaded(tmp_path) as library:
            result = await library.search(question)
            assert set(result.named) <= {"year"}
            assert result.citations

    asyncio.run(story())


def test_a_filter_that_is_wrong_is_said_whatever_is_named(tmp_path: Path) -> None:
    """The filter that we add is none of the person's business; theirs is."""

    async def story() -> None:
        async with uploaded(tmp_path) as library:
            with pytest.raises(ConfigurationError, match="refused"):
                await library.search("Reagan on the deficit", metadata_filter="year >")

    asyncio.run(story())


def test_a_citation_knows_its_place(tmp_path: Path) -> None:
    """The heading of a note, the line of a text; nothing of a file that is gone."""
    root = tmp_path / "library"
    root.mkdir()
    (root / "notes.md").write_text("# Bees\n\nThey fly.\n\n" + "## Wax\n\nZymurgy melts.\n")
    (root / "lines.txt").write_text("Vespers are sung.\n")

    async def story() -> None:
        async with Library.open(root, db=tmp_path / "data" / "library.db") as library:
            await library.scan()
            await library.upload()
            (note,) = (await library.search("zymurgy")).citations
            assert (note.line, note.heading) == (1, "Bees")
            (text,) = (await library.search("vespers")).citations
            assert (text.line, text.heading) == (1, None)
            (root / "lines.txt").unlink()
            (gone,) = (await library.search("vespers")).citations
            assert (gone.line, gone.heading) == (None, None)

    asyncio.run(story())


@pytest.mark.parametrize("command", ["search", "ask"])
def test_a_citation_knows_its_slide_or_its_sheet(tmp_path: Path, command: str) -> None:
    """By its words in the file as it is now; a damaged file has none."""
    root = tmp_path / "library"
    root.mkdir()
    show = pptx.Presentation()
    for said in ("Vespers are sung at dusk.", "Zymurgy is the art of brewing."):
        show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = said
    show.save(str(root / "talk.pptx"))
    book = openpyxl.Workbook()
    book.active.title = "Budget"
    book.active.append(["quern", 12])
    book.create_sheet("Notes").append(["gnomon", 3])
    book.save(root / "costs.xlsx")

    async def story() -> None:
        async with Library.open(root, db=tmp_path / "data" / "library.db") as library:
            await library.scan()
            await library.upload()
            ask = getattr(library, command)
            places = []
            for word in ("zymurgy", "vespers", "quern", "gnomon"):
                places += [one.place for one in (await ask(word)).citations]
            assert places == ["slide 2", "slide 1", "sheet Budget", "sheet Notes"]
            (root / "talk.pptx").write_bytes(b"PK\x03\x04 nothing")
            (damaged,) = (await ask("zymurgy")).citations
            assert damaged.place is None

    asyncio.run(story())
