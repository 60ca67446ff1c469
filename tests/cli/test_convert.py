"""`[convert]`: commands of the user's own settings make text of what nothing else reads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_processes import start
from tests.conftest import Cli, Query
from tests.formats.test_hook import until_gone

LISTENS = """
import pathlib, sys
sounds = pathlib.Path(sys.argv[1]).read_bytes()
if b"silence" in sounds:
    sys.exit("no speech in it")
print("# A talk\\n\\nThe speaker says:", sounds.removeprefix(b"ID3").decode())
"""


@pytest.fixture
def library(workplace: Path) -> Path:
    """One talk that is a sound recording, and one text."""
    root = workplace / "library"
    root.mkdir()
    (root / "Talk.mp3").write_bytes(b"ID3quinces ripen late")
    (root / "Notes.txt").write_text("Medlars are eaten when they rot.\n")
    return root


@pytest.fixture
def settings(workplace: Path) -> Path:
    """The user's own settings, with a command for sound recordings."""
    (workplace / "listen.py").write_text(LISTENS)
    return write(workplace / "mine.toml", sys.executable, str(workplace / "listen.py"), "{path}")


def write(path: Path, *command: str) -> Path:
    """A settings file with a command for sound recordings."""
    path.write_text(f'[convert]\n"*.mp3" = {json.dumps(command)}\n')
    return path


def test_what_only_a_command_reads_is_found(
    cli: Cli, library: Path, settings: Path, rows: Query
) -> None:
    """A recording that a scan has passed over before is taken when there is a command for it."""
    assert cli("sync", "--yes", "--library", library).exit_code == 0
    assert rows("SELECT skip_reason FROM files WHERE filename = 'Talk.mp3'") != [(None,)]

    assert cli("--config", settings, "sync", "--yes").exit_code == 0

    found = cli("--config", settings, "search", "When do quinces ripen?", "--json").json
    assert found["citations"][0]["path"] == "Talk.mp3"
    assert "The speaker says: quinces ripen late" in found["citations"][0]["text"]
    assert cli("--config", settings, "metadata", "Talk.mp3").exit_code == 0
    assert (
        cli("--config", settings, "sync", "--yes", "--dry-run", "--json").json["plan"]["files"] == 0
    )


def test_another_command_shows_in_the_plan_before_it_costs_money(
    cli: Cli, library: Path, settings: Path, workplace: Path
) -> None:
    """As another converter does: with --refresh-metadata, and not by itself."""
    cli("--config", settings, "sync", "--yes", "--library", library)
    write(settings, sys.executable, str(workplace / "listen.py"), "{path}", "--language=de")

    for refresh, files in (((), 0), (("--refresh-metadata",), 1)):
        planned = cli("--config", settings, "sync", "--dry-run", "--json", *refresh).json
        assert planned["plan"]["files"] == files


def test_a_command_that_fails_is_the_reason(
    cli: Cli, library: Path, settings: Path, rows: Query
) -> None:
    """Its last line, for good or for now; the other files go on."""
    (library / "Silence.mp3").write_bytes(b"ID3silence")
    assert cli("--config", settings, "sync", "--yes", "--library", library).exit_code == 1
    assert "the command for *.mp3 failed (1): no speech in it" in cli("failures").out
    assert rows("SELECT filename FROM files WHERE failure_kind = 'permanent'") == [("Silence.mp3",)]

    write(settings, "no-such-program-here", "{path}")
    (library / "Late.mp3").write_bytes(b"ID3late")
    assert cli("--config", settings, "sync", "--yes").exit_code == 1
    names = rows("SELECT filename FROM files WHERE failure_kind = 'transient' ORDER BY filename")
    assert names == [("Late.mp3",), ("Silence.mp3",)]  # each time it is tried anew


def test_a_command_that_is_no_more_is_said(
    cli: Cli, library: Path, settings: Path, rows: Query
) -> None:
    """Its files are never sent as they are, and what is in the store stays."""
    cli("--config", settings, "sync", "--yes", "--library", library)
    (library / "Talk.mp3").write_bytes(b"ID3medlars ripen later")
    cli("--config", settings, "scan")

    assert cli("fsm-upload").exit_code == 1
    assert "no command makes text of it any more" in cli("failures").out
    assert rows("SELECT COUNT(*) FROM files WHERE gemini_state = 'indexed'") == [(1,)]


def test_a_command_that_is_no_more_leaves_no_failure_behind(
    cli: Cli, library: Path, settings: Path, rows: Query
) -> None:
    """A text goes up as it is, then, and a recording is named for what it is."""
    with settings.open("a") as more:
        more.write('"Scan.txt" = ["false", "{path}"]\n')
    (library / "Scan.txt").write_text("Damsons are sour.\n")
    (library / "Silence.mp3").write_bytes(b"ID3silence")
    assert cli("--config", settings, "sync", "--yes", "--library", library).exit_code == 1
    assert rows("SELECT COUNT(*) FROM files WHERE gemini_state = 'failed'") == [(2,)]

    assert cli("sync", "--yes").exit_code == 0
    assert rows("SELECT filename, gemini_state, skip_reason IS NULL FROM files ORDER BY 1") == [
        ("Notes.txt", "indexed", 1),
        ("Scan.txt", "indexed", 1),
        ("Silence.mp3", "untracked", 0),
        ("Talk.mp3", "indexed", 1),
    ]


@pytest.mark.parametrize("command", ["scan", "sync", "status"])
def test_settings_that_came_with_a_library_run_nothing(
    cli: Cli, library: Path, workplace: Path, command: str
) -> None:
    """Neither found where objlib was started, nor named, where they lie in the library."""
    cli("scan", "--library", library)
    write(workplace / "objlib.toml", "touch", str(workplace / "owned"), "{path}")
    found = cli(command, *(("--yes",) if command == "sync" else ()))
    assert found.exit_code == 2
    assert "sets 'convert', which a file that is merely found may not" in found.err

    (workplace / "objlib.toml").rename(library / "objlib.toml")
    if command != "status":
        told = ("--yes",) if command == "sync" else ()
        named = cli("--config", library / "objlib.toml", command, *told)
        assert named.exit_code == 2
        assert "lies in the library itself" in named.err
    assert not (workplace / "owned").exists()


@pytest.mark.parametrize("command", ['"*.mp3" = "listen"', '"*.mp3" = 3', "convert = 7"])
def test_a_command_that_is_none_is_told(
    cli: Cli, library: Path, workplace: Path, command: str
) -> None:
    """By the name of the setting."""
    (workplace / "mine.toml").write_text(
        command if command.startswith("convert") else f"[convert]\n{command}\n"
    )
    outcome = cli("--config", "mine.toml", "scan", "--library", library)
    assert outcome.exit_code == 2
    assert "'convert'" in outcome.err


def test_sudden_death_leaves_no_command_behind(
    library: Path, settings: Path, workplace: Path
) -> None:
    """Nor what the command has started, nor its folder."""
    pipe = workplace / "pids"
    os.mkfifo(pipe)
    waits = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(10**6)"])
with open({str(pipe)!r}, "w") as pids:
    pids.write(f"{{os.getpid()}}\\n{{child.pid}}\\n{{os.getcwd()}}")
child.wait()
"""
    (workplace / "listen.py").write_text(waits)
    process = start("--config", str(settings), "sync", "--yes", "--library", str(library))
    command, child, folder = pipe.read_text().splitlines()
    assert Path(folder).exists()

    process.send_signal(signal.SIGKILL)
    process.communicate()

    until_gone(int(command))
    until_gone(int(child))
    while Path(folder).exists():
        assert subprocess.run(["true"], check=True)
