"""What a scan must not miss: content under the same size and time, and files that went bad."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli

WEEK_1 = Path("Course") / "Year 1" / "Week 1 - On arches.txt"

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="change times as POSIX has them")


def rewritten(file: Path) -> None:
    """Write other content of the same size, and put the time back."""
    before = file.stat()
    file.write_bytes(file.read_bytes().swapcase())
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@POSIX
def test_a_file_rewritten_under_the_same_size_and_time_is_sent(cli: Cli, library: Path) -> None:
    """`sync` finds it by its change time, and replaces its document."""
    cli("sync", "--library", library, "--yes")
    rewritten(library / WEEK_1)

    outcome = cli("sync", "--yes", "--json")

    assert outcome.json["upload"]["indexed"] == 1
    assert cli("verify").exit_code == 0


def test_verify_names_a_hidden_change_and_what_mends_it(cli: Cli, library: Path) -> None:
    """Where no time tells, a look at the content does."""
    cli("sync", "--library", library, "--yes")
    rewritten(library / WEEK_1)

    outcome = cli("verify")

    assert f"changed on disk  {WEEK_1}" in outcome.out
    assert outcome.out.endswith("Next: objlib sync --checksum\n")
    assert cli("sync", "--checksum", "--yes", "--json").json["upload"]["indexed"] == 1
    assert "changed on disk" not in cli("verify").out


@POSIX
def test_a_file_that_goes_bad_is_reported_until_it_is_well(cli: Cli, library: Path) -> None:
    """Its last version stays searchable; `sync`, `status` and `failures` all say so."""
    cli("sync", "--library", library, "--yes")
    text = (library / WEEK_1).read_bytes()
    (library / WEEK_1).unlink()
    os.mkfifo(library / WEEK_1)

    for _ in range(2):
        outcome = cli("sync", "--yes")
        assert outcome.exit_code == 1
        assert "1  cannot be read any more" in outcome.out
        assert "holds exactly" not in outcome.out
        assert "1 file in the store in an older version" in outcome.out
    failures = cli("failures")
    assert failures.exit_code == 1
    assert str(WEEK_1) in failures.out
    assert "what the store had of it stays there" in failures.out
    assert "Cannot be read any more: 1 file" in cli("status").out
    assert str(WEEK_1) in cli("search", "arch").out
    assert f"cannot be read   {WEEK_1}" in cli("verify").out

    (library / WEEK_1).unlink()
    (library / WEEK_1).write_bytes(text)
    assert cli("sync", "--yes").exit_code == 0
    assert cli("failures").exit_code == 0
