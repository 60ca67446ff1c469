"""Nothing outside of the library is read, whatever its links and names say."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from objlib.library.content import read_content
from objlib.library.ignore import IgnoreRules
from objlib.library.reach import LEADS_OUT, LeadsOut, NotRegular, Reach, open_regular
from objlib.library.walk import FoundFile, SkippedPath, walk
from tests.conftest import Cli, Query, states

SECRET = "-----BEGIN PRIVATE KEY----- of somebody"


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A library beside a folder that is none of its business."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "key").write_text(SECRET)
    root = tmp_path / "shelf"
    (root / "in").mkdir(parents=True)
    (root / "in" / "talk.txt").write_text("A talk.")
    return root


@pytest.mark.parametrize(
    "target",
    ["../outside/key", "in/../../outside/key", "hop", "/proc/self/environ", "ABSOLUTE"],
)
def test_a_link_that_leads_out_is_reported_and_not_followed(shelf: Path, target: str) -> None:
    """Relative, absolute, over another link: only where it ends counts."""
    (shelf / "hop").symlink_to("../outside/key")
    outside = str(shelf.parent / "outside" / "key")
    (shelf / "notes.txt").symlink_to(outside if target == "ABSOLUTE" else target)

    entries = {entry.path: entry for entry in walk(shelf, IgnoreRules())}

    assert entries["notes.txt"] == SkippedPath("notes.txt", LEADS_OUT, is_folder=False)
    assert entries["hop"] == SkippedPath("hop", LEADS_OUT, is_folder=False)
    with pytest.raises(LeadsOut):
        read_content(shelf, "notes.txt")


def test_a_link_within_the_library_is_followed(shelf: Path) -> None:
    """Also one that goes out on its way and comes back."""
    (shelf / "one.txt").symlink_to("in/talk.txt")
    (shelf / "two.txt").symlink_to(shelf / "one.txt")
    (shelf / "round.txt").symlink_to("../shelf/in/talk.txt")

    found = [entry.path for entry in walk(shelf, IgnoreRules()) if isinstance(entry, FoundFile)]

    assert found == ["in/talk.txt", "one.txt", "round.txt", "two.txt"]
    for path in found:
        assert read_content(shelf, path).raw == b"A talk."


def test_a_library_that_is_itself_a_link_is_read(shelf: Path) -> None:
    """The folder that somebody names may be reached over links."""
    (shelf.parent / "alias").symlink_to(shelf)
    alias = shelf.parent / "alias"

    assert [entry.path for entry in walk(alias, IgnoreRules())] == ["in/talk.txt"]
    assert read_content(alias, "in/talk.txt").raw == b"A talk."


def test_links_may_lead_where_a_setting_allows_it(shelf: Path) -> None:
    """Into the named folder, not beside it."""
    allowed = shelf.parent / "lectures"
    allowed.mkdir()
    (allowed / "first.txt").write_text("The first.")
    (shelf.parent / "lectures-of-others").mkdir()
    (shelf.parent / "lectures-of-others" / "theirs.txt").write_text("Theirs.")
    (shelf / "first.txt").symlink_to(allowed / "first.txt")
    (shelf / "theirs.txt").symlink_to(shelf.parent / "lectures-of-others" / "theirs.txt")

    entries = {entry.path: entry for entry in walk(shelf, IgnoreRules(), (allowed,))}

    assert isinstance(entries["first.txt"], FoundFile)
    assert isinstance(entries["theirs.txt"], SkippedPath)
    assert read_content(shelf, "first.txt", (allowed,)).raw == b"The first."
    with pytest.raises(LeadsOut):
        read_content(shelf, "theirs.txt", (allowed,))


def test_a_folder_that_has_become_a_link_since_the_walk_leads_nowhere(shelf: Path) -> None:
    """The opening decides, whatever was found before."""
    (shelf / "in").rename(shelf / "was")
    (shelf / "in").symlink_to("../outside")
    (shelf.parent / "outside" / "talk.txt").write_text(SECRET)

    with pytest.raises(LeadsOut):
        read_content(shelf, "in/talk.txt")


@contextmanager
def swapping(path: Path, one: str, other: str) -> Iterator[None]:
    """Another process turns a link back and forth as fast as it can."""
    code = (
        "import os, sys\n"
        "path, *ends = sys.argv[1:]\n"
        "print(flush=True)\n"
        "while True:\n"
        "    for end in ends:\n"
        "        os.symlink(end, path + '.new'); os.replace(path + '.new', path)\n"
    )
    command = [sys.executable, "-c", code, str(path), one, other]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def test_a_link_that_is_swapped_while_it_is_opened_shows_nothing_of_outside(shelf: Path) -> None:
    """In thousands of races the file inside is read or none."""
    (shelf / "folder").symlink_to("in")
    (shelf.parent / "outside" / "talk.txt").write_text(SECRET)
    opener = Reach(shelf).opener
    read = refused = 0

    with swapping(shelf / "folder", "in", "../outside"):
        while read < 200 or refused < 200:
            try:
                with open_regular(shelf / "folder" / "talk.txt", opener) as file:
                    assert file.read() == b"A talk."
                read += 1
            except OSError:
                refused += 1


@pytest.mark.parametrize("name", ["talk.txt", ".objlibignore", "other.txt.meta.toml"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, name: str) -> None:
    """A named pipe without a writer, and a socket."""
    os.mkfifo(tmp_path / name)
    with pytest.raises(NotRegular):
        open_regular(tmp_path / name)
    (tmp_path / name).unlink()
    here = Path.cwd()
    os.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        os.chdir(here)
        with pytest.raises(OSError):
            open_regular(tmp_path / name)


def test_a_pipe_in_place_of_rules_or_metadata_is_told_and_holds_nothing_up(
    workplace: Path, library: Path
) -> None:
    """A real scan ends, says which, and sends no folder whose rules it does not know."""
    (library / "kept back").mkdir()
    (library / "kept back" / "diary.txt").write_text("Dear diary.")
    os.mkfifo(library / "kept back" / ".objlibignore")
    (library / "loose.txt").write_text("Loose.")
    os.mkfifo(library / "loose.txt.meta.toml")
    (library / "device.txt").write_text("Device.")
    (library / "device.txt.meta.json").symlink_to("/dev/zero")

    done = subprocess.run(
        [sys.executable, "-m", "objlib", "scan", "--library", library, "--json"],
        cwd=workplace,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode in (0, 1), done.stderr
    assert "not a regular file" in done.stdout, done.stdout
    assert "device.txt.meta.json" in done.stdout


def test_what_a_link_out_would_have_sent_is_not_sent(
    cli: Cli, library: Path, workplace: Path, rows: Query
) -> None:
    """Neither the text nor, by a sidecar, the metadata; and the reason is told."""
    (workplace / "id_rsa").write_text(SECRET)
    (workplace / "other.toml").write_text('speaker = "PRIVATE KEY"')
    (library / "notes.txt").symlink_to("../id_rsa")
    (library / "plain.txt").write_text("Nothing but a plain text.")
    (library / "plain.txt.meta.toml").symlink_to(workplace / "other.toml")

    assert cli("scan", "--library", library).exit_code in (0, 1)
    assert cli("fsm-upload").exit_code == 0

    assert states(rows) == {"indexed": 7, "untracked": 1}
    reasons = {group["reason"] for group in cli("failures", "--json").json}
    assert LEADS_OUT in reasons
    assert "PRIVATE" not in cli("search", "PRIVATE KEY", "--json").out.replace("PRIVATE KEY", "", 1)
    assert "PRIVATE" not in str(rows("SELECT metadata_json FROM files"))


def test_a_document_of_a_link_out_stays_until_somebody_asks(
    cli: Cli, library: Path, workplace: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was indexed while links were allowed is neither deleted nor taken for missing."""
    (workplace / "id_rsa").write_text("Once it was allowed to read about zymurgy.")
    (library / "notes.txt").symlink_to("../id_rsa")
    monkeypatch.setenv("OBJLIB_FOLLOW_LINKS_TO", f'["{workplace}"]')
    cli("scan", "--library", library)
    assert cli("fsm-upload").exit_code == 0
    assert states(rows) == {"indexed": 7}
    monkeypatch.delenv("OBJLIB_FOLLOW_LINKS_TO")

    cli("sync", "--yes")

    assert states(rows) == {"indexed": 7}
    assert rows("SELECT is_deleted FROM files WHERE file_path = 'notes.txt'") == [(0,)]
    assert "zymurgy" in cli("search", "zymurgy").out
