"""A folder, a disk or a file that cannot be written: each command ends in one clear line."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Cli

ARCHES = "Course/Year 1/Week 1 - On arches.txt"
#: prctl(2) and capabilities(7): with these, root writes whatever the modes say.
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 24, 1, 2

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="modes and capabilities of Linux")


def _obey_modes() -> None:
    """Take from the process to come what lets root write everything."""
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)


def told(*arguments: str | Path) -> tuple[int, str]:
    """Exit code and standard error of a process to which modes mean something."""
    done = subprocess.run(
        [sys.executable, "-m", "objlib", *map(str, arguments)],
        capture_output=True,
        text=True,
        preexec_fn=_obey_modes,
    )
    return done.returncode, done.stderr


def assert_one_clear_line(code: int, err: str, *words: str, among: tuple[int, ...] = (2,)) -> None:
    """The last line says it, only the name of the store stands before it, and it is no bug."""
    lines = [line for line in err.splitlines() if not line.startswith("Store: ")]
    assert code in among, err
    assert len(lines) == 1, err
    assert lines[0].startswith("objlib: ")
    assert "bug" not in lines[0]
    assert any(word in lines[0] for word in words), lines[0]


@pytest.fixture
def data(cli: Cli, library: Path, workplace: Path) -> Iterator[Path]:
    """The data folder of a library that is in the store, and a file that is not yet."""
    assert cli("sync", "--library", library, "--yes").exit_code == 0
    (library / "Quinces.txt").write_text("Quinces ripen late.\n")
    yield workplace / "data"
    (workplace / "data").chmod(0o700)
    for path in (workplace / "data").iterdir():
        path.chmod(0o600)


READING = (("status",), ("failures",), ("history", ARCHES), ("metadata", ARCHES))
WORKING = (
    ("scan",),
    ("search", "arches"),
    ("ask", "arches"),
    ("verify",),
    ("store-sync",),
    ("store-sync", "--apply"),
    ("sync", "--dry-run"),
    ("sync", "--yes"),
    ("fsm-upload", "--dry-run"),
    ("fsm-upload",),
    ("recover",),
    ("recover", "--from-store"),
)


def test_a_read_only_folder_ends_every_command_in_one_line(data: Path) -> None:
    """Each names the catalog and says what to do."""
    for path in data.iterdir():
        path.chmod(0o400)
    data.chmod(0o500)
    for arguments in (*READING, *WORKING):
        assert_one_clear_line(*told(*arguments), "is read-only; make it and its folder writable")
    assert told("config", "show")[0] == 0


@pytest.mark.parametrize("command", [("status",), ("sync", "--yes")])
@pytest.mark.parametrize(
    ("folder", "file"), [(0o500, 0o600), (0o000, 0o600), (0o700, 0o000), (0o700, 0o400)]
)
def test_whatever_cannot_be_written_is_said(
    data: Path, command: tuple[str, ...], folder: int, file: int
) -> None:
    """The folder, the file, or both; a status may do without writing."""
    (data / "library.db").chmod(file)
    data.chmod(folder)
    code, err = told(*command)
    if code == 0:
        assert (command[0], file) == ("status", 0o400)
        return
    assert_one_clear_line(code, err, "read-only", "no permission", "Permission denied")


@pytest.mark.parametrize("mode", [0o400, 0o000])
def test_an_embedded_store_that_cannot_be_written_ends_the_run_at_once(
    data: Path, mode: int
) -> None:
    """It is not asked again and again: that would change nothing."""
    (data / "filestore.db").chmod(mode)
    code, err = told("sync", "--yes")
    assert_one_clear_line(code, err, "writable", "cannot be opened", among=(3,))
    assert told("search", "arches")[0] == (0 if mode else 3)


def test_nothing_can_be_made_in_a_read_only_folder(
    cli: Cli, library: Path, workplace: Path
) -> None:
    """Neither a catalog, nor settings, nor a server's data."""
    elsewhere = workplace / "elsewhere"
    elsewhere.mkdir(mode=0o500)
    db, where = elsewhere / "data" / "library.db", str(elsewhere)
    for arguments in (
        ("--db", db, "scan", "--library", library),
        ("--db", db, "sync", "--yes", "--library", library),
        ("--config", elsewhere / "objlib.toml", "init"),
        ("serve", "--port", "0", "--data", db),
        ("serve", "--port", "0", "--data", elsewhere / "served.db"),
    ):
        assert_one_clear_line(*told(*arguments), where)
    cli("scan", "--library", library)
    for option in ("--events", "--results"):
        assert_one_clear_line(*told("fsm-upload", option, elsewhere / "lines"), where)
    cli("sync", "--yes")
    assert_one_clear_line(*told("store-sync", "--report", elsewhere / "report"), where)


def test_a_library_that_cannot_be_written_is_as_good(cli: Cli, library: Path) -> None:
    """It is only ever read."""
    for path in (library, *library.rglob("*")):
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        assert told("sync", "--yes", "--library", library)[0] == 0
    finally:
        for path in (library, *library.rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)
