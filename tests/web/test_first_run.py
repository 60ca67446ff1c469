"""The first run: the page asks for the folder, and opens no other path that a request names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.web.conftest import TOKEN, Site, objlib, running
from tests.web.test_rounds import until


@pytest.fixture
def empty_site(tmp_path: Path) -> Iterator[Site]:
    """The page in a folder in which nothing was ever scanned."""
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "one.txt").write_text("Arches stand.\n")
    with running(tmp_path, "--token", TOKEN, HOME=str(tmp_path / "homes" / "ada")) as site:
        yield site


def choose(site: Site, client: httpx2.Client, **form: str) -> httpx2.Response:
    """Send the form as the browser does."""
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', client.get("/").text)
    assert token
    headers = {"Origin": site.address, "Sec-Fetch-Site": "same-origin"}
    return client.post("/library", data={"form_token": token[1], **form}, headers=headers)


def test_every_page_asks_for_the_folder(empty_site: Site) -> None:
    """Nothing is written before it is chosen; a program is told."""
    with empty_site.inside() as client:
        for address in ("/", "/files", "/run", "/failures", "/verify", "/health", "/passage/x"):
            answer = client.get(address)
            assert answer.status_code == 200 and "Choose the folder" in answer.text, address
        assert client.get("/health.json").status_code == 409
        assert client.get("/run/events").status_code == 200
    assert not (empty_site.folder / "data").exists()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("", "write the path"),
        ("texts", "whole path"),
        ("~nobody-of-this-name/x", "not a folder"),
        ("{folder}/nowhere", "not a folder"),
        ("{folder}/texts/one.txt", "not a folder"),
        ("{folder}/\0", "write the path"),
        ("{folder}/<script>alert(1)</script>", "not a folder"),
        ("/" + "x" * 4_000, "not a folder"),
        ("/", "home directory"),
    ],
)
def test_what_is_no_folder_is_a_sentence(empty_site: Site, said: str, words: str) -> None:
    """Under the same form, with what was typed; nothing is made."""
    with empty_site.inside() as client:
        answer = choose(empty_site, client, folder=said.format(folder=empty_site.folder))
        assert answer.status_code == 400 and words in answer.text, answer.text
        assert "<script>alert" not in answer.text
    assert not (empty_site.folder / "data").exists()


def test_the_folder_is_looked_at_and_nothing_is_sent(empty_site: Site) -> None:
    """From the form to the plan; a second folder is refused."""
    with empty_site.inside() as client:
        chosen = choose(empty_site, client, folder=f"{empty_site.folder}/texts")
        assert (chosen.status_code, chosen.headers["location"]) == (303, "/run")
        planned = until(client, lambda run: run["phase"] == "planned")
        assert planned["plan"]["work"]["reasons"] == {"new": 1}
        assert "one.txt" in client.get("/files").text
        headers = {"Origin": empty_site.address, "Sec-Fetch-Site": "same-origin"}
        token = re.search(r'name="form_token" value="([0-9a-f]+)"', client.get("/run").text)
        assert token
        other = {"folder": "/tmp", "form_token": token[1]}
        again = client.post("/library", data=other, headers=headers)
        assert again.status_code == 400 and "already" in again.text


def test_only_a_form_of_ours_chooses(empty_site: Site) -> None:
    """Neither another site nor another program on this computer."""
    with empty_site.inside() as client:
        form = {"folder": f"{empty_site.folder}/texts"}
        assert client.post("/library", data=form).status_code == 403
        assert choose(empty_site, client, form_token="0" * 64, **form).status_code == 403
    assert not (empty_site.folder / "data").exists()


def test_a_home_directory_is_asked_about_again(empty_site: Site) -> None:
    """It may be meant; then it has to be said."""
    home = empty_site.folder / "homes" / "ada"
    home.mkdir(parents=True)
    (home / "note.txt").write_text("A note.\n")
    with empty_site.inside() as client:
        doubtful = choose(empty_site, client, folder="~")
        assert doubtful.status_code == 400 and 'name="home"' in doubtful.text
        assert choose(empty_site, client, folder="~", home="meant").status_code == 303
        until(client, lambda run: run["phase"] == "planned")


def test_others_cannot_choose(tmp_path: Path) -> None:
    """Whoever comes in over the network does not choose folders of this computer."""
    with running(tmp_path, "--host", "0.0.0.0", "--token", TOKEN) as site:
        port = site.address.rpartition(":")[2]
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client:
            client.get("/", params={"token": TOKEN})
            page = client.get("/")
            assert "on the computer itself" in page.text and "<form" not in page.text


def test_a_catalog_that_is_none_is_told_before_the_page_opens(tmp_path: Path) -> None:
    """A damaged catalog is no first run."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "library.db").write_bytes(b"no catalog" * 100)
    with pytest.raises(AssertionError):
        objlib(tmp_path, "web", "--port", "0")
