"""MIME types: the name proposes, the content may object."""

from __future__ import annotations

import codecs
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.library.mime import (
    DOCUMENT_TYPES,
    MAX_DOCUMENT_BYTES,
    REFUSED_EXTENSIONS,
    TEXT_TYPES,
    Accepted,
    Unsupported,
    mime_type_of,
    size_problem,
)

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
ELF = b"\x7fELF\x02\x01\x01" + bytes(9)
ZIP = b"PK\x03\x04\x14\0\0\0\x08\0"


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        ("a.txt", "text/plain"),
        ("Folder/A.TXT", "text/plain"),
        ("a.md", "text/markdown"),
        ("a.html", "text/html"),
        ("a.csv", "text/csv"),
        ("a.json", "application/json"),
        ("a.py", "text/plain"),
        ("a.unheard-of", "text/plain"),
        ("README", "text/plain"),
        (".hidden", "text/plain"),
    ],
)
def test_text_goes_under_a_type_the_api_takes(name: str, mime_type: str) -> None:
    """Text with a home of its own keeps it; all other text is plain, whatever its name."""
    assert mime_type_of(name, b"An arch stands.\n") == Accepted(mime_type)


@pytest.mark.parametrize(("suffix", "expected"), DOCUMENT_TYPES.items())
def test_documents_are_taken_when_they_begin_like_one(
    suffix: str, expected: tuple[str, bytes]
) -> None:
    """Each kind of document is accepted with its own beginning and refused with another."""
    mime_type, beginning = expected

    assert mime_type_of("a" + suffix, beginning + b"...") == Accepted(mime_type)
    assert isinstance(mime_type_of("a" + suffix, b"plain\0words"), Unsupported)
    is_text = suffix in (".doc", ".xls")  # as documents were called before there was Word
    assert isinstance(mime_type_of("a" + suffix, b"words"), Accepted if is_text else Unsupported)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("a.mp3", "recording"),
        ("a.MP4", "video"),
        ("a.jpg", "image"),
        ("a.zip", "archive"),
        ("a.exe", "program"),
        ("a.azw3", "convert it to EPUB"),
        ("a.ppt", "save it as .pptx"),
    ],
)
def test_what_is_no_text_is_refused_by_name(name: str, word: str) -> None:
    """The reason is one line that says what the file is."""
    refused = mime_type_of(name, b"whatever")

    assert isinstance(refused, Unsupported)
    assert word in refused.reason
    assert "\n" not in refused.reason


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (PNG, "image"),
        (ELF, "ELF"),
        (ZIP, "ZIP archive"),
        (b"BM" + bytes(60), "whatever its name .txt says"),
        (b"%PDF-1.7\n1 0 obj", "PDF"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01", "image"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "archive"),
        (b"one\0" * 500, "binary"),
        (random.Random(1).randbytes(4096), "binary"),
    ],
)
def test_a_lie_is_found_out(head: bytes, word: str) -> None:
    """A file called .txt that holds something else is refused, saying what it holds."""
    refused = mime_type_of("a.txt", head)

    assert isinstance(refused, Unsupported)
    assert word in refused.reason


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"BM is short for benchmark",
        b"MZ, PK and GIF are abbreviations",
        b"RIFF and riffraff",
        codecs.BOM_UTF16_LE + "Brot".encode("utf-16-le"),
        codecs.BOM_UTF8 + b"Brot",
        "Η αψίδα στέκεται".encode("iso8859-7"),
        "人人生而自由".encode("gb2312"),
        "über".encode()[:1] + b" cut in two",
        "абв".encode("koi8-r"),
        b"page one\x0cpage two",
    ],
)
def test_texts_in_any_encoding_are_texts(head: bytes) -> None:
    """Old encodings, byte order marks, and words that look like signatures are no lies."""
    assert mime_type_of("a.txt", head) == Accepted("text/plain")


@pytest.mark.parametrize("name", ["Section 3.a", "Notes v1.o", "data.bin", "Bill of 1917.DB"])
def test_a_name_does_not_decide_alone(name: str) -> None:
    """A text may end in a dot and a letter; a program may not be a text."""
    assert mime_type_of(name, b"An arch stands.\n") == Accepted("text/plain")
    assert isinstance(mime_type_of(name, ELF), Unsupported)


def test_pages_that_were_exported_for_office_are_pages() -> None:
    """Under the names of what they were exported for."""
    for name in ("a.doc", "a.xls"):
        page = b"<html xmlns:o='urn:x'><body>An arch</body></html>"
        assert mime_type_of(name, page) == Accepted("text/html")


@pytest.mark.parametrize(
    "head",
    [
        b"An arch stands.\n" * 50 + b"\0" + b"It still does.\n" * 50,
        b"\0" + b"An arch stands.\n" * 4,
        b"\0" * 4096 + b"An arch stands.\n" * 4,
        b"An arch stands.\n" * 4 + b"\0" * 4096,
        b"\0Arch",
        "Über Brücken. ".encode("cp1252") * 9 + b"\0",
        "Мысль изречённая есть ложь.".encode("utf-16-le"),
        "Μια αψίδα".encode("utf-16-be"),
        "人人生而自由，在尊严和权利上一律平等。".encode("utf-16-le"),
        "Hello".encode("utf-32-be"),
        "人人生而自由。".encode("hz"),
        "모든 인간은".encode("iso2022_kr"),
    ],
)
def test_texts_with_nuls_and_in_wide_encodings_are_texts(head: bytes) -> None:
    """A crash leaves NULs, and UTF-16 need not have its mark."""
    assert mime_type_of("a.txt", head) == Accepted("text/plain")
    assert mime_type_of("a", head) == Accepted("text/plain")


@given(st.binary(min_size=300, max_size=2_000), st.sampled_from([1, 2, 4]))
def test_numbers_are_no_texts(raw: bytes, width: int) -> None:
    """For all bytes: as numbers of any width, as sound and pictures have them, they are no text."""
    numbers = b"".join(bytes((byte,)).ljust(width, b"\0") for byte in [*raw, *range(0x1A)])
    if len(set(raw)) > 64:
        assert isinstance(mime_type_of("a.txt", numbers), Unsupported)


def test_no_extension_has_two_meanings() -> None:
    """The three tables do not overlap, so their order does not matter."""
    tables = [set(TEXT_TYPES), set(DOCUMENT_TYPES), set(REFUSED_EXTENSIONS)]

    assert len(set.union(*tables)) == sum(len(table) for table in tables)


@pytest.mark.parametrize(
    ("size_bytes", "word"),
    [(0, "empty"), (1, None), (MAX_DOCUMENT_BYTES, None), (MAX_DOCUMENT_BYTES + 1, "100 MB")],
)
def test_empty_and_oversized_files_are_refused(size_bytes: int, word: str | None) -> None:
    """The limits are the API's, and the limit itself is still allowed."""
    problem = size_problem(size_bytes)

    assert (word is None and problem is None) or (word is not None and word in str(problem))
