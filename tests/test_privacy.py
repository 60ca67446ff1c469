"""Databases are for their owner alone."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from objlib.filestore import FileStore
from tests.conftest import Cli


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """As on most machines: everybody may read what is made."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> set[int]:
    """The modes of the files in a folder."""
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def mode(path: Path) -> int:
    """Its permissions."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_and_its_databases_are_private(
    cli: Cli, library: Path, workplace: Path
) -> None:
    """Catalog and embedded store, and what SQLite keeps beside them."""
    cli("scan", "--library", library)
    assert cli("fsm-upload").exit_code == 0
    assert (workplace / "data" / "filestore.db").exists()
    assert mode(workplace / "data") == 0o700
    assert modes(workplace / "data") == {0o600}


def test_databases_that_everybody_could_read_are_taken_from_them(
    cli: Cli, library: Path, workplace: Path
) -> None:
    """At the next opening, backups included."""
    cli("scan", "--library", library)
    cli("fsm-upload")
    data = workplace / "data"
    (data / "library.db.v12.bak").write_bytes(b"a backup")
    for path in (data, *data.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    cli("store-sync")
    assert mode(data) == 0o700
    assert modes(data) == {0o600}


def test_a_folder_with_other_things_keeps_its_mode(
    cli: Cli, library: Path, workplace: Path
) -> None:
    """Only the database in it is taken from others."""
    shared = workplace / "shared"
    shared.mkdir(mode=0o755)
    (shared / "notes.txt").write_text("Notes.")
    cli("--db", shared / "library.db", "scan", "--library", library)
    assert (mode(shared), mode(shared / "notes.txt")) == (0o755, 0o644)
    assert mode(shared / "library.db") == 0o600
    cli("--db", "here.db", "scan", "--library", library)
    assert mode(workplace / "here.db") == 0o600


def test_a_folder_that_is_shared_on_purpose_is_left_alone(
    cli: Cli, library: Path, workplace: Path
) -> None:
    """The set-group-ID bit says so."""
    shared = workplace / "group"
    shared.mkdir()
    shared.chmod(0o2770)
    cli("--db", shared / "library.db", "scan", "--library", library)
    assert mode(shared) == 0o2770
    assert mode(shared / "library.db") == 0o644


def test_a_database_of_another_program_is_not_touched(
    cli: Cli, library: Path, workplace: Path
) -> None:
    """Not even its mode."""
    with sqlite3.connect(workplace / "photos.db") as photos:
        photos.execute("CREATE TABLE photos (id INTEGER)")
    assert cli("--db", "photos.db", "scan", "--library", library).exit_code == 2
    assert mode(workplace / "photos.db") == 0o644


def test_a_store_that_is_opened_directly_is_private_too(tmp_path: Path) -> None:
    """Folder and file, made or found."""
    data = tmp_path / "made" / "filestore.db"
    FileStore.open(data).close()
    assert (mode(data.parent), mode(data)) == (0o700, 0o600)
    data.chmod(0o644)
    FileStore.open(data).close()
    assert mode(data) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_belongs_to_somebody_else_opens_and_is_left_alone(
    cli: Cli, library: Path, workplace: Path
) -> None:
    """A folder and databases of another user, on a disk that is shared."""
    cli("scan", "--library", library)
    assert cli("fsm-upload").exit_code == 0
    data = workplace / "data"
    for path in (data, *data.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.chown(path, 12345, 12345)
    assert cli("store-sync").exit_code == 0
    assert mode(data) == 0o755
    assert mode(data / "library.db") == mode(data / "filestore.db") == 0o644


def test_a_disk_without_modes_stops_nothing(
    cli: Cli, library: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mode that cannot be changed, as on FAT or a read-only mount, is left as it is."""
    cli("scan", "--library", library)
    data = workplace / "data"
    (data / "library.db").chmod(0o644)

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "chmod", refused)
    assert cli("status").exit_code == 0
    assert mode(data / "library.db") == 0o644
