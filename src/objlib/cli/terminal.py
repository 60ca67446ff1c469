"""The one place that prints: each line, text, question and JSON document goes through here.

What is printed is cleaned on its way. `guarded` puts a guard before standard output and standard
error, so that what others write there (click, a warning, the interpreter about an error that nobody
caught) is cleaned as well. `screen` draws colours and progress; it writes behind the guard, because
its escape sequences are ours, and cleans what it draws.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, TextIO, cast

import click

from objlib.cli.cleaning import as_json, one_line, text_lines


def write(stream: IO[str] | None, text: str, *, is_notice: bool = False) -> None:
    """Write what is clean to a stream at once; nothing where it was closed before we began.

    Args:
        is_notice: where there is no room for it, it is given up and the work goes on.

    Raises:
        BrokenPipeError: nobody reads; without a number, for Click would exit with 1.
        OSError: there is no room for what is no notice.
    """
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise BrokenPipeError from None
    except OSError:
        if not is_notice:
            raise


def say(line: str = "") -> None:
    """Print one line on standard output."""
    write(sys.stdout, f"{one_line(line)}\n")


def say_text(text: str, *, end: str = "\n") -> None:
    """Print a text on standard output; its lines stay."""
    write(sys.stdout, text_lines(text) + end)


def say_json(document: Any) -> None:
    """Print one JSON document on standard output."""
    say_text(json_text(document, indent=2))


def json_text(document: Any, *, indent: int | None = None) -> str:
    """Return a document as JSON that standard output can hold: in ASCII where that is not UTF-8."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    is_utf_8 = codecs.lookup(encoding).name == "utf-8"
    return as_json(document, indent=indent, in_ascii=not is_utf_8)


def notice(line: str) -> None:
    """Print one line on standard error."""
    write(sys.stderr, f"{one_line(line)}\n", is_notice=True)


def notice_text(text: str) -> None:
    """Print a text on standard error; its lines stay."""
    write(sys.stderr, f"{text_lines(text)}\n", is_notice=True)


def trace_lines(error: BaseException) -> str:
    """Return a traceback, indented: no line of it can pass for one of ours."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(f"  {line}" for line in lines)


def can_ask() -> bool:
    """Return whether somebody sits at standard input."""
    return sys.stdin is not None and sys.stdin.isatty()


def is_cut_off() -> bool:
    """Return whether standard input or output was closed before we began."""
    return sys.stdin is None or sys.stdout is None


def ask_to_go_on(question: str) -> None:
    """Ask on standard error. Anything but a yes raises `click.Abort`."""
    click.confirm(one_line(question), abort=True, err=True)


def typed(prompt: str) -> str | None:
    """Return the line that somebody types; None at the end of input."""
    try:
        return input(one_line(prompt)).strip()
    except EOFError:
        say()
        return None


def nobody_reads() -> None:
    """Let what is still to be printed go nowhere: whoever read our output has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def guarded() -> Iterator[None]:
    """Clean what anybody writes to the standard streams while the context lasts."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_guard(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def beneath(stream: TextIO) -> TextIO:
    """Return the stream behind the guard: for what `screen` has drawn and cleaned."""
    return cast(TextIO, getattr(stream, "beneath", stream))


def _guard(stream: TextIO) -> TextIO:
    if stream is None:  # it was closed before we began
        return stream
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # not every terminal has every character
    return cast(TextIO, _Guard(stream))


class _Guard(io.TextIOBase):
    """A standard stream as all others find it."""

    def __init__(self, stream: TextIO) -> None:
        self.beneath = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream behind it: `input` asks for it."""
        return self.beneath.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """The name of what is done to a character that the encoding has not."""
        return self.beneath.errors

    @property
    def buffer(self) -> _Bytes:
        """The stream for bytes: completions are written as such."""
        return _Bytes(self)

    def write(self, text: str, /) -> int:
        write(self.beneath, text_lines(text))
        return len(text)

    def flush(self) -> None:
        self.beneath.flush()

    def fileno(self) -> int:
        return self.beneath.fileno()

    def isatty(self) -> bool:
        return self.beneath.isatty()

    def writable(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class _Bytes:
    """A guarded stream for those that write bytes."""

    guard: _Guard

    def write(self, content: bytes, /) -> int:
        self.guard.write(bytes(content).decode(self.guard.encoding, "backslashreplace"))
        return len(content)

    def flush(self) -> None:
        self.guard.flush()
