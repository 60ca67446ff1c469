"""What people see on a real terminal of any width, without colours, and without a terminal."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.cells import cell_len

from objlib.cli.cleaning import one_line
from objlib.cli.progress import show_progress
from objlib.cli.screen import Screen
from objlib.upload import events as ev
from objlib.upload.event_stream import EventStream

WIDTHS = [40, 80, 200]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
PROSE = (
    "In our strain of bees one second of waggling stands for about a kilometre, and for food"
    " closer than fifty metres the run shrinks away and the dance becomes round."
)
CHINESE = "蜜蜂的舞蹈告诉其他蜜蜂食物在哪里，离蜂巢有多远，以及应该朝哪个方向飞行才能找到它。" * 2


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a terminal whose owner has said nothing about colours."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@contextmanager
def terminal(columns: int) -> Iterator[tuple[Screen, Callable[[], str]]]:
    """A screen on a real terminal, and a question: what has been written?"""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(theirs, "w", encoding="utf-8") as file, os.fdopen(ours, "rb", 0) as master:
        # Rich asks the process's own terminals for the width; here that is another one.
        screen = Screen(file=file, width=os.get_terminal_size(theirs).columns)

        def written() -> str:
            file.write("\0")
            file.flush()
            seen = b""
            while not seen.endswith(b"\0"):
                seen += master.read(65_536)
            return seen[:-1].decode().replace("\r\n", "\n")

        yield screen, written


@pytest.mark.parametrize("columns", WIDTHS)
def test_text_is_broken_between_words(columns: int) -> None:
    """Each line fits, no word is cut, and none is lost."""
    with terminal(columns) as (screen, written):
        screen.say(PROSE)
        lines = written().splitlines()
    assert all(len(line) <= columns for line in lines)
    assert " ".join(lines) == PROSE


@pytest.mark.parametrize(
    ("head", "indent"), [("    ", 4), ("  -> ", 5), ("  1,234  ", 9), ("", 0), ("[1] ", 4)]
)
def test_text_goes_on_below_where_it_began(head: str, indent: int) -> None:
    """Behind numbers and signs there is a column."""
    with terminal(40) as (screen, written):
        screen.say(head + PROSE)
        first, *rest = written().splitlines()
    assert first.startswith(head + "In our")
    assert rest
    assert all(re.match(rf" {{{indent}}}\S", line) for line in rest)


@pytest.mark.parametrize("columns", WIDTHS)
def test_characters_of_double_width_count_twice(columns: int) -> None:
    """What has no spaces is broken where the line ends, not beyond it."""
    with terminal(columns) as (screen, written):
        screen.say(CHINESE)
        lines = written().splitlines()
    assert all(cell_len(line) <= columns for line in lines)
    assert "".join(lines) == CHINESE


@pytest.mark.parametrize("path", ["a folder/" * 30 + "a file.txt", CHINESE, "محاضرة/" * 20])
def test_paths_stay_whole_to_be_copied(path: str) -> None:
    """The terminal breaks them, so no newline gets into what is copied."""
    with terminal(40) as (screen, written):
        screen.say(path, whole=True)
        assert written() == f"{path}\n"


def test_without_a_terminal_no_line_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even when colours are forced, as in a log on the web."""
    for name in ("", "FORCE_COLOR"):
        monkeypatch.setenv(name or "LINES", "1")
        monkeypatch.setenv("COLUMNS", "40")
        screen = Screen(file=io.StringIO())
        screen.say(PROSE)
        assert isinstance(screen.file, io.StringIO)
        assert ESCAPE.sub("", screen.file.getvalue()) == f"{PROSE}\n"
        assert not screen.is_live


def test_colours_come_and_go_with_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal; never with NO_COLOR or on a dumb one; in a pipe when they are forced."""

    def escapes() -> int:
        with terminal(80) as (screen, written):
            screen.say("failed", style="red")
            return len(re.findall(r"\x1b\[\d*;?3[0-9]", written()))

    assert escapes() == 1
    monkeypatch.setenv("NO_COLOR", "1")
    assert escapes() == 0
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert escapes() == 0
    pipe = io.StringIO()
    Screen(file=pipe).say("failed", style="red")
    assert "\x1b" not in pipe.getvalue()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    Screen(file=pipe).say("failed", style="red")
    assert "\x1b[31m" in pipe.getvalue()


def busy(columns: int) -> str:
    """What a terminal is sent while a run is at its busiest."""
    stream = EventStream()
    with terminal(columns) as (screen, written):
        with show_progress(stream.events, screen, 0):
            stream.emit(ev.RunStarted("a run", "a store", 12_345, 1_000_000))
            stream.emit(ev.PressureChanged("open", 0.0, 8, 50, 1234.0))
            for number in range(20):
                stream.emit(ev.FileStarted(f"{number}.txt", 10))
                stream.emit(ev.CallRetried(f"{number}.txt", 1, 0.0, "busy", True))
            stream.emit(ev.FileFailed("0.txt", "no", True))
        return written()


@pytest.mark.parametrize("columns", WIDTHS)
def test_the_progress_bar_is_one_line(columns: int) -> None:
    """It has how many of how many at any width, and more where there is room."""
    moves = re.compile(r"\r|\x1b\[[0-9;?]*[A-Zhl]")
    drawn = ESCAPE.sub("", moves.sub("\n", busy(columns))).splitlines()
    bars = [line for line in drawn if line.startswith("uploading")]
    assert bars
    assert all(cell_len(line) <= columns for line in bars)
    assert "1/12345" in bars[-1]
    assert ("failed" in bars[-1]) == (columns >= 80)


def test_a_dumb_terminal_has_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing there can be drawn anew."""
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in busy(80)
    assert "uploading" not in busy(80)


def test_names_are_spelt_as_their_language_does() -> None:
    """Joiners move nothing; what could move the cursor or hide text is shown as what it is."""
    assert one_line("می\u200cروم") == "می\u200cروم"
    assert one_line("a\u202eb\x1b[2Jc\n") == "a\\u202eb\\x1b[2Jc\\n"


def test_notices_are_no_output_where_standard_error_is_closed(library: Path) -> None:
    """`--json 2>&-` prints JSON and nothing else."""
    command = f"{sys.executable} -m objlib sync --library {library} --yes --json 2>&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["scan"]["found"] == 6
