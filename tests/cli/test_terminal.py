"""Hostile names, texts, metadata and answers, on a real terminal and in a pipe."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.cli.cleaning import as_json, one_line, text_lines
from tests.cli.servers import answering
from tests.conftest import Cli

#: Colour, title, clipboard, screen, C1 controls, cursor, bidi, separators, no width, a fresh line.
HOSTILE = (
    "\x1b[38;2;1;2;3mred\x1b]0;title\x07\x1b]52;c;aGk=\x07\x1b[2J\x9b31m\x90dcs\x9c\x08\x7f"
    "\u202egpj\u2066\u2028\u200b\xad\ufeff\r\nobjlib: forged\nNext: forged\x1b[3A"
)
#: The same for a name, which has 255 bytes at most.
NAME = "a\x1b]0;t\x07\x9b31m\x1b[2J\r\u202egpj\u2066\u2028\u200b\nobjlib: forged\nNext: forged.txt"

#: What we draw with: Rich's colours, moves of its bars, links to files.
OURS = re.compile(
    r"\x1b\[(?:[0-9]|3[1-6]|1;3[1-6]|(?:1;)?38;5;\d+)?m|\r?\x1b\[(?:2K|1A)|\x1b\[\?25[lh]"
    r"|\x1b\]8;id=\d+;file://[!-~]*\x1b\\|\x1b\]8;;\x1b\\|\r\n"
)
STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def environment() -> dict[str, str]:
    """A terminal with colours, whatever the tests run on."""
    kept = {
        name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")
    }
    return {**kept, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}


#: One process for all commands of a test: it takes half a second to begin.
_PROGRAM = """
import json, sys
from objlib.cli.main import main
for arguments in json.loads(sys.argv[1]):
    main(arguments)
"""


def on_terminal(*commands: Sequence[str]) -> str:
    """All that a real terminal is sent by commands, on both of their streams."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, json.dumps(commands)],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=environment(),
    ):
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # Linux says EIO when the other side has gone
            while piece := os.read(ours, 65_536):
                seen += piece
    os.close(ours)
    return seen.decode("utf-8", "surrogateescape")


def assert_harmless(seen: str) -> None:
    """Nothing is left of what steers, once our own is taken out; no line is forged."""
    rest = OURS.sub(lambda match: "\n" if match[0] == "\r\n" else "", seen)
    found = STEERING.search(rest)
    assert found is None, rest[max(0, found.start() - 80) : found.end() + 20]
    assert not re.search(r"(?m)^(objlib|Next): forged", rest)


@pytest.fixture
def hostile_library(library: Path) -> Path:
    """A library with such names, texts, front matter, sidecars, and files that are left out."""
    (library / NAME).write_text("Medlars are picked after frost.\n")
    (library / f"empty {NAME}").write_text("")
    (library / os.fsdecode(b"not \xff UTF-8 \x1b[2J.txt")).write_text("Quinces.\n")
    (library / "Quinces.md").write_text(f"Quinces {HOSTILE} ripen in lofts late.", encoding="utf-8")
    escaped = json.dumps(HOSTILE)
    (library / "Sloes.md").write_text(f"---\ntitle: {escaped}\n---\nSloes need a frost as well.\n")
    (library / "Haws.txt").write_text("Haws are eaten by thrushes.\n")
    (library / "Haws.txt.meta.json").write_text(f'{{"title": {escaped}, {escaped}: [1]}}')
    (library / "Hips.txt").write_text("Hips hold seeds that itch.\n")
    (library / "Hips.txt.meta.toml").write_text(f"title = {escaped}\nbad {HOSTILE!r}\n")
    return library


COMMANDS = (
    ("status",),
    ("failures",),
    ("failures", "-v"),
    ("history", NAME),
    ("history", f"no such {NAME}"),
    ("metadata", "Sloes.md"),
    ("metadata", "Haws.txt"),
    ("search", "Where do quinces ripen late?"),
    ("search", "Which medlars are picked after frost?"),
    ("ask", "Where do quinces ripen late?"),
    ("verify", "-v"),
    ("store-sync", "--report", "report.txt"),
    ("config", "show"),
    (HOSTILE,),
    ("search", f"--{HOSTILE}"),
    ("status", "--db", f"no {NAME}.db"),
)


def test_nobody_steers_a_terminal(
    cli: Cli, hostile_library: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte of every command is text or a colour of ours: with bars, with -v, with -vv."""
    monkeypatch.setenv("OBJLIB_MODEL", HOSTILE.replace("\n", ""))
    events = ("--events", "events.jsonl", "--results", "results.jsonl")
    assert_harmless(on_terminal(("scan", "--library", str(hostile_library))))
    uploaded = on_terminal(("sync", "--dry-run", "-v"), ("sync", "--yes", "-vv", *events))
    assert "uploading" in uploaded
    assert_harmless(uploaded)
    commands = [(*arguments, *more) for arguments in COMMANDS for more in ((), ("--json",))]
    assert_harmless(on_terminal(*commands))
    assert_harmless((workplace / "report.txt").read_text("utf-8"))
    for name in ("events.jsonl", "results.jsonl"):
        written = (workplace / name).read_text("utf-8")
        assert_harmless(written)
        assert all(json.loads(line) for line in written.splitlines())


def test_nobody_forges_a_line_in_a_pipe(cli: Cli, hostile_library: Path) -> None:
    """A name with a line break stays on its line; JSON is JSON, with the very name in it."""
    cli("sync", "--library", hostile_library, "--yes")
    for arguments in COMMANDS:
        for more in ("--json", "--log-json"):
            outcome = cli(*arguments, more)
            assert_harmless(outcome.out + outcome.err)
            if outcome.out and more == "--json":
                assert outcome.json
            if more == "--log-json":
                assert all(json.loads(line) for line in outcome.err.splitlines())
    listed = cli("failures", "--json").json
    assert f"empty {NAME}" in {path for group in listed for path in group["paths"]}


class _Hostile(BaseHTTPRequestHandler):
    """A server that answers everything with an error that steers."""

    def do_GET(self) -> None:
        body = json.dumps({"error": {"code": 400, "message": HOSTILE, "status": HOSTILE}}).encode()
        self.send_response(400)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


def test_no_server_steers_a_terminal(
    cli: Cli, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its messages are shown on one line, in tracebacks too."""
    cli("scan", "--library", library)
    with answering(_Hostile) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        for arguments in (("sync", "--yes"), ("search", "arches"), ("store-sync", "--log-json")):
            seen = on_terminal(arguments, (*arguments, "-vv"))
            assert seen.count("gpj") >= 3
            assert_harmless(seen)


def test_a_warning_of_others_steers_nothing() -> None:
    """Also what is written past us is cleaned: warnings, errors that nobody caught, bytes."""
    code = (
        "import sys, warnings\n"
        "from objlib.cli import terminal\n"
        "class Odd:\n"
        "    def __del__(self): raise ValueError('\\x1b]0;t\\x07')\n"
        "with terminal.guarded():\n"
        "    warnings.warn('\\x1b[2J\\u202e')\n"
        "    print('\\x9b31m', '\\ud800')\n"
        "    sys.stdout.buffer.write(b'\\x1b[2J\\n')\n"
        "    Odd()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment())
    assert_harmless((done.stdout + done.stderr).decode())
    assert done.stdout == rb"\x9b31m \ud800" + b"\n" + rb"\x1b[2J" + b"\n"
    assert rb"\x1b]0;t\x07" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_without_unicode_has_escapes(
    cli: Cli, hostile_library: Path, encoding: str
) -> None:
    """What its encoding has not is shown as an escape, and JSON stays JSON."""
    cli("scan", "--library", hostile_library)
    settings = {**environment(), "PYTHONIOENCODING": encoding}
    for arguments in (["status"], ["failures", "-v"], ["failures", "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "objlib", *arguments], capture_output=True, env=settings
        )
        assert b"bug" not in done.stderr
        assert done.stdout
        if "--json" in arguments:
            json.loads(done.stdout.decode(encoding))


@given(st.text())
def test_a_cleaned_text_is_clean(text: str) -> None:
    """For all texts: one line, nothing that steers, encodable, and clean already."""
    for cleaned in (one_line(text), as_json(text)):
        assert len(cleaned.splitlines()) <= 1
        cleaned.encode()
    assert one_line(one_line(text)) == one_line(text)
    assert text_lines(text).split("\n") == [
        "\t".join(map(one_line, line.split("\t")))
        for line in text.replace("\r\n", "\n").split("\n")
    ]
    assert json.loads(as_json(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cروم",
        "क्\u200dष",
        "❤\ufe0f\u200d🔥",
        "1\ufe0f\u20e3",
        "ភាសា\u200bខ្មែរ",
        "葛\U000e0100城",
        "«\u00a0Où\u202f?\u00a0»",
        "\u3000蜜蜂",
    ],
)
def test_a_language_is_spelt_as_it_is(text: str) -> None:
    """Joiners, ends of words, variants and spaces stay where a script has them."""
    assert one_line(text) == text


@pytest.mark.parametrize(
    "trick", ["pay\u200dpal", "a\u200bb", "a\ufe0fb", "\u3164", "ab\u034f", "x\U000e0041", "\u200c"]
)
def test_what_cannot_be_seen_is_shown(trick: str) -> None:
    """Two names that look the same are not the same to read."""
    assert one_line(trick).isascii()
