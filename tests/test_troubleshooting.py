"""Whoever meets a message finds it in `docs/troubleshooting.md`, and finds none that is no more."""

from __future__ import annotations

import ast
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from objlib.cli.errors import WORDS
from objlib.errors import Hint
from tests.conftest import Cli

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")

#: What ends a command. Errors of one file are told by `objlib failures`.
ENDINGS = {
    "AccessRefused",
    "CatalogError",
    "ConfigurationError",
    "EmbedderMissing",
    "LibraryGone",
    "RefusedToListen",
    "StorageFull",
    "StoreNotFound",
    "Unreachable",
}
#: A message of fewer letters passes on what another one says.
LETTERS_MIN = 8


def on_the_page() -> list[str]:
    """The messages of the page, with `…` for what differs."""
    return [text for _, text in re.findall(r"^\*\*(`+) ?(.+?) ?\1\*\*$", PAGE, re.MULTILINE)]


def is_explained(message: str) -> bool:
    """Whether the page has this very message."""
    patterns = (".*".join(map(re.escape, told.split("…"))) for told in on_the_page())
    return any(re.fullmatch(pattern, message) for pattern in patterns)


def as_text(node: ast.expr) -> str | None:
    """A literal or an f-string with `…` for what differs; None for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(as_text(part) or "…" for part in parts)
        case _:
            return None


def hint_of(call: ast.Call) -> str:
    """The words that the command line has for the hint of an error."""
    for keyword in call.keywords:
        if keyword.arg == "hint" and isinstance(keyword.value, ast.Attribute):
            return WORDS[Hint[keyword.value.attr]]
    return ""


def texts_of_the_code() -> Iterator[tuple[str | None, str]]:
    """Every text in the source; with the name of what is called with it first, if anything is."""
    for path in sorted((ROOT / "src" / "objlib").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[first, *_]) if text := as_text(first):
                    yield name, text + hint_of(node)
                case ast.expr() if text := as_text(node):
                    yield None, text


def test_every_error_that_ends_a_command_is_explained() -> None:
    """Each literal message of these classes in the source."""
    messages = {
        text
        for name, text in texts_of_the_code()
        if name in ENDINGS and len(re.findall(r"[a-z]", text)) >= LETTERS_MIN
    }
    assert len(messages) > 50
    assert [message for message in sorted(messages) if not is_explained(message)] == []


def test_the_page_explains_nothing_that_is_never_said() -> None:
    """Every piece of each message, between the `…`, is in the code."""
    code = "\n".join(text for _, text in texts_of_the_code())
    said_of_kinds = re.compile(r"(a|an) \w+( \w+)?, not a text.*")  # put together from a table
    for message in on_the_page():
        if not said_of_kinds.fullmatch(message):
            for piece in message.replace(".objlibignore", "…").split("…"):
                assert piece.strip() in code, (message, piece)


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["scan"],
        ["scan", "--library", "nowhere"],
        ["scan", "--library", "empty"],
        ["scan", "--library", "library", "--db", "photos.db"],
        ["scan", "--library", "library", "--db", "notes.db"],
        ["scan", "--library", "library", "--config", "nowhere.toml"],
        ["--db", "here.db", "scan", "--library", "other"],
        ["--db", "here.db", "store-sync"],
        ["--db", "here.db", "sync"],
        ["--db", "here.db", "sync", "--max-delete", "lots"],
        ["--db", "here.db", "sync", "--dry-run", "--watch"],
        ["--db", "here.db", "history", "nothing.txt"],
        ["--db", "here.db", "metadata", "nothing.txt"],
        ["--db", "here.db", "metadata", "photo.png"],
        ["--db", "here.db", "verify", "--subset", "8/7"],
        ["--db", "here.db", "search", " "],
        ["init", "--library", "nowhere"],
        ["recover", "--library", "library"],
        ["serve", "--host", "0.0.0.0"],
    ],
    ids=" ".join,
)
def test_what_is_said_of_a_mistake_is_on_the_page(
    cli: Cli, library: Path, workplace: Path, command: list[str]
) -> None:
    """The line as it is printed, provoked with the real command line."""
    (workplace / "empty").mkdir()
    (workplace / "other").mkdir()
    (workplace / "other" / "a.txt").write_text("A text.")
    (workplace / "notes.db").write_text("These are my notes, and no database. " * 50)
    (library / "photo.png").write_bytes(b"\x89PNG")
    with closing(sqlite3.connect(workplace / "photos.db")) as photos:
        photos.execute("CREATE TABLE photos (id INTEGER)")
    if "here.db" in command:
        cli("--db", "here.db", "scan", "--library", library)
    outcome = cli(*command)
    assert outcome.exit_code == 2
    (said,) = [line for line in outcome.err.splitlines() if line.startswith("objlib: ")]
    assert is_explained(said.removeprefix("objlib: ")), said


def test_what_is_said_of_files_that_are_left_out_is_on_the_page(cli: Cli, library: Path) -> None:
    """The reasons that `objlib failures` gives."""
    (library / "empty.txt").touch()
    (library / "song.mp3").write_bytes(b"ID3")
    (library / "loop").symlink_to(library)
    (library / "report.pdf").write_text("no PDF at all")
    with (library / "huge.pdf").open("wb") as huge:
        huge.write(b"%PDF-1.7\n")
        huge.truncate(101 * 1024 * 1024)
    cli("scan", "--library", library)
    reasons = [group["reason"] for group in cli("failures", "--json").json]
    assert len(reasons) == 5
    assert [reason for reason in reasons if not is_explained(reason)] == []


def test_an_unreachable_server_is_on_the_page(
    cli: Cli, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 3."""
    cli("scan", "--library", library)
    monkeypatch.setenv("OBJLIB_BASE_URL", "http://127.0.0.1:9")
    outcome = cli("fsm-upload")
    assert outcome.exit_code == 3
    assert is_explained(outcome.err.splitlines()[-1].removeprefix("objlib: ")), outcome.err
