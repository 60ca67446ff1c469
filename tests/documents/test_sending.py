"""What is read from disk a second time is what was hashed, or it is not sent to its end."""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import io
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.documents import payload as payloads
from objlib.documents.payload import Source, prepare
from objlib.documents.sending import Sending
from objlib.errors import IntegrityError
from objlib.formats.decoding import decode_text
from objlib.library import content, parts
from tests.documents.test_payload import PDF, RECORD, sent, shelve

LINE = "Über das Brot \U0001f35e, Ελληνικά.\n"
ENCODED = {
    "utf-8": LINE.encode() * 99,
    "mark": codecs.BOM_UTF8 + LINE.encode() * 99,
    "utf-16": (LINE * 99).encode("utf-16"),
    "damaged": LINE.encode() * 50 + b"\xff" + LINE.encode() * 50,
    "cp1252": "Überlegungen zur Güte, façade et cœur.\r\n".encode("cp1252") * 99,
    "mixed": ("Où êtes-vous ?\n".encode() + "Ça coûte cher, élève.\n".encode("cp1252")) * 99,
    "Japanese": "これは日本語の文章です。".encode("iso2022_jp_2") * 99,
}


@pytest.fixture
def long_ones_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a text of a few bytes be a long one, read in pieces of seven."""
    monkeypatch.setattr(payloads, "_HELD_BYTES_MAX", 3)
    monkeypatch.setattr(content, "_PIECE_BYTES", 7)


@pytest.mark.usefixtures("long_ones_at_once")
@pytest.mark.parametrize("name", ENCODED)
def test_a_long_text_is_sent_as_a_short_one_and_not_held(tmp_path: Path, name: str) -> None:
    """In every encoding: the header, then the text in UTF-8; size and checksum are of that."""
    shelve(tmp_path, RECORD, ENCODED[name])

    payload = asyncio.run(prepare(RECORD, Source(tmp_path, "lib")))

    assert payload.body is None
    said = sent(payload)
    assert said.startswith(b"[objlib:1]\n")
    assert said.endswith(decode_text(ENCODED[name]).encode())
    assert (payload.size_bytes, payload.sha256) == (len(said), hashlib.sha256(said).hexdigest())
    assert payload.fingerprint.sha256_hex == hashlib.sha256(ENCODED[name]).hexdigest()


@pytest.mark.usefixtures("long_ones_at_once")
def test_a_part_of_a_long_text_is_sent_without_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its encoding is said by the mark at the beginning of the file."""
    monkeypatch.setattr(parts, "WINDOW_BYTES", 64)
    monkeypatch.setattr(parts, "MARGIN_BYTES", 32)
    shelve(tmp_path, RECORD, codecs.BOM_UTF16_LE + ("Steine drücken.\n" * 9).encode("utf-16-le"))
    part = replace(RECORD, file_path=f"{RECORD.file_path}//part 2")

    payload = asyncio.run(prepare(part, Source(tmp_path, "lib")))

    assert payload.body is None
    assert sent(payload).decode().endswith("part: 2\n[/objlib]\n\n" + "Steine drücken.\n" * 2)


def _rewritten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


def _shortened(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.usefixtures("long_ones_at_once")
@pytest.mark.parametrize("change", [_rewritten, _shortened, _emptied])
@pytest.mark.parametrize("record", [RECORD, PDF], ids=["text", "PDF"])
def test_what_changed_since_it_was_hashed_is_not_sent_to_its_end(
    tmp_path: Path, record: Any, change: Callable[[Path], None]
) -> None:
    """The last bytes are not given out, so that nobody takes the rest for a whole."""
    path = shelve(tmp_path, record, b"abcdefghij" * 9)
    payload = asyncio.run(prepare(record, Source(tmp_path, "lib")))
    change(path)
    given = 0

    with closing(payload.open()) as stream, pytest.raises(IntegrityError, match="has changed"):
        while piece := stream.read(8):
            given += len(piece)

    assert given < payload.size_bytes


@pytest.mark.usefixtures("long_ones_at_once")
@pytest.mark.parametrize("record", [RECORD, PDF], ids=["text", "PDF"])
def test_what_was_appended_meanwhile_is_left_for_the_next_time(tmp_path: Path, record: Any) -> None:
    """A log that grows all the time is sent as it was when it was hashed."""
    path = shelve(tmp_path, record, b"abcdefghij" * 9)
    payload = asyncio.run(prepare(record, Source(tmp_path, "lib")))
    with path.open("ab") as file:
        file.write(b"klm")

    assert hashlib.sha256(sent(payload)).hexdigest() == payload.sha256


@given(st.binary(max_size=60), st.integers(1, 9), st.lists(st.integers(0, 20), max_size=9))
def test_it_reads_as_a_file_does(whole: bytes, piece_bytes: int, sizes: list[int]) -> None:
    """For all contents, pieces and sizes; and again from its beginning, when it was at its end."""
    places = range(0, len(whole), piece_bytes)
    stream = Sending(
        io.BytesIO(),
        lambda: (whole[place : place + piece_bytes] for place in places),
        size_bytes=len(whole),
        sha256=hashlib.sha256(whole).hexdigest(),
        path=Path("a.txt"),
    )
    assert stream.seek(0, io.SEEK_END) == len(whole)
    for _ in range(2):
        assert stream.seek(0) == 0
        plain = io.BytesIO(whole)
        for size in sizes:
            assert stream.read(size) == plain.read(size)
            assert stream.tell() == plain.tell()
        assert stream.read() == plain.read()
