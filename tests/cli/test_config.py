"""Settings with their origins, the key from the keyring, completion, and files for scripts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keyring
import pytest

from objlib.filestore import Fault, Kind
from tests.cli.keyrings import InFile
from tests.cli.servers import server
from tests.conftest import Cli

SECRET = "AIza-a-key-that-must-not-be-seen"


def test_each_setting_is_shown_with_its_origin(
    cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Option before environment before file before default."""
    (workplace / "objlib.toml").write_text(
        'store = "a"\nmodel = "b"\nconcurrency = 3\ntier = "1"\n'
    )
    assert cli("config", "trust").exit_code == 0
    monkeypatch.setenv("OBJLIB_CONCURRENCY", "4")
    monkeypatch.setenv("OBJLIB_STORE", "c")
    out = cli("config", "show", "--store", "d").out
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in out.splitlines()}
    assert lines["store"] == "d  (option)"
    assert lines["concurrency"] == "4  (OBJLIB_CONCURRENCY)"
    assert lines["model"] == "b  (objlib.toml)"
    assert lines["stagger_s"] == "0.0  (default)"
    assert lines["base_url"] == "-  (default)"
    assert lines["key"] == "none"
    shown = cli("config", "show", "--json").json
    assert shown["settings"]["tier"] == {"value": "1", "from": "objlib.toml"}


def test_the_key_is_named_and_never_shown(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where it comes from."""
    monkeypatch.setenv("GOOGLE_API_KEY", SECRET)
    outcome = cli("config", "show")
    assert "key                  from GOOGLE_API_KEY" in outcome.out
    assert SECRET not in outcome.out + cli("config", "show", "--json").out


def test_an_address_is_shown_without_its_credentials(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of it is."""
    monkeypatch.setenv("OBJLIB_BASE_URL", "https://somebody:hunter2@files.example.org/v1")
    for arguments in ([], ["--json"]):
        out = cli("config", "show", *arguments).out
        assert "https://files.example.org/v1" in out
        assert "hunter2" not in out
        assert "somebody" not in out


def test_a_bad_file_is_refused(cli: Cli, workplace: Path) -> None:
    """With its name."""
    (workplace / "objlib.toml").write_text("store = ")
    outcome = cli("config", "show")
    assert outcome.exit_code == 2
    assert "objlib.toml" in outcome.err


def test_the_key_comes_from_the_keyring(
    cli: Cli, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When that is asked for, and the environment has none."""
    (workplace / "ring").write_text(SECRET)
    before = keyring.get_keyring()
    keyring.set_keyring(InFile())  # type: ignore[no-untyped-call]
    try:
        assert "key                  none" in cli("config", "show").out
        monkeypatch.setenv("OBJLIB_KEYRING", "true")
        locked = cli("config", "show")
        assert locked.exit_code == 2
        assert "the system's keyring cannot be read: the keyring is locked" in locked.err
        monkeypatch.setenv("OBJLIB_TEST_KEYRING", str(workplace / "ring"))
        outcome = cli("config", "show")
        assert "key                  from keyring" in outcome.out
        assert SECRET not in outcome.out
    finally:
        keyring.set_keyring(before)


def test_keyring_without_its_extra_names_the_remedy(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setenv("OBJLIB_KEYRING", "true")
    outcome = cli("config", "show")
    assert outcome.exit_code == 2
    assert "pip install 'objlib[keyring]'" in outcome.err


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("objlib st", {"status", "store-sync"}), ("objlib sync --dry", {"--dry-run"})],
)
def test_a_shell_completes(workplace: Path, typed: str, offered: set[str]) -> None:
    """Commands without loading them, and options."""
    words = typed.split()
    completed = subprocess.run(
        [sys.executable, "-m", "objlib"],
        env={
            **os.environ,
            "_OBJLIB_COMPLETE": "bash_complete",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(words) - 1),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert {line.removeprefix("plain,") for line in completed.stdout.split()} == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(cli: Cli, shell: str) -> None:
    """Something that names the variable by which the shell asks."""
    outcome = cli("completion", shell)
    assert outcome.exit_code == 0
    assert "_OBJLIB_COMPLETE" in outcome.out


def test_results_has_a_line_for_each_file(
    cli: Cli, library: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what became of it; a second run adds to it."""
    results = workplace / "results.jsonl"
    cli("scan", "--library", library)
    failing = Fault(Kind.DOCUMENT_FAILED, times=1)
    with server(workplace / "served.db", failing) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        cli("fsm-upload", "--results", results)
        lines = [json.loads(line) for line in results.read_text().splitlines()]
        last = {line["path"]: line for line in lines}
        assert len(last) == 6
        assert {line["result"] for line in last.values()} <= {"indexed", "failed"}
        assert all(line["document"] for line in last.values() if line["result"] == "indexed")
        assert any(line.get("reason") for line in lines)


def test_results_that_cannot_be_written_stop_before_anything_is_sent(
    cli: Cli, library: Path, workplace: Path
) -> None:
    """One line, exit code 2, and every file still waits."""
    cli("scan", "--library", library)
    outcome = cli("fsm-upload", "--results", workplace / "nowhere" / "results.jsonl")
    assert outcome.exit_code == 2
    assert "cannot write" in outcome.err
    assert cli("status", "--json").json["states"]["untracked"]["files"] == 6


def test_events_and_results_of_sync_and_recover(cli: Cli, library: Path, workplace: Path) -> None:
    """Both commands write what `fsm-upload` writes; every run adds to the files."""
    events, results = workplace / "events.jsonl", workplace / "results.jsonl"
    files = ("--events", events, "--results", results)
    assert cli("sync", "--library", library, "--yes", *files).exit_code == 0

    def told() -> list[str]:
        return [json.loads(line)["event"] for line in events.read_text().splitlines()]

    assert told().count("FileIndexed") == 6
    assert len(results.read_text().splitlines()) == 6
    assert cli("recover", "--events", events).exit_code == 0
    assert told().count("RunStarted") == 2
