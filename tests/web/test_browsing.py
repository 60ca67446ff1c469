"""Browsing: folders, states and facets as links, whose counts are what one finds."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.web.conftest import TOKEN, Site, objlib, running

JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The page of forty talks of four years and ten speakers, and a picture; nothing is sent."""
    folder = tmp_path_factory.mktemp("shelf")
    for number in range(40):
        year, speaker = 1960 + number % 4, f"O'Neill & <b>{number % 10}</b>"
        path = folder / "library" / f"Year {year}" / f"{number:02}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'---\nspeaker: "{speaker}"\nspoken: {year}\n---\nText {number}.\n')
    (folder / "library" / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    objlib(folder, "scan", "--library", "library")
    with running(folder, "--token", TOKEN) as site:
        yield site


@pytest.fixture
def reader(shelf: Site) -> Iterator[httpx2.Client]:
    """A client that has come in."""
    with shelf.inside() as client:
        yield client


def links(page: str, label: str) -> list[tuple[str, int]]:
    """Address and count of the links of a list item with a label."""
    found = re.findall(r'<li><a href="([^"]+)"[^>]*>([^<]*)</a> <span>([\d,]+)</span>', page)
    return [
        (html.unescape(to), int(number))
        for to, said, number in found
        if html.unescape(said) == label
    ]


@pytest.mark.parametrize("label", ["1962", "O'Neill & <b>3</b>", "waiting", "cannot be searched"])
def test_a_count_is_what_its_link_leads_to(reader: httpx2.Client, label: str) -> None:
    """A state or a value of the metadata: as many files as it says."""
    ((to, number),) = links(reader.get("/files").text, label)
    assert len(reader.get(to, headers=JSON).json()["files"]) == number > 0


def test_a_folder_has_its_count(reader: httpx2.Client) -> None:
    """And its page has as many files."""
    folders = reader.get("/files").text.partition('<ul class="folders">')[2].partition("</ul>")[0]
    ((to, number),) = links(folders, "Year 1961")
    assert len(reader.get(to, headers=JSON).json()["files"]) == number == 10


def test_facets_narrow_one_another(reader: httpx2.Client) -> None:
    """With a year chosen the speakers of that year are left; it can be let go of again."""
    ((year, _),) = links(reader.get("/files").text, "1960")
    page = reader.get(year).text
    speakers = [number for n in range(10) for _, number in links(page, f"O'Neill & <b>{n}</b>")]
    assert speakers == [2] * 5
    chip = re.search(r'<a class="chip" href="([^"]+)">', page)
    assert chip and len(reader.get(html.unescape(chip[1]), headers=JSON).json()["files"]) == 41


def test_what_is_not_offered_is_counted_and_can_be_asked_for(reader: httpx2.Client) -> None:
    """Eight values of ten, and a link to the others: nothing vanishes without a word."""
    page = reader.get("/files").text
    more = re.search(r'<a href="([^"]+)">2 more', page)
    assert more
    whole = reader.get(html.unescape(more[1])).text
    assert sum(len(links(whole, f"O'Neill & <b>{n}</b>")) for n in range(10)) == 10


def test_no_value_is_markup(reader: httpx2.Client) -> None:
    """A speaker with a tag in their name is shown as they are written."""
    assert "<b>" not in reader.get("/files?f=speaker:<b>x</b>").text


@pytest.mark.parametrize(
    "address", ["/files?f=speaker:nobody", "/files?state=skipped&in=Year 1961/"]
)
def test_nothing_there_is_said(reader: httpx2.Client, address: str) -> None:
    """With the way back to all that is in the folder."""
    answer = reader.get(address)
    assert answer.status_code == 200 and "No files here" in answer.text


def test_a_path_that_is_no_path_is_refused(reader: httpx2.Client) -> None:
    """It is not compared with every path there is."""
    answer = reader.get("/file", params={"path": "x" * 5_000})
    assert answer.status_code == 400 and "5,000 characters" in answer.text


def test_a_file_that_the_catalog_does_not_know_is_not_looked_at(shelf: Site) -> None:
    """A file of the folder that no scan has seen is as unknown as one elsewhere."""
    unseen = shelf.folder / "library" / "unseen.md"
    unseen.write_text("---\nsecret: yes\n---\n")
    try:
        with shelf.inside() as client:
            for path in ("unseen.md", str(unseen), "../library/unseen.md", "/etc/passwd"):
                answer = client.get("/file", params={"path": path})
                assert answer.status_code == 400 and "secret" not in answer.text, path
    finally:
        Path(unseen).unlink()
