"""What `sync --watch` sees: all that a scan takes, nothing else, and disks that come and go."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.mounts import namespace
from tests.cli.test_processes import start, wait_until
from tests.cli.test_watch import says
from tests.conftest import Query

QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
#: A round, from its beginning of the line on.
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  "
IN_STEP = "The store holds exactly what the library does"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trouble is looked at again soon."""
    monkeypatch.setenv("OBJLIB_WATCH_PAUSE_S", "0.3")


@pytest.fixture
def only_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is never looked at without a word from the system."""
    monkeypatch.setenv("OBJLIB_WATCH_PAUSE_S", "86400")


@pytest.fixture
def watching(library: Path) -> Iterator[subprocess.Popen[str]]:
    """`objlib sync --yes --watch`, after its first round."""
    process = start("sync", "--yes", "--watch", "--max-delete", "50%", "--library", str(library))
    says(process, "Watching")
    yield process
    end(process)


def end(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Interrupt a watch; return what it has said that nobody has read yet."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    return process.communicate(timeout=60)


def until_indexed(rows: Query, process: subprocess.Popen[str], *names: str) -> None:
    """Wait until each of these files is in the store."""
    for name in names:
        wait_until(rows, f"filename = '{name}' AND gemini_state = 'indexed'", process)


def test_what_a_scan_takes_is_followed(
    library: Path, watching: subprocess.Popen[str], rows: Query, only_told: None
) -> None:
    """Names that other watchers take for rubbish, and folders that are taken in by a rule."""
    (library / "talk.swe").write_text("A talk about the sea.\n")
    until_indexed(rows, watching, "talk.swe")
    (library / ".objlibignore").write_text("!node_modules/\n!*~\n")
    (library / "node_modules").mkdir()
    (library / "node_modules" / "lecture.md").write_text("A lecture about modules.\n")
    (library / "essay~").write_text("An essay about waves.\n")
    until_indexed(rows, watching, "lecture.md", "essay~")
    (library / "node_modules" / "lecture.md").write_text("A lecture about other modules.\n")
    wait_until(rows, "filename = 'lecture.md' AND version = 7", watching)


def test_a_name_that_is_no_text_blinds_nobody(
    library: Path, watching: subprocess.Popen[str], rows: Query
) -> None:
    """It is one file that cannot be sent."""
    (library / os.fsdecode(b"caf\xe9.txt")).write_text("A text.\n")
    wait_until(rows, r"filename = 'caf\xe9.txt' AND skip_reason IS NOT NULL", watching)
    (library / "New.txt").write_text("Something new.\n")
    until_indexed(rows, watching, "New.txt")


def test_a_round_is_one_line_with_its_time_and_one_without_change_is_none(
    library: Path, watching: subprocess.Popen[str], rows: Query
) -> None:
    """It says what was done and how the store is; what failed gets a line, too."""
    assert watching.stdout is not None
    lines = iter(watching.stdout)
    assert any(line.strip() == IN_STEP for line in lines)  # the first one is told at length

    (library / "New.txt").write_text("Something new.\n")
    assert re.fullmatch(f"{TIME}1 file sent. {IN_STEP}\n", next(lines))
    os.utime(library / "New.txt", (1_700_000_000, 1_700_000_000))
    wait_until(rows, "filename = 'New.txt' AND mtime = 1700000000", watching)  # nothing is said
    (library / "New.txt").unlink()
    assert re.fullmatch(f"{TIME}1 document deleted. {IN_STEP}\n", next(lines))
    (library / "Bad.pdf").write_bytes(b"%PDF-1.7 and no more")
    assert re.fullmatch(f"{TIME}1 file failed. The store does not .*: 1 file failed\n", next(lines))


def test_its_own_files_in_the_library_are_no_reason_for_a_round(
    library: Path,
) -> None:
    """Nor are they sent: catalog, events, results, and what goes to a log."""
    command = [sys.executable, "-m", "objlib", "--db", "library/odd.catalog", "sync", "--yes"]
    command += ["--watch", "--library", "library", "--events", "library/events.jsonl"]
    command += ["--results", "library/results.jsonl"]
    log = library / "log.txt"
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        told = ""
        for number in range(3):
            while told.count("file sent") < number or "Watching" not in told:
                assert process.poll() is None, told
                told = log.read_text()
            (library / f"New {number}.txt").write_text(f"Something new, number {number}.\n")
        while told.count("file sent") < 3:
            assert process.poll() is None, told
            told = log.read_text()
        process.send_signal(signal.SIGINT)
        process.wait(60)

    with closing(sqlite3.connect(library / "odd.catalog")) as catalog:
        names = {name for (name,) in catalog.execute("SELECT filename FROM files")}
    assert {name for name in names if not name.startswith("Week")} == {
        *(f"New {number}.txt" for number in range(3))
    }
    assert (library / "events.jsonl").exists()
    assert (library / "results.jsonl").exists()
    assert len(re.findall(f"^{TIME}", told, re.MULTILINE)) == 3


@pytest.mark.skipif(not QUEUE.exists(), reason="only Linux has such a queue")
def test_a_queue_that_runs_over_hides_nothing(library: Path, rows: Query, only_told: None) -> None:
    """Neither what was written meanwhile, nor what comes later in a folder that was made then."""
    (library / ".objlibignore").write_text("noise*\n")
    process = start("sync", "--yes", "--watch", "--library", str(library))
    says(process, "Watching")
    process.send_signal(signal.SIGSTOP)
    for number in range(int(QUEUE.read_text()) // 3):  # each is made, opened and closed
        (library / f"noise {number}").touch()
    (library / "late").mkdir()
    (library / "late" / "Early.txt").write_text("Something new.\n")
    process.send_signal(signal.SIGCONT)
    until_indexed(rows, process, "Early.txt")
    (library / "late" / "Later.txt").write_text("Something newer.\n")
    until_indexed(rows, process, "Later.txt")
    end(process)


def test_more_folders_than_the_system_watches_are_looked_at(library: Path, rows: Query) -> None:
    """It says so, once, and finds what is new all the same."""
    limit = 'echo 2 > /proc/sys/user/max_inotify_watches && exec "$@"'
    as_root = ["unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh"]
    if not shutil.which("unshare") or subprocess.run([*as_root, "true"], check=False).returncode:
        pytest.skip("no limit can be set here")
    process = subprocess.Popen(
        [
            *as_root,
            sys.executable,
            "-m",
            "objlib",
            "sync",
            "--yes",
            "--watch",
            "--library",
            library,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "watch limit" in says(process, "Looking every 0.3 s: the system cannot watch it")
    says(process, "Watching")
    for number in range(2):
        (library / f"New {number}.txt").write_text(f"Something new, number {number}.\n")
        until_indexed(rows, process, f"New {number}.txt")
    _, said = end(process)
    assert "Looking" not in said


@pytest.mark.parametrize("is_dead", [False, True])
def test_a_disk_that_goes_and_comes_back_is_waited_for(
    workplace: Path, library: Path, rows: Query, is_dead: bool
) -> None:
    """Unmounted, or with a dead process behind it: told once, and then watched as before."""
    mounted = workplace / "mounted"
    mounted.mkdir()
    with namespace() as disks:
        disks.mount(mounted, "--bind", str(library))
        process = disks.start(
            *(sys.executable, "-m", "objlib", "sync", "--yes", "--watch", "--library", "mounted")
        )
        says(process, "Watching")
        for number in range(2):
            if is_dead:
                disks.mount_dead(mounted)
            else:
                disks.unmount(mounted)
            assert re.match(TIME, says(process, "is its disk mounted? "))
            (library / f"While away {number}.txt").write_text(f"New, number {number}.\n")
            if is_dead:
                disks.unmount(mounted)
            else:
                disks.mount(mounted, "--bind", str(library))
            until_indexed(rows, process, f"While away {number}.txt")
            (library / f"Afterwards {number}.txt").write_text(f"Newer, number {number}.\n")
            until_indexed(rows, process, f"Afterwards {number}.txt")
        _, said = end(process)
    assert "mounted?" not in said
    assert rows("SELECT COUNT(*) FROM files WHERE is_deleted") == [(0,)]
