"""Bad days of `objlib sync`: each ends in one clear line, and the next sync completes it."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx2
import pytest

from objlib.filestore import Fault, Kind
from tests.cli.servers import server
from tests.cli.test_processes import start, wait_until
from tests.conftest import Cli, Query, states, write_library

FILES = 30
needs_a_full_device = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="this system has no device that is always full"
)
#: What a sync says at last when nothing is left to do.
IN_STEP = "The store holds exactly what the library does"


@pytest.fixture
def root(workplace: Path, cli: Cli) -> Path:
    """A library of thirty texts in the catalog."""
    write_library(workplace / "library", FILES)
    assert cli("scan", "--library", workplace / "library").exit_code == 0
    return workplace / "library"


@pytest.fixture
def served(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that takes 20 ms an answer, in use by every command."""
    with server(workplace / "served.db", Fault(Kind.LATENCY, seconds=0.02)) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        yield url


def sync(root: Path) -> subprocess.Popen[str]:
    """A sync on its way."""
    return start("sync", "--yes", "--library", str(root))


def stop_outside_of_writing(process: subprocess.Popen[str], catalog: Path) -> None:
    """SIGSTOP, at a moment at which it does not hold the catalog's lock as well."""
    while True:
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        with (
            closing(sqlite3.connect(catalog, timeout=0)) as connection,
            suppress(sqlite3.OperationalError),
        ):
            connection.execute("BEGIN IMMEDIATE")
            return
        process.send_signal(signal.SIGCONT)
        time.sleep(0.003)


def said(process: subprocess.Popen[str]) -> list[str]:
    """The lines of a sync that ended badly; the last one says why."""
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in out + err
    return [line for line in (out + err).splitlines() if line.strip()]


def assert_completes(cli: Cli, root: Path, rows: Query) -> None:
    """The next sync does the rest, and nothing is there twice."""
    outcome = cli("sync", "--yes", "--library", root)
    assert outcome.exit_code == 0, outcome
    assert IN_STEP in outcome.out
    assert states(rows) == {"indexed": FILES}
    assert cli("store-sync", "--json").json["documents"]["canonical"] == FILES


def test_the_library_is_pulled_away(
    served: str, root: Path, cli: Cli, rows: Query, workplace: Path
) -> None:
    """As when the disk that holds it is unplugged: what it could not read is named and waits."""
    with sync(root) as process:
        wait_until(rows, "gemini_state = 'indexed'", process)
        root.rename(workplace / "unplugged")
        lines = said(process)
    assert process.returncode == 2, "\n".join(lines[-12:])
    assert lines[-1].startswith(f"objlib: the library at {root} is gone; is its disk mounted?")
    assert rows("SELECT COUNT(*) FROM files WHERE is_deleted") == [(0,)]
    shutil.move(workplace / "unplugged", root)
    assert_completes(cli, root, rows)


def test_the_lid_is_closed(
    served: str, root: Path, cli: Cli, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For longer than leases last. Nobody else was there: it goes on where it was."""
    monkeypatch.setenv("OBJLIB_LEASE_S", "0.5")
    with sync(root) as process:
        wait_until(rows, "gemini_state = 'indexed'", process)
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert IN_STEP in out
    assert_completes(cli, root, rows)


def test_the_lid_is_closed_and_another_machine_does_the_work(
    served: str,
    root: Path,
    cli: Cli,
    rows: Query,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever wakes up finds its files done, and makes none twice."""
    monkeypatch.setenv("OBJLIB_LEASE_S", "0.5")
    with sync(root) as process:
        wait_until(rows, "gemini_state IN ('uploading', 'processing')", process)
        stop_outside_of_writing(process, workplace / "data" / "library.db")
        try:
            time.sleep(1.0)
            assert_completes(cli, root, rows)
        finally:
            process.send_signal(signal.SIGCONT)
        lines = said(process)
    assert process.returncode == 0, "\n".join(lines[-12:])
    assert_completes(cli, root, rows)


def test_the_key_is_revoked(served: str, root: Path, cli: Cli, rows: Query) -> None:
    """Exit code 3, and what to do."""
    refusal = {"fault": [{"kind": "error", "status": 401, "message": "API key not valid."}]}
    with sync(root) as process:
        wait_until(rows, "gemini_state = 'indexed'", process)
        httpx2.put(f"{served}/debug/faults", json=refusal)
        lines = said(process)
    assert process.returncode == 3
    assert "GEMINI_API_KEY" in lines[-1]
    assert 0 < states(rows)["indexed"] < FILES
    httpx2.delete(f"{served}/debug/faults")
    assert_completes(cli, root, rows)


def _small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (260_000, resource.RLIM_INFINITY))


def with_a_full_disk(*arguments: str) -> tuple[subprocess.Popen[str], list[str]]:
    """A command none of whose files can grow beyond 260 kB, at its end, and all that it said."""
    with subprocess.Popen(
        [sys.executable, "-m", "objlib", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_small_files,
    ) as process:
        return process, said(process)


def test_the_disk_fills_up(served: str, root: Path, cli: Cli, rows: Query) -> None:
    """In the middle of writing the catalog."""
    process, lines = with_a_full_disk("sync", "--yes", "--library", str(root))
    assert process.returncode == 2, "\n".join(lines[-12:])
    assert lines[-1].startswith("objlib: the disk of the catalog data/library.db is full")
    assert_completes(cli, root, rows)


def test_the_disk_fills_up_during_a_scan(workplace: Path, cli: Cli, rows: Query) -> None:
    """What was written stays, and the next scan gives the disk's state."""
    root = workplace / "large"
    write_library(root, 600)
    process, lines = with_a_full_disk("scan", "--library", str(root))
    assert process.returncode == 2, "\n".join(lines[-12:])
    assert lines[-1].startswith("objlib: the disk of the catalog data/library.db is full")
    assert cli("scan", "--library", root).exit_code == 0
    assert rows("SELECT COUNT(*), COUNT(DISTINCT file_path) FROM files") == [(600, 600)]
    assert rows("SELECT COUNT(*) FROM files WHERE content_hash IS NULL OR is_deleted") == [(0,)]


#: Takes the catalog's write lock over and over, as a disk does that is slow to write.
HOLDER = """
import select, sqlite3, sys, time
catalog = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
held = 0
while not select.select([sys.stdin], [], [], 0.02)[0]:
    catalog.execute("BEGIN IMMEDIATE")
    if not held:
        print("holding", flush=True)
    time.sleep(0.05)
    catalog.execute("ROLLBACK")
    held += 1
print(held)
"""


def test_the_disk_of_the_catalog_is_slow(
    served: str, root: Path, cli: Cli, rows: Query, workplace: Path
) -> None:
    """Every write has to wait: it takes longer, and nothing is failed or done twice."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(workplace / "data" / "library.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holding\n"
        with sync(root) as process:
            out, err = process.communicate(timeout=120)
        held, _ = holder.communicate("\n")
    assert process.returncode == 0, out + err
    assert int(held) > 3
    assert IN_STEP in out
    assert_completes(cli, root, rows)


def test_the_disk_of_the_embedded_store_fills_up(root: Path, cli: Cli, rows: Query) -> None:
    """One line that says so; no file is marked as failed for it."""
    process, lines = with_a_full_disk("sync", "--yes", "--library", str(root))
    assert process.returncode in (2, 3), "\n".join(lines[-12:])
    assert len([line for line in lines if line.startswith("objlib: ")]) == 1
    assert lines[-1].startswith("objlib: ")
    assert "disk" in lines[-1]
    assert "failed" not in states(rows)
    assert_completes(cli, root, rows)


def test_the_disk_of_a_server_fills_up(
    root: Path, cli: Cli, rows: Query, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting does not help, so the run ends at once; once there is room, the next completes it."""
    data = workplace / "served.db"
    with server(data, most_bytes=200_000) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        outcome = cli("sync", "--yes", "--library", root)
    assert outcome.exit_code == 3
    assert outcome.err.splitlines()[-1].startswith("objlib: ")
    assert "the store's disk is full or failing" in outcome.err.splitlines()[-1]
    assert "failed" not in states(rows)
    with server(data, port=int(url.rpartition(":")[2])):
        assert_completes(cli, root, rows)


def test_the_embedded_store_opens_and_cannot_be_read(
    root: Path, cli: Cli, rows: Query, workplace: Path
) -> None:
    """Every table is there, and the pages of the documents are not: said at once, in one line."""
    assert cli("sync", "--yes", "--library", root).exit_code == 0
    before = states(rows)
    path = workplace / "data" / "filestore.db"
    content = path.read_bytes()
    pages = [content[at : at + 4096] for at in range(0, len(content), 4096)]
    is_document = [b"objlib_sha256" in page for page in pages]
    damaged = zip(pages, is_document, strict=True)
    path.write_bytes(b"".join(b"\xa5" * 4096 if gone else page for page, gone in damaged))
    assert any(is_document)
    for command in (["store-sync"], ["sync", "--yes"]):
        outcome = cli(*command)
        assert outcome.exit_code == 3
        assert outcome.err.count("the store's database is damaged") == 1
        assert "Traceback" not in outcome.err
    assert states(rows) == before


def test_the_embedded_store_is_no_database(root: Path, cli: Cli, workplace: Path) -> None:
    """It is named and left alone."""
    assert cli("sync", "--yes").exit_code == 0
    for path in (workplace / "data").glob("filestore.db*"):
        path.unlink()
    (workplace / "data" / "filestore.db").write_text("These are my notes. " * 100)
    outcome = cli("store-sync")
    assert outcome.exit_code == 3
    assert "the embedded store data/filestore.db cannot be opened" in outcome.err
    (workplace / "data" / "filestore.db").unlink()
    assert "start a new catalog with --db" in outcome.err
    outcome = cli("sync", "--yes", "--library", root, "--db", "data/anew.db")
    assert outcome.exit_code == 0, outcome.err


def bash(command: str) -> subprocess.CompletedProcess[str]:
    objlib = f"{sys.executable} -m objlib"
    return subprocess.run(
        ["bash", "-c", command.replace("objlib", objlib)], capture_output=True, text=True
    )


@needs_a_full_device
@pytest.mark.parametrize("command", ["status", "status --json", "--help", "scan --library library"])
def test_output_without_room_is_one_line(library: Path, command: str) -> None:
    """It is no bug of objlib, and no success."""
    assert bash("objlib scan --library library").returncode == 0
    done = bash(f"objlib {command} > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "objlib: cannot write the output: No space left on device\n"


@needs_a_full_device
def test_notices_without_room_hold_nothing_up(library: Path) -> None:
    """The work is done and its result is printed."""
    done = bash("objlib sync --library library --yes --json 2> /dev/full")
    assert done.returncode == 0
    assert json.loads(done.stdout)["store_sync"]["documents"]["canonical"] == 6


@needs_a_full_device
@pytest.mark.parametrize("option", ["--events", "--results"])
@pytest.mark.parametrize("command", ["sync --yes --library library", "fsm-upload"])
def test_a_run_goes_on_where_its_events_have_no_room(
    library: Path, command: str, option: str
) -> None:
    """Said once; the exit code is 1, for somebody wanted that file."""
    assert bash("objlib scan --library library").returncode == 0
    done = bash(f"objlib {command} {option} /dev/full --json")
    assert done.returncode == 1
    assert done.stderr.count("cannot write /dev/full: No space left on device; the run goes") == 1
    assert "a bug" not in done.stderr
    states = json.loads(bash("objlib status --json").stdout)["states"]
    assert states["indexed"]["files"] == 6
