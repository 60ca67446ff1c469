"""`--log-json`: standard error for a machine, line by line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from objlib.cli import logs
from objlib.filestore import Fault, Kind
from tests.cli.servers import server
from tests.conftest import Cli

SECRET = "AIza-a-key-that-must-not-be-seen"


def lines_of(text: str) -> list[dict[str, Any]]:
    """Every line, parsed: none may be anything but a JSON object."""
    return [json.loads(line) for line in text.splitlines()]


def test_all_of_standard_error_is_json_and_results_stay_as_they_are(
    cli: Cli, library: Path
) -> None:
    """Notices are lines with time, level and logger; `-v` adds more of them."""
    cli("scan", "--library", library)
    outcome = cli("fsm-upload", "--log-json", "-v")
    assert outcome.exit_code == 0
    assert outcome.out.startswith("Indexed 6 files")
    lines = lines_of(outcome.err)
    assert lines[0]["message"].startswith("Store: embedded")
    assert sum(line["message"].endswith(": indexed") for line in lines) == 6
    for line in lines:
        assert line.keys() == {"time", "level", "logger", "message"}
        assert (line["level"], line["logger"]) == ("info", "objlib")
        age = datetime.now(UTC) - datetime.fromisoformat(line["time"])
        assert timedelta(0) - timedelta(seconds=1) < age < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (("search", " "), 2, "the question is empty"),
        (("fsm-upload", "--nope"), 2, "no such option '--nope'"),
        (("nope",), 2, "no such command 'nope'"),
        (("status",), 2, "there is no catalog"),
    ],
)
def test_the_error_that_ends_a_command_is_the_last_line(
    cli: Cli, arguments: tuple[str, ...], exit_code: int, message: str
) -> None:
    """Usage and all else, wherever the option stands."""
    for call in (("--log-json", *arguments), (*arguments, "--log-json")):
        outcome = cli(*call)
        *_, last = lines_of(outcome.err)
        assert outcome.exit_code == exit_code
        assert last["level"] == "error"
        assert message in last["message"]
        assert "exception" not in last


def test_a_variable_does_as_well(cli: Cli, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For all commands of a job at once; `--quiet` leaves the errors."""
    monkeypatch.setenv(logs.JSON_VARIABLE, "true")
    cli("scan", "--library", library)
    assert lines_of(cli("fsm-upload").err)
    assert cli("fsm-upload", "--quiet").err == ""
    (line,) = lines_of(cli("search", " ", "--quiet").err)
    assert line["level"] == "error"


def test_nobody_is_asked_on_a_machines_standard_error(
    cli: Cli, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question would be no JSON, even where there is a terminal."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    outcome = cli("sync", "--library", library, "--log-json")
    assert outcome.exit_code == 2
    assert "--yes" in lines_of(outcome.err)[-1]["message"]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_shows_what_happened_and_not_the_key(
    cli: Cli, library: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    """Not even when the server's answer repeats it."""
    cli("scan", "--library", library)
    monkeypatch.setenv("GEMINI_API_KEY", SECRET)
    refusal = Fault(Kind.ERROR, status=401, message=f"Request had {SECRET} in it.")
    with server(workplace / "served.db", refusal) as url:
        monkeypatch.setenv("OBJLIB_BASE_URL", url)
        outcome = cli("fsm-upload", "-vv", *(["--log-json"] if as_json else []))
    assert outcome.exit_code == 3
    assert "AccessRefused" in outcome.err
    assert SECRET not in outcome.err + outcome.out
    if as_json:
        assert lines_of(outcome.err)[-1]["exception"].startswith("Traceback")


def test_records_of_others_are_lines_too(capfd: pytest.CaptureFixture[str]) -> None:
    """Libraries log as they do; text of any script, and line breaks, are escaped."""
    logs.set_up(0, as_json=True)
    try:
        logging.getLogger("another.library").error("größer\nals %s", "😀")
    finally:
        logs.set_up(0, as_json=False)
    (record,) = lines_of(capfd.readouterr().err)
    assert record["logger"] == "another.library"
    assert record["message"] == "größer\nals 😀"


def test_the_level_follows_what_is_said_last(cli: Cli, library: Path) -> None:
    """`-v` counts before and after the command's name."""
    for arguments in (("-v", "scan"), ("scan", "-v")):
        cli(*arguments, "--library", library)
        assert logging.getLogger().level == logging.INFO
    cli("status")
    assert logging.getLogger().level == logging.ERROR
