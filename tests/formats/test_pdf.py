"""PDFs: scans, damage, comments and forms, passwords."""

from __future__ import annotations

import importlib
import io

import pypdf
import pytest

from objlib.formats import Unreadable, read
from tests.formats.pdfs import pdf_of, written
from tests.formats.test_formats import PDF

generic = importlib.import_module("pypdf.generic")


def test_a_pdf_without_text_is_called_a_scan() -> None:
    """It never has any, so the reason says what to do."""
    with pytest.raises(Unreadable, match=r"no text in it: a scan\?"):
        read(pdf_of("", ""), PDF)


def test_pages_without_text_are_counted() -> None:
    """The others are read."""
    reading = read(pdf_of("zqeone", "", "", "zqefour"), PDF)
    assert [page.text.strip() for page in reading.pages] == ["zqeone", "", "", "zqefour"]
    assert reading.missing == ("2 pages without text: scans?",)


def test_a_page_that_is_damaged_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are read."""
    extract = pypdf.PageObject.extract_text

    def stumble(page: pypdf.PageObject) -> str:
        if page.page_number == 1:
            raise KeyError("/Font")
        return str(extract(page))

    monkeypatch.setattr(pypdf.PageObject, "extract_text", stumble)
    reading = read(pdf_of("zqeone", "two", "zqethree"), PDF)
    assert [page.text.strip() for page in reading.pages] == ["zqeone", "", "zqethree"]
    assert reading.missing == ("page 2 is damaged",)


def test_comments_and_entries_of_forms_are_read() -> None:
    """They are no part of a page's own text."""
    name, text = generic.NameObject, generic.create_string_object
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf_of("zqepage")))
    notes = generic.ArrayObject(
        generic.DictionaryObject({name(key): value for key, value in note.items()})
        for note in (
            {"/Subtype": name("/Text"), "/Contents": text("zqecomment")},
            {"/Subtype": name("/Widget"), "/V": text("zqeentry"), "/Contents": text("no")},
            {"/Subtype": name("/Widget"), "/V": name("/Off")},
        )
    )
    writer.pages[0][name("/Annots")] = notes
    words = read(written(writer.write), PDF).pages[0].text.split()
    assert words == ["zqepage", "zqecomment", "zqeentry"]


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_a_pdf_that_opens_without_a_password_is_read(algorithm: str) -> None:
    """However it is encrypted."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf_of("zqeone")))
    writer.encrypt(user_password="", owner_password="owner", algorithm=algorithm)
    assert read(written(writer.write), PDF).pages[0].text.strip() == "zqeone"
    writer.encrypt(user_password="secret", algorithm=algorithm)
    with pytest.raises(Unreadable, match="encrypted"):
        read(written(writer.write), PDF)
