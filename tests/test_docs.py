"""The documentation says what is true: its commands run, and every command is in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tools import reference

from objlib.cli.main import COMMANDS
from tests.conftest import Cli
from tests.reader import Block, Reader, assert_answered, blocks

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md"]

#: Page -> title of a block that cannot be run by a test -> what is run in its place, if anything.
BY_HAND = {
    "README.md": {"sets everything up": ""},
    "tutorial.md": {
        "needs the network": "",
        "once for each terminal": "",
        "press Ctrl-C": "objlib fsm-upload --stagger 0.01 --limit 2",
        "asks": "objlib sync --yes",
        "stays until Ctrl-C": "",  # tests/web/test_newcomer.py follows the chapter
        "with a folder of yours for ~/Lectures": "mkdir -p ~/my-library\n"
        "cd ~/my-library\nobjlib sync --yes --library ~/Lectures\nobjlib failures",
    },
    "web.md": {"stays until Ctrl-C": ""},
    "how-to.md": {
        "needs a key, and is billed": "",
        "needs a keyring": "",
        "stays until Ctrl-C": "",
        "needs that server": "",
    },
    "emulator.md": {"needs the server": "", "needs a key": ""},  # tests/filestore run them
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    """A command nobody reads about does not exist."""
    assert f"objlib {command}" in README


def shell_blocks(page: Path) -> list[Block]:
    """The blocks of commands of a page."""
    return [block for block in blocks(page.read_text("utf-8")) if block.language == "sh"]


def filled(pages: list[Path]) -> list[Path]:
    """Those with commands on them."""
    return [page for page in pages if shell_blocks(page)]


@pytest.fixture
def home(workplace: Path) -> Path:
    """A home folder with the bundled library in it."""
    shutil.copytree(ROOT / "examples" / "library", workplace / "Lectures")
    return workplace


@pytest.mark.parametrize(
    "page", [page for page in PAGES if shell_blocks(page)], ids=lambda page: page.name
)
def test_the_commands_of_a_page_run_in_their_order(
    page: Path, cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word for word, on a real library; each answers what the page says that it answers."""
    reader = Reader(cli, monkeypatch, home, BY_HAND.get(page.name, {}))
    if page.name == "tutorial.md":
        monkeypatch.chdir(ROOT)  # it begins in a clone
    reader.follow(page.read_text("utf-8").replace("DIR", "~/Lectures"))


def test_the_run_at_the_top_of_the_readme_is_a_real_one(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command answers what is shown below it."""
    reader = Reader(cli, monkeypatch, home, {})
    (home / "Lectures").rename(home / "library")
    first = next(block for block in blocks(README) if block.language == "console")
    for step in first.text.split("$ ")[1:]:
        command, _, answer = step.partition("\n")
        assert_answered(answer.replace("/home/ada", str(home)), reader.run(command))


def test_the_blocks_that_no_test_runs_are_known() -> None:
    """Each has a title that tells its reader why."""
    titled = {
        page.name: {block.title: None for block in shell_blocks(page) if block.title is not None}
        for page in PAGES
    }
    assert {name: list(titles) for name, titles in titled.items() if titles} == {
        name: list(titles) for name, titles in BY_HAND.items()
    }


def test_the_make_targets_of_the_documentation_exist() -> None:
    """`make demo`, `make test` and whatever else a page names."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = {
        match for page in PAGES for match in re.findall(r"`make ([a-z-]+)", page.read_text())
    }
    lines = [
        line for page in PAGES for block in shell_blocks(page) for line in block.text.split("\n")
    ]
    targets |= {line.split()[1] for line in lines if line.startswith("make ")}
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


def test_the_reference_is_what_the_code_says() -> None:
    """`make reference` writes it."""
    kept = {page.name: page.read_text("utf-8") for page in reference.FOLDER.glob("*.md")}
    assert kept == reference.pages()


def test_every_page_is_in_the_menu_of_the_site() -> None:
    """And nothing else is: the site's builder would not mind."""
    menu = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"]
    pages = sorted(
        path.relative_to(ROOT / "docs").as_posix() for path in PAGES if _is_of_site(path)
    )
    assert sorted(_entries(menu)) == pages


def _is_of_site(page: Path) -> bool:
    return page.is_relative_to(ROOT / "docs")


def _entries(menu: object) -> Iterator[str]:
    match menu:
        case str():
            yield menu
        case list():
            for item in menu:
                yield from _entries(item)
        case dict():
            for item in menu.values():
                yield from _entries(item)


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """`make docs`: every link and every anchor leads somewhere, and reading it needs no network."""
    for part in ("docs", "zensical.toml"):
        source = ROOT / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / part)
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    pages = list((tmp_path / "build" / "site").rglob("*.html"))
    assert len(pages) > 20
    fetched = re.compile(r"<(?:link|script|img)\b[^>]*(?:href|src)=\"?(https?:[^\" >]*)")
    assert {url for page in pages for url in fetched.findall(page.read_text("utf-8"))} == set()
