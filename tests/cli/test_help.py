"""`--help` is a page of a manual, and its examples are commands that run as they stand."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from objlib.cli.main import COMMANDS, cli, main
from tests.conftest import FOREIGN_ENVIRONMENT, SHORT_WAITS

ROOT = Path(__file__).parents[2]
PAGES = [[], *([name] for name in COMMANDS), ["config", "show"]]
#: What an example prints when it has begun, for those that go on until they are stopped.
STAYING = {"web": "your library is at", "serve": "listening on", "--watch": "Watching"}


def page_of(command: list[str], columns: int = 80) -> str:
    """`--help`, at a width."""
    result = CliRunner().invoke(cli, [*command, "--help"], env={"COLUMNS": str(columns)})
    assert result.exit_code == 0
    return result.output


def examples_on(page: str) -> list[str]:
    """The lines under Examples."""
    section = page.partition("\nExamples:\n")[2].partition("\n\n")[0]
    return [line.strip() for line in section.splitlines()]


EXAMPLES = [(" ".join(page), line) for page in PAGES for line in examples_on(page_of(page))]


@pytest.mark.parametrize("command", PAGES, ids=" ".join)
def test_every_page_has_its_parts(command: list[str]) -> None:
    """A sentence of its own, exit codes, and examples of this very command."""
    page = page_of(command)
    sentence = page.split("\n\n")[1].strip()
    assert sentence.endswith(".")
    assert "Exit codes:\n  0 " in page
    assert any(f"objlib {' '.join(command)}".strip() in line for line in examples_on(page))


@pytest.mark.parametrize("command", PAGES, ids=" ".join)
def test_every_option_is_explained(command: list[str]) -> None:
    """No option without a sentence; what it is without it stands in brackets or goes without."""
    found: click.Command = cli
    for name in command:
        assert isinstance(found, click.Group)
        child = found.get_command(click.Context(found), name)
        assert child is not None
        found = child
    options = [one for one in found.params if isinstance(one, click.Option)]
    assert all(one.help and one.help.endswith(".") for one in options)


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("command", PAGES, ids=" ".join)
def test_pages_fit_the_terminal(command: list[str], columns: int) -> None:
    """Everything but examples, which are there to be copied, and words longer than the line."""
    page = page_of(command, columns)
    examples = {*examples_on(page)}
    for line in page.splitlines():
        is_one_word = " " not in line.strip()
        assert cell_len(line) <= columns or line.strip() in examples or is_one_word, line


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the library of the examples, scanned and uploaded."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "examples" / "library", home / "Lectures")
    run(home, "objlib sync --yes --library ~/Lectures")
    return home


@pytest.fixture
def home(uploaded: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of it, at the same place, to work in."""
    kept = tmp_path / "kept"
    shutil.copytree(uploaded, kept)
    yield uploaded
    shutil.rmtree(uploaded)
    kept.rename(uploaded)


def environment(home: Path) -> dict[str, str]:
    """As in a shell in which objlib is installed."""
    own = {name: value for name, value in os.environ.items() if name not in FOREIGN_ENVIRONMENT}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**own, **SHORT_WAITS, "HOME": str(home), "PATH": path}


def run(home: Path, line: str) -> None:
    """One line, as somebody types it; in this process when it needs no shell."""
    if line.startswith("objlib ") and ">" not in line.replace(">=", ""):
        with pytest.MonkeyPatch.context() as patched:
            patched.chdir(home)
            for name in FOREIGN_ENVIRONMENT:
                patched.delenv(name, raising=False)
            for name, value in {**SHORT_WAITS, "HOME": str(home)}.items():
                patched.setenv(name, value)
            assert main([word.replace("~", str(home)) for word in shlex.split(line)[1:]]) == 0
        return
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=home,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (line, done.stdout, done.stderr)


def stop_when_it_says(home: Path, line: str, what: str) -> None:
    """One line that stays until Ctrl-C."""
    with subprocess.Popen(
        ["bash", "-c", f"exec {line}"],
        cwd=home,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any(what in said for said in process.stdout)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) in (0, 130)


@pytest.mark.parametrize("line", sorted({line for _, line in EXAMPLES}))
def test_the_examples_run(home: Path, line: str) -> None:
    """Word for word, in a shell, in a home with such a library."""
    if line == "objlib config trust":
        (home / "objlib.toml").write_text("hidden = true\n")
    for folder in (".zfunc", ".config/fish/completions"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    if "--from-store" in line:
        (home / "data" / "library.db").unlink()  # it is lost
    staying = [said for word, said in STAYING.items() if word in line.split()]
    if staying:
        stop_when_it_says(home, line, staying[0])
    else:
        run(home, line)
