"""What the pages say, as HTML and as JSON."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pptx
import pytest

from tests.conftest import WORDS
from tests.web.conftest import HOSTILE_NAME, TOKEN, Site, fill, objlib, running

JSON = {"Accept": "application/json"}


def first_hit(client: httpx2.Client, question: str) -> dict[str, object]:
    """The first passage for a question, as JSON has it."""
    answer = client.get("/search.json", params={"q": question}).json()
    hit: dict[str, object] = answer["hits"][0]
    return hit


@pytest.mark.parametrize("word", WORDS)
def test_a_question_finds_its_file(client: httpx2.Client, word: str) -> None:
    """The first passage is of the file that says it; the page marks the word."""
    hit = first_hit(client, word)
    page = client.get("/", params={"q": word})

    assert word in str(hit["path"])
    assert hit["state"] == "indexed"
    assert f"<mark>{word}</mark>" in page.text


def test_the_passage_is_marked_in_its_text(client: httpx2.Client) -> None:
    """The link of a hit leads to the text, where the passage stands in a mark."""
    hit = first_hit(client, "caesium")
    page = client.get(str(hit["url"]))

    assert page.status_code == 200
    assert '<mark id="hit">This lecture is about caesium.' in page.text


def test_a_passage_that_is_not_there_is_not_marked(client: httpx2.Client) -> None:
    """Nothing is marked where less than half is found, and the page says so."""
    key = first_hit(client, "caesium")["id"]
    page = client.get(f"/passage/{key}", params={"text": "words that nobody wrote in there"})

    assert "<mark" not in page.text
    assert "not found in the text" in page.text


def test_a_file_that_changed_says_so(tmp_path: Path) -> None:
    """The answer rests on an old version: beside the hit, and above the text."""
    fill(tmp_path)
    objlib(tmp_path, "scan", "--library", "library")
    objlib(tmp_path, "sync", "--yes")
    path = next((tmp_path / "library").rglob("*arches*"))
    path.write_text("It is about vaults now.\n")
    with running(tmp_path, "--token", TOKEN) as site, site.inside() as client:
        hit = first_hit(client, "arches")
        assert hit["has_changed"]
        assert "changed since" in client.get("/", params={"q": "arches"}).text
        assert "has changed since it was indexed" in client.get(str(hit["url"])).text


ADDRESSES = ("/?q=quoin", "/files", "/failures", "/run", "/verify", "/health")


@pytest.mark.parametrize("address", ADDRESSES)
def test_names_and_texts_are_never_markup(client: httpx2.Client, address: str) -> None:
    """A name of markup and a text of scripts are shown, and do nothing."""
    page = client.get(address).text

    assert "<img src=x" not in page
    assert "<script>alert" not in page


def test_a_hostile_file_is_shown_as_text(client: httpx2.Client) -> None:
    """Its own pages, too."""
    hit = first_hit(client, "quoin")
    assert hit["path"] == HOSTILE_NAME
    for page in (
        client.get(str(hit["url"])),
        client.get("/file", params={"path": HOSTILE_NAME}),
        client.get("/files", params={"in": "<script>alert(1)</script>"}),
        client.get("/", params={"q": "<script>alert(1)</script>"}),
    ):
        assert page.status_code == 200
        assert "<script>alert" not in page.text and "<img src=x" not in page.text


@pytest.mark.parametrize(
    ("address", "twin", "fact"),
    [
        ("/files", "/files.json", "Week 1 - On arches"),
        ("/failures", "/failures.json", "empty"),
        ("/health", "/health.json", "searchable"),
        ("/verify", "/verify.json", "7"),
    ],
)
def test_every_page_has_its_twin(client: httpx2.Client, address: str, twin: str, fact: str) -> None:
    """By `.json` or by what is accepted, the same record; the page says the same."""
    assert fact in client.get(address).text
    by_name, by_accept = client.get(twin), client.get(address, headers=JSON)
    assert by_name.json() == by_accept.json()
    assert fact in by_name.text


def test_files_come_in_pages(tmp_path: Path) -> None:
    """Two hundred and fifty files are three pages, none twice and none left out."""
    folder = tmp_path / "library"
    folder.mkdir()
    for number in range(250):
        (folder / f"{number:04}.txt").write_text(f"Text {number}.\n")
    objlib(tmp_path, "scan", "--library", "library")
    with running(tmp_path, "--token", TOKEN) as site, site.inside() as client:
        seen: list[str] = []
        sizes, address = [], "/files"
        while address:
            page = client.get(address, headers=JSON).json()
            sizes.append(len(page["files"]))
            seen += [one["path"] for one in page["files"]]
            address = page["next"]
    assert sizes == [100, 100, 50]
    assert seen == [f"{number:04}.txt" for number in range(250)]


def test_folders_lead_downwards(client: httpx2.Client) -> None:
    """A folder's page has its folders and files only."""
    top = client.get("/files.json").json()
    below = client.get("/files.json", params={"in": "Course/"}).json()

    assert top["folders"] == ["Course/"]
    assert below["folders"] == ["Course/Year 1/"]
    assert all(one["path"].startswith("Course/") for one in below["files"])


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/nothing", 404, "no such page"),
        ("/files?state=lost", 400, "no state"),
        ("/file?path=nowhere.txt", 400, "knows no file"),
        ("/passage/none", 400, "no file of this library has that key"),
        ("/original/..%2F..%2Fetc%2Fpasswd", 404, "no such page"),
        ("/?q=" + "x" * 3_000, 400, "3,000 characters"),
        ("/?q=%F0%9F%90%9D", 200, "Nothing in your library"),
        ("/?q=the", 200, ""),
        ("/?f=no:such&f=broken&q=arches", 200, "arches"),
        ("/files?after=%00&in=%FF", 200, ""),
        ("/passage/none?from=-1&n=x", 400, "key"),
    ],
)
def test_a_wrong_question_gets_one_sentence(
    client: httpx2.Client, address: str, status: int, words: str
) -> None:
    """The right status, a sentence, and never a traceback."""
    answer = client.get(address)

    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert "Traceback" not in answer.text


def test_an_original_is_saved_where_something_in_it_could_run(client: httpx2.Client) -> None:
    """Text is shown as text, in a sandbox."""
    key = first_hit(client, "quoin")["id"]
    answer = client.get(f"/original/{key}")

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"].startswith("inline")
    assert "<script>alert(1)</script>" in answer.text


def test_an_original_is_not_followed_out_of_the_library(tmp_path: Path) -> None:
    """A file that was swapped for a link to a secret is refused."""
    fill(tmp_path)
    objlib(tmp_path, "scan", "--library", "library")
    objlib(tmp_path, "sync", "--yes")
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    path = next((tmp_path / "library").rglob("*arches*"))
    with running(tmp_path, "--token", TOKEN) as site, site.inside() as client:
        key = first_hit(client, "arches")["id"]
        path.unlink()
        path.symlink_to(secret)
        for address in (f"/original/{key}", f"/passage/{key}"):
            answer = client.get(address)
            assert answer.status_code == 400
            assert "the secret" not in answer.text


@pytest.mark.parametrize(
    ("address", "most"),
    [("/", 30_000), ("/?q=lecture", 30_000), ("/files", 30_000), ("/static/page.css", 12_000)],
)
def test_pages_are_light(site: Site, client: httpx2.Client, address: str, most: int) -> None:
    """A page is small, and so are the style and the script that it needs."""
    assert len(client.get(address).content) <= most
    assert len(client.get("/static/page.js").content) <= 8_000


def test_the_catalog_gone_is_a_sentence(tmp_path: Path) -> None:
    """A store that is gone while the page is open is told on it; nothing is lost."""
    fill(tmp_path)
    objlib(tmp_path, "scan", "--library", "library")
    with running(tmp_path, "--token", TOKEN) as site, site.inside() as client:
        answer = client.get("/", params={"q": "arches"})
        assert answer.status_code >= 400
        assert "Traceback" not in answer.text and "no store" in answer.text


def test_a_long_line_shows_its_passage_and_can_be_read_on(tmp_path: Path) -> None:
    """A transcript is one line; the window begins before the passage, and the next one after it."""
    library = tmp_path / "library"
    library.mkdir()
    line = " ".join(f"word{number}" for number in range(9_000))
    (library / "talk.txt").write_text("A talk\n" + line + " The zyzzyva ends it.\n")
    objlib(tmp_path, "scan", "--library", "library")
    objlib(tmp_path, "sync", "--yes")
    with running(tmp_path, "--token", TOKEN) as site, site.inside() as client:
        hit = first_hit(client, "zyzzyva")
        page = client.get(str(hit["url"]))
        assert '<mark id="hit">' in page.text
        begins, address = [], f"/passage/{hit['id']}"
        for begin in (0, 12_000, 24_000):
            shown = client.get(address, params={"from": begin}, headers=JSON).json()
            begins.append(shown["from"])
        assert begins == sorted(set(begins))
        assert begins[-1] > 20_000


def test_the_text_that_a_command_has_made_can_be_read(tmp_path: Path) -> None:
    """As it was sent; where it is not kept the page says so, and runs no command."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "talk.xyz").write_text("A talk about zygomorphic flowers.\n")
    own = {"OBJLIB_CONVERT": '{"*.xyz": "cat {path}"}'}
    objlib(tmp_path, "scan", "--library", "library", **own)
    objlib(tmp_path, "sync", "--yes", **own)
    with running(tmp_path, "--token", TOKEN, **own) as site, site.inside() as client:
        address = str(first_hit(client, "zygomorphic")["url"])
        assert '<mark id="hit">A talk about zygomorphic' in client.get(address).text
        for kept in (path for path in (tmp_path / "data").rglob("*") if path.is_file()):
            if kept.parent != tmp_path / "data":
                kept.unlink()
        answer = client.get(address)
        assert answer.status_code == 400 and "is not kept" in answer.text


def test_many_folders_come_when_they_are_asked_for(tmp_path: Path) -> None:
    """Sixty, and the number of the others as a link."""
    for number in range(75):
        (tmp_path / "library" / f"{number:02}").mkdir(parents=True)
        (tmp_path / "library" / f"{number:02}" / "a.txt").write_text(f"Text {number}.\n")
    objlib(tmp_path, "scan", "--library", "library")
    with running(tmp_path, "--token", TOKEN) as site, site.inside() as client:
        page = client.get("/files").text
        assert "15 more folders" in page and "in=74%2F" in page  # as the heading of its file
        assert page.partition("</ul>")[0].count("<li>") == 60
        assert client.get("/files?more=/").text.partition("</ul>")[0].count("<li>") == 75


def test_a_slide_and_a_sheet_are_named(tmp_path: Path) -> None:
    """Beside the hit, as HTML and as JSON, and above the text that the link leads to."""
    (tmp_path / "library").mkdir()
    show = pptx.Presentation()
    for said in ("Vespers are sung.", "Zymurgy is brewing."):
        show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = said
    show.save(str(tmp_path / "library" / "talk.pptx"))
    objlib(tmp_path, "scan", "--library", "library")
    objlib(tmp_path, "sync", "--yes")
    with running(tmp_path, "--token", TOKEN) as site, site.inside() as client:
        hit = first_hit(client, "zymurgy")
        assert hit["place"] == "slide 2"
        assert "slide 2" in client.get("/", params={"q": "zymurgy"}).text
        assert "slide 2" in client.get(str(hit["url"])).text


@pytest.mark.parametrize(
    ("own", "badge"),
    [
        ({}, "on this computer"),
        ({"OBJLIB_BASE_URL": "http://127.0.0.1:9"}, "on a server"),
        ({"GEMINI_API_KEY": "a-key-of-the-tests"}, "at Google, billed"),
    ],
    ids=lambda it: str(it),
)
def test_the_badge_says_where_the_library_is(
    tmp_path: Path, own: dict[str, str], badge: str
) -> None:
    """On every page, the first one included; the key itself on none."""
    for step in ("first run", "library"):
        with running(tmp_path, "--token", TOKEN, **own) as site, site.inside() as client:
            for address in ("/", "/files", "/run", "/nothing"):
                page = client.get(address).text
                assert f">{badge}</span>" in page, (step, address)
                assert "a-key-of-the-tests" not in page
        fill(tmp_path)
        objlib(tmp_path, "scan", "--library", "library")
