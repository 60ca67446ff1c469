"""The files that a scan takes, and the fingerprint that a watch goes by."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from objlib.library.selection import OWN, USUAL, Selection, fingerprint
from objlib.library.walk import LeftOut


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A library of one text."""
    root = tmp_path / "library"
    (root / "Course").mkdir(parents=True)
    (root / "Course" / "Arches.txt").write_text("Arches stand.\n")
    return root


def paths(root: Path, selection: Selection = USUAL, database: Path | None = None) -> list[str]:
    """The paths that are taken."""
    walked = selection.walk(root, database)
    return [entry.path for entry in walked if not isinstance(entry, LeftOut)]


@pytest.mark.parametrize("name", ["library.db", "catalog.sqlite", "odd [1]!#.cat", "#odd?*"])
@pytest.mark.parametrize("folder", ["", "data/"])
def test_a_catalog_in_the_library_is_no_file_of_it(root: Path, folder: str, name: str) -> None:
    """However it is called: the database, what SQLite keeps beside it, and its backups."""
    database = root / folder / name
    database.parent.mkdir(exist_ok=True)
    for ending in ("", "-wal", "-shm", "-journal", ".v9.bak"):
        (database.parent / (name + ending)).write_text("no text of the library\n")
    (database.parent / "filestore.db-wal").write_text("nor this\n")
    (database.parent / "notes.txt").write_text("a text of the library\n")

    assert paths(root, database=database) == sorted(["Course/Arches.txt", f"{folder}notes.txt"])


def test_what_the_process_writes_itself_is_left_out(root: Path) -> None:
    """By path or by descriptor, under each of its names; one that is not there yet is no matter."""
    (root / "events.jsonl").write_text("{}\n")
    (root / "log.txt").write_text("a line\n")
    (root / "link.txt").symlink_to("log.txt")
    log = os.open(root / "log.txt", os.O_RDONLY)
    try:
        selection = Selection(own=(root / "events.jsonl", root / "later.jsonl", log, 999_999))
        left_out = {e.path for e in selection.walk(root, None) if e == LeftOut(e.path, OWN)}
        assert left_out == {"events.jsonl", "log.txt", "link.txt"}
        assert paths(root, selection) == ["Course/Arches.txt"]
    finally:
        os.close(log)


def test_the_fingerprint_is_another_when_a_scan_would_find_a_change(root: Path) -> None:
    """And the same when only what a scan does not take has changed."""
    events, database = root / "events.jsonl", root / "data" / "library.db"
    selection = Selection(own=(events,))
    database.parent.mkdir()

    def seen() -> bytes:
        return fingerprint(selection.walk(root, database))

    first = seen()
    events.write_text("{}\n")
    database.write_text("a row\n")
    (root / "Course" / "~$rches.docx").write_text("a lock\n")
    (root / "Course" / "empty").mkdir()
    assert seen() == first
    (root / "Course" / "talk.swe").write_text("A talk.\n")
    second = seen()
    (root / "Course" / "Arches.txt").write_text("Arches hold.\n")
    third = seen()
    (root / "Course" / "Arches.txt.meta.toml").write_text('title = "Arches"\n')
    fourth = seen()
    (root / ".objlibignore").write_text("*.swe\n")
    fifth = seen()
    assert len({first, second, third, fourth, fifth}) == 5
    (root / "Course" / "Arches.txt").unlink()
    (root / "Course" / os.fsdecode(b"caf\xe9.txt")).write_text("no name\n")
    assert seen() not in {first, second, third, fourth, fifth}
