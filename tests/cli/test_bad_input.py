"""Whatever is wrong: one clear line, the right exit code, and nothing lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Cli, Outcome, Query, states


def one_line(outcome: Outcome) -> str:
    """The one line of complaint."""
    lines = [line for line in outcome.err.splitlines() if line.startswith("objlib: ")]
    assert len(lines) == 1, outcome.err
    assert "Traceback" not in outcome.err
    return lines[0]


def test_a_missing_library_is_a_configuration_error(cli: Cli, workplace: Path) -> None:
    """The folder is named, and no catalog is made."""
    outcome = cli("scan", "--library", "nowhere")
    assert outcome.exit_code == 2
    assert "nowhere" in one_line(outcome)
    assert not (workplace / "data").exists()


def test_an_empty_library_is_a_configuration_error(cli: Cli, workplace: Path) -> None:
    """There is nothing to do in an empty folder, and that is more likely a mistake."""
    (workplace / "empty").mkdir()
    outcome = cli("scan", "--library", "empty")
    assert outcome.exit_code == 2
    assert "no files" in one_line(outcome)


def test_an_emptied_library_is_not_a_deleted_one(cli: Cli, library: Path, rows: Query) -> None:
    """An unmounted disk leaves every row as it was."""
    cli("scan", "--library", library)
    library.rename(library.with_name("unmounted"))
    library.mkdir()
    outcome = cli("scan")
    assert outcome.exit_code == 2
    assert "mounted" in one_line(outcome)
    assert rows("SELECT COUNT(*) FROM files WHERE is_deleted") == [(0,)]


@pytest.mark.parametrize("command", [["fsm-upload"], ["store-sync"], ["status"], ["search", "x"]])
def test_without_a_catalog_the_first_step_is_named(cli: Cli, command: list[str]) -> None:
    """Every command that needs a catalog says how to make one."""
    outcome = cli(*command)
    assert outcome.exit_code == 2
    assert "objlib scan --library" in one_line(outcome)


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_below_one_is_a_usage_error(cli: Cli, library: Path, limit: str) -> None:
    """--limit takes a positive number and nothing else."""
    cli("scan", "--library", library)
    outcome = cli("fsm-upload", "--limit", limit)
    assert outcome.exit_code == 2
    assert "--limit" in outcome.err


def test_an_unknown_store_is_named(cli: Cli, library: Path) -> None:
    """store-sync and search do not make a store that is not there."""
    cli("scan", "--library", library)
    for command in (["store-sync"], ["search", "x"]):
        outcome = cli(*command, "--store", "no-such-store")
        assert outcome.exit_code == 2
        assert "no-such-store" in one_line(outcome)


def test_a_catalog_stays_with_its_store(cli: Cli, library: Path) -> None:
    """Another store name on a bound catalog is a mix-up, not a second upload."""
    cli("scan", "--library", library)
    cli("fsm-upload")
    outcome = cli("fsm-upload", "--store", "another")
    assert outcome.exit_code == 2
    assert "bound to the store 'objectivism-library'" in one_line(outcome)


def test_a_catalog_stays_with_its_library(cli: Cli, library: Path, workplace: Path) -> None:
    """Scanning another folder into the catalog would mark every file as missing."""
    cli("scan", "--library", library)
    other = workplace / "other"
    other.mkdir()
    (other / "a.txt").write_text("A text.")
    outcome = cli("scan", "--library", other)
    assert outcome.exit_code == 2
    assert "--db" in one_line(outcome)


def test_a_library_that_moved_as_a_whole_is_the_same_library(
    cli: Cli, library: Path, workplace: Path
) -> None:
    """Paths are relative to the root, so a move of the root changes no row."""
    cli("scan", "--library", library)
    library.rename(workplace / "moved")
    scanned = cli("scan", "--library", "moved", "--json")
    assert scanned.exit_code == 0
    assert scanned.json["unchanged"] == 6


def test_a_file_that_is_no_database_is_left_alone(cli: Cli, workplace: Path, library: Path) -> None:
    """The file is named and not overwritten."""
    path = workplace / "notes.db"
    path.write_text("These are my notes, and they are not a database. " * 50)
    before = path.read_bytes()
    outcome = cli("scan", "--library", library, "--db", path)
    assert outcome.exit_code == 2
    assert "notes.db" in one_line(outcome)
    assert path.read_bytes() == before


def test_another_programs_database_is_left_alone(cli: Cli, workplace: Path, library: Path) -> None:
    """A SQLite file without our tables is refused."""
    path = workplace / "photos.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE photos (id INTEGER)")
        connection.commit()
    outcome = cli("scan", "--library", library, "--db", path)
    assert outcome.exit_code == 2
    assert "not an objlib catalog" in one_line(outcome)


def test_a_locked_catalog_is_reported(
    cli: Cli, library: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program's lock is waited for, then named; the next run works."""
    monkeypatch.setattr("objlib.catalog.sqlite.locks.BUSY_TIMEOUT_S", 0.05)
    cli("scan", "--library", library)
    with closing(sqlite3.connect(workplace / "data" / "library.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        outcome = cli("fsm-upload")
    assert outcome.exit_code == 2
    assert "locked by another program" in one_line(outcome)
    assert cli("fsm-upload").exit_code == 0


def test_an_unreachable_server_is_exit_code_three(
    cli: Cli, library: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens there: one line, and all rows as they were."""
    cli("scan", "--library", library)
    monkeypatch.setenv("OBJLIB_BASE_URL", "http://127.0.0.1:9")
    outcome = cli("fsm-upload")
    assert outcome.exit_code == 3
    assert "cannot be reached" in one_line(outcome)
    assert states(rows) == {"untracked": 6}


def test_a_base_url_without_scheme_is_refused(
    cli: Cli, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`localhost:8080` is missing its http://."""
    cli("scan", "--library", library)
    monkeypatch.setenv("OBJLIB_BASE_URL", "localhost:8080")
    outcome = cli("fsm-upload")
    assert outcome.exit_code == 2
    assert "http://" in one_line(outcome)


def test_a_file_that_vanishes_after_the_scan_is_reported(
    cli: Cli, library: Path, rows: Query
) -> None:
    """The others are uploaded; the exit code says that one was not."""
    cli("scan", "--library", library)
    (library / "Course" / "Year 1" / "Week 2 - On beeswax.txt").unlink()
    outcome = cli("fsm-upload")
    assert outcome.exit_code == 1
    assert "beeswax" in outcome.err
    assert states(rows) == {"indexed": 5, "untracked": 1}
    assert rows("SELECT is_deleted FROM files WHERE gemini_state = 'untracked'") == [(1,)]
    assert cli("store-sync").exit_code == 0


def test_a_file_edited_after_the_scan_goes_up_as_it_is_now(cli: Cli, library: Path) -> None:
    """What search answers is what is on disk, and the next scan sees nothing new."""
    cli("scan", "--library", library)
    edited = library / "Course" / "Year 1" / "Week 2 - On beeswax.txt"
    edited.write_text("This lecture is about propolis now.\n")
    assert cli("fsm-upload").exit_code == 0
    assert cli("search", "propolis", "--json").json["citations"][0]["path"].endswith("beeswax.txt")
    scanned = cli("scan", "--json").json
    assert (scanned["changed"], scanned["unchanged"]) == (0, 6)


def test_what_cannot_be_uploaded_is_recorded_with_its_reason(cli: Cli, library: Path) -> None:
    """Empty, oversized and binary files are rows with a reason, and `status` shows them."""
    (library / "empty.txt").touch()
    with (library / "huge.txt").open("wb") as huge:
        huge.truncate(101 * 1024 * 1024)
    (library / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    os.mkfifo(library / "pipe.txt")
    (library / "loop").symlink_to(library)
    scanned = cli("scan", "--library", library, "--json").json
    assert scanned["skipped"] == 5
    shown = cli("status").out
    for name in ("empty.txt", "huge.txt", "picture.txt", "pipe.txt", "loop"):
        assert name in shown
    assert cli("fsm-upload", "--json").json["indexed"] == 6


def test_content_that_is_not_utf_8_is_found_by_its_words(cli: Cli, library: Path) -> None:
    """A Latin-1 text is searchable by a word with an umlaut."""
    text = "Die Mühle am Bach mahlt das Getreide für das ganze Tal, seit der Müller jung war. " * 5
    (library / "Mühle.txt").write_bytes(text.encode("latin-1"))
    cli("scan", "--library", library)
    assert cli("fsm-upload").exit_code == 0
    found = cli("search", "Müller", "--json").json["citations"]
    assert found[0]["path"] == "Mühle.txt"
    assert "Mühle am Bach" in found[0]["text"]


def test_a_bad_template_is_a_configuration_error(cli: Cli, library: Path, workplace: Path) -> None:
    """The template is quoted and the place of the mistake named."""
    (workplace / "objlib.toml").write_text('templates = ["{course} - {year:decade}"]\n')
    outcome = cli("scan", "--library", library)
    assert outcome.exit_code == 2
    assert "decade" in one_line(outcome)


@pytest.mark.parametrize(
    "text", ["concurrency = 0\n", "colour = 'blue'\n", "not toml at all", "store = ''\n"]
)
def test_bad_settings_are_configuration_errors(
    cli: Cli, library: Path, workplace: Path, text: str
) -> None:
    """A wrong value, an unknown key and a broken file are each one line."""
    (workplace / "objlib.toml").write_text(text)
    outcome = cli("scan", "--library", library)
    assert outcome.exit_code == 2
    one_line(outcome)


def test_an_empty_question_is_refused(cli: Cli, library: Path) -> None:
    """Nothing is sent for a question without words."""
    cli("scan", "--library", library)
    outcome = cli("search", "  ")
    assert outcome.exit_code == 2
    assert "empty" in one_line(outcome)


def test_a_filter_that_does_not_parse_is_a_usage_error(cli: Cli, library: Path) -> None:
    """The place of the mistake is passed on."""
    cli("scan", "--library", library)
    cli("fsm-upload")
    outcome = cli("search", "arches", "--filter", "year >")
    assert outcome.exit_code == 2
    assert "position 6" in one_line(outcome)


@pytest.mark.parametrize("arguments", [["status"], ["failures"], ["--help"], ["status", "--json"]])
def test_a_reader_that_leaves_early_is_no_error(
    cli: Cli, library: Path, arguments: list[str]
) -> None:
    """`objlib … | head -1` ends quietly with exit code 0."""
    cli("scan", "--library", library)
    with subprocess.Popen(
        [sys.executable, "-m", "objlib", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_an_unknown_command_is_a_usage_error(cli: Cli) -> None:
    """A typing mistake says what there is no such thing as."""
    outcome = cli("scann")
    assert outcome.exit_code == 2
    assert "scann" in outcome.err


@pytest.mark.parametrize("amount", ["lots", "-1", "10 percent", "101%"])
def test_a_bad_max_delete_is_refused(cli: Cli, library: Path, amount: str) -> None:
    """--max-delete is a count or a percentage."""
    cli("scan", "--library", library)
    outcome = cli("store-sync", "--max-delete", amount)
    assert outcome.exit_code == 2
    assert "--max-delete" in outcome.err


@pytest.mark.parametrize("pause", ["inf", "nan", "-1"])
def test_a_pause_without_end_is_refused(cli: Cli, library: Path, pause: str) -> None:
    """A number of seconds is one that passes."""
    cli("scan", "--library", library)
    outcome = cli("fsm-upload", "--stagger", pause)
    assert outcome.exit_code == 2
    assert "stagger" in outcome.err


def test_a_question_that_is_not_utf8_is_refused(cli: Cli, library: Path) -> None:
    """A word about the question, not about codecs."""
    cli("sync", "--library", library, "--yes")
    outcome = cli("search", "caf\udce9")
    assert outcome.exit_code == 2
    assert "the question is not text in UTF-8" in outcome.err
    assert "codec" not in outcome.err


def test_more_deletions_than_allowed_delete_nothing(cli: Cli, library: Path) -> None:
    """Half the library gone is more than 10 %; a raised limit lets it through."""
    cli("scan", "--library", library)
    cli("fsm-upload")
    for number, path in enumerate(sorted(library.rglob("*.txt"))):
        if number < 3:
            path.unlink()
    cli("scan")
    refused = cli("store-sync", "--apply")
    assert refused.exit_code == 2
    assert "nothing was deleted" in one_line(refused)
    assert cli("store-sync", "--json").json["documents"]["orphan"] == 3
    assert cli("store-sync", "--apply", "--max-delete", "50%").exit_code == 0
    assert cli("store-sync").exit_code == 0


@pytest.mark.parametrize("command", ["history", "metadata"])
def test_a_name_that_is_not_utf_8_is_no_bug(cli: Cli, library: Path, command: str) -> None:
    """What a shell completes may be any bytes; such a file is not known, and that is all."""
    cli("scan", "--library", library)
    outcome = cli(command, os.fsdecode(b"caf\xe9.txt"))
    assert outcome.exit_code == 2
    assert r"caf\xe9.txt" in one_line(outcome).replace("\\\\", "\\")
