"""Real processes over a real socket: signals, sudden death, two at once, refused keys."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from objlib.cli.verdict import EXACTLY
from objlib.filestore import Fault, Kind
from tests.cli.servers import server
from tests.conftest import Cli, Query, states, write_library

FILES = 40


@pytest.fixture
def served(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that takes 20 ms an answer, in use by every command."""
    slow = Fault(Kind.LATENCY, seconds=0.02)
    with server(workplace / "served.db", slow, indexing_delay_s=0.05) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        yield url


@pytest.fixture
def scanned(cli: Cli, workplace: Path) -> Path:
    """A library of forty texts in the catalog."""
    root = workplace / "library"
    write_library(root, FILES)
    assert cli("scan", "--library", root).exit_code == 0
    return root


def start(*arguments: str) -> subprocess.Popen[str]:
    """An `objlib` process."""
    return subprocess.Popen(
        [sys.executable, "-m", "objlib", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
    )


def wait_until(rows: Query, condition: str, process: subprocess.Popen[str]) -> None:
    """Wait for rows like that, for as long as the process lives."""
    while process.poll() is None:
        if rows(f"SELECT COUNT(*) FROM files WHERE {condition}") != [(0,)]:
            return
        time.sleep(0.005)
    raise AssertionError(f"ended before: {condition}\n{process.communicate()}")


def stop_between_writes(process: subprocess.Popen[str], catalog: Path) -> None:
    """Hold a process at a moment at which it does not hold the catalog's lock."""
    while True:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        try:
            with closing(sqlite3.connect(catalog, isolation_level=None, timeout=0)) as probe:
                probe.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError:
            process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_drains_a_real_process(
    served: str, scanned: Path, cli: Cli, rows: Query, number: signal.Signals
) -> None:
    """It says so, leaves no row in flight, exits with 130, and the next run does the rest."""
    with start("fsm-upload", "--concurrency", "4") as process:
        wait_until(rows, "gemini_state = 'indexed'", process)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Finishing what is in flight" in err
    assert set(states(rows)) == {"indexed", "untracked"}
    assert cli("fsm-upload").exit_code == 0
    assert cli("store-sync", "--json").json["documents"]["canonical"] == FILES


def test_two_signals_stop_a_real_process_at_once(
    served: str, scanned: Path, cli: Cli, rows: Query
) -> None:
    """Rows may be left in flight; the next run brings them to rest without doubling any."""
    with start("fsm-upload", "--concurrency", "8") as process:
        wait_until(rows, "gemini_state = 'processing'", process)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert cli("fsm-upload").exit_code == 0
    assert states(rows) == {"indexed": FILES}
    assert cli("store-sync").exit_code == 0


def test_sudden_death_at_any_moment_loses_and_doubles_nothing(
    served: str, scanned: Path, cli: Cli, rows: Query
) -> None:
    """Killed again and again, then one run and one repair: every document canonical."""
    rng = random.Random(3)
    kills = 0
    for _ in range(8):
        with start("fsm-upload", "--concurrency", "4") as process:
            time.sleep(1.0 + rng.random() * 0.5)  # mostly start-up, then into the thick of it
            if process.poll() is None:
                process.kill()
                kills += 1
            process.communicate()
        if states(rows) == {"indexed": FILES}:
            break
    assert kills > 0
    assert cli("fsm-upload").exit_code == 0
    assert states(rows) == {"indexed": FILES}
    assert cli("store-sync", "--apply", "--max-delete", "100%").exit_code == 0
    synced = cli("store-sync", "--json").json
    assert synced["clean"]
    assert synced["documents"]["canonical"] == FILES


def test_two_processes_share_the_work(served: str, scanned: Path, cli: Cli, rows: Query) -> None:
    """Both end well, and no file has two documents."""
    with start("fsm-upload") as one, start("fsm-upload") as other:
        outputs = [process.communicate(timeout=60) for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], outputs
    assert states(rows) == {"indexed": FILES}
    assert cli("store-sync").exit_code == 0


def test_nobody_says_exactly_while_another_run_is_at_work(
    served: str, scanned: Path, cli: Cli, rows: Query
) -> None:
    """`sync` and `store-sync` say how many files are in flight, and end otherwise than well."""
    with start("fsm-upload", "--concurrency", "4") as busy:
        wait_until(rows, "gemini_state IN ('uploading', 'processing')", busy)
        stop_between_writes(busy, Path("data") / "library.db")
        at_work = rows("SELECT COUNT(*) FROM files WHERE gemini_state LIKE '%ing'")[0][0]
        assert at_work > 0
        files = f"{at_work} file{'s' if at_work > 1 else ''}"

        synced = cli("sync", "--yes")
        assert synced.exit_code == 1
        assert EXACTLY not in synced.out
        assert "The store does not hold exactly what the library does:" in synced.out
        assert f"  {files} another run is at work on" in synced.out
        surveyed = cli("store-sync")
        assert EXACTLY not in surveyed.out
        assert f"{files} another run is at work on" in surveyed.out
        assert cli("store-sync", "--json").json["in_flight"] == at_work

        busy.send_signal(signal.SIGCONT)
        busy.communicate(timeout=60)
    assert busy.returncode == 0
    done = cli("sync", "--yes")
    assert (done.exit_code, states(rows)) == (0, {"indexed": FILES})
    assert EXACTLY in done.out
    assert "at work" not in cli("store-sync").out


def test_four_processes_never_meet_over_a_file(
    served: str, workplace: Path, cli: Cli, rows: Query
) -> None:
    """Each reserves its rows before it looks at them: no visit is wasted and no claim conflicts."""
    files = 240
    write_library(workplace / "library", files)
    assert cli("scan", "--library", workplace / "library").exit_code == 0
    logs = [workplace / f"events-{number}.jsonl" for number in range(4)]
    running = [start("fsm-upload", "--events", str(log)) for log in logs]
    outputs = [process.communicate(timeout=120) for process in running]

    assert [process.returncode for process in running] == [0] * 4, outputs
    said = [json.loads(line)["event"] for log in logs for line in log.read_text().splitlines()]
    assert said.count("FileStarted") == files
    assert said.count("FileTaken") == 0
    assert states(rows) == {"indexed": files}
    assert rows("SELECT COUNT(*) FROM files WHERE reserved_by IS NOT NULL") == [(0,)]
    assert cli("store-sync").exit_code == 0


def test_a_survivor_takes_the_rows_of_a_neighbour_that_was_killed(
    workplace: Path, served: str, cli: Cli, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is indexed by the one that lives, though the leases of the dead last for an hour."""
    files = 70
    monkeypatch.setenv("OBJLIB_LEASE_S", "3600")
    write_library(workplace / "library", files)
    assert cli("scan", "--library", workplace / "library").exit_code == 0
    with start("fsm-upload", "--concurrency", "1") as doomed:
        wait_until(rows, "gemini_state = 'indexed'", doomed)
        stop_between_writes(doomed, workplace / "data" / "library.db")
        with start("fsm-upload", "--concurrency", "4") as survivor:
            wait_until(rows, f"lease_owner LIKE '%/{survivor.pid}/%'", survivor)
            doomed.kill()
            doomed.communicate()
            left = f"'%/{doomed.pid}/%'"
            held = rows(f"SELECT COUNT(*) FROM files WHERE reserved_by LIKE {left}")
            assert held != [(0,)]
            output = survivor.communicate(timeout=120)

    assert survivor.returncode == 0, output
    assert states(rows) == {"indexed": files}
    assert rows("SELECT COUNT(*) FROM files WHERE reserved_by IS NOT NULL") == [(0,)]
    assert cli("store-sync").exit_code == 0


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_key_is_exit_code_three(
    workplace: Path,
    scanned: Path,
    cli: Cli,
    rows: Query,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    """One line, no row failed, and the key itself is nowhere to be seen."""
    monkeypatch.setenv("GEMINI_API_KEY", "a-very-secret-key")
    refusal = Fault(Kind.ERROR, status=status, message="Request had a-very-secret-key in it.")
    options = {"key": "another-key"} if status == 400 else {}
    faults = [] if status == 400 else [refusal]
    with server(workplace / "served.db", *faults, **options) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        outcome = cli("fsm-upload", "-vv")
    assert outcome.exit_code == 3
    assert "GEMINI_API_KEY" in outcome.err.splitlines()[-1]
    assert "a-very-secret-key" not in outcome.err.splitlines()[-1]
    assert states(rows) == {"untracked": FILES}
    for path in (workplace / "data").iterdir():
        assert b"a-very-secret-key" not in path.read_bytes()


def test_the_server_command_says_where_it_listens_and_stops_on_a_signal(
    workplace: Path,
) -> None:
    """`objlib serve` is of use to any client, and ends quietly."""
    with start("serve", "--port", "0") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert "Traceback" not in err


def test_the_server_command_lets_no_strangers_in_without_a_key(cli: Cli) -> None:
    """Beyond loopback a key is needed."""
    outcome = cli("serve", "--host", "0.0.0.0", "--port", "0")
    assert outcome.exit_code == 2
    assert "OBJLIB_SERVE_KEY" in outcome.err
