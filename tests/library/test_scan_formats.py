"""Scanning texts that go up in parts, and files that could not be uploaded and now can."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from objlib.catalog.part_names import part_path
from objlib.formats.hook import Hook, Hooks
from objlib.library import hashing, parts
from objlib.library import scan as scan_module
from objlib.library.mime import HOOKED_TYPE
from objlib.library.selection import Selection
from objlib.states import State
from tests.catalog.catalogs import session
from tests.formats.test_formats import zipped
from tests.library.test_containers import OFFICE, archive
from tests.library.test_scan import Shelf

BIG = "Talks/Year 1/Week 2 - Big.txt"
PARAGRAPH = "This is a paragraph of sixty bytes, and one more follows it.\n\n"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Parts of about 256 bytes, for texts of more than 1,000."""
    with monkeypatch.context() as small:
        small.setattr(parts, "WINDOW_BYTES", 256)
        small.setattr(parts, "MARGIN_BYTES", 128)
        small.setattr(parts, "WHOLE_BYTES_MAX", 1000)
        yield


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    """A library with a long text and a short one."""
    shelf = Shelf(tmp_path)
    shelf.write(BIG, PARAGRAPH * 20)
    shelf.write("small.txt")
    return shelf


def part(number: int) -> str:
    return part_path(BIG, number)


def test_a_text_that_is_too_long_is_as_many_rows_as_it_has_parts(shelf: Shelf) -> None:
    """Each with its own size and hash, and with what is known of the file."""
    assert shelf.scan() == {"found": 6, "new": 6, "parts": 5}

    rows = [shelf.row(part(number)) for number in range(1, 6)]
    assert [row.file_size for row in rows] == [248] * 5
    assert sum(row.file_size or 0 for row in rows) == len(PARAGRAPH) * 20
    assert {row.filename for row in rows} == {"Week 2 - Big.txt"}
    assert {row.mime_type for row in rows} == {"text/plain"}
    assert all(row.metadata == {**rows[0].metadata, "title": "Big", "week": 2} for row in rows)


def test_a_second_scan_of_a_long_text_hashes_nothing(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parts are known by size, times and inode."""
    shelf.scan()
    monkeypatch.setattr(hashing, "look_into", lambda *_: pytest.fail("nothing is to be read"))

    assert shelf.scan() == {"found": 6, "unchanged": 6, "parts": 5}


def test_what_is_appended_invalidates_the_last_part_only(shelf: Shelf) -> None:
    """The others keep their documents; what goes beyond is a new part."""
    shelf.scan()
    for number in range(1, 6):
        shelf.bring(part(number), State.INDEXED)
    with (shelf.root / BIG).open("a") as file:
        file.write(PARAGRAPH * 5)
    shelf.touch(BIG)

    assert shelf.scan() == {"found": 8, "unchanged": 6, "new": 2, "parts": 7}
    assert [shelf.row(part(n)).gemini_state for n in range(1, 8)] == [
        *[State.INDEXED] * 5,
        *[State.UNTRACKED] * 2,
    ]

    (shelf.root / BIG).write_text(PARAGRAPH * 24 + "A shorter end.\n\n")
    shelf.touch(BIG)
    assert shelf.scan() == {"found": 8, "unchanged": 7, "changed": 1, "parts": 7}


def test_a_long_text_that_moves_keeps_its_rows(shelf: Shelf) -> None:
    """Each part is the same bytes under another path."""
    shelf.scan()
    before = [shelf.bring(part(n), State.INDEXED, f"d{n}") for n in range(1, 6)]

    shelf.move(BIG, "Big.md")

    assert sorted(shelf.scan()["moved"]) == [(part(n), part_path("Big.md", n)) for n in range(1, 6)]
    after = [shelf.row(part_path("Big.md", n)) for n in range(1, 6)]
    assert [row.gemini_store_doc_id for row in after] == [row.gemini_store_doc_id for row in before]


def test_a_text_that_shrinks_is_one_row_again_and_in_parts_when_it_grows(shelf: Shelf) -> None:
    """The rows of what it was are marked as gone, so their documents go."""
    shelf.scan()
    (shelf.root / BIG).write_text("Short now.")
    shelf.touch(BIG)

    assert shelf.scan() == {"found": 2, "new": 1, "missing": 5, "unchanged": 1}
    assert shelf.paths() == [BIG, "small.txt"]

    (shelf.root / BIG).write_text(PARAGRAPH * 20)
    shelf.touch(BIG)
    assert shelf.scan() == {"found": 6, "restored": 5, "missing": 1, "unchanged": 1, "parts": 5}
    assert shelf.paths(deleted=True) == [BIG]


def test_parts_of_a_text_that_is_deleted_are_missing(shelf: Shelf) -> None:
    """All of them."""
    shelf.scan()
    (shelf.root / BIG).unlink()
    assert shelf.scan() == {"found": 1, "unchanged": 1, "missing": 5}


def test_a_text_written_to_between_the_walk_and_the_hash_is_scanned_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bounds are those of another content, so no hash of them is recorded."""
    expand = parts.in_parts

    def touched(*arguments: Any) -> Iterator[object]:
        found = list(expand(*arguments))
        shelf.touch(BIG)
        yield from found

    monkeypatch.setattr(scan_module, "in_parts", touched)
    shelf.scan()
    assert "being written to" in shelf.reason(part(1))
    assert shelf.row(part(1)).metadata["title"] == "Big"
    monkeypatch.setattr(scan_module, "in_parts", expand)

    shelf.scan()

    assert shelf.row(part(1)).skip_reason is None


# What could not be uploaded before


def test_half_a_copy_replaces_nothing(shelf: Shelf) -> None:
    """The older version stays until the copy is complete."""
    whole = archive(OFFICE, "word/document.xml", "word/more.xml")
    shelf.write("a.docx").write_bytes(archive(OFFICE, "word/document.xml"))
    shelf.scan()
    before = shelf.bring("a.docx", State.INDEXED)

    shelf.write("a.docx").write_bytes(whole[:-40])
    assert shelf.scan()["unread"] == 1
    assert shelf.row("a.docx") == replace(before, mtime=None)

    shelf.write("a.docx").write_bytes(whole)
    shelf.scan()
    assert shelf.row("a.docx").gemini_state is State.UNTRACKED


def test_what_an_earlier_objlib_refused_is_looked_at_once_more(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its verdict may be another by now; after that only changes count."""
    shelf.write("film.mp4")
    shelf.write("book.epub").write_bytes(archive(mimetype="application/epub+zip"))
    shelf.scan()
    with session(shelf.db) as earlier:
        earlier.execute("DELETE FROM catalog_info WHERE key = ?", (scan_module.VERDICTS,))
        earlier.execute(
            "UPDATE files SET skip_reason = 'an e-book', content_hash = NULL, mime_type = NULL"
            " WHERE file_path = 'book.epub'"
        )

    assert shelf.scan() == {"found": 8, "unchanged": 7, "changed": 1, "skipped": 1, "parts": 5}
    assert shelf.row("book.epub").skip_reason is None

    monkeypatch.setattr(hashing, "look_into", lambda *_: pytest.fail("nothing is to be read"))
    assert shelf.scan()["unchanged"] == 8


@pytest.mark.parametrize("state", [State.UNTRACKED, State.FAILED, State.PROCESSING])
@pytest.mark.parametrize(
    ("path", "mime_type"), [("scan.txt", "text/plain"), ("talk.mp3", None)], ids=["text", "sound"]
)
def test_a_command_that_is_no_more_is_no_verdict(
    shelf: Shelf, state: State, path: str, mime_type: str | None
) -> None:
    """A file that waits for its text is what it is without one, also when it is in flight."""
    hooks = Hooks((Hook.parse("scan.txt", "a {path}"), Hook.parse("*.mp3", "a {path}")))
    shelf.write(path)
    shelf.scan(selection=Selection(hooks=hooks))
    assert shelf.row(path).mime_type == HOOKED_TYPE
    shelf.bring(path, state)

    found = shelf.scan()
    if state is State.PROCESSING:
        assert (shelf.row(path).gemini_state, found["in_flight"]) == (state, 1)
        shelf.fail(path)
        shelf.scan()

    row = shelf.row(path)
    assert (row.gemini_state, row.mime_type) == (State.UNTRACKED, mime_type)
    assert (row.skip_reason is None) is (mime_type is not None)


def test_what_a_command_has_made_stays_when_the_command_goes(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings that are not read once must not empty a store."""
    hooks = Hooks((Hook.parse("*.mp3", "a {path}"),))
    shelf.write("talk.mp3")
    shelf.scan(selection=Selection(hooks=hooks))
    shelf.bring("talk.mp3", State.INDEXED)
    before = shelf.row("talk.mp3")
    monkeypatch.setattr(hashing, "look_into", lambda *_: pytest.fail("nothing is to be read"))
    shelf.scan()
    assert shelf.row("talk.mp3") == before


BOOK = {
    "META-INF/container.xml": '<container><rootfile full-path="a.opf"/></container>',
    "a.opf": "<package><metadata><title>On Arches</title><creator>Ada</creator></metadata>"
    '<manifest><item id="a" href="a.xhtml"/></manifest><spine><itemref idref="a"/></spine>'
    "</package>",
    "a.xhtml": "<p>Arches stand.</p>",
}


def test_a_book_is_described_by_itself(shelf: Shelf) -> None:
    """Its title goes before that of its path, and a sidecar before both."""
    for name in ("one.epub", "two.epub"):
        (shelf.root / name).write_bytes(zipped(BOOK))
    (shelf.root / "two.epub.meta.toml").write_text('title = "Bridges"\n')
    shelf.scan()
    assert shelf.row("one.epub").metadata == {"title": "On Arches", "author": "Ada"}
    assert shelf.row("two.epub").metadata == {"title": "Bridges", "author": "Ada"}


def test_a_book_that_says_more_today_is_not_sent_again_by_itself(shelf: Shelf) -> None:
    """It was sent by an objlib that read no title in it. A touch, or a look at every file, leaves
    its document. Asked for, it is another one."""
    (shelf.root / "one.epub").write_bytes(zipped(BOOK))
    shelf.scan()
    with sqlite3.connect(shelf.db) as catalog:
        said, where = """metadata_json = '{"title": "one"}'""", "file_path = 'one.epub'"
        catalog.execute(f"UPDATE files SET {said} WHERE {where}")
    shelf.bring("one.epub", State.INDEXED)
    shelf.touch("one.epub")
    assert shelf.scan().get("changed", 0) == 0
    assert shelf.scan(checksum=True).get("changed", 0) == 0
    assert shelf.row("one.epub").metadata == {"title": "one"}
    assert shelf.row("one.epub").gemini_state is State.INDEXED
    assert shelf.scan(is_current=lambda _row: True)["changed"] == 1
    assert shelf.row("one.epub").metadata["author"] == "Ada"


def test_a_new_sidecar_of_a_book_counts_as_ever(shelf: Shelf) -> None:
    """Only what the book says of itself waits until it is asked for."""
    (shelf.root / "one.epub").write_bytes(zipped(BOOK))
    shelf.scan()
    shelf.bring("one.epub", State.INDEXED)
    (shelf.root / "one.epub.meta.toml").write_text('title = "Bridges"\n')
    assert shelf.scan()["changed"] == 1
    assert shelf.row("one.epub").metadata["title"] == "Bridges"
