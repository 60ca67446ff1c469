"""A verification from the page: one at a time, with its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from objlib.filestore import Fault, Kind
from tests.cli.servers import server
from tests.web.conftest import TOKEN, Site, fill, objlib, running
from tests.web.test_door import form_token


def post(site: Site, client: httpx2.Client, **form: str) -> httpx2.Response:
    """Send a form as the browser does."""
    headers = {"Origin": site.address, "Sec-Fetch-Site": "same-origin"}
    return client.post("/verify", data={**form, "form_token": form_token(client)}, headers=headers)


def until(client: httpx2.Client, is_there: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Look again and again."""
    while True:
        record: dict[str, Any] = client.get("/verify.json").json()
        assert record["proving"]["problem"] is None, record
        if is_there(record):
            return record


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """The page of a library that is in its store, and of which nothing is proven."""
    fill(tmp_path)
    objlib(tmp_path, "scan", "--library", "library")
    objlib(tmp_path, "sync", "--yes")
    with running(tmp_path, "--token", TOKEN) as site:
        yield site


def test_files_are_proven_from_the_page(own_site: Site) -> None:
    """As many as were asked for; the page and the files say so afterwards."""
    with own_site.inside() as client:
        assert client.get("/verify.json").json()["proven"] == 0
        assert post(own_site, client, do="prove", files="3").status_code == 303
        over = until(client, lambda record: not record["proving"]["is_at_work"])
        assert sum(over["proving"]["report"]["verdicts"].values()) == 3
        assert over["proven"] == 3
        assert "All is as it should be" in client.get("/verify").text


@pytest.mark.parametrize("files", ["0", "-1", "", "x", "1e3", "99999999999", "1001", "٣"])
def test_a_number_that_is_none_is_a_sentence(site: Site, files: str) -> None:
    """And nothing is asked."""
    with site.inside() as client:
        answer = post(site, client, do="prove", files=files)
        assert answer.status_code == 400 and "1 to 1,000" in answer.text
        assert post(site, client, do="explode").status_code == 400


def test_two_tabs_prove_once_and_one_stops(tmp_path: Path) -> None:
    """The second one is told; after a stop what was asked is still answered."""
    fill(tmp_path)
    with server(tmp_path / "served.db", Fault(Kind.LATENCY, seconds=0.3)) as url:
        objlib(tmp_path, "scan", "--library", "library")
        objlib(tmp_path, "sync", "--yes", OBJLIB_BASE_URL=url)
        own = {"OBJLIB_BASE_URL": url, "OBJLIB_CONCURRENCY": "1"}
        with running(tmp_path, "--token", TOKEN, **own) as one, one.inside() as client:
            assert post(one, client, do="prove", files="7").status_code == 303
            again = post(one, client, do="prove", files="7")
            assert again.status_code == 400 and "already" in again.text
            until(client, lambda record: record["proving"]["report"]["verdicts"] != {})
            assert post(one, client, do="stop").status_code == 303
            over = until(client, lambda record: not record["proving"]["is_at_work"])
            assert 0 < sum(over["proving"]["report"]["verdicts"].values()) < 7
