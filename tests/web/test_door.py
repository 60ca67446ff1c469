"""Who may come in, and what may be sent: with real requests to a real process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from starlette.datastructures import Headers

from objlib.web.door import Door
from tests.web.conftest import TOKEN, Site, environment, fill, objlib, running

ADDRESSES = ("/", "/files", "/file?path=x", "/run", "/failures", "/verify", "/health", "/nothing")


def form_token(client: httpx2.Client) -> str:
    """The token of our own forms."""
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', client.get("/run").text)
    assert found
    return found[1]


@pytest.mark.parametrize("address", [*ADDRESSES, "/static/page.css", "/?token=wrong", "/?token="])
def test_nobody_comes_in_without_the_token(site: Site, address: str) -> None:
    """Without cookie and token every address is closed, and says how to come in."""
    answer = httpx2.get(site.address + address)

    assert answer.status_code == 403
    assert "objlib web" in answer.text


def test_the_token_becomes_a_cookie_and_leaves_the_address(site: Site) -> None:
    """The cookie is kept from scripts and from other sites' posts, and the address is clean."""
    answer = httpx2.get(f"{site.address}/files", params={"token": TOKEN, "state": "failed"})

    assert answer.status_code == 303
    assert answer.headers["location"] == "/files?state=failed"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie
    assert TOKEN not in cookie


def test_a_printed_address_lets_in_once(tmp_path: Path) -> None:
    """Whoever reads the address later, in a log or a history, finds it used."""
    fill(tmp_path)
    objlib(tmp_path, "scan", "--library", "library")
    with running(tmp_path) as site:
        assert httpx2.get(site.printed).status_code == 303
        assert httpx2.get(site.printed).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1"])
def test_another_name_is_not_answered(site: Site, client: httpx2.Client, host: str) -> None:
    """A page whose own name points here reads nothing, not even with the cookie."""
    assert client.get("/health.json", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 303),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": None}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": None}, 403),
        ({"form_token": "0" * 64}, 403),
        ({"form_token": None}, 403),
    ],
    ids=lambda value: str(value),
)
def test_only_a_form_of_ours_changes_something(
    site: Site, client: httpx2.Client, change: dict[str, str | None], status: int
) -> None:
    """A post needs our own Origin, `Sec-Fetch-Site: same-origin` and the token of the form."""
    form = {"do": "drain", "form_token": form_token(client)}
    headers = {"Origin": site.address, "Sec-Fetch-Site": "same-origin"}
    for name, value in change.items():
        place = form if name == "form_token" else headers
        place.pop(name)
        if value is not None:
            place[name] = value

    assert client.post("/run", data=form, headers=headers).status_code == status


def test_a_form_without_end_is_not_read(site: Site, client: httpx2.Client) -> None:
    """Ten megabytes are refused before they are kept."""
    headers = {"Origin": site.address, "Sec-Fetch-Site": "same-origin"}
    answer = client.post("/run", content=b"x" * 10_000_000, headers=headers)

    assert answer.status_code == 413


@pytest.mark.parametrize("address", [*ADDRESSES, "/static/page.js", "/original/none"])
def test_every_answer_keeps_the_browser_narrow(client: httpx2.Client, address: str) -> None:
    """Nothing from elsewhere, nothing guessed, nothing kept; also where it failed."""
    headers = client.get(address).headers

    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_an_address_that_others_can_reach_needs_a_token(tmp_path: Path) -> None:
    """It is refused in a line, before anything listens."""
    fill(tmp_path)
    objlib(tmp_path, "scan", "--library", "library")
    done = subprocess.run(
        [sys.executable, "-m", "objlib", "web", "--host", "0.0.0.0", "--port", "0"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert "--token" in done.stderr and len(done.stderr.splitlines()) == 1


def test_the_port_of_http_may_be_left_out() -> None:
    """A browser does not say `:80`."""
    door = Door("127.0.0.1", 80)
    assert door.is_addressed(Headers({"host": "127.0.0.1"}), "127.0.0.1")
    assert not door.is_addressed(Headers({"host": "evil.example"}), "127.0.0.1")
