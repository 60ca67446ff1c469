"""objlib status: how things stand, and what the last run came to."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from objlib.filestore import Fault, Kind
from tests.cli.servers import server
from tests.cli.test_processes import start, wait_until
from tests.conftest import Cli, Query, write_library


def last_run(cli: Cli) -> str:
    """The line about it."""
    return next(line for line in cli("status").out.splitlines() if line.startswith("Last run"))


def test_the_last_run_is_shown_with_what_came_of_it(cli: Cli, library: Path) -> None:
    """None before the first one; then when, how long, how many."""
    cli("scan", "--library", library)
    assert last_run(cli) == "Last run  none yet"
    cli("fsm-upload", "--limit", "2")
    assert "(just now), done after" in last_run(cli)
    assert last_run(cli).endswith(": 2 indexed, 0 failed")
    known = cli("status", "--json").json["last_run"]
    assert (known["ended"], known["indexed"], known["failed"]) == ("done", 2, 0)


def test_why_the_last_run_ended_is_shown(
    cli: Cli, library: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key refused in the middle is still to be read the next morning."""
    cli("scan", "--library", library)
    # The look at the store goes through; the first upload does not.
    refusal = Fault(Kind.ERROR, route="POST /upload/*", status=403, message="No.")
    with server(workplace / "served.db", refusal) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        assert cli("fsm-upload").exit_code == 3
    assert ": 0 indexed, 0 failed; " in last_run(cli)
    assert "GEMINI_API_KEY" in last_run(cli)


def test_a_run_that_was_killed_is_told_from_one_under_way(
    cli: Cli, workplace: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its process: nobody could write down that it ended."""
    write_library(workplace / "library", 30)
    cli("scan", "--library", "library")
    with server(workplace / "served.db", Fault(Kind.LATENCY, seconds=0.02)) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        with start("fsm-upload") as process:
            wait_until(rows, "gemini_state = 'indexed'", process)
            assert last_run(cli).endswith(", under way")
            process.send_signal(signal.SIGKILL)
    assert last_run(cli).endswith(", cut off; the next one goes on from there")


def test_however_little_is_there_has_a_bar(cli: Cli, library: Path, workplace: Path) -> None:
    """One failed file of a thousand must not look like none."""
    write_library(workplace / "library", 100)
    cli("scan", "--library", library)
    cli("fsm-upload", "--limit", "1")
    (indexed,) = (line for line in cli("status").out.splitlines() if "indexed  " in line)
    assert indexed.count("█") == 1
