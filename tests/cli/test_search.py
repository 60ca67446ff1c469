"""objlib search and ask: passages around the question's words, sources, files that open."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from objlib.cli.passages import PASSAGE_CHARS, print_citation
from objlib.cli.screen import Screen
from objlib.search.query import Citation
from tests.conftest import Cli

ARCHES = "Course/Year 1/Week 1 - On arches.txt"


@pytest.fixture
def indexed(cli: Cli, library: Path) -> Path:
    """The library, all of it in the store."""
    cli("scan", "--library", library)
    assert cli("fsm-upload").exit_code == 0
    return library


@pytest.fixture
def opener(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `xdg-open` was called with last, in a file."""
    said, folder = workplace / "opened", workplace / "bin"
    folder.mkdir()
    (folder / "xdg-open").write_text(f'#!/bin/sh\nprintf %s "$1" > "{said}"\n')
    (folder / "xdg-open").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return said


def shown(text: str, question: str, **console: Any) -> str:
    """A passage as it is printed."""
    printed = Screen(record=True, file=io.StringIO(), **console)
    citation = Citation("a b.txt", "A", text, {})
    print_citation(printed, 3, citation, Path("/library"), question, passage=True)
    return printed.export_text(styles=bool(console))


def test_a_passage_is_shown_around_the_words_of_the_question() -> None:
    """Not its beginning, which may say nothing; cut between words."""
    text = "Filler words go here. " * 40 + "The keystone holds the arch. " + "And more of it. " * 40
    passage = shown(text, "What holds a keystone?").splitlines()[1].strip()
    assert passage.startswith("…")
    assert "The keystone holds the arch." in passage
    assert len(passage) <= PASSAGE_CHARS
    assert passage.removesuffix("…").split()[-1] in text.split()


def test_a_text_without_spaces_is_shortened_too() -> None:
    """Chinese, Thai and others."""
    passage = shown("人人生而自由" * 100 + "钥匙" + "在尊严" * 100, "钥匙").splitlines()[1].strip()
    assert "钥匙" in passage
    assert len(passage) <= PASSAGE_CHARS


def test_words_of_the_question_are_set_off_and_the_path_is_a_link() -> None:
    """In a terminal; whole words with any ending, and not those that are in every sentence."""
    printed = shown(
        "The keystones hold, theatre.", "what the keystone", force_terminal=True, width=80
    )
    assert "\x1b[1;33mkeystones\x1b[0m" in printed
    assert "33mThe" not in printed
    assert "file:///library/a%20b.txt" in printed


def test_a_path_cannot_move_the_cursor() -> None:
    """Names of files are somebody's input."""
    printed = Screen(record=True, file=io.StringIO())
    citation = Citation("a\x1b[2J.txt", "A", "x\x1b[31my", {})
    print_citation(printed, 1, citation, Path("/library"), "x", passage=True)
    assert "\x1b" not in printed.export_text()


def test_ask_puts_numbers_behind_what_is_backed(cli: Cli, indexed: Path) -> None:
    """And lists the sources below."""
    outcome = cli("ask", "What is said about arches?")
    assert outcome.exit_code == 0
    assert "about arches. [1]" in outcome.out
    assert f"\n[1] {ARCHES}\n" in outcome.out
    assert cli("ask", " ").exit_code == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_citation_opens(cli: Cli, indexed: Path, opener: Path) -> None:
    """The first one, or the one that is named."""
    assert cli("search", "arches", "--open").exit_code == 0
    assert opened_file(opener) == str(indexed / ARCHES)
    second = cli("search", "lecture", "--json").json["citations"][1]["path"]
    cli("search", "lecture", "--open", "2")
    assert opened_file(opener) == str(indexed / second)


def test_a_question_needs_no_quotes(cli: Cli, indexed: Path) -> None:
    """Its words are one question, wherever the options stand."""
    for command in ("search", "ask"):
        quoted = cli(command, "arches and beeswax", "--top-k", "2")
        assert quoted.exit_code == 0
        assert cli(command, "arches", "--top-k", "2", "and", "beeswax") == quoted
    assert cli("search").exit_code == 2


def test_a_question_that_is_too_long_is_a_clear_line(cli: Cli, indexed: Path) -> None:
    """A hundred kilobytes, and a filter of ten thousand terms."""
    for arguments in (["arches " * 15_000], ["x", "--filter", " OR ".join(["year = 1"] * 10_000)]):
        outcome = cli("search", *arguments)
        assert outcome.exit_code == 2
        assert "longer than" in outcome.err
        assert len(outcome.err) < 500


def test_what_cannot_be_opened_is_said(cli: Cli, indexed: Path, opener: Path) -> None:
    """A number too high, and a file that is gone."""
    outcome = cli("search", "arches", "--open", "99")
    assert (outcome.exit_code, "no citation 99" in outcome.err) == (2, True)
    (indexed / ARCHES).unlink()
    outcome = cli("search", "arches", "--open")
    assert (outcome.exit_code, "run objlib sync" in outcome.err) == (2, True)
    assert not opener.exists()


def test_a_conversation_in_a_terminal(
    cli: Cli, indexed: Path, workplace: Path, opener: Path
) -> None:
    """Questions, a mistake that does not end it, a file that opens, a history that stays."""
    output = typed(["arches", "1", "", "beeswax", "99"], workplace, "search")
    assert "? " in output
    assert f"[1] {ARCHES}" in output
    assert "about beeswax" in output
    assert "there is no citation 99" in output
    assert opened_file(opener) == str(indexed / ARCHES)
    history = (workplace / "data" / "search-history").read_text()
    assert "arches\n" in history
    assert "beeswax\n" in history


def test_a_filter_that_does_not_parse_does_not_end_a_conversation(
    cli: Cli, indexed: Path, workplace: Path
) -> None:
    """It is said at the first question."""
    output = typed(["arches"], workplace, "search", "--filter", "year >")
    assert "the question was refused" in output


def typed(lines: list[str], folder: Path, *arguments: str) -> str:
    """What a terminal shows when objlib runs in it and somebody answers each prompt with a line."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "objlib", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=folder,
        env={**os.environ, "TERM": "dumb"},
        start_new_session=True,
    )
    os.close(slave)
    seen, waiting = "", [*(f"{line}\n" for line in lines), "\x04"]
    with contextlib.suppress(OSError):  # the other end is closed
        while chunk := os.read(master, 4096):
            seen += chunk.decode().replace("\r\n", "\n")
            if seen.endswith("? ") and waiting:
                os.write(master, waiting.pop(0).encode())
    os.close(master)
    assert process.wait(timeout=30) == 0, seen
    return seen


def opened_file(opener: Path) -> str:
    """What was opened; nobody waits for a program that shows a file."""
    while not (opener.exists() and opener.read_text()):
        time.sleep(0.01)
    said = opener.read_text()
    opener.unlink()
    return said
