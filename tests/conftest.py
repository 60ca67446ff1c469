"""What tests of the whole product share: a folder of texts, and a way to run the command line."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from objlib.cli.main import main
from objlib.library import hashing

# A suite started in the background is told to ignore Ctrl-C, and so would be what it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# On a busy machine every example takes longer than it may, which tells nothing.
settings.register_profile(
    "any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

FOREIGN_ENVIRONMENT = (
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GEMINI_BASE_URL",
    "OBJLIB_BASE_URL",
)

#: Waits short enough for tests that go through failures.
SHORT_WAITS = {
    "OBJLIB_SETTLE_S": "0.2",
    "OBJLIB_POLL_DEADLINE_S": "0.5",
    "OBJLIB_POLL_S": "0.01",
    "OBJLIB_RETRY_PASS_DELAY_S": "0.05",
    "OBJLIB_BACKOFF_BASE_S": "0.01",
    "OBJLIB_BACKOFF_CAP_S": "0.05",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of the command line left behind."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, parsed."""
        return json.loads(self.out)


Cli = Callable[..., Outcome]
Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(autouse=True)
def files_at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every file for one that was not written just now, however fast a test is."""
    monkeypatch.setattr(hashing, "TICK_NS", 0)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a clean environment and short waits."""
    for name in FOREIGN_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    for name, value in SHORT_WAITS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / ".config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(workplace: Path, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run `objlib` in this process; output is captured, real files are written."""

    def run(*arguments: str | Path) -> Outcome:
        capfd.readouterr()
        exit_code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(exit_code, out, err)

    return run


@pytest.fixture
def library(workplace: Path) -> Path:
    """A library of six short texts, each with a word of its own."""
    root = workplace / "library"
    write_library(root, 6)
    return root


WORDS = ("arches", "beeswax", "caesium", "dredging", "escapement", "fermentation")


def write_library(root: Path, files: int) -> None:
    """Texts that say different things; the first ones hold one of `WORDS` each."""
    for number in range(files):
        folder = root / "Course" / "Year 1"
        folder.mkdir(parents=True, exist_ok=True)
        word = WORDS[number] if number < len(WORDS) else f"subject{number}"
        (folder / f"Week {number + 1} - On {word}.txt").write_text(
            f"This lecture is about {word}. Nothing else is said of {word} anywhere.\n"
        )


@pytest.fixture
def rows(workplace: Path) -> Query:
    """Ask the catalog anything, as a stray sqlite3 session would."""

    def query(sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(workplace / "data" / "library.db")) as connection:
            result = connection.execute(sql, parameters).fetchall()
            connection.commit()
            return result

    return query


def states(rows: Query) -> dict[str, int]:
    """State -> number of files."""
    return dict(rows("SELECT gemini_state, COUNT(*) FROM files GROUP BY gemini_state"))


def second_machine(workplace: Path, library: Path) -> Path:
    """A copy of library and catalog as on a second machine, in a folder of its own; the folder."""
    second = workplace / "second"
    shutil.copytree(workplace / "data", second / "data")
    shutil.copytree(library, second / "library")
    with closing(sqlite3.connect(second / "data" / "library.db")) as catalog:
        root = str(second / "library")
        catalog.execute("UPDATE catalog_info SET value = ? WHERE key = 'library_root'", (root,))
        catalog.commit()
    return second
