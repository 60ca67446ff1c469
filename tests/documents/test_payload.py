"""What goes up for one file, and under which key."""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import json
import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.catalog.records import FileRecord
from objlib.documents.payload import (
    KEY,
    LIBRARY,
    PATH,
    SHA256,
    NoPayload,
    Payload,
    Source,
    document_metadata,
    key_of,
)
from objlib.documents.payload import prepare as prepare_it
from objlib.library import parts
from objlib.library.conversion import CONVERTERS, Converter
from objlib.library.hashing import FileChanged
from objlib.library.identity import strip_identity_header
from objlib.library.mime import HEADED_TYPES
from objlib.states import State
from tests.formats.test_formats import epub_of

RECORD = FileRecord(
    file_path="Logic/Week 1.txt",
    filename="Week 1.txt",
    content_hash="ab" * 32,
    file_size=3,
    mtime=1.0,
    inode=1,
    device=1,
    mime_type="text/plain",
    metadata_json='{"course": "Logic", "title": "Week 1", "week": 1}',
    skip_reason=None,
    is_deleted=False,
    gemini_state=State.UNTRACKED,
    version=0,
    error_message=None,
    failure_kind=None,
    upload_key="the-key",
    attempt_count=0,
    import_intent_at=None,
    run_id=None,
    lease_owner=None,
    lease_expires_at=None,
    reserved_by=None,
    reserved_until=None,
    gemini_file_id=None,
    operation_name=None,
    gemini_store_doc_id=None,
    superseded_doc_id=None,
    upload_timestamp=None,
)
PDF = replace(RECORD, file_path="a.pdf", mime_type="application/pdf")
LATIN_1 = "Überlegungen zur Güte, façade et cœur: ".encode("cp1252") * 20


def prepare(record: FileRecord, source: Source) -> Payload:
    """Outside of a run."""
    return asyncio.run(prepare_it(record, source))


def shelve(root: Path, record: FileRecord, content: bytes) -> Path:
    """Put the content where the record says."""
    path = root / record.file_path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def sent(payload: Payload) -> bytes:
    """The bytes that one attempt sends."""
    with closing(payload.open()) as stream:
        content = stream.read()
    assert isinstance(content, bytes)
    return content


@pytest.mark.parametrize("mime_type", [*sorted(HEADED_TYPES), None])
def test_text_goes_up_under_its_header(tmp_path: Path, mime_type: str | None) -> None:
    """Title, metadata and path come first, the text follows unaltered, the file is not touched."""
    record = replace(RECORD, mime_type=mime_type)
    path = shelve(tmp_path, record, b"A is A.\n")

    payload = prepare(record, Source(tmp_path, "lib"))

    text = sent(payload).decode()
    assert text.startswith("[objlib:1]\ntitle: Week 1\ncourse: Logic\n")
    assert "path: Logic/Week 1.txt\n" in text
    assert strip_identity_header(text) == "A is A.\n"
    assert payload.mime_type == (mime_type or "text/plain")
    assert path.read_bytes() == b"A is A.\n"


def test_without_the_header_text_goes_up_as_it_is(tmp_path: Path) -> None:
    """`identity_header = false` sends the text and nothing else."""
    shelve(tmp_path, RECORD, "é\r\n".encode())

    payload = prepare(RECORD, Source(tmp_path, "lib", identity_header=False))

    assert sent(payload) == "é\r\n".encode()


@pytest.mark.parametrize("is_headed", [True, False])
def test_latin_1_goes_up_as_utf_8(tmp_path: Path, is_headed: bool) -> None:
    """Old encodings are read as what they say; the fingerprint stays that of the file on disk."""
    shelve(tmp_path, RECORD, LATIN_1)

    payload = prepare(RECORD, Source(tmp_path, "lib", identity_header=is_headed))

    assert strip_identity_header(sent(payload).decode("utf-8")) == LATIN_1.decode("cp1252")
    assert payload.fingerprint.sha256_hex == hashlib.sha256(LATIN_1).hexdigest()
    assert payload.fingerprint.size_bytes == len(LATIN_1)


@pytest.mark.parametrize("record", [RECORD, PDF], ids=["text", "PDF"])
@pytest.mark.parametrize("content", [b"A is A.", LATIN_1, b"%PDF-\0\xff", b""])
def test_the_checksum_is_that_of_the_bytes_sent(
    tmp_path: Path, record: FileRecord, content: bytes
) -> None:
    """What the backend will report can be compared with the payload, attempt after attempt."""
    shelve(tmp_path, record, content)

    payload = prepare(record, Source(tmp_path, "lib"))

    assert hashlib.sha256(sent(payload)).hexdigest() == payload.sha256
    assert sent(payload) == sent(payload)


def test_what_is_no_text_goes_up_byte_for_byte(tmp_path: Path) -> None:
    """A PDF has no header and is not held in memory."""
    shelve(tmp_path, PDF, b"%PDF-1.7 \x00\xff")

    payload = prepare(PDF, Source(tmp_path, "lib"))

    assert payload.body is None
    assert sent(payload) == b"%PDF-1.7 \x00\xff"
    assert payload.sha256 == payload.fingerprint.sha256_hex


@pytest.mark.parametrize("record", [RECORD, PDF], ids=["text", "PDF"])
def test_a_file_that_is_gone_is_an_error_of_its_own(tmp_path: Path, record: FileRecord) -> None:
    """Gone is told from unreadable: the one is marked, the other is tried again."""
    with pytest.raises(FileNotFoundError):
        prepare(record, Source(tmp_path, "lib"))
    (tmp_path / record.file_path).mkdir(parents=True)
    with pytest.raises(OSError):
        prepare(record, Source(tmp_path, "lib"))


@pytest.mark.parametrize("record", [RECORD, PDF], ids=["text", "PDF"])
def test_a_file_that_changes_while_it_is_read_is_not_sent(
    tmp_path: Path, record: FileRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is neither the old nor the new version."""
    path = shelve(tmp_path, record, b"old")
    real_digest = hashlib.sha256

    def append() -> None:
        with path.open("ab") as file:
            file.write(b" and new")

    def sha256(*arguments: Any) -> Any:
        digest = real_digest(*arguments)
        append()
        return digest

    monkeypatch.setattr(hashlib, "sha256", sha256)

    with pytest.raises(FileChanged):
        prepare(record, Source(tmp_path, "lib"))


def test_a_catalog_with_absolute_paths_finds_its_files(tmp_path: Path) -> None:
    """Joining a root with an absolute path leaves it as it is, so one function serves both."""
    path = shelve(tmp_path / "old", RECORD, b"text")
    record = replace(RECORD, file_path=str(path))

    payload = prepare(record, Source(tmp_path / "elsewhere", "lib"))

    assert payload.path == path


# Keys

BASE = Source(Path("/library"), "lib")


def key(record: FileRecord = RECORD, library: Source = BASE, content_hash: str = "ab" * 32) -> str:
    return key_of(record, library, content_hash)


@pytest.mark.parametrize(
    "other",
    [
        key(content_hash="cd" * 32),
        key(replace(RECORD, file_path="Logic/Week 2.txt")),
        key(replace(RECORD, metadata_json='{"course": "Logic", "title": "Week 1", "week": 2}')),
        key(replace(RECORD, metadata_json='{"course": "Logic", "title": "Week 1", "week": "1"}')),
        key(replace(RECORD, metadata_json="{}")),
        key(library=replace(BASE, identity_header=False)),
        key(library=replace(BASE, library_id="another")),
    ],
    ids=["content", "path", "metadata", "type of a value", "no metadata", "header", "library"],
)
def test_a_key_changes_with_what_is_sent(other: str) -> None:
    """Content, path, metadata, header and library make the version; each alone makes another."""
    assert other != key()


UNSENT: dict[str, Any] = {
    "filename": "other",
    "content_hash": "cd" * 32,
    "file_size": 99,
    "mtime": 99.0,
    "inode": 99,
    "device": 99,
    "mime_type": "text/markdown",
    "metadata_json": '{"week": 1,  "title": "Week 1", "course": "Logic"}',
    "skip_reason": "x",
    "is_deleted": True,
    "gemini_state": State.FAILED,
    "version": 99,
    "error_message": "x",
    "failure_kind": "transient",
    "upload_key": "x",
    "attempt_count": 99,
    "import_intent_at": "x",
    "run_id": "x",
    "lease_owner": "x",
    "lease_expires_at": 99.0,
    "gemini_file_id": "x",
    "operation_name": "x",
    "gemini_store_doc_id": "x",
    "superseded_doc_id": "x",
    "upload_timestamp": "x",
}


@pytest.mark.parametrize("name", UNSENT)
def test_a_key_changes_with_nothing_else(name: str) -> None:
    """Touching, moving inodes, retrying, failing: the version of the file is the same."""
    assert key(replace(RECORD, **{name: UNSENT[name]})) == key()


def test_a_key_does_not_depend_on_where_the_library_is() -> None:
    """A library that moves keeps its documents."""
    assert key(library=replace(BASE, root=Path("/elsewhere"))) == key()


def test_the_header_setting_is_no_matter_where_there_is_no_header() -> None:
    """Switching it off does not send every PDF again."""
    off = replace(BASE, identity_header=False)
    assert key(PDF, off) == key(PDF, BASE)


def test_a_row_without_a_type_has_the_key_of_the_text_it_is_sent_as() -> None:
    """Rows of the earlier generation get the header, so it counts in their keys."""
    untyped = replace(RECORD, mime_type=None)
    assert key(untyped) == key()
    assert key(untyped, replace(BASE, identity_header=False)) != key(untyped)


@given(
    st.text(), st.dictionaries(st.text(max_size=5), st.text() | st.integers() | st.floats(-9, 9))
)
def test_a_key_names_a_raw_file(path: str, metadata: dict[str, str | int | float]) -> None:
    """For all paths and metadata: short, and of the characters the API allows."""
    record = replace(RECORD, file_path=path, metadata_json=json.dumps(metadata))
    assert 20 <= len(key(record)) <= 27
    assert set(key(record)) <= set("abcdefghijklmnopqrstuvwxyz0123456789")


def test_a_document_says_whose_it_is() -> None:
    """From the metadata alone one can tell file, version and library; empty values stay at home."""
    record = replace(RECORD, metadata_json='{"title": "Week 1", "empty": "", "week": 1}')

    assert document_metadata(record, BASE) == {
        "title": "Week 1",
        "week": 1,
        KEY: "the-key",
        PATH: "Logic/Week 1.txt",
        SHA256: "ab" * 32,
        LIBRARY: "lib",
    }


def test_a_path_cannot_pass_for_what_objlib_says() -> None:
    """Metadata under a reserved name give way to the truth."""
    forged = json.dumps(dict.fromkeys((KEY, PATH, SHA256, LIBRARY), "forged"))

    metadata = document_metadata(replace(RECORD, metadata_json=forged), BASE)

    assert "forged" not in metadata.values()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are POSIX")
def test_a_pipe_in_place_of_a_file_does_not_hang_the_run(tmp_path: Path) -> None:
    """A file that has become something else since the scan is an error, not a wait for ever."""
    (tmp_path / "Logic").mkdir()
    for record in (RECORD, replace(PDF, file_path="Logic/a.pdf")):
        os.mkfifo(tmp_path / record.file_path)
        with pytest.raises(OSError):
            prepare(record, Source(tmp_path, "lib"))


# Parts and what is converted


def test_a_part_says_which_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of which file, but not of how many: or what is appended would change them all."""
    monkeypatch.setattr(parts, "WINDOW_BYTES", 64)
    monkeypatch.setattr(parts, "MARGIN_BYTES", 32)
    text = "Steine drücken aufeinander.\n" * 5
    shelve(tmp_path, RECORD, codecs.BOM_UTF16_LE + text.encode("utf-16-le"))

    payloads = [
        prepare(replace(RECORD, file_path=f"{RECORD.file_path}//part {n}"), Source(tmp_path, "lib"))
        for n in (1, 2, 3, 4, 5)
    ]

    assert "path: Logic/Week 1.txt\npart: 2\n[/objlib]" in sent(payloads[1]).decode()
    read = "".join(strip_identity_header(sent(payload).decode()) for payload in payloads)
    assert text.startswith(read)
    assert len(read) > 4 * 28
    assert len({payload.sha256 for payload in payloads}) == 5
    beyond = replace(RECORD, file_path=f"{RECORD.file_path}//part 9")
    with pytest.raises(FileNotFoundError):
        prepare(beyond, Source(tmp_path, "lib"))


EPUB = replace(RECORD, file_path="Logic/Book.epub", mime_type="application/epub+zip")


def test_a_book_goes_up_as_text_under_its_header(tmp_path: Path) -> None:
    """The same bytes each time; the fingerprint is that of the file on disk.

    What is expected here was written down with version 1 of the converter. Where it changes, its
    version has to.
    """
    path = shelve(tmp_path, EPUB, epub_of())

    payload = prepare(EPUB, Source(tmp_path, "lib"))

    assert payload.mime_type == "text/plain"
    expected = "One\n\nStones press.\n\nBricks, too.\n"
    assert strip_identity_header(sent(payload).decode()) == expected
    assert prepare(EPUB, Source(tmp_path, "lib")) == payload
    assert payload.fingerprint.sha256_hex == hashlib.sha256(path.read_bytes()).hexdigest()
    assert CONVERTERS["application/epub+zip"].treatment == "epub:2"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"PK\x03\x04 and no more", "damaged"),
        (epub_of(**{"META-INF/rights.xml": ""}), "the e-book is protected"),
        (
            epub_of(**{"OEBPS/second.xhtml": "<p/>", "OEBPS/part 1/first.xhtml": "<p> </p>"}),
            "there is none in it",
        ),
    ],
    ids=["damaged", "protected", "empty"],
)
def test_what_cannot_be_converted_says_why(tmp_path: Path, content: bytes, word: str) -> None:
    """In one line, with what was read: the row has to be settled for that."""
    shelve(tmp_path, EPUB, content)
    with pytest.raises(NoPayload, match=word) as refused:
        prepare(EPUB, Source(tmp_path, "lib"))
    assert refused.value.fingerprint.sha256_hex == hashlib.sha256(content).hexdigest()
    assert "\n" not in str(refused.value)


def test_the_converter_is_a_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its version; of what is not converted the key is what it always was."""
    before = key(EPUB), key(RECORD), key(PDF)
    monkeypatch.setitem(CONVERTERS, "application/epub+zip", Converter("epub", 3))
    assert key(EPUB) != before[0]
    assert (key(RECORD), key(PDF)) == before[1:]
    assert key(RECORD) == "r2yeeikj7t7yxou4df3bwvnbtu"
