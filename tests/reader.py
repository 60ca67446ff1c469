"""Somebody who does what a page says: types its commands, and compares what they answer.

Of a page count its fenced blocks, in their order:

    sh                      each line is a command; `# exit code N` after it says that it ends so
    sh title="why"          cannot be run by a test; `instead` may say what is done in its place
    text after sh           lines that the commands before it have answered, in this order;
                            `…` stands for lines, or a part of a line, that were left out
    … title="~/a/file"      the content of a file, which is written
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Cli

_FENCE = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<title>[^"]*)")?\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
_CODE = re.compile(r"#.*\bexit code (\d+)")
_SHELL = re.compile(r"[|<>&;$`]|^\w+=")
#: What differs from run to run: a moment, a duration, a rate, an id.
_VARYING = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.+]+|\d+(?:\.\d+)? (?:s\b|min\b|files/s)|\b[0-9a-f]{32}\b"
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    language: str
    title: str | None
    text: str


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [Block(*match.groups()) for match in _FENCE.finditer(page)]


class Reader:
    """Runs `objlib` in this process where no shell is needed, and everything else in bash.

    Args:
        home: stands for the home folder.
        instead: title of a block -> the commands that are run in its place.
    """

    def __init__(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch, home: Path, instead: Mapping[str, str]
    ) -> None:
        self._cli = cli
        self._monkeypatch = monkeypatch
        self._instead = instead
        monkeypatch.setenv("HOME", str(home))
        programs = Path(sys.executable).parent
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("COLUMNS", "200")

    def follow(self, page: str) -> None:
        """Do everything the page says, and compare."""
        said: list[str] = []
        is_done = False
        for block in blocks(page):
            if block.language == "sh":
                text = block.text if block.title is None else self._instead.get(block.title, "")
                is_done = bool(text)
                said = [self.run(line) for line in text.splitlines()] if is_done else []
            elif block.title is not None:
                self._write(block.title, block.text)
            elif block.language == "text" and is_done:
                assert_answered(block.text, "".join(said))
                is_done = False

    def run(self, line: str) -> str:
        """One command; what it says on both streams."""
        words = [_at_home(word) for word in shlex.split(line, comments=True)]
        if not words:
            return ""
        if words[0] == "cd":
            self._monkeypatch.chdir(words[1])
            return ""
        expected = int(match[1]) if (match := _CODE.search(line)) else 0
        if words[0] == "objlib" and not _SHELL.search(re.sub(r"'[^']*'|\"[^\"]*\"", "", line)):
            outcome = self._cli(*words[1:])
            assert outcome.exit_code == expected, (line, outcome)
            return outcome.err + outcome.out
        ran = subprocess.run(
            ["bash", "-c", line],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert ran.returncode == expected, (line, ran.stdout)
        return ran.stdout

    @staticmethod
    def _write(name: str, text: str) -> None:
        Path(name).expanduser().write_text(text, "utf-8")


def _at_home(word: str) -> str:
    return str(Path(word).expanduser()) if word.startswith("~") else word


def assert_answered(wanted: str, said: str) -> None:
    """Every line of a page's block is among the lines of an answer, in its order."""
    answer = iter(_VARYING.sub("~", said).splitlines())
    for line in _VARYING.sub("~", wanted).splitlines():
        if line.strip() in ("", "…"):
            continue
        pattern = ".*".join(map(re.escape, line.split("…")))
        assert any(re.fullmatch(pattern, given) for given in answer), (line, said)
