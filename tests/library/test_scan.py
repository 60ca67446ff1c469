"""Scanning: real folders, a real catalog, and what the one says about the other."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import audit_trail, files_by_path
from objlib.catalog.records import FileRecord
from objlib.errors import ConfigurationError, LibraryGone
from objlib.library import hashing, selection
from objlib.library import scan as scan_module
from objlib.library.metadata import DEFAULT_TEMPLATES
from objlib.library.mime import MAX_DOCUMENT_BYTES
from objlib.library.scan import scan_library
from objlib.library.scan_report import ScanReport
from objlib.states import IN_FLIGHT, State
from objlib.upload.state import AsyncUploadStateManager
from tests.catalog.catalogs import (
    NOBODY,
    bring_to,
    existing,
    legacy_catalog,
    rows_of,
    session,
    somebody_without_rights,
    use,
)

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="file modes as POSIX has them")

AT_REST = [state for state in State if state not in IN_FLIGHT]


class Shelf:
    """A library on disk and its catalog beside it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "library"
        self.root.mkdir()
        self.db = folder / "library.db"
        self._mtimes = count(1_600_000_000)

    def write(self, path: str, content: str | None = None) -> Path:
        """A file with a text of its own, and a modification time no file has had before."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"The text of {path}." if content is None else content)
        self.touch(path)
        return file

    def touch(self, path: str) -> None:
        moment = next(self._mtimes)
        os.utime(self.root / path, (moment, moment))

    def move(self, old: str, new: str) -> None:
        (self.root / new).parent.mkdir(parents=True, exist_ok=True)
        (self.root / old).rename(self.root / new)

    def scan(self, **options: Any) -> dict[str, Any]:
        """Scan; what there was to report, without the zeros."""

        async def story(catalog: Catalog) -> ScanReport:
            options.setdefault("lifecycle", AsyncUploadStateManager(catalog))
            return await scan_library(
                catalog, self.root, templates=DEFAULT_TEMPLATES, workers=2, **options
            )

        return {name: value for name, value in asdict(use(self.db, story)).items() if value}

    def bring(self, path: str, state: State, document: str | None = None) -> FileRecord:
        return use(self.db, lambda c: bring_to(c, path, state, document=document))

    def fail(self, path: str) -> FileRecord | None:
        """Let a row fail that is in flight."""

        async def story(catalog: Catalog) -> FileRecord | None:
            row = await existing(catalog, path)
            manager = AsyncUploadStateManager(catalog)
            return await manager.fail(row, reason="no", transient=False, document_name=None)

        return use(self.db, story)

    def row(self, path: str) -> FileRecord:
        return use(self.db, lambda catalog: existing(catalog, path))

    def paths(self, *, deleted: bool = False) -> list[str]:
        """The paths of rows that are there (or those that are gone)."""
        return [path for path, gone in rows_of(self.db, "file_path, is_deleted") if gone == deleted]

    def reason(self, path: str) -> str:
        reason = self.row(path).skip_reason
        assert reason is not None
        return reason


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """An empty library."""
    return Shelf(tmp_path)


# What is there


def test_a_new_file_is_recorded_with_all_that_is_known_of_it(shelf: Shelf) -> None:
    """Size, time, inode, type, hash and the metadata its path speaks of; waiting to be uploaded."""
    file = shelf.write("Logic/Year 1/Week 2 - A is A.md", "# A is A\n")
    status = file.stat()

    assert shelf.scan() == {"found": 1, "new": 1}

    row = shelf.row("Logic/Year 1/Week 2 - A is A.md")
    assert (row.file_size, row.mtime, row.inode, row.device) == (
        9,
        status.st_mtime,
        status.st_ino,
        status.st_dev,
    )
    assert row.filename == "Week 2 - A is A.md"
    assert row.mime_type == "text/markdown"
    assert row.content_hash == hashlib.sha256(b"# A is A\n").hexdigest()
    assert row.metadata == {"course": "Logic", "year": 1, "week": 2, "title": "A is A"}
    assert (row.gemini_state, row.version, row.skip_reason) == (State.UNTRACKED, 0, None)


def test_a_second_scan_reads_no_file(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has the same size, time and inode is unchanged without a look inside."""
    for path in ("a.txt", "b/c.txt", "film.mp4"):
        shelf.write(path)
    assert shelf.scan() == {"found": 3, "new": 2, "skipped": 1}
    before = rows_of(shelf.db)
    monkeypatch.setattr(hashing, "look_into", lambda path, *_: pytest.fail(path))

    assert shelf.scan() == {"found": 3, "unchanged": 3, "skipped": 1}
    assert rows_of(shelf.db) == before


@pytest.mark.parametrize("state", State)
def test_a_touched_file_with_equal_content_keeps_its_life(shelf: Shelf, state: State) -> None:
    """A new time is noted, and that is all; in flight not even that."""
    shelf.write("a.txt")
    shelf.scan()
    before = shelf.bring("a.txt", state)
    shelf.touch("a.txt")

    report = shelf.scan()

    if state in IN_FLIGHT:
        assert report == {"found": 1, "in_flight": 1}
        assert shelf.row("a.txt") == before
    else:
        assert report == {"found": 1, "unchanged": 1}
        assert shelf.row("a.txt") == replace(before, mtime=(shelf.root / "a.txt").stat().st_mtime)
        assert shelf.scan() == {"found": 1, "unchanged": 1}


@pytest.mark.parametrize("state", AT_REST)
def test_a_changed_file_waits_to_be_uploaded_again(shelf: Shelf, state: State) -> None:
    """From whatever state it comes; the old document of an indexed one is kept as superseded."""
    shelf.write("a.txt", "old")
    shelf.scan()
    before = shelf.bring("a.txt", state)
    shelf.write("a.txt", "new")

    assert shelf.scan() == {"found": 1, "changed": 1}

    row = shelf.row("a.txt")
    assert row.gemini_state is State.UNTRACKED
    assert row.content_hash == hashlib.sha256(b"new").hexdigest()
    assert row.version == before.version + (state is not State.UNTRACKED)
    assert row.gemini_store_doc_id is None
    indexed = state is State.INDEXED
    assert row.superseded_doc_id == ("documents/a.txt" if indexed else None)


@pytest.mark.parametrize("state", IN_FLIGHT)
def test_a_file_that_changes_while_it_is_uploaded_is_left_for_the_next_scan(
    shelf: Shelf, state: State
) -> None:
    """The attempt goes on with what it read; once it is at rest, the change is seen."""
    shelf.write("a.txt", "old")
    shelf.scan()
    before = shelf.bring("a.txt", state)
    shelf.write("a.txt", "new")

    assert shelf.scan() == {"found": 1, "in_flight": 1}
    assert shelf.row("a.txt") == before

    use(shelf.db, lambda c: AsyncUploadStateManager(c).release(before, reason="drained"))
    assert shelf.scan() == {"found": 1, "changed": 1}


def test_a_row_that_another_run_moves_meanwhile_does_not_stop_the_scan(shelf: Shelf) -> None:
    """The race is lost, the file is in other hands, and the rest of the library is scanned."""
    for path in ("a.txt", "b.txt"):
        shelf.write(path, "old")
    shelf.scan()
    for path in ("a.txt", "b.txt"):
        shelf.bring(path, State.INDEXED)
        shelf.write(path, "new")

    class Rival:
        """Somebody else is faster at one file."""

        def __init__(self, catalog: Catalog) -> None:
            self.manager = AsyncUploadStateManager(catalog)

        async def invalidate(self, record: FileRecord, *, reason: str) -> FileRecord | None:
            if record.file_path == "a.txt":
                await self.manager.invalidate(record, reason="forced")
            return await self.manager.invalidate(record, reason=reason)

        async def retry(self, record: FileRecord, *, reason: str) -> FileRecord | None:
            return await self.manager.retry(record, reason=reason)

    async def story(catalog: Catalog) -> ScanReport:
        return await scan_library(catalog, shelf.root, templates=(), lifecycle=Rival(catalog))

    report = use(shelf.db, story)

    assert (report.in_flight, report.changed) == (1, 1)
    assert shelf.row("a.txt").superseded_doc_id == "documents/a.txt"


# What is no longer there


@pytest.mark.parametrize("state", State)
def test_a_missing_file_is_marked_and_nothing_else(shelf: Shelf, state: State) -> None:
    """Its document is the business of store-sync; the row keeps state and version."""
    shelf.write("a.txt")
    shelf.write("b.txt")
    shelf.scan()
    before = shelf.bring("a.txt", state)
    (shelf.root / "a.txt").unlink()

    assert shelf.scan() == {"found": 1, "unchanged": 1, "missing": 1}
    assert shelf.row("a.txt") == replace(before, is_deleted=True)
    assert shelf.scan() == {"found": 1, "unchanged": 1}


@pytest.mark.parametrize("content", ["old", "new"])
def test_a_file_that_is_back_is_restored(shelf: Shelf, content: str) -> None:
    """With its old content it is what it was; with another it waits to be uploaded."""
    shelf.write("a.txt", "old")
    shelf.write("b.txt")
    shelf.scan()
    before = shelf.bring("a.txt", State.INDEXED)
    (shelf.root / "a.txt").unlink()
    shelf.scan()
    shelf.write("a.txt", content)

    assert shelf.scan() == {"found": 2, "unchanged": 1, "restored": 1}

    row = shelf.row("a.txt")
    assert not row.is_deleted
    is_same = content == "old"
    assert row.gemini_state is (State.INDEXED if is_same else State.UNTRACKED)
    assert row.version == before.version + (not is_same)


@pytest.mark.parametrize("state", AT_REST)
def test_a_moved_file_keeps_row_document_and_history(shelf: Shelf, state: State) -> None:
    """Path, name and what the path says are new; nothing is uploaded again."""
    shelf.write("Logic/a.txt")
    shelf.scan()
    before = shelf.bring("Logic/a.txt", state)
    shelf.move("Logic/a.txt", "Ethics/Week 3 - b.txt")

    report = shelf.scan()

    assert report == {"found": 1, "moved": [("Logic/a.txt", "Ethics/Week 3 - b.txt")]}
    row = shelf.row("Ethics/Week 3 - b.txt")
    assert row == replace(
        before,
        file_path="Ethics/Week 3 - b.txt",
        filename="Week 3 - b.txt",
        metadata_json='{"course": "Ethics", "title": "b", "week": 3}',
    )
    assert shelf.paths() == ["Ethics/Week 3 - b.txt"]
    assert shelf.paths(deleted=True) == []
    trail = use(shelf.db, lambda c: audit_trail(c, "Ethics/Week 3 - b.txt"))
    assert len(trail) == before.version + 1
    assert trail[-1].reason == "moved from Logic/a.txt"


@pytest.mark.parametrize("state", IN_FLIGHT)
def test_a_file_that_moves_while_it_is_uploaded_is_two_files_for_now(
    shelf: Shelf, state: State
) -> None:
    """The attempt keeps its row; the new path is a new file."""
    shelf.write("a.txt")
    shelf.scan()
    before = shelf.bring("a.txt", state)
    shelf.move("a.txt", "b.txt")

    assert shelf.scan() == {"found": 1, "new": 1, "missing": 1}
    assert shelf.row("a.txt") == replace(before, is_deleted=True)


def test_a_renamed_folder_keeps_every_document(shelf: Shelf) -> None:
    """Also where files in it have equal contents."""
    paths = [f"old/{name}.txt" for name in "abcd"]
    for path in paths:
        shelf.write(path, "the same" if path < "old/c" else None)
    shelf.scan()
    for path in paths:
        shelf.bring(path, State.INDEXED)
    (shelf.root / "old").rename(shelf.root / "new")

    report = shelf.scan()

    assert report == {"found": 4, "moved": [(p, p.replace("old", "new")) for p in paths]}
    assert rows_of(shelf.db, "file_path, gemini_store_doc_id, gemini_state") == [
        (path.replace("old", "new"), f"documents/{path}", "indexed") for path in paths
    ]


def test_a_file_that_moved_and_changed_is_another_file(shelf: Shelf) -> None:
    """Content decides: nothing ties the new text to the old document."""
    shelf.write("a.txt", "old")
    shelf.scan()
    shelf.bring("a.txt", State.INDEXED)
    shelf.move("a.txt", "b.txt")
    shelf.write("b.txt", "new")

    assert shelf.scan() == {"found": 1, "new": 1, "missing": 1}


def test_two_files_that_swap_names_are_two_changed_files(shelf: Shelf) -> None:
    """Each row follows its path, so both documents are replaced and none is mistaken."""
    shelf.write("a.txt", "one")
    shelf.write("b.txt", "two")
    shelf.scan()
    for path in ("a.txt", "b.txt"):
        shelf.bring(path, State.INDEXED)
    shelf.move("a.txt", "c")
    shelf.move("b.txt", "a.txt")
    shelf.move("c", "b.txt")

    assert shelf.scan() == {"found": 2, "changed": 2}

    rows = rows_of(shelf.db, "file_path, content_hash, gemini_state, superseded_doc_id")
    assert rows == [
        ("a.txt", hashlib.sha256(b"two").hexdigest(), "untracked", "documents/a.txt"),
        ("b.txt", hashlib.sha256(b"one").hexdigest(), "untracked", "documents/b.txt"),
    ]


def test_an_earlier_catalog_goes_over_to_relative_paths_and_keeps_its_documents(
    tmp_path: Path,
) -> None:
    """Absolute paths that are gone are found again by their content."""
    db = legacy_catalog(tmp_path)
    shelf = Shelf(tmp_path)
    shelf.write("a.txt", "a text of old")
    digest = hashlib.sha256(b"a text of old").hexdigest()
    with session(db) as plain:
        plain.execute("UPDATE files SET content_hash = ? WHERE file_size = 7", (digest,))

    report = shelf.scan()

    assert report["moved"] == [("/old/library/0007.txt", "a.txt")]
    row = shelf.row("a.txt")
    assert (row.gemini_state, row.gemini_store_doc_id) == (State.INDEXED, "documents/7")


@pytest.mark.parametrize("number", [6, 7])
def test_the_documents_of_an_earlier_catalog_stay_described_as_they_are(
    tmp_path: Path, number: int
) -> None:
    """What a row says of such a document is kept when its file moves or is looked at again; a row
    that says nothing is given what the path says."""
    db = legacy_catalog(tmp_path)
    shelf = Shelf(tmp_path)
    shelf.write("a.txt", "a text of old")
    digest = hashlib.sha256(b"a text of old").hexdigest()
    with session(db) as plain:
        plain.execute("UPDATE files SET content_hash = ? WHERE file_size = ?", (digest, number))
    said = {"course": "Logic"} if number == 6 else {"title": "a"}

    assert len(shelf.scan()["moved"]) == 1
    assert shelf.row("a.txt").metadata == said

    shelf.touch("a.txt")
    assert "changed" not in shelf.scan()
    row = shelf.row("a.txt")
    assert (row.gemini_state, row.metadata) == (State.INDEXED, said)


# Libraries that are not there


def test_a_missing_library_is_not_a_deleted_one(shelf: Shelf) -> None:
    """No folder, no scan, no mark on any row."""
    shelf.write("a.txt")
    shelf.scan()
    shelf.root.rename(shelf.root.with_name("elsewhere"))

    with pytest.raises(ConfigurationError, match="is not a folder"):
        shelf.scan()
    shelf.root.write_text("a file")
    with pytest.raises(ConfigurationError, match="is not a folder"):
        shelf.scan()
    assert shelf.paths() == ["a.txt"]


def test_an_empty_library_is_not_a_deleted_one(shelf: Shelf) -> None:
    """An unmounted disk leaves an empty folder; nothing is marked missing."""
    shelf.write("a.txt")
    shelf.scan()
    before = rows_of(shelf.db)
    (shelf.root / "a.txt").unlink()
    (shelf.root / "mount point").mkdir()

    with pytest.raises(ConfigurationError, match=r"knows 1 files .*disk mounted"):
        shelf.scan()
    assert rows_of(shelf.db) == before


def test_an_empty_library_nobody_has_seen_is_a_question(shelf: Shelf) -> None:
    """Scanning the wrong folder is more likely than owning an empty library."""
    with pytest.raises(ConfigurationError, match="right folder"):
        shelf.scan()
    assert shelf.paths() == []


@pytest.fixture
def open_shelf() -> Iterator[Shelf]:
    """A library that somebody without rights may scan; its modes are put back for the removal."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        shelf = Shelf(Path(folder))
        shelf.write("a.txt")
        shelf.write("closed/b.txt")
        shelf.write("closed/deep/c.txt")
        shelf.scan()
        if os.geteuid() == 0:
            os.chown(shelf.db, NOBODY, -1)
        yield shelf
        (shelf.root / "closed").chmod(0o755)


@POSIX
@pytest.mark.parametrize("mode", [0o000, 0o444, 0o111], ids=oct)
def test_a_folder_that_cannot_be_read_protects_its_rows(open_shelf: Shelf, mode: int) -> None:
    """What cannot be looked at is neither missing nor changed, whichever right is lacking."""
    shelf = open_shelf
    before = shelf.bring("closed/b.txt", State.INDEXED)
    closed = shelf.root / "closed"
    closed.chmod(mode)

    with somebody_without_rights():
        report = shelf.scan()

    assert "missing" not in report
    assert "changed" not in report
    assert shelf.row("closed/b.txt") == before
    assert {"closed/b.txt", "closed/deep/c.txt"} <= set(shelf.paths())
    closed.chmod(0o755)
    shelf.scan()
    assert shelf.row("closed/b.txt") == before
    assert shelf.paths() == ["a.txt", "closed/b.txt", "closed/deep/c.txt"]


@POSIX
def test_a_folder_that_cannot_be_read_is_recorded_until_it_can(open_shelf: Shelf) -> None:
    """It is a row with its reason, which goes when the folder opens."""
    shelf = open_shelf
    closed = shelf.root / "closed"
    closed.chmod(0o000)
    with somebody_without_rights():
        assert shelf.scan() == {"found": 1, "unchanged": 1, "skipped": 1, "unread": 2}
        assert "permission denied" in shelf.reason("closed/")
    closed.chmod(0o755)

    shelf.scan()

    assert "closed/" not in shelf.paths()


@POSIX
@pytest.mark.parametrize("state", [State.UNTRACKED, State.INDEXED])
def test_a_file_that_may_not_be_read_is_taken_up_once_it_may(
    open_shelf: Shelf, state: State
) -> None:
    """Giving permission changes neither size nor time, and is noticed all the same."""
    shelf = open_shelf
    before = shelf.bring("a.txt", state)
    file = shelf.root / "a.txt"
    file.chmod(0o000)
    shelf.touch("a.txt")
    with somebody_without_rights():
        report = shelf.scan()
        if state is State.INDEXED:
            assert report["unread"] == 1
            assert shelf.row("a.txt") == replace(before, mtime=None)
        else:
            assert "permission denied" in shelf.reason("a.txt")
    file.chmod(0o644)

    shelf.scan()

    assert shelf.row("a.txt") == replace(before, mtime=file.stat().st_mtime)


@POSIX
def test_other_content_under_the_same_size_and_time_is_found(shelf: Shelf) -> None:
    """A program may set the time back, but not the change time."""
    file = shelf.write("a.txt", "The bees.")
    shelf.scan()
    shelf.bring("a.txt", State.INDEXED)
    moment = file.stat().st_mtime_ns

    file.write_text("The cows.")
    os.utime(file, ns=(moment, moment))

    assert shelf.scan() == {"found": 1, "changed": 1}
    assert shelf.row("a.txt").gemini_state is State.UNTRACKED


@POSIX
@pytest.mark.parametrize("touch", ["chmod", "rename", "link"])
def test_what_changes_the_change_time_alone_is_read_once(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, touch: str
) -> None:
    """A mode, a name, another link: the content is hashed, and nothing is uploaded."""
    file = shelf.write("a.txt")
    shelf.scan()
    before = shelf.bring("a.txt", State.INDEXED)
    match touch:
        case "chmod":
            file.chmod(0o600)
        case "rename":
            file.rename(file.with_name("b.txt")).rename(file)
        case "link":
            os.link(file, file.with_name(".hidden"))
            file.with_name(".hidden").unlink()

    assert shelf.scan() == {"found": 1, "unchanged": 1}
    assert shelf.row("a.txt") == before
    monkeypatch.setattr(hashing, "look_into", lambda path, *_: pytest.fail(path))
    assert shelf.scan() == {"found": 1, "unchanged": 1}


def test_where_no_change_time_helps_everything_can_be_hashed(shelf: Shelf) -> None:
    """With `checksum` neither size nor times are believed."""
    file = shelf.write("a.txt", "The bees.")
    shelf.scan()
    shelf.bring("a.txt", State.INDEXED)
    moment = file.stat().st_mtime_ns
    file.write_text("The cows.")
    os.utime(file, ns=(moment, moment))
    with session(shelf.db) as catalog:  # as on a disk that has none
        catalog.execute("UPDATE files SET ctime = ?", (file.stat().st_ctime_ns,))

    assert shelf.scan() == {"found": 1, "unchanged": 1}
    assert shelf.scan(checksum=True) == {"found": 1, "changed": 1}


def test_the_first_scan_of_an_older_catalog_reads_no_file(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change time that was never recorded is taken as it is now; from then on it counts."""
    file = shelf.write("a.txt")
    shelf.scan()
    with session(shelf.db) as catalog:
        catalog.execute("UPDATE files SET ctime = NULL")
    with monkeypatch.context() as patched:
        patched.setattr(hashing, "look_into", lambda path, *_: pytest.fail(path))
        assert shelf.scan() == {"found": 1, "unchanged": 1}

    assert rows_of(shelf.db, "ctime") == [(file.stat().st_ctime_ns,)]


def test_a_file_that_was_just_written_is_read_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second change within one tick of the clock leaves no trace, so its time is not believed."""
    monkeypatch.setattr(hashing, "TICK_NS", 3600 * 10**9)
    shelf.write("a.txt")
    shelf.scan()
    assert rows_of(shelf.db, "ctime") == [(-1,)]

    monkeypatch.setattr(hashing, "TICK_NS", 0)
    shelf.scan()
    assert rows_of(shelf.db, "ctime") != [(-1,)]


@pytest.mark.parametrize("superseding", [False, True])
def test_a_file_that_can_no_longer_be_read_is_reported_and_stays(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, superseding: bool
) -> None:
    """Its document is kept in its old version, also where a newer one was waiting to go up."""
    shelf.write("a.txt")
    shelf.scan()
    shelf.bring("a.txt", State.INDEXED)
    if superseding:
        shelf.write("a.txt", "newer")
        shelf.scan()
    before = shelf.row("a.txt")
    shelf.touch("a.txt")
    with monkeypatch.context() as patched:
        patched.setattr(hashing, "look_into", _input_output_error)
        for _ in range(2):
            assert shelf.scan() == {"found": 1, "unread": 1}
    assert shelf.row("a.txt") == replace(before, mtime=None)
    (problem,) = rows_of(shelf.db, "read_problem")
    assert "input/output error" in problem[0]

    shelf.scan()
    assert rows_of(shelf.db, "read_problem") == [(None,)]


def _input_output_error(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_disk_that_goes_during_the_scan_takes_no_file_with_it(shelf: Shelf) -> None:
    """What another folder in its place does not hold is not missing; it comes back as it was."""
    for number in range(200):
        shelf.write(f"a/{number}.txt")
    shelf.write("b/last.txt")
    shelf.scan()
    for number in range(200):
        shelf.touch(f"a/{number}.txt")
    away = shelf.root.with_name("away")

    def unplug(_report: ScanReport) -> None:
        if not away.exists():
            shelf.root.rename(away)
            shelf.root.mkdir()

    with pytest.raises(LibraryGone, match="is its disk mounted"):
        shelf.scan(on_progress=unplug)

    assert not shelf.paths(deleted=True)
    shelf.root.rmdir()
    away.rename(shelf.root)
    assert shelf.scan() == {"found": 201, "unchanged": 201}


# What cannot be uploaded


def test_files_that_cannot_be_uploaded_are_rows_with_their_reasons(shelf: Shelf) -> None:
    """Too large, empty, of the wrong kind or lying about it: nothing is dropped in silence."""
    shelf.write("empty.txt", "")
    with shelf.write("huge.csv", "1,2,3\n" * 2_000).open("r+b") as file:
        file.truncate(MAX_DOCUMENT_BYTES + 1)
    shelf.write("film.mp4")
    shelf.write("lie.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)))
    shelf.write("lie.pdf", "no PDF at all")
    shelf.write("noise.txt").write_bytes(bytes(range(256)) * 40)

    assert shelf.scan() == {"found": 6, "skipped": 6}

    assert shelf.reason("empty.txt") == "the file is empty"
    assert "100 MB" in shelf.reason("huge.csv")
    assert "a video" in shelf.reason("film.mp4")
    assert "an image, whatever its name .txt says" in shelf.reason("lie.txt")
    assert "does not begin like one" in shelf.reason("lie.pdf")
    assert "binary data" in shelf.reason("noise.txt")
    assert {row[0] for row in rows_of(shelf.db, "content_hash")} == {None}


def test_a_file_of_just_the_size_is_uploaded(shelf: Shelf) -> None:
    """A hundred megabytes are allowed, one byte more is not."""
    with shelf.write("a.pdf", "%PDF-1.7").open("r+b") as file:
        file.truncate(MAX_DOCUMENT_BYTES)

    assert shelf.scan() == {"found": 1, "new": 1}


@pytest.mark.parametrize("state", AT_REST)
def test_a_file_that_becomes_unfit_is_no_longer_uploaded(shelf: Shelf, state: State) -> None:
    """Its row says why, its old document is kept as superseded, and back again it is a change."""
    shelf.write("a.txt", "a text")
    shelf.scan()
    shelf.bring("a.txt", state)
    shelf.write("a.txt", "")

    assert shelf.scan() == {"found": 1, "changed": 1, "skipped": 1}
    row = shelf.row("a.txt")
    assert (row.gemini_state, row.skip_reason) == (State.UNTRACKED, "the file is empty")

    shelf.write("a.txt", "a text")
    assert shelf.scan() == {"found": 1, "changed": 1}
    assert shelf.row("a.txt").skip_reason is None


# Names


ODD_NAMES = [
    "'; DROP TABLE files; --.txt", '"quoted".txt', " leading and trailing ", "two\nlines.txt",
    "tab\t.txt", "%_*?[].txt", "\\back.txt", "שלום.txt", "\u202eltr.txt", "e\u0301.txt", "é.txt",
    "𝄞.txt", "n" * 251 + ".txt", "ü" * 125 + ".txt", "-rf.txt", "~.txt",
]  # fmt: skip


@POSIX
def test_odd_names_are_names_like_any_other(shelf: Shelf) -> None:
    """Quotes, newlines, spaces, right-to-left and 255 bytes go through scan, state and move."""
    for name in ODD_NAMES:
        shelf.write(f"odd/{name}")

    assert shelf.scan() == {"found": len(ODD_NAMES), "new": len(ODD_NAMES)}
    assert shelf.paths() == sorted(f"odd/{name}" for name in ODD_NAMES)
    assert shelf.scan() == {"found": len(ODD_NAMES), "unchanged": len(ODD_NAMES)}
    for name in ODD_NAMES:
        shelf.bring(f"odd/{name}", State.INDEXED)
    (shelf.root / "odd").rename(shelf.root / "O'Brien")
    report = shelf.scan()
    assert len(report["moved"]) == len(ODD_NAMES)
    rows = rows_of(shelf.db, "file_path, gemini_store_doc_id, is_deleted")
    assert rows == [(f"O'Brien/{n}", f"documents/odd/{n}", 0) for n in sorted(ODD_NAMES)]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such names cannot be made")
def test_names_that_are_no_utf_8_are_recorded(shelf: Shelf) -> None:
    """They cannot be named to the API, so they are rows with a reason, scan after scan."""
    shelf.write("good.txt")
    for name in (b"caf\xe9.txt", b"\xff"):
        Path(os.fsdecode(os.fsencode(shelf.root) + b"/" + name)).write_text("text")

    assert shelf.scan() == {"found": 1, "new": 1, "skipped": 2}
    assert shelf.paths() == ["\\xff", "caf\\xe9.txt", "good.txt"]
    assert "not valid UTF-8" in shelf.reason("caf\\xe9.txt")
    assert shelf.scan()["skipped"] == 2
    assert len(shelf.paths()) == 3


def test_ignored_files_are_not_in_the_catalog(shelf: Shelf) -> None:
    """A rule that comes later takes a file out, and its going brings the file back."""
    for path in ("keep.txt", "drafts/a.txt", "b.tmp"):
        shelf.write(path)
    shelf.write(".objlibignore", "*.tmp\n")
    assert shelf.scan() == {"found": 2, "new": 2}
    shelf.bring("drafts/a.txt", State.INDEXED)

    shelf.write(".objlibignore", "*.tmp\ndrafts/\n")
    assert shelf.scan() == {"found": 1, "unchanged": 1, "missing": 1}
    assert shelf.paths(deleted=True) == ["drafts/a.txt"]

    (shelf.root / ".objlibignore").unlink()
    assert shelf.scan() == {"found": 3, "unchanged": 1, "restored": 1, "new": 1}
    assert shelf.row("drafts/a.txt").gemini_state is State.INDEXED


# While somebody is at work


def vanish(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, when: str, path: str) -> None:
    """Take a file away after it was listed: before the next folder's, or before it is read."""
    module = selection if when == "walk" else hashing
    real: Any = getattr(module, when)

    def walk(*arguments: Any) -> Iterator[object]:
        yield from real(*arguments)
        (shelf.root / path).unlink(missing_ok=True)

    def look_into(*arguments: Any) -> object:
        (shelf.root / path).unlink(missing_ok=True)
        return real(*arguments)

    monkeypatch.setattr(module, when, {"walk": walk, "look_into": look_into}[when])


@pytest.mark.parametrize("when", ["walk", "look_into"])
def test_a_new_file_that_vanishes_during_the_scan_was_never_there(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Listed, then gone: no row, no reason, no count."""
    shelf.write("a.txt")
    shelf.write("b.txt")
    shelf.scan()
    shelf.write("c.txt")
    vanish(shelf, monkeypatch, when, "c.txt")

    assert shelf.scan() == {"found": 2, "unchanged": 2}
    assert rows_of(shelf.db, "file_path, is_deleted") == [("a.txt", 0), ("b.txt", 0)]


@pytest.mark.parametrize("when", ["walk", "look_into"])
@pytest.mark.parametrize("state", State)
def test_a_known_file_that_vanishes_during_the_scan_is_missing(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, when: str, state: State
) -> None:
    """It is as if the scan had come a moment later."""
    shelf.write("a.txt")
    shelf.write("b.txt")
    shelf.scan()
    before = shelf.bring("a.txt", state)
    shelf.touch("a.txt")
    vanish(shelf, monkeypatch, when, "a.txt")

    assert shelf.scan() == {"found": 1, "unchanged": 1, "missing": 1}
    assert shelf.row("a.txt") == replace(before, is_deleted=True)


def test_a_file_that_is_being_written_to_is_looked_at_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so meanwhile, and needs no further change to be taken up."""
    file = shelf.write("a.txt", "one")
    real = hashlib.sha256

    def digest_while_writing(*arguments: Any) -> Any:
        digest = real(*arguments)
        status = file.stat()
        file.write_text("two, longer")
        os.utime(file, (status.st_atime, status.st_mtime))
        return digest

    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "sha256", digest_while_writing)
        assert shelf.scan() == {"found": 1, "skipped": 1}
    assert "being written to" in shelf.reason("a.txt")

    assert shelf.scan() == {"found": 1, "changed": 1}
    assert shelf.row("a.txt").content_hash == hashlib.sha256(b"two, longer").hexdigest()


def test_progress_is_told_batch_by_batch(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long scan says how far it is."""
    monkeypatch.setattr(scan_module, "BATCH", 2)
    for number in range(5):
        shelf.write(f"{number}.txt")
    told: list[int] = []

    shelf.scan(on_progress=lambda report: told.append(report.new))

    assert told == [2, 4, 5]


class Interruption(Exception):
    """Ctrl-C, in so many words."""


COMPARED = (
    "file_path, filename, content_hash, file_size, mtime, inode, mime_type, metadata_json,"
    " skip_reason, is_deleted, gemini_state, version, gemini_store_doc_id, superseded_doc_id"
)


@pytest.mark.parametrize("batches", range(1, 8))
def test_an_interrupted_scan_and_a_whole_one_are_one_whole_scan(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    """Wherever the first was cut off, the catalog is what one scan would have made of it."""
    monkeypatch.setattr(scan_module, "BATCH", 1)
    for path in ("away.txt", "changed.txt", "gone.txt", "same.txt", "z moves.txt"):
        shelf.write(path)
    shelf.scan()
    for path in ("away.txt", "changed.txt", "z moves.txt"):
        shelf.bring(path, State.INDEXED)
    shelf.write("changed.txt", "changed")
    shelf.write("new.txt")
    shelf.move("away.txt", "z/away.txt")
    shelf.move("z moves.txt", "a moves.txt")
    (shelf.root / "gone.txt").unlink()
    copy = shelf.db.with_name("copy.db")
    shutil.copy(shelf.db, copy)

    left = iter(range(batches))

    def interrupt(_report: ScanReport) -> None:
        if next(left, None) == batches - 1:
            raise Interruption

    with pytest.raises(Interruption):
        shelf.scan(on_progress=interrupt)
    shelf.scan()
    in_two = rows_of(shelf.db, COMPARED)
    assert shelf.scan() == {"found": 5, "unchanged": 5}

    shelf.db = copy
    assert len(shelf.scan()["moved"]) == 2
    assert in_two == rows_of(copy, COMPARED)


def test_a_scan_after_a_finished_one_starts_afresh(shelf: Shelf) -> None:
    """A file that went in one scan and a copy that came in another are no move."""
    shelf.write("a.txt", "the same")
    shelf.write("keep.txt")
    shelf.scan()
    (shelf.root / "a.txt").unlink()
    shelf.scan()
    shelf.write("b.txt", "the same")

    assert shelf.scan() == {"found": 2, "unchanged": 1, "new": 1}


# Against a model


PATHS = st.sampled_from(["a.txt", "b.txt", "a/a.txt", "a/b.md", "a-b.txt", "é/ü.txt"])
CONTENTS = st.sampled_from(["one", "two", "three"])
EDITS = st.one_of(
    st.tuples(st.just("write"), PATHS, CONTENTS),
    st.tuples(st.just("delete"), PATHS, st.just("")),
    st.tuples(st.just("move"), PATHS, PATHS),
    st.tuples(st.just("touch"), PATHS, st.just("")),
    st.tuples(st.just("index"), PATHS, st.just("")),
)


def edit(shelf: Shelf, files: dict[str, str], verb: str, path: str, other: str) -> None:
    """Do it to the disk and to the dictionary."""
    if verb == "write":
        shelf.write(path, other)
        files[path] = other
    elif path not in files or path == other:
        return
    elif verb == "delete":
        (shelf.root / path).unlink()
        del files[path]
    elif verb == "touch":
        shelf.touch(path)
    elif verb == "move":
        shelf.move(path, other)
        files[other] = files.pop(path)


@settings(max_examples=25)
@given(st.lists(st.lists(EDITS, max_size=8), min_size=1, max_size=4))
def test_the_catalog_follows_the_disk(rounds: list[list[tuple[str, str, str]]]) -> None:
    """For all edits between scans: the rows that are there are the files, with their contents; an
    indexed row has a document of just that content; and no document is ever lost sight of."""
    with TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder))
        files: dict[str, str] = {}
        documents: dict[str, str] = {}
        numbers = count()
        edit(shelf, files, "write", "keep.txt", "kept")
        for edits in rounds:
            for verb, path, other in edits:
                if verb != "index":
                    edit(shelf, files, verb, path, other)
            report = shelf.scan()

            rows = {row[0]: row[1:] for row in rows_of(shelf.db, _FACTS) if not row[1]}
            assert {path: row[1] for path, row in rows.items()} == {
                path: hashlib.sha256(content.encode()).hexdigest()
                for path, content in files.items()
            }
            for path, (_, _, state, document, _) in rows.items():
                assert state in ("untracked", "indexed")
                if state == "indexed":
                    assert documents[document] == files[path]
            named = [name for row in rows_of(shelf.db, _FACTS) for name in row[4:] if name]
            assert sorted(named) == sorted(set(named))
            assert set(named) == set(documents)
            seen = ("new", "changed", "restored", "unchanged")
            counted = sum(report.get(name, 0) for name in seen) + len(report.get("moved", ()))
            assert counted == report["found"] == len(files)

            for path in {path for verb, path, _ in edits if verb == "index"} & set(files):
                if rows[path][2] == "untracked":
                    name = f"documents/{next(numbers)}"
                    shelf.bring(path, State.INDEXED, name)
                    _forget_superseded(shelf, path, documents)
                    documents[name] = files[path]


_FACTS = "file_path, is_deleted, content_hash, gemini_state, gemini_store_doc_id, superseded_doc_id"


def _forget_superseded(shelf: Shelf, path: str, documents: dict[str, str]) -> None:
    """What tidying up does after an upload."""

    async def story(catalog: Catalog) -> None:
        row = (await files_by_path(catalog, [path]))[path]
        if row.superseded_doc_id is not None:
            await AsyncUploadStateManager(catalog).forget_superseded(row)
            del documents[row.superseded_doc_id]

    use(shelf.db, story)
