"""The documentation says what is true: its commands run, and every command is in it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from objlib.cli.main import COMMANDS
from tests.conftest import Cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md"]

_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands_in(text: str, program: str) -> list[list[str]]:
    """The calls of a program in the shell blocks of a page, as words."""
    lines = [line for block in _BLOCK.findall(text) for line in block.splitlines()]
    calls = [shlex.split(line, comments=True) for line in lines]
    return [call for call in calls if call[:1] == [program]]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    """A command nobody reads about does not exist."""
    assert f"objlib {command}" in README


def test_the_commands_of_the_readme_run_in_their_order(cli: Cli, workplace: Path) -> None:
    """Word for word, with a real folder for DIR; none fails."""
    shutil.copytree(ROOT / "examples" / "library", workplace / "library")
    calls = commands_in(README, "objlib")
    assert len(calls) >= 6
    for call in calls:
        words = ["library" if word == "DIR" else word for word in call[1:]]
        outcome = cli(*words)
        assert outcome.exit_code == 0, (call, outcome)


def test_the_make_targets_of_the_documentation_exist() -> None:
    """`make demo`, `make test` and whatever else a page names."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = {
        match for page in PAGES for match in re.findall(r"`make ([a-z-]+)", page.read_text())
    }
    targets |= {call[1] for page in PAGES for call in commands_in(page.read_text(), "make")}
    assert targets >= {"demo", "test"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_demo_runs_and_its_second_round_touches_only_what_changed(tmp_path: Path) -> None:
    """The script behind `make demo`, as it stands."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(tmp_path),
    }
    run = subprocess.run(
        ["bash", str(ROOT / "examples" / "demo.sh")],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    first, second = run.stdout.split("# Second round")
    assert "Indexed 31 files" in first
    assert "Canonical documents: 31" in first
    assert "Varroa by Numbers.txt" in first
    assert "Über das Brot.txt" in first
    assert "Indexed 2 files" in second
    assert "29  unchanged" in second
    assert "Deleted 1 document" in second
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Every relative link names a file or folder of the repository."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_examples_in_the_help_texts_are_commands_that_exist() -> None:
    """Each `--help` shows an example of its own command."""
    for name in COMMANDS:
        shown = subprocess.run(
            [sys.executable, "-m", "objlib", name, "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert f"objlib {name}" in shown.split("Example:")[1]
