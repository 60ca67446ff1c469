"""What is not sent unless asked."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from objlib.library import unasked
from objlib.service.homes import is_home_or_above
from tests.conftest import Cli, Query

STORED = "SELECT file_path FROM files WHERE gemini_state = 'indexed' AND is_deleted = 0"

PRIVATE = (
    ".env",
    ".ssh/config.txt",
    ".git/notes.txt",
    "code/node_modules/x/readme.txt",
    "~$letter.txt",
    "letter.txt~",
    "film.txt.part",
    "server.KEY",
    "id_rsa",
    "$RECYCLE.BIN/old.txt",
    "plan (Ann's conflicted copy 2026-01-01).txt",
)


@pytest.fixture
def shelf(workplace: Path) -> Path:
    """A folder as people have it: one talk among what nobody wants to send."""
    root = workplace / "shelf"
    for name in (*PRIVATE, "talk.txt"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"This is {name}, arches stand.")
    return root


def stored(rows: Query) -> set[str]:
    """Paths of the files that are in the store."""
    return {str(path) for (path,) in rows(STORED)}


def test_nothing_private_is_sent_unless_asked(cli: Cli, shelf: Path, rows: Query) -> None:
    """Counted by reason in one line, and no row of the catalog."""
    out = cli("sync", "--library", shelf, "--yes").out
    assert stored(rows) == {"talk.txt"}
    assert rows("SELECT COUNT(*) FROM files") == [(1,)]
    lines = [line for line in out.splitlines() if "not looked at" in line]
    assert len(lines) == 1
    assert "2 keys and certificates" in lines[0]
    assert cli("scan", "--json").json["left_out"]["hidden"] == 2


def test_a_rule_of_ones_own_takes_in_what_a_default_leaves_out(
    cli: Cli, shelf: Path, rows: Query
) -> None:
    """`!` lifts a default; `--hidden` takes in what is hidden, and no key."""
    (shelf / ".objlibignore").write_text("!letter.txt~\n")
    assert cli("sync", "--library", shelf, "--yes", "--hidden").exit_code == 0
    assert stored(rows) == {"talk.txt", "letter.txt~", ".env", ".ssh/config.txt"}


def test_what_a_new_default_leaves_out_stays_until_it_is_asked_for(
    cli: Cli, shelf: Path, rows: Query
) -> None:
    """An upgrade deletes nothing: it is named, and goes when a rule lists it or it is gone."""
    assert cli("sync", "--library", shelf, "--yes", "--hidden").exit_code == 0
    (shelf / ".env").write_text("Changed meanwhile.")
    outcome = cli("sync", "--yes")
    assert outcome.exit_code == 0
    assert "stays in the store: .env" in outcome.out
    assert stored(rows) == {"talk.txt", ".env", ".ssh/config.txt"}
    (shelf / ".objlibignore").write_text(".env\n")
    assert cli("sync", "--yes", "--max-delete", "50%").exit_code == 0
    (shelf / ".ssh" / "config.txt").unlink()
    assert cli("sync", "--yes", "--max-delete", "50%").exit_code == 0
    assert stored(rows) == {"talk.txt"}


def test_what_was_scanned_and_never_sent_is_not_sent(cli: Cli, shelf: Path, rows: Query) -> None:
    """A row that an earlier objlib made of a private file goes."""
    cli("scan", "--library", shelf, "--hidden")
    assert cli("sync", "--yes").exit_code == 0
    assert stored(rows) == {"talk.txt"}


def test_a_library_with_nothing_but_hidden_files_is_empty(cli: Cli, shelf: Path) -> None:
    """An unmounted disk may have left a hidden file behind."""
    cli("sync", "--library", shelf, "--yes")
    (shelf / "talk.txt").unlink()
    outcome = cli("sync", "--yes")
    assert outcome.exit_code == 2
    assert "is its disk mounted?" in outcome.err


def test_gitignore_holds_when_a_setting_says_so(
    cli: Cli, shelf: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And .objlibignore goes before it."""
    for name in ("draft.txt", "kept.txt"):
        (shelf / name).write_text(f"This is {name}.")
    (shelf / ".gitignore").write_text("draft.txt\nkept.txt\n")
    (shelf / ".objlibignore").write_text("!kept.txt\n")
    monkeypatch.setenv("OBJLIB_GITIGNORE", "true")
    assert cli("sync", "--library", shelf, "--yes").exit_code == 0
    assert stored(rows) == {"talk.txt", "kept.txt"}


def test_every_rule_is_reached() -> None:
    """The cheap look before the rules passes no name over that one of them is about."""
    rules = unasked.unasked_rules()
    for name in PRIVATE:
        parts = name.split("/")
        assert any(
            rules.ignores("/".join(parts[: depth + 1]), depth + 1 < len(parts))
            for depth in range(len(parts))
        ), name
    for _, patterns in unasked._groups():
        for pattern in patterns:
            name = pattern.rstrip("/").replace("\\", "").replace("[0-9]", "7").replace("*", "x")
            assert rules.ignores(f"deep/{name}", pattern.endswith("/")), pattern
            assert rules.is_candidate(name.upper()), pattern


@pytest.fixture
def home(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder as somebody's home directory."""
    monkeypatch.setenv("HOME", str(shelf))
    monkeypatch.setenv("USERPROFILE", str(shelf))
    return shelf


@pytest.mark.parametrize("command", ["scan", "sync"])
def test_a_home_directory_is_no_library_unless_somebody_says_so(
    cli: Cli, home: Path, rows: Query, command: str
) -> None:
    """Without a terminal it is refused, with --yes too, and no catalog is made; once it is said, it
    is not asked again."""
    agreed = ("--yes",) if command == "sync" else ()
    for folder in (home, home.parent, "/", home / "code" / ".."):
        outcome = cli(command, "--library", folder, *agreed)
        assert outcome.exit_code == 2
        assert "home directory" in outcome.err
        assert "--accept-home" in outcome.err
    assert not Path("data").exists()
    assert cli(command, "--library", home, *agreed, "--accept-home").exit_code == 0
    assert cli(command, "--library", home, *agreed).exit_code == 0
    assert cli(command, *agreed).exit_code == 0
    assert rows("SELECT file_path FROM files") == [("talk.txt",)]


def test_a_folder_in_a_home_directory_is_a_library(cli: Cli, home: Path) -> None:
    """Nothing is asked about it."""
    (home / "Lectures").mkdir()
    (home / "Lectures" / "talk.txt").write_text("Arches stand.")
    assert cli("sync", "--library", home / "Lectures", "--yes").exit_code == 0


def test_somebody_at_a_terminal_is_asked(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A no changes nothing; a yes goes on."""
    monkeypatch.setattr("objlib.cli.terminal.can_ask", lambda: True)
    answers: list[str] = []

    def confirm(question: str, **_how: bool) -> None:
        answers.append(question)
        if len(answers) == 1:
            raise click.Abort

    monkeypatch.setattr(click, "confirm", confirm)
    assert cli("scan", "--library", home).exit_code != 0
    assert not Path("data").exists()
    assert cli("scan", "--library", home).exit_code == 0
    assert "home directory" in answers[0]


def test_what_holds_a_home_is_told_from_what_does_not(tmp_path: Path) -> None:
    """The home of another, too; a disk beside the home is a library."""
    home = tmp_path / "home" / "ann"
    (home / "Lectures").mkdir(parents=True)
    for folder in (home, home.parent, tmp_path, Path("/"), home.parent / "bob"):
        assert is_home_or_above(folder, home)
    for folder in (home / "Lectures", tmp_path / "media"):
        assert not is_home_or_above(folder, home)
    assert not is_home_or_above(Path("/srv"), Path("/root"))
