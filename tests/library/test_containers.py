"""Archives and older Office documents are judged by what is in them, going by the directory."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.library.containers import ARCHIVE, COMPOUND, DAMAGED, ENCRYPTED, kind_inside
from objlib.library.conversion import CONVERTERS
from objlib.library.mime import (
    DOCUMENT_TYPES,
    HEAD_BYTES,
    MARKED_UP_TYPES,
    MAX_DOCUMENT_BYTES,
    Accepted,
    Unsupported,
    look_at,
)

OFFICE = "[Content_Types].xml"
ODF = "application/vnd.oasis.opendocument."
WORD, TEXT = DOCUMENT_TYPES[".docx"][0], DOCUMENT_TYPES[".odt"][0]


def archive(*names: str, mimetype: str | None = None, comment: bytes = b"") -> bytes:
    """A ZIP archive with members of these names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as written:
        if mimetype is not None:
            written.writestr(zipfile.ZipInfo("mimetype"), mimetype, zipfile.ZIP_STORED)
        for name in names:
            # A fixed time: the bytes are in the names of tests.
            written.writestr(zipfile.ZipInfo(name), f"The content of {name}.", zipfile.ZIP_DEFLATED)
        written.comment = comment
    return buffer.getvalue()


def compound(*streams: str) -> bytes:
    """The header of a compound file, and a directory with these entries."""
    header = bytearray(512)
    header[:8] = COMPOUND
    struct.pack_into("<H", header, 30, 9)
    struct.pack_into("<I", header, 48, 1)  # the second sector behind the header
    entries = b""
    for name in ("Root Entry", *streams):
        said = name.encode("utf-16-le") + b"\0\0"
        entries += said.ljust(64, b"\0") + struct.pack("<H", len(said)) + bytes(62)
    return bytes(header) + bytes(512) + entries


DOCX = archive(OFFICE, "word/document.xml")


def zip64(content: bytes) -> bytes:
    """With the record and the locator of the 64-bit form, as some write them in every case."""
    return content[:-22] + b"PK\x06\x06" + bytes(52) + b"PK\x06\x07" + bytes(16) + content[-22:]


def inside(content: bytes) -> str | None:
    return kind_inside(io.BytesIO(content), content[:HEAD_BYTES])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (DOCX, ".docx"),
        (archive(OFFICE, "word/document2.xml", comment=b"PK" * 1000), ".docx"),
        (archive(OFFICE, "word/document.xml", "word/vbaProject.bin"), ".docm"),
        (archive(OFFICE, "ppt/presentation.xml"), ".pptx"),
        (archive(OFFICE, "xl/workbook.xml", "xl/vbaProject.bin"), ".xlsm"),
        (archive("content.xml", mimetype=f"{ODF}text"), ".odt"),
        (archive("content.xml", mimetype=f"{ODF}text-template"), ".ott"),
        (archive("content.xml", mimetype=f"{ODF}presentation"), ".odp"),
        (archive("content.xml", mimetype=f"{ODF}spreadsheet"), ".ods"),
        (archive("META-INF/container.xml", mimetype="application/epub+zip"), ".epub"),
        (archive("META-INF/container.xml", "OEBPS/a.xhtml"), ".epub"),
        (archive("photos/1.jpg", "word/notes.txt"), ARCHIVE),
        (archive(OFFICE, "visio/document.xml"), None),
        (b"prefix" + DOCX, None),
        (zip64(DOCX), None),
        (DOCX[:-22], DAMAGED),
        (DOCX[:60], DAMAGED),
        (DOCX[:40] + DOCX[-22:], DAMAGED),
        (archive("content.xml", mimetype=f"{ODF}text")[:-30], DAMAGED),
        (compound("1Table", "Data", "ObjectPool", "WordDocument"), ".doc"),
        (compound("Workbook"), ".xls"),
        (compound("Current User", "PowerPoint Document"), ".ppt"),
        (compound("\x06DataSpaces", "EncryptedPackage", "EncryptionInfo"), ENCRYPTED),
        (compound("FileHeader", "\x05HwpSummaryInformation"), ".hwp"),
        (compound("__nameid_version1.0"), None),
        (b"An arch stands.", None),
        (b"", None),
    ],
)
def test_the_directory_tells_what_is_inside(content: bytes, kind: str | None) -> None:
    """By the members that every document of a kind has."""
    assert inside(content) == kind


def test_a_directory_beyond_all_bounds_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could be as long as the file."""
    monkeypatch.setattr("objlib.library.containers.DIRECTORY_BYTES_MAX", 100)
    assert inside(archive(*(f"word/{n}" for n in range(50)))) is None


@given(cut=st.binary(max_size=40), start=st.integers(0, 700))
@pytest.mark.parametrize("content", [DOCX, compound("WordDocument")], ids=["ZIP", "compound"])
def test_damage_is_never_an_error(content: bytes, cut: bytes, start: int) -> None:
    """Whatever stands in the directory, an answer comes."""
    inside(content[:start] + cut + content[start + len(cut) :])
    inside(content[:8] + cut)


def look(folder: Path, name: str, content: bytes) -> Accepted | Unsupported:
    path = folder / name
    path.write_bytes(content)
    return look_at(path)[1]


@pytest.mark.parametrize("name", ["talk.pdf_old", "scan.PDF_1", "report", "a.b.old", "x.001"])
@pytest.mark.parametrize(
    ("content", "mime_type"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
        (DOCX, WORD),
        (archive(mimetype=TEXT), TEXT),
        (compound("WordDocument"), "application/msword"),
        (rb"{\rtf1\ansi Stones.}", "text/rtf"),
        (archive(mimetype="application/epub+zip"), "application/epub+zip"),
        (b"Plain words.", "text/plain"),
    ],
)
def test_where_the_name_says_nothing_the_content_decides(
    tmp_path: Path, name: str, content: bytes, mime_type: str
) -> None:
    """Odd extensions, and none at all."""
    assert look(tmp_path, name, content) == Accepted(mime_type)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("a.docx", archive("photos/1.jpg"), "another kind of archive"),
        ("a.docx", DOCX[:-40], "get it again"),
        ("a.docx", archive(OFFICE, "xl/workbook.xml"), "what a .xlsx does; rename it"),
        ("a.docx", compound("EncryptedPackage"), "encrypted; save it without a password"),
        ("a.doc", DOCX, "does not begin like one"),
        ("a.doc", compound("Workbook"), "what a .xls does"),
        ("a.epub", archive(mimetype=TEXT), "what a .odt does"),
        ("a.txt", b"%PDF-1.7", "a PDF, whatever its name .txt says"),
        ("a.py", DOCX, "office document, whatever its name .py says"),
        ("report", archive("photos/1.jpg"), "a ZIP archive"),
        ("report", compound("EncryptedPackage"), "encrypted"),
        ("report", compound("PowerPoint Document"), "save it as .pptx"),
    ],
)
def test_a_name_that_lies_is_refused_with_what_it_holds(
    tmp_path: Path, name: str, content: bytes, word: str
) -> None:
    """One line that says what to do."""
    refused = look(tmp_path, name, content)

    assert isinstance(refused, Unsupported)
    assert word in refused.reason


def test_templates_and_documents_are_alike_inside(tmp_path: Path) -> None:
    """Their directories do not tell them apart, so the extension does."""
    for suffix in (".docx", ".dotx", ".docm", ".dotm"):
        assert look(tmp_path, f"a{suffix}", DOCX) == Accepted(DOCUMENT_TYPES[suffix][0])
    assert look(tmp_path, "a.doc", rb"{\rtf1 Stones.}") == Accepted("text/rtf")


def test_everything_that_is_converted_can_be_recognised() -> None:
    """Every converter has an extension, and a converted type is not one File Search takes."""
    recognised = (*DOCUMENT_TYPES.values(), *MARKED_UP_TYPES.values())
    assert CONVERTERS.keys() <= {mime_type for mime_type, _ in recognised}
    assert MAX_DOCUMENT_BYTES == 100 * 1024 * 1024


PDF_HEAD = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"


@pytest.mark.parametrize("name", ["about.txt", "notes", "talk.md"])
def test_a_text_that_begins_like_a_pdf_is_told_by_its_whole(tmp_path: Path, name: str) -> None:
    """By what follows the first line, and by its end."""
    path = tmp_path / name
    path.write_bytes(b"%PDF-1.7 is how each PDF begins.\nSo says the book.\n" * 2000)
    assert isinstance(look_at(path)[1], Accepted)
    for content in (
        PDF_HEAD,
        PDF_HEAD * 500,
        b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n" + PDF_HEAD,
        b"%PDF-1.4\nan odd one\n" + b"stream\n" * 3000 + b"startxref\n9\n%%EOF\n",
    ):
        path.write_bytes(content)
        verdict = look_at(path)[1]
        as_pdf = Accepted("application/pdf")
        assert verdict == as_pdf if name == "notes" else isinstance(verdict, Unsupported), content
