"""Files that cannot be read to their ends: a disk that fails, a lock, a program that writes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import pytest

from objlib.library import hashing, parts
from tests import disks
from tests.conftest import Cli, Query
from tests.formats.test_formats import epub_of

STORED = "SELECT file_path FROM files WHERE gemini_state = 'indexed' AND is_deleted = 0 ORDER BY 1"
LONG = "Arches stand because stones press.\n" * 2000
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="leases are of Linux")


@pytest.fixture
def shelf(workplace: Path) -> Path:
    """Three texts and a book."""
    root = workplace / "shelf"
    root.mkdir()
    for name in ("a.txt", "bad.txt", "z.txt"):
        (root / name).write_text(f"This is {name}.\n{LONG}")
    (root / "book.epub").write_bytes(epub_of())
    return root


def stored(rows: Query) -> list[str]:
    """Paths of the files that are in the store."""
    return [str(path) for (path,) in rows(STORED)]


def reasons(cli: Cli) -> dict[str, str]:
    """Path -> why it is not in the store, or not as it is."""
    return {
        path: group["reason"] for group in cli("failures", "--json").json for path in group["paths"]
    }


@pytest.mark.parametrize("error", disks.ERRORS)
@pytest.mark.parametrize("good_bytes", [0, 9000])
def test_a_scan_goes_on_where_a_file_cannot_be_read(
    cli: Cli,
    shelf: Path,
    rows: Query,
    monkeypatch: pytest.MonkeyPatch,
    error: int,
    good_bytes: int,
) -> None:
    """At its beginning or in the middle: one clear reason, the others are sent, and the next run
    takes it once its disk is well again."""
    with monkeypatch.context() as broken:
        disks.failing(broken, "bad.txt", error, good_bytes)
        assert cli("sync", "--library", shelf, "--yes").exit_code == 0
        assert stored(rows) == ["a.txt", "book.epub", "z.txt"]
        reason = reasons(cli)["bad.txt"]
        assert ("the disk" if error == errno.EIO else "the network drive") in reason
        assert "permissions" not in reason
    assert cli("sync", "--yes").exit_code == 0
    assert len(stored(rows)) == 4
    assert reasons(cli) == {}


@pytest.mark.parametrize("error", disks.ERRORS)
def test_an_older_version_stays_where_the_new_one_cannot_be_read(
    cli: Cli, shelf: Path, rows: Query, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """What fails is no proof of a change: the document is there, and the file is named."""
    cli("sync", "--library", shelf, "--yes")
    (shelf / "bad.txt").write_text(f"Another text.\n{LONG}")
    with monkeypatch.context() as broken:
        disks.failing(broken, "bad.txt", error, 9000)
        assert cli("sync", "--yes").exit_code == 1
        assert "bad.txt" in stored(rows)
        assert "bad.txt" in reasons(cli)
    assert cli("sync", "--yes").exit_code == 0
    assert reasons(cli) == {}


@pytest.mark.parametrize("error", disks.ERRORS)
@pytest.mark.parametrize("readings", [1, 2])
def test_an_upload_goes_on_where_a_file_cannot_be_read_any_more(
    cli: Cli,
    shelf: Path,
    rows: Query,
    monkeypatch: pytest.MonkeyPatch,
    error: int,
    readings: int,
) -> None:
    """Read for the scan, and not for the upload; or for both, and not while it is sent."""
    (shelf / "bad.txt").rename(shelf / "bad.pdf.txt")
    (shelf / "bad.pdf.txt").write_text(LONG * 20)  # too long to be held
    with monkeypatch.context() as broken:
        disks.failing(broken, "bad.pdf.txt", error, 9000, readings)
        outcome = cli("sync", "--library", shelf, "--yes")
        assert outcome.exit_code == 1, outcome.err
        assert stored(rows) == ["a.txt", "book.epub", "z.txt"]
        why = reasons(cli)["bad.pdf.txt"]
        assert os.strerror(error).lower() in why.lower()
        assert "bug" not in outcome.err + why
        assert "scan again" in why
        assert cli("failures", "--json").json[0]["kind"] in ("unread", "transient")
    assert cli("sync", "--yes").exit_code == 0
    assert len(stored(rows)) == 4


def test_a_text_in_parts_is_named_once(
    cli: Cli, shelf: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its parts begin cannot be told; those that are in the store stay."""
    monkeypatch.setattr(parts, "WHOLE_BYTES_MAX", 80_000)
    monkeypatch.setattr(parts, "WINDOW_BYTES", 50_000)
    (shelf / "bad.txt").write_text(LONG * 3)
    cli("sync", "--library", shelf, "--yes")
    before = stored(rows)
    assert len(before) > 5
    with monkeypatch.context() as broken:
        disks.failing(broken, "bad.txt", errno.EIO, 20_000)
        (shelf / "bad.txt").touch()
        assert cli("sync", "--yes").exit_code == 1
        assert stored(rows) == before
        assert any("the disk" in reason for reason in reasons(cli).values())
    assert cli("sync", "--yes").exit_code == 0
    assert stored(rows) == before


@LINUX
def test_a_file_that_another_program_holds_is_told_as_such(
    cli: Cli, shelf: Path, rows: Query
) -> None:
    """A real lease of the system, in the way of every reader: nobody waits for its end."""
    with disks.held(shelf / "bad.txt"):
        assert cli("sync", "--library", shelf, "--yes").exit_code == 0
        assert "bad.txt" not in stored(rows)
        assert "another program" in reasons(cli)["bad.txt"]
    assert cli("sync", "--yes").exit_code == 0
    assert "bad.txt" in stored(rows)


@pytest.fixture
def growing(shelf: Path) -> Iterator[Path]:
    """A file that a program appends to, faster than anybody can hash it."""
    path = shelf / "bad.txt"
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\nwith open(sys.argv[1], 'ab', 0) as f:\n"
            " print('x', flush=True)\n"
            " while f.tell() < 3e8: f.write(b'A line about arches.\\n' * 1000)",
            path,
        ],
        stdout=subprocess.PIPE,
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    yield path
    writer.kill()
    writer.wait()
    writer.stdout.close()


def test_a_file_that_grows_is_left_for_the_next_run(
    cli: Cli, shelf: Path, rows: Query, growing: Path
) -> None:
    """Neither sent as a half nor waited for; all others are in the store."""
    cli("sync", "--library", shelf, "--yes")
    assert {"a.txt", "book.epub", "z.txt"} <= set(stored(rows))


def test_no_more_of_a_growing_file_is_read_than_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a program that writes faster than SHA-256 would keep a scan for ever."""
    path = tmp_path / "log.txt"
    path.write_bytes(b"x" * 100_000)
    read = 0

    class Fed(FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal read
            with path.open("ab") as file:
                file.write(b"x" * hashing._PIECE_BYTES)
            content = super().read(-1 if size is None else size) or b""
            read += len(content)
            assert read < 10 * hashing._PIECE_BYTES, "it goes on for ever"
            return content

    monkeypatch.setattr(hashing, "FileIO", Fed)
    with pytest.raises(hashing.FileChanged):
        hashing.sha256_file(path)
