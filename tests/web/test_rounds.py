"""A sync from the page: its plan first, then its work, one at a time."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
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
    return client.post("/run", data={**form, "form_token": form_token(client)}, headers=headers)


def until(client: httpx2.Client, is_there: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Look again and again, until the round is where it is awaited."""
    while True:
        run: dict[str, Any] = client.get("/run.json").json()["run"]
        assert run["phase"] != "failed", run
        if is_there(run):
            return run


def test_a_round_from_plan_to_end(new_site: Site) -> None:
    """Nothing is sent before the plan is agreed to; afterwards everything can be found."""
    with new_site.inside() as client:
        assert post(new_site, client, do="plan").status_code == 303
        planned = until(client, lambda run: run["phase"] == "planned")
        assert planned["plan"]["work"]["reasons"] == {"new": 7}
        assert client.get("/health.json").json()["status"]["states"]["indexed"]["files"] == 0

        assert post(new_site, client, do="start", plan_id=planned["plan_id"]).status_code == 303
        over = until(client, lambda run: run["phase"] == "over")
        assert over["progress"]["indexed"] == 7
        assert client.get("/health.json").json()["status"]["states"]["indexed"]["files"] == 7
        assert "In step" in client.get("/run").text


def test_a_plan_starts_once(new_site: Site) -> None:
    """Two tabs show one plan: the second one that starts it is told."""
    with new_site.inside() as client:
        post(new_site, client, do="plan")
        planned = until(client, lambda run: run["phase"] == "planned")
        assert post(new_site, client, do="start", plan_id="another").status_code == 400
        assert post(new_site, client, do="start", plan_id=planned["plan_id"]).status_code == 303
        again = post(new_site, client, do="start", plan_id=planned["plan_id"])
        assert again.status_code == 400
        assert "already" in again.text or "old" in again.text
        until(client, lambda run: run["phase"] == "over")


def test_a_stream_tells_a_snapshot(new_site: Site) -> None:
    """The first event is complete by itself."""
    with new_site.inside() as client, client.stream("GET", "/run/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert next(lines).startswith("retry: ") and next(lines) == ""
        assert next(lines) == "event: run"
        assert "Nothing is under way" in next(lines)


def test_what_cannot_be_done_is_said(new_site: Site) -> None:
    """An unknown button is a sentence; stopping nothing does nothing."""
    with new_site.inside() as client:
        assert post(new_site, client, do="explode").status_code == 400
        assert post(new_site, client, do="stop").status_code == 303
        assert client.get("/run.json").json()["run"]["phase"] == "idle"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_round_before_the_page(tmp_path: Path, number: int) -> None:
    """What was on its way is finished, nothing stays leased, and the exit code is 0."""
    fill(tmp_path)
    with server(tmp_path / "served.db", Fault(Kind.LATENCY, seconds=0.3)) as url:
        objlib(tmp_path, "scan", "--library", "library")
        with (
            running(tmp_path, "--token", TOKEN, OBJLIB_BASE_URL=url) as site,
            site.inside() as client,
        ):
            post(site, client, do="plan")
            planned = until(client, lambda run: run["phase"] == "planned")
            post(site, client, do="start", plan_id=planned["plan_id"])
            until(client, lambda run: bool(run["progress"]["in_flight"]))
            site.process.send_signal(number)
            assert site.process.wait(60) == 0
    with closing(sqlite3.connect(tmp_path / "data" / "library.db")) as catalog:
        held = catalog.execute(
            "SELECT COUNT(*) FROM files WHERE lease_owner IS NOT NULL"
            " OR gemini_state IN ('uploading', 'processing')"
        ).fetchone()
    assert held == (0,)
