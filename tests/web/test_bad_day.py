"""Bad days with the page open: one clear sentence, the right status, and nothing is lost."""

from __future__ import annotations

import contextlib
import resource
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from objlib.filestore import Fault, Kind
from objlib.web import patience
from tests.cli.servers import server
from tests.web.conftest import TOKEN, Site, fill, objlib, running
from tests.web.test_pages import first_hit
from tests.web.test_rounds import post, until


@contextmanager
def connected(site: Site) -> Iterator[socket.socket]:
    """A bare connection to the page."""
    address = urlsplit(site.address)
    with closing(socket.create_connection((address.hostname, address.port), timeout=60)) as one:
        yield one


def test_a_browser_that_goes_away_stops_nothing(tmp_path: Path) -> None:
    """It starts a sync, looks on, and is gone: the sync ends as if somebody had looked."""
    fill(tmp_path)
    with server(tmp_path / "served.db", Fault(Kind.LATENCY, seconds=0.1)) as url:
        objlib(tmp_path, "scan", "--library", "library")
        with running(tmp_path, "--token", TOKEN, OBJLIB_BASE_URL=url) as site:
            with site.inside() as client:
                post(site, client, do="plan")
                planned = until(client, lambda run: run["phase"] == "planned")
                post(site, client, do="start", plan_id=planned["plan_id"])
                with client.stream("GET", "/run/events") as stream:
                    next(stream.iter_lines())
            with site.inside() as later:
                over = until(later, lambda run: run["phase"] == "over")
                assert over["progress"]["indexed"] == 7


def test_a_locked_catalog_is_a_sentence_and_passes(tmp_path: Path) -> None:
    """Somebody else writes: what is only read is shown; a plan waits for its turn."""
    fill(tmp_path)
    objlib(tmp_path, "scan", "--library", "library")
    with (
        running(tmp_path, "--token", TOKEN) as site,
        site.inside() as client,
        closing(sqlite3.connect(tmp_path / "data" / "library.db", isolation_level=None)) as other,
    ):
        (tmp_path / "library" / "new.txt").write_text("A new one.\n")
        other.execute("BEGIN IMMEDIATE")
        for address in ("/", "/files", "/run", "/failures", "/verify", "/health"):
            assert client.get(address).status_code == 200, address
        assert post(site, client, do="plan").status_code == 303
        assert until(client, lambda run: run["phase"] == "planning")
        other.execute("ROLLBACK")
        planned = until(client, lambda run: run["phase"] == "planned")
        assert planned["plan"]["work"]["reasons"] == {"new": 8}


def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    """The plan fails and says why; the pages still show what there is, and with room it goes on."""
    fill(tmp_path)
    objlib(tmp_path, "scan", "--library", "library")
    for number in range(300):
        (tmp_path / "library" / f"new {number}.txt").write_text(f"A new one, {number}.\n")
    with running(tmp_path, "--token", TOKEN) as site, site.inside() as client:
        limits = resource.prlimit(site.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(site.process.pid, resource.RLIMIT_FSIZE, (4_096, limits[1]))
        assert post(site, client, do="plan").status_code == 303
        while (run := client.get("/run.json").json()["run"])["phase"] == "planning":
            pass
        assert run["phase"] == "failed", run
        page = client.get("/run")
        assert page.status_code == 200 and "It could not go on" in page.text
        assert "Traceback" not in page.text and "a bug in objlib" not in page.text, run["problem"]
        assert client.get("/files").status_code == 200
        resource.prlimit(site.process.pid, resource.RLIMIT_FSIZE, limits)
        post(site, client, do="plan")
        planned = until(client, lambda run: run["phase"] != "planning")
        assert planned["plan"]["work"]["reasons"] == {"new": 307}


def test_a_store_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    """A server that ends while the page is open: 503 for a question, and the files are shown."""
    fill(tmp_path)
    with contextlib.ExitStack() as away:
        url = away.enter_context(server(tmp_path / "served.db"))
        objlib(tmp_path, "scan", "--library", "library")
        objlib(tmp_path, "sync", "--yes", OBJLIB_BASE_URL=url)
        own = {"OBJLIB_BASE_URL": url}
        with running(tmp_path, "--token", TOKEN, **own) as site, site.inside() as client:
            assert client.get("/", params={"q": "arches"}).status_code == 200
            away.close()
            assert client.get("/", params={"q": "arches"}).status_code == 200  # it was asked
            answer = client.get("/", params={"q": "beeswax"})
            assert answer.status_code == 503
            assert "That did not work" in answer.text and "Traceback" not in answer.text
            assert client.get("/files").status_code == 200


@pytest.mark.parametrize("gone", [Path.unlink, lambda path: path.chmod(0)], ids=["gone", "closed"])
def test_a_file_that_cannot_be_read_any_more_is_a_sentence(
    tmp_path: Path, gone: Callable[[Path], None]
) -> None:
    """Its passage and its original say so."""
    fill(tmp_path)
    objlib(tmp_path, "scan", "--library", "library")
    objlib(tmp_path, "sync", "--yes")
    with running(tmp_path, "--token", TOKEN) as site, site.inside() as client:
        hit = first_hit(client, "arches")
        path = next((tmp_path / "library").rglob("*arches*"))
        gone(path)
        for address in (str(hit["url"]), f"/original/{hit['id']}"):
            answer = client.get(address)
            if path.exists() and answer.status_code == 200:
                pytest.skip("whoever may do everything reads it all the same")
            assert answer.status_code == 400 and "arches" in answer.text
        assert client.get("/", params={"q": "arches"}).status_code == 200


@pytest.mark.parametrize("size", [70_000, 10_000_000])
def test_a_question_without_end_is_refused(site: Site, size: int) -> None:
    """Ten megabytes in an address are not read to their end, and the page lives on."""
    with connected(site) as one:
        with contextlib.suppress(OSError):  # it was closed before all was sent
            one.sendall(b"GET /?q=" + b"x" * size + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert one.recv(1_000).startswith(b"HTTP/1.1 4")
    with site.inside() as client:
        assert client.get("/health").status_code == 200


def test_whoever_holds_connections_is_let_go(
    site: Site, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred open connections keep others out for some seconds, and not for ever."""
    assert patience.ASKING_S <= 10
    with contextlib.ExitStack() as held:
        ends = [held.enter_context(connected(site)) for _ in range(210)]
        for one in ends:
            one.sendall(b"GET / HTTP/1.1\r\n")  # and no more
        assert client.get("/health").status_code in (200, 503)
        for one in ends:
            assert one.recv(1_000) == b""  # closed by the page
    assert client.get("/health").status_code == 200


def test_a_form_that_trickles_in_is_let_go(site: Site) -> None:
    """It has ten seconds; what was sent till then changes nothing."""
    with site.inside() as client:
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    host = site.address.removeprefix("http://")
    head = f"POST /run HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nContent-Length: 1000\r\n\r\n"
    with connected(site) as one:
        one.sendall(head.encode() + b"do=stop")
        assert one.recv(1_000).startswith(b"HTTP/1.1 408")


def test_seven_windows_are_served(site: Site) -> None:
    """Six streams of a browser end by themselves, so that a seventh request gets a connection."""
    ended: list[bool] = []

    def watch() -> None:
        with site.inside() as client, client.stream("GET", "/run/events") as stream:
            ended.append(sum(1 for _ in stream.iter_lines()) > 0)

    windows = [threading.Thread(target=watch) for _ in range(6)]
    for one in windows:
        one.start()
    with site.inside() as client:
        assert client.get("/files").status_code == 200
    for one in windows:
        one.join()
    assert ended == [True] * 6


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Forwarded-For": "127.0.0.1"}, 200),
        ({"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}, 200),
        ({"X-Forwarded-Host": "evil.example"}, 200),
        ({"Forwarded": "for=203.0.113.9;host=evil.example"}, 200),
        ({"Host": "library.example"}, 421),
    ],
    ids=lambda it: str(it),
)
def test_a_proxy_is_not_believed(
    client: httpx2.Client, headers: dict[str, str], status: int
) -> None:
    """What it says of its visitors changes nothing; another name is told how it is done."""
    answer = client.get("/health", headers=headers)
    assert answer.status_code == status
    assert status == 200 or "--token" in answer.text


def test_behind_a_proxy_forms_work(tmp_path: Path) -> None:
    """With a token the name may be any, and the Origin is that name over https."""
    fill(tmp_path)
    objlib(tmp_path, "scan", "--library", "library")
    with running(tmp_path, "--host", "0.0.0.0", "--token", TOKEN) as site:
        port = site.address.rpartition(":")[2]
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Host": "library.example"}
        ) as client:
            client.get("/", params={"token": TOKEN})
            page = client.get("/run").text
            token = page.partition('name="form_token" value="')[2].partition('"')[0]
            for origin, status in (
                ("https://library.example", 303),
                ("https://evil.example", 403),
                ("https://library.example.evil.example", 403),
            ):
                sent = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
                form = {"do": "drain", "form_token": token}
                assert client.post("/run", data=form, headers=sent).status_code == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("address", ["/", "/run", "/files", "/original/x"])
def test_other_methods_do_nothing(client: httpx2.Client, method: str, address: str) -> None:
    """The page is for looking, and for its own forms."""
    assert client.request(method, address).status_code == 405


@pytest.mark.parametrize(
    "address",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/door.py",
        "/static/page.css/",
        "/original/%2fetc%2fpasswd",
        "/passage/../../etc/passwd",
        "/files/",
    ],
)
def test_no_address_is_a_path(client: httpx2.Client, address: str) -> None:
    """Addresses name keys and static files by their names, and nothing else."""
    answer = client.get(address)
    assert answer.status_code in (400, 404) and "root:" not in answer.text


def test_a_web_socket_is_not_opened(site: Site) -> None:
    """There is nothing behind it, and the door does not stand before it."""
    host = site.address.removeprefix("http://")
    with connected(site) as one:
        one.sendall(
            f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2FtcGxlIG9mIGEga2V5\r\n\r\n".encode()
        )
        assert one.recv(1_000).startswith(b"HTTP/1.1 403")
