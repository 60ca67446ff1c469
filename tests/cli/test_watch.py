"""sync --watch: it outlives bad days, and the ways in which editors save."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from objlib.filestore import Fault, Kind
from tests.cli.servers import server
from tests.cli.test_processes import start, wait_until
from tests.conftest import Cli, Query, states

REFUSED = {"fault": [{"kind": "error", "status": 401, "message": "API key not valid."}]}
ARCHES, BEESWAX, CAESIUM = (
    f"Course/Year 1/Week {number} - On {word}.txt"
    for number, word in enumerate(("arches", "beeswax", "caesium"), start=1)
)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trouble is looked at again soon."""
    monkeypatch.setenv("OBJLIB_WATCH_PAUSE_S", "0.3")


@pytest.fixture
def watching(library: Path) -> Iterator[subprocess.Popen[str]]:
    """`objlib sync --yes --watch`, from its beginning."""
    process = start("sync", "--yes", "--watch", "--library", str(library))
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def says(process: subprocess.Popen[str], what: str) -> str:
    """Read on until a line has it."""
    assert process.stderr is not None
    for line in process.stderr:
        if what in line:
            return line
    raise AssertionError(f"ended without saying {what!r}")


@pytest.fixture
def refusing(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that refuses the key for now."""
    with server(workplace / "served.db") as url:
        httpx2.put(f"{url}/debug/faults", json=REFUSED)
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        yield url


def test_a_refused_key_is_waited_for(
    refusing: str, watching: subprocess.Popen[str], library: Path, rows: Query
) -> None:
    """From the beginning, and in the middle; each time it says so and goes on by itself."""
    assert "GEMINI_API_KEY" in says(watching, "trying again in 0.3 s")
    httpx2.delete(f"{refusing}/debug/faults")
    says(watching, "Watching")
    assert states(rows) == {"indexed": 6}
    httpx2.put(f"{refusing}/debug/faults", json=REFUSED)
    (library / "New.txt").write_text("Something new.\n")
    assert "GEMINI_API_KEY" in says(watching, "trying again")
    httpx2.delete(f"{refusing}/debug/faults")
    wait_until(rows, "filename = 'New.txt' AND gemini_state = 'indexed'", watching)


def test_a_server_that_is_away_is_waited_for(
    workplace: Path, library: Path, cli: Cli, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a train: nothing is lost, and nothing is marked as failed."""
    with server(workplace / "served.db") as url:
        pass  # its address, and nobody there any more
    monkeypatch.setenv("OBJLIB_BASE_URL", url)
    process = start("sync", "--yes", "--watch", "--library", str(library))
    assert "cannot be reached" in says(process, "trying again")
    with server(workplace / "served.db", port=int(url.rpartition(":")[2])):
        says(process, "Watching")
        assert states(rows) == {"indexed": 6}
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130


def test_a_library_that_is_unmounted_and_comes_back_is_waited_for(
    watching: subprocess.Popen[str], library: Path, cli: Cli, rows: Query, workplace: Path
) -> None:
    """It is another folder to the system then, and is watched all the same."""
    says(watching, "Watching")
    library.rename(workplace / "unplugged")
    says(watching, "trying again")
    assert rows("SELECT COUNT(*) FROM files WHERE is_deleted") == [(0,)]
    copied = [sys.executable, "-c", "import shutil; shutil.copytree('unplugged', 'library')"]
    subprocess.run(copied, check=True)
    (library / "New.txt").write_text("Something new.\n")
    wait_until(rows, "filename = 'New.txt' AND gemini_state = 'indexed'", watching)


def test_too_many_deletions_are_said_once_and_nothing_else_waits_for_them(
    watching: subprocess.Popen[str], library: Path, cli: Cli, rows: Query
) -> None:
    """Time does not mend them: the next change is waited for, and is taken up."""
    says(watching, "Watching")
    for path in (ARCHES, BEESWAX, CAESIUM):
        (library / path).unlink()
    assert "trying again" not in says(watching, "than the limit allows")
    (library / "New.txt").write_text("Something new.\n")
    wait_until(rows, "filename = 'New.txt' AND gemini_state = 'indexed'", watching)
    assert cli("store-sync", "--json").json["documents"]["orphan"] == 3


def rounds(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """What `--json` says of each round."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line == "}\n":
            yield json.loads("".join(lines))
            lines.clear()


def test_files_that_are_left_alone_are_no_reason_for_another_round(
    workplace: Path, library: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would list the whole store. The next one begins with the next change."""
    with server(workplace / "served.db", Fault(Kind.DOCUMENT_FAILED)) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        process = start("sync", "--yes", "--watch", "--json", "--library", str(library))
        told = rounds(process)
        assert next(told)["plan"]["left_alone"] == 0
        assert next(told)["plan"]["left_alone"] == 6
        (library / "New.txt").write_text("Something new.\n")
        assert next(told)["scan"]["new"] == 1
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert rows("SELECT attempt_count FROM files WHERE filename != 'New.txt'") == [(2,)] * 6


def test_however_an_editor_saves_it_is_a_change(
    watching: subprocess.Popen[str], library: Path, cli: Cli, rows: Query
) -> None:
    """Beside it and renamed; cut to nothing and written; deleted and made anew. No file is taken
    for gone or empty on the way, and each has one document."""
    says(watching, "Watching")
    new = "This lecture is about vaults now.\n"
    beside = library / ".arches.swp"
    beside.write_text(new)
    beside.rename(library / ARCHES)
    with (library / BEESWAX).open("w") as file:
        file.flush()  # empty for a moment
        file.write(new)
    (library / CAESIUM).unlink()
    (library / CAESIUM).write_text(new)
    wait_until(rows, "(SELECT SUM(version = 7) FROM files) = 3", watching)
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=30)
    assert states(rows) == {"indexed": 6}
    assert rows("SELECT COUNT(*) FROM files WHERE is_deleted OR skip_reason IS NOT NULL") == [(0,)]
    assert cli("store-sync", "--json").json["documents"]["canonical"] == 6


def test_what_is_said_wrongly_is_not_waited_for(cli: Cli, workplace: Path) -> None:
    """Nobody would mend it."""
    outcome = cli("sync", "--yes", "--watch", "--library", "nowhere")
    assert outcome.exit_code == 2
    assert "trying again" not in outcome.err
