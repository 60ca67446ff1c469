"""A run that the command line started: shown on the page, and steered through the catalog."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from objlib.filestore import Fault, Kind
from tests.cli.servers import server
from tests.conftest import write_library
from tests.web.conftest import TOKEN, Site, environment, objlib, running
from tests.web.test_rounds import post

FILES = 40


@contextmanager
def at_work(folder: Path, *command: str) -> Iterator[tuple[Site, subprocess.Popen[str]]]:
    """A page, and a command beside it that sends one file after the other to a slow server."""
    write_library(folder / "library", FILES)
    with server(folder / "served.db", Fault(Kind.LATENCY, seconds=0.2)) as url:
        objlib(folder, "scan", "--library", "library")
        arguments = [sys.executable, "-m", "objlib", *command]
        own = {**environment(), "OBJLIB_BASE_URL": url, "OBJLIB_CONCURRENCY": "1"}
        with (
            running(folder, "--token", TOKEN, OBJLIB_BASE_URL=url) as site,
            subprocess.Popen(
                arguments,
                cwd=folder,
                env=own,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process,
        ):
            try:
                yield site, process
            finally:
                process.kill()


def seen(client: httpx2.Client, process: subprocess.Popen[str]) -> dict[str, Any]:
    """Look until the run is shown with a file that it has indexed."""
    while True:
        assert process.poll() is None, "it ended before it was seen"
        elsewhere: dict[str, Any] | None = client.get("/run.json").json()["elsewhere"]
        if elsewhere and elsewhere["states"].get("indexed"):
            return elsewhere


@pytest.mark.parametrize("command", [("fsm-upload",), ("sync", "--yes")], ids=lambda it: it[0])
@pytest.mark.parametrize("wish", ["drain", "stop"])
def test_a_run_of_the_command_line_is_shown_and_stopped(
    tmp_path: Path, command: tuple[str, ...], wish: str
) -> None:
    """It ends by itself, says why, and leaves nothing leased; the page says what was asked."""
    with at_work(tmp_path, *command) as (site, process), site.inside() as client:
        seen(client, process)
        page = client.get("/run").text
        assert "Another run is at work" in page and "Look at the folder" not in page
        assert post(site, client, do=f"{wish} elsewhere").status_code == 303
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert client.get("/run.json").json()["elsewhere"] is None
        gone = post(site, client, do=f"{wish} elsewhere")
        assert gone.status_code == 400 and "no run" in gone.text
    with closing(sqlite3.connect(tmp_path / "data" / "library.db")) as catalog:
        (indexed,) = catalog.execute(
            "SELECT COUNT(*) FROM files WHERE gemini_state = 'indexed'"
        ).fetchone()
        (held,) = catalog.execute(
            "SELECT COUNT(*) FROM files WHERE lease_expires_at > strftime('%s', 'now')"
        ).fetchone()
    assert 0 < indexed < FILES
    assert held == 0


def test_a_wish_for_another_run_is_no_wish(tmp_path: Path) -> None:
    """What was meant for a process that has ended, or is nonsense, stops nobody."""
    write_library(tmp_path / "library", 3)
    objlib(tmp_path, "scan", "--library", "library")
    for wish in (json.dumps({"process": "host/boot/ns/1/2", "wish": "stop"}), '"x"', "[]", "{", ""):
        with closing(sqlite3.connect(tmp_path / "data" / "library.db")) as catalog:
            catalog.execute("INSERT OR REPLACE INTO catalog_info VALUES ('run_wish', ?)", (wish,))
            catalog.commit()
        sync = [sys.executable, "-m", "objlib", "sync", "--yes"]
        done = subprocess.run(sync, cwd=tmp_path, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, (wish, done.stderr)
    with closing(sqlite3.connect(tmp_path / "data" / "library.db")) as catalog:
        (indexed,) = catalog.execute(
            "SELECT COUNT(*) FROM files WHERE gemini_state = 'indexed'"
        ).fetchone()
    assert indexed == 3
