"""What is said wrongly on the command line or in settings: one line, exit code 2, and a way on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_bad_input import one_line
from tests.conftest import Cli

ARCHES = "Course/Year 1/Week 1 - On arches.txt"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("scann", "no such command 'scann'. Did you mean 'scan'? See `objlib --help`."),
        ("fubar", "no such command 'fubar'. See `objlib --help`."),
        ("config shw", "Did you mean 'show'? See `objlib config --help`."),
        ("sync --dryrun", "Did you mean '--dry-run'? See `objlib sync --help`."),
        ("status --frobnicate", "no such option '--frobnicate'. See `objlib status --help`."),
        ("sync --max-delete", "option '--max-delete' requires an argument."),
        ("history", "missing argument 'FILE'. See `objlib history --help`."),
        ("history a b", "unexpected extra argument (b). See `objlib history --help`."),
        ("completion tcsh", "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
        ("fsm-upload --tier 9", "'9' is not one of 'free', '1', '2', '3'"),
        ("fsm-upload --concurrency 0", "'--concurrency': 0 is not in the range"),
        ("fsm-upload --stagger -1", "'--stagger': -1.0 is not in the range"),
        ("search x --top-k 0", "'--top-k': 0 is not in the range"),
        ("ask x --top-k 101", "'--top-k': 101 is not in the range"),
        ("verify --limit 0", "'--limit': 0 is not in the range"),
        ("verify --subset 8/7", "written n/t, such as 3/7, not '8/7'"),
        ("verify --limit 1 --subset 1/2", "exclude each other"),
        ("sync --watch --dry-run", "exclude each other"),
        ("recover --library library", "belong to --from-store"),
        ("serve --port 70000", "'--port': 70000 is not in the range"),
        ("ask ''", "the question is empty"),
        ("--config nope.toml status", "there is no configuration file nope.toml"),
        ("--db library status", "library is a folder; --db names the catalog's file"),
        ("init --library nope", "nope is not a folder; check --library"),
    ],
)
def test_what_is_said_wrongly_is_answered_in_a_line(
    cli: Cli, library: Path, said: str, answer: str
) -> None:
    """Whatever it is, the line says what is wrong, and where the right way is explained."""
    outcome = cli(*(word.strip("'") for word in said.split()))
    assert outcome.exit_code == 2
    assert answer in one_line(outcome)
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    ["history x", "metadata x", "failures", "verify", "ask x", "recover", "sync", "scan"],
)
def test_each_command_says_how_a_catalog_is_made(cli: Cli, command: str) -> None:
    """As do those that test_bad_input.py names."""
    outcome = cli(*command.split())
    assert outcome.exit_code == 2
    assert "objlib scan --library DIR" in one_line(outcome)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (b"concurency = 3\n", "there is no setting 'concurency'; did you mean 'concurrency'?"),
        (b"colour = 1\n", "there is no setting 'colour'; `objlib init` writes a file with all"),
        (b"concurrency = 0\n", "the setting 'concurrency', from objlib.toml: "),
        (b"\xff\xfe", "objlib.toml is not UTF-8 text, as TOML must be"),
        (b"x = = 1", "objlib.toml cannot be read: Invalid value (at line 1, column 5)"),
    ],
)
def test_a_wrong_settings_file_is_explained(cli: Cli, text: bytes, answer: str) -> None:
    """Which setting, from where, and what it may have been meant to be."""
    Path("objlib.toml").write_bytes(text)
    outcome = cli("config", "show")
    assert outcome.exit_code == 2
    assert answer in one_line(outcome)


@pytest.mark.parametrize(
    ("variable", "value", "answer"),
    [
        ("OBJLIB_CONCURRENCY", "lots", "the setting 'concurrency', from OBJLIB_CONCURRENCY: "),
        ("OBJLIB_TEMPLATES", "{title}", "in the environment a list is written as JSON"),
    ],
)
def test_a_wrong_variable_is_named(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, answer: str
) -> None:
    """Not the file, where one would look in vain."""
    monkeypatch.setenv(variable, value)
    outcome = cli("config", "show")
    assert outcome.exit_code == 2
    assert answer in one_line(outcome)


@pytest.mark.parametrize("command", ["history", "metadata"])
@pytest.mark.parametrize(
    "said", ["On arches.txt", "Course/Week 1 - On arches.txt", "ARCHES", "Week 1 - On arches.md"]
)
def test_a_file_that_is_not_there_is_answered_with_near_ones(
    cli: Cli, library: Path, command: str, said: str
) -> None:
    """Half a name, a wrong folder, another case, another ending."""
    cli("scan", "--library", library)
    outcome = cli(command, said)
    assert outcome.exit_code == 2
    assert f"did you mean '{ARCHES}'" in one_line(outcome)


@pytest.mark.parametrize("command", ["history", "metadata"])
@pytest.mark.parametrize("said", ["100%_x", "", "\\"])
def test_a_file_like_nothing_is_answered_without_guessing(
    cli: Cli, library: Path, command: str, said: str
) -> None:
    """What means something to SQL means nothing here."""
    cli("scan", "--library", library)
    outcome = cli(command, said)
    assert outcome.exit_code == 2
    assert "paths are relative to the library" in one_line(outcome)


@pytest.mark.parametrize("command", ["history", "metadata"])
def test_a_file_may_be_named_by_its_path_on_disk(cli: Cli, library: Path, command: str) -> None:
    """As Tab completes it, from wherever one stands."""
    cli("scan", "--library", library)
    for said in (ARCHES, library / ARCHES, f"library/{ARCHES}", f"./library/{ARCHES}"):
        assert cli(command, said, "--json").json["file"] == ARCHES


@pytest.mark.parametrize("command", [["ask", "arches"], ["search", "arches"]])
def test_a_wrong_filter_is_refused_with_its_place(
    cli: Cli, library: Path, command: list[str]
) -> None:
    """The store says where it stopped understanding."""
    cli("sync", "--yes", "--library", library)
    outcome = cli(*command, "--filter", "(((")
    assert outcome.exit_code == 2
    assert "at position 3" in one_line(outcome)


@pytest.mark.parametrize(
    "command",
    [["store-sync"], ["search", "x"], ["ask", "x"], ["verify"], ["recover"], ["sync", "--yes"]],
)
def test_an_unreachable_server_is_exit_code_three_everywhere(
    cli: Cli, library: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """One line after the one that names the store."""
    cli("scan", "--library", library)
    monkeypatch.setenv("OBJLIB_BASE_URL", "http://127.0.0.1:9")
    outcome = cli(*command)
    assert outcome.exit_code == 3
    assert "cannot be reached" in one_line(outcome)


@pytest.mark.parametrize("command", [["ask", "x"], ["verify"], ["recover"]])
def test_a_store_that_is_not_there_is_named_everywhere(
    cli: Cli, library: Path, command: list[str]
) -> None:
    """These make none; test_bad_input.py has the others."""
    cli("scan", "--library", library)
    outcome = cli(*command, "--store", "no-such-store")
    assert outcome.exit_code == 2
    assert "no-such-store" in one_line(outcome)
