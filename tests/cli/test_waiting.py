"""A service that asks for a wait of hours, or refuses everything: what people see of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from objlib.filestore import Fault, Kind
from tests.cli.servers import server
from tests.conftest import Cli, Query, states

TEN_HOURS_S = 36_000.0
ASKED = "The backend asks to wait 10 h 00 min; next look at "


@contextmanager
def asked_to_wait(*command: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A process from the line on that tells of the wait, and its lines so far."""
    program = [sys.executable, "-m", "objlib", *command]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    ) as process:
        assert process.stderr is not None
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line.rstrip("\n"))
            if line.startswith(ASKED):
                break
        try:
            yield process, lines
        finally:
            process.kill()


@pytest.mark.parametrize("command", ["fsm-upload", "sync --yes"])
def test_one_interruption_ends_a_wait_of_hours(
    workplace: Path,
    library: Path,
    cli: Cli,
    rows: Query,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    """The wait is told once; the files that wait for it are untracked again, exit code 130."""
    refused = Fault(
        Kind.RATE_LIMIT, route="POST *:importFile", after=1, times=5, seconds=TEN_HOURS_S
    )
    with server(workplace / "served.db", refused, indexing_delay_s=0.01) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        assert cli("scan", "--library", library).exit_code == 0
        with asked_to_wait(*command.split()) as (process, lines):
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
            lines += err.splitlines()
        assert process.returncode == 130, lines
        assert sum(line.startswith(ASKED) for line in lines) == 1
        assert any(line.startswith("Finishing what is in flight") for line in lines)
        assert set(states(rows)) <= {"indexed", "untracked"}
        assert states(rows)["untracked"] >= 5
        done = cli("sync", "--yes")
        assert (done.exit_code, states(rows)) == (0, {"indexed": 6}), done.out + done.err


def test_one_interruption_ends_a_repair_that_waits(
    workplace: Path, library: Path, cli: Cli, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its steps that were not taken are left to the next one."""
    refused = Fault(Kind.RATE_LIMIT, route="DELETE *documents*", times=1, seconds=TEN_HOURS_S)
    with server(workplace / "served.db", refused, indexing_delay_s=0.01) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        assert cli("sync", "--library", library, "--yes").exit_code == 0
        for file in sorted(library.rglob("*.txt"))[:2]:
            file.unlink()
        assert cli("scan").exit_code == 0
        program = [sys.executable, "-c", _INTERRUPTED_WHEN_REFUSED, "store-sync", "--apply"]
        done = subprocess.run(
            [*program, "--max-delete", "100%"], check=False, timeout=60, capture_output=True
        )
        assert done.returncode == 130, done.stderr
        assert cli("sync", "--yes", "--max-delete", "100%").exit_code == 0


#: `objlib`, which gets a Ctrl-C when the backend has asked for a wait.
_INTERRUPTED_WHEN_REFUSED = """
import signal, sys
from objlib.cli.main import main
from objlib.congestion.gate import RequestGate
from objlib.congestion.outcomes import Refused

take = RequestGate._take

def taken(self, outcome):
    take(self, outcome)
    if isinstance(outcome, Refused):
        signal.raise_signal(signal.SIGINT)

RequestGate._take = taken
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("status", [500, 503])
def test_an_outage_fails_no_file(
    workplace: Path,
    library: Path,
    cli: Cli,
    rows: Query,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    """Every import breaks: exit code 3, each file as it was; the next run sends each once."""
    broken = Fault(Kind.ERROR, route="POST *:importFile", status=status, times=25)
    with server(workplace / "served.db", broken, indexing_delay_s=0.01) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        assert cli("scan", "--library", library).exit_code == 0
        done = cli("fsm-upload", "--concurrency", "1", "--results", "results.jsonl")
        assert done.exit_code == 3
        assert "files in a row were given up and none was accepted in between" in done.err
        assert states(rows) == {"untracked": 6}
        last = {line.split('"path": "')[1].split('"')[0]: line for line in _lines("results.jsonl")}
        assert all('"result": "released"' in line for line in last.values())
        assert '"failed": 0' in rows("SELECT value FROM catalog_info WHERE key = 'last_run'")[0][0]
        for _ in range(5):
            if cli("sync", "--yes").exit_code == 0:
                break
        assert states(rows) == {"indexed": 6}


def _lines(name: str) -> list[str]:
    return Path(name).read_text().splitlines()
