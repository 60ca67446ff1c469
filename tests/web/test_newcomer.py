"""The tutorial's chapter on the page, followed by somebody who never sees a terminal."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import TOKEN, Site, running
from tests.web.test_browser import Tab, browser  # noqa: F401  the fixture

ROOT = Path(__file__).parents[2]
QUESTION = "How many mites in July mean that bees must be treated?"


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Site]:
    """The page in an empty folder, with the shipped library beside it."""
    shutil.copytree(ROOT / "examples" / "library", tmp_path / "shelf" / "library")
    with running(tmp_path, "--token", TOKEN, HOME=str(tmp_path / "homes" / "ada")) as site:
        yield site


def synced(page: Any) -> None:
    """Look at the folder, agree to the plan, and wait for the end."""
    page.click("text=Sync")
    page.click("button[value=plan]")
    page.click("button[value=start]")
    page.wait_for_selector("#run h2:text-matches('In step|Done')")


def test_one_finds_reads_browses_breaks_and_mends(browser: Any, newcomer: Site) -> None:  # noqa: F811
    """From the choice of the folder to a file that is broken, found under Problems, and mended."""
    tab = Tab(browser, newcomer)
    page, library = tab.page, newcomer.folder / "shelf" / "library"

    page.fill("#folder", str(library))
    page.keyboard.press("Enter")
    page.wait_for_selector("text=The plan")
    assert "31" in page.inner_text(".plan")
    page.click("button[value=start]")
    page.wait_for_selector("text=In step")

    page.click("text=Search")
    page.fill("#q", QUESTION)
    page.keyboard.press("Enter")
    assert "Three in July" in page.inner_text(".answer")
    page.click(".hit h3 a")
    assert "Three in July" in page.inner_text("#hit")

    page.click("text=Files")
    page.click("aside >> text=Bees and Their Keepers")
    assert page.locator(".files td:first-child").count() == 5
    page.click("text=Week 2 - Varroa by Numbers.txt")
    assert "searchable" in page.inner_text(".card")

    ferry = library / "Essays" / "The Night Ferry.md"
    text = ferry.read_text()
    ferry.write_text("")
    (library / "Essays" / "Lanterns.txt").write_text("Lanterns are trimmed at dusk.\n")
    synced(page)
    page.click("nav >> text=Problems")
    assert "empty" in page.inner_text("main")
    ferry.write_text(text + "It was mended.\n")
    page.click("text=Look again, and plan a sync")
    page.click("button[value=start]")
    page.wait_for_selector("text=In step")
    page.click("nav >> text=Problems")
    assert "No problems" in page.inner_text("main")

    page.click("text=Proof")
    page.fill("#files", "3")
    page.click("button[value=prove]")
    page.wait_for_selector("text=All is as it should be")
    tab.close(newcomer)


def test_the_pictures_of_the_documentation_are_there_and_light() -> None:
    """Each picture that a page shows exists, and is below 200 KB."""
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for said in re.findall(r"!\[[^\]]+\]\(([^)]+\.png)\)", page.read_text("utf-8")):
            assert (page.parent / said).stat().st_size < 200_000, said
