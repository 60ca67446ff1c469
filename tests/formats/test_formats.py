"""Text out of PDF, Word, PowerPoint, Excel, OpenDocument, EPUB, RTF and notebooks."""

from __future__ import annotations

import asyncio
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import docx
import openpyxl  # type: ignore[import-untyped]
import pptx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objlib.formats import Page, Unreadable, has_named_parts, read
from tests.filestore.mounted import Mounted, mounted
from tests.formats.pdfs import encrypted, pdf_of, written

OFFICE = "application/vnd.openxmlformats-officedocument."
PDF = "application/pdf"
WORD = OFFICE + "wordprocessingml.document"
SLIDES = OFFICE + "presentationml.presentation"
SHEETS = OFFICE + "spreadsheetml.sheet"
ODT = "application/vnd.oasis.opendocument.text"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
FB2 = "application/x-fictionbook+xml"
EPUB = "application/epub+zip"
RTF = "application/rtf"
NOTEBOOK = "application/vnd.jupyter"


def text_of(content: bytes, mime_type: str) -> str:
    return "\n\n".join(page.text for page in read(content, mime_type).pages)


# Builders


def word_of() -> bytes:
    document = docx.Document()
    document.add_heading("On Arches", level=1)
    document.add_paragraph("Stones press on each other.")
    table = document.add_table(rows=2, cols=2)
    for cell, said in zip(table._cells, ("span", "load", "3 m", "4 t"), strict=True):
        cell.text = said
    document.add_paragraph("Кирпичи тоже.")
    return written(document.save)


def slides_of() -> bytes:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "On Arches"
    slide.placeholders[1].text = "Stones press on each other."
    slide.notes_slide.notes_text_frame.text = "Mention the keystone."
    other = show.slides.add_slide(show.slide_layouts[5])
    other.shapes.title.text = "Loads"
    measure = pptx.util.Inches(2)
    table = other.shapes.add_table(1, 2, measure, measure, measure, measure).table
    table.cell(0, 0).text, table.cell(0, 1).text = "span", "3 m"
    return written(show.save)


def sheets_of() -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "Loads"
    book.active.append(["span", "load"])
    book.active.append([3, None, 4.5])
    book.create_sheet("Empty")
    return written(book.save)


def odt_of(body: str) -> bytes:
    return zipped(
        {
            "content.xml": f"""<?xml version="1.0" encoding="UTF-8"?>
<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:text>{body}
</office:text></office:body></office:document-content>"""
        }
    )


def epub_of(**more: str) -> bytes:
    return zipped(
        {
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:'
            'container"><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
            "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
            '<item id="b" href="second.xhtml"/><item id="a" href="part%201/first.xhtml"/>'
            '</manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
            "OEBPS/part 1/first.xhtml": "<html><h1>One</h1><p>Stones press.</p></html>",
            "OEBPS/second.xhtml": "<html><body><p>Bricks, too.</p></body></html>",
            **more,
        }
    )


def zipped(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


NOTEBOOK_BYTES = json.dumps(
    {"cells": [{"source": ["# Arches\n", "stand."]}, {"source": "x = 1", "outputs": [{"a": 1}]}]}
).encode()
RTF_BYTES = rb"{\rtf1\ansi{\fonttbl{\f0 Times;}}\f0 Stones press. \'dcber {\b alles}.\par Next.}"


# What is read


def test_pages_of_a_pdf_have_numbers() -> None:
    """From 1; an empty page counts."""
    found = read(pdf_of("Stones press.", "", "Bricks, too."), PDF).pages
    assert [(page.number, page.text.strip()) for page in found] == [
        (1, "Stones press."),
        (2, ""),
        (3, "Bricks, too."),
    ]


def test_a_word_document_is_read_in_order() -> None:
    """Headings, paragraphs, tables row by row."""
    assert text_of(word_of(), WORD).split("\n\n") == [
        "On Arches",
        "Stones press on each other.",
        "span | load",
        "3 m | 4 t",
        "Кирпичи тоже.",
    ]


def test_a_word_template_is_read_like_a_document() -> None:
    """Only the name of its main part's type differs."""
    template = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word_of())) as source, zipfile.ZipFile(template, "w") as copy:
        for name in source.namelist():
            content = source.read(name)
            if name == "[Content_Types].xml":
                content = content.replace(b"document.main+xml", b"template.main+xml")
            copy.writestr(name, content)
    kind = OFFICE + "wordprocessingml.template"
    assert text_of(template.getvalue(), kind).startswith("On Arches\n\nStones press")


def test_slides_are_read_with_tables_and_notes() -> None:
    """In order."""
    assert text_of(slides_of(), SLIDES).split("\n\n") == [
        "On Arches",
        "Stones press on each other.",
        "Mention the keystone.",
        "Loads",
        "span | 3 m",
    ]


def test_sheets_are_read_row_by_row() -> None:
    """Under their names, without empty cells."""
    assert text_of(sheets_of(), SHEETS).split("\n\n") == [
        "Loads",
        "span | load",
        "3 | 4.5",
        "Empty",
    ]


def test_an_opendocument_text_is_read_with_its_blanks() -> None:
    """Headings and paragraphs; a frame's paragraph once, in its own place."""
    body = (
        "<text:h>On<text:s/>Arches</text:h><text:p>Stones <text:span>press<text:tab/>on"
        "</text:span> each<text:line-break/>other.<text:note><text:p>A note.</text:p></text:note>"
        " So.</text:p>"
    )
    assert text_of(odt_of(body), ODT).split("\n\n") == [
        "On Arches",
        "Stones press\ton each\nother. So.",
        "A note.",
    ]


def test_a_book_is_read_in_the_order_of_its_spine() -> None:
    """Not of its manifest; escapes in names are undone."""
    assert text_of(epub_of(), EPUB).split() == "One Stones press. Bricks, too.".split()


def test_a_book_with_an_entry_that_leads_nowhere_is_read() -> None:
    """They are common; what there is, is read. Of a font that is encrypted nothing is said."""
    holes = '<package><manifest><item id="b" href="second.xhtml"/><item id="x" href="x.xhtml"/>'
    spine = '</manifest><spine><itemref idref="x"/><itemref idref="y"/><itemref idref="b"/></spine>'
    book = epub_of(
        **{
            "OEBPS/book.opf": f"{holes}{spine}</package>",
            "META-INF/encryption.xml": '<e><CipherReference URI="OEBPS/a.otf"/></e>',
        }
    )
    assert text_of(book, EPUB) == "Bricks, too."


def test_a_book_whose_chapters_are_encrypted_is_refused() -> None:
    """What can be read of it is noise."""
    declared = '<e><CipherReference URI="OEBPS/second.xhtml"/></e>'
    with pytest.raises(Unreadable, match="protected"):
        text_of(epub_of(**{"META-INF/encryption.xml": declared}), EPUB)


def test_a_sheet_of_opendocument_is_read_row_by_row() -> None:
    """Under its name; what is there a million times is said once."""
    sheet = (
        '<table:table xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
        'table:name="Loads"><table:table-row><table:table-cell><text:p>span</text:p>'
        "</table:table-cell><table:table-cell/><table:table-cell><text:p>3 m</text:p><text:p>wide"
        "</text:p></table:table-cell></table:table-row><table:table-row "
        'table:number-rows-repeated="1000000"><table:table-cell '
        'table:number-columns-repeated="1000"><text:p>0</text:p>'
        "</table:table-cell></table:table-row><table:table-row/></table:table>"
    )
    assert text_of(odt_of(sheet), ODS) == "Loads\n\nspan | 3 m wide\n\n0"


def test_a_fictionbook_is_read_without_its_pictures() -> None:
    """Title, annotation, then the bodies."""
    book = (
        '<FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0"><description><title-info>'
        "<genre>sf</genre><book-title>Arches</book-title><annotation><p>On stones.</p></annotation>"
        "</title-info></description><body><title><p>One</p></title><section><p>Stones <emphasis>"
        "press</emphasis>.</p><poem><stanza><v>Brick by brick.</v></stanza></poem></section></body>"
        '<body name="notes"><section><p>A note.</p></section></body>'
        '<binary id="cover">aGlkZGVu</binary></FictionBook>'
    )
    assert text_of(book.encode(), FB2).split("\n\n") == [
        "Arches",
        "On stones.",
        "One",
        "Stones press.",
        "Brick by brick.",
        "A note.",
    ]
    with pytest.raises(Unreadable, match="no FictionBook"):
        text_of(b"<html/>", FB2)


@pytest.mark.parametrize(
    ("build", "before", "after", "kind"),
    [
        (
            "word",
            f"{OFFICE}wordprocessingml.document.main+xml",
            "application/vnd.ms-word.document.macroEnabled.main+xml",
            "application/vnd.ms-word.document.macroEnabled.12",
        ),
        (
            "word",
            f"{OFFICE}wordprocessingml.document.main+xml",
            "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
            "application/vnd.ms-word.template.macroEnabled.12",
        ),
        (
            "slides",
            f"{OFFICE}presentationml.presentation.main+xml",
            f"{OFFICE}presentationml.slideshow.main+xml",
            f"{OFFICE}presentationml.slideshow",
        ),
        (
            "slides",
            f"{OFFICE}presentationml.presentation.main+xml",
            f"{OFFICE}presentationml.template.main+xml",
            f"{OFFICE}presentationml.template",
        ),
        (
            "slides",
            f"{OFFICE}presentationml.presentation.main+xml",
            "application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml",
            "application/vnd.ms-powerpoint.presentation.macroEnabled.12",
        ),
        (
            "sheets",
            f"{OFFICE}spreadsheetml.sheet.main+xml",
            "application/vnd.ms-excel.sheet.macroEnabled.main+xml",
            "application/vnd.ms-excel.sheet.macroEnabled.12",
        ),
        (
            "sheets",
            f"{OFFICE}spreadsheetml.sheet.main+xml",
            f"{OFFICE}spreadsheetml.template.main+xml",
            f"{OFFICE}spreadsheetml.template",
        ),
    ],
)
def test_relatives_of_office_documents_are_read_like_them(
    build: str, before: str, after: str, kind: str
) -> None:
    """Templates, slide shows and documents with macros: only a name differs."""
    content = {"word": word_of, "slides": slides_of, "sheets": sheets_of}[build]()
    relative = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(relative, "w") as copy:
        for name in source.namelist():
            member = source.read(name)
            if name == "[Content_Types].xml":
                assert before.encode() in member
                member = member.replace(before.encode(), after.encode())
            copy.writestr(name, member)

    plain = {"word": WORD, "slides": SLIDES, "sheets": SHEETS}[build]
    assert text_of(relative.getvalue(), kind) == text_of(content, plain)


def test_rich_text_is_read_without_its_markup() -> None:
    """Under both of its names."""
    for kind in (RTF, "text/rtf"):
        assert text_of(RTF_BYTES, kind).split() == "Stones press. Über alles. Next.".split()


def test_what_stands_above_below_and_aside_in_rich_text_is_read() -> None:
    """Headers, footers and footnotes are groups of their own."""
    content = (
        rb"{\rtf1\ansi{\header zqehead\par}{\footerf zqefoot\par}"
        rb"Stones{\footnote\pard zqenote} press.{\*\generator zqetool}}"
    )
    words = text_of(content, RTF).split()
    assert {"zqehead", "zqefoot", "zqenote", "press."} <= set(words)
    assert "zqetool" not in words


def test_notebooks_are_read_without_their_outputs() -> None:
    """The source of each cell, whether it is a text or a list of lines."""
    assert text_of(NOTEBOOK_BYTES, NOTEBOOK) == "# Arches\nstand.\n\nx = 1"


def test_text_has_no_page_numbers() -> None:
    """Nor have slides and sheets."""
    for content, kind in ((b"Stones press.", "text/plain"), (slides_of(), SLIDES)):
        assert {page.number for page in read(content, kind).pages} == {None}


# What is refused


def test_a_pdf_under_a_password_is_refused() -> None:
    """One that opens without is read."""
    plain = pdf_of("Stones press.")
    assert text_of(encrypted(plain, ""), PDF).strip() == "Stones press."
    with pytest.raises(Unreadable, match="needs a password"):
        text_of(encrypted(plain, "secret"), PDF)


def test_slides_and_sheets_have_names() -> None:
    """Counted as they are shown, or called as their maker called them; of OpenDocument as well."""
    names = [page.name for page in read(slides_of(), SLIDES).pages]
    assert names == ["slide 1", "slide 2"]
    assert [page.name for page in read(sheets_of(), SHEETS).pages] == ["sheet Loads", "sheet Empty"]
    draw = ' xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'
    show = odt_of(
        f"<draw:page{draw}><text:p>Arches</text:p></draw:page>"
        f"<draw:page{draw}><text:p>Loads</text:p></draw:page><text:p>Beside</text:p>"
    )
    pages = read(show, "application/vnd.oasis.opendocument.presentation").pages
    assert pages == (
        Page(None, "Arches", "slide 1"),
        Page(None, "Loads", "slide 2"),
        Page(None, "Beside"),
    )
    assert has_named_parts(SLIDES)
    assert not has_named_parts(WORD)


@pytest.mark.parametrize("kind", [WORD, SLIDES, SHEETS, ODT, EPUB])
def test_an_archive_that_would_blow_up_is_refused_unread(kind: str) -> None:
    """By its directory: a hundred kilobytes that are a hundred megabytes."""
    bomb = zipped({"content.xml": "0" * (100 * 1024 * 1024)})
    assert len(bomb) < 200 * 1024
    with pytest.raises(Unreadable, match="too large once it is unpacked"):
        text_of(bomb, kind)


def test_a_directory_that_lies_does_not_blow_up_either() -> None:
    """No more is unpacked than it says."""
    bomb = bytearray(zipped({"content.xml": "0" * (50 * 1024 * 1024)}))
    true_size = (50 * 1024 * 1024).to_bytes(4, "little")
    assert bomb.count(true_size) >= 1
    lying = bytes(bomb).replace(true_size, (1000).to_bytes(4, "little"))
    with pytest.raises(Unreadable, match="damaged"):
        text_of(lying, ODT)


def test_too_many_members_are_refused() -> None:
    """However small they are."""
    with pytest.raises(Unreadable, match="too large"):
        text_of(zipped({f"{n}": "" for n in range(20_001)}), EPUB)


def test_entities_do_not_blow_up() -> None:
    """A billion laughs are none."""
    entities = "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "lol">' for n in range(10)
    )
    laughs = f"<!DOCTYPE x [{entities}]><x>&l9;</x>"
    with pytest.raises(Unreadable, match="damaged"):
        text_of(zipped({"content.xml": laughs}), ODT)


def test_an_encrypted_archive_is_refused() -> None:
    """By the flag of a member."""
    content = bytearray(odt_of("<text:p>x</text:p>"))
    central = content.rindex(b"PK\x01\x02")
    content[central + 8] |= 1
    with pytest.raises(Unreadable, match="encrypted"):
        text_of(bytes(content), ODT)


def test_a_protected_book_is_refused() -> None:
    """Its text could not be read anyway."""
    with pytest.raises(Unreadable, match="protected"):
        text_of(epub_of(**{"META-INF/rights.xml": "<rights/>"}), EPUB)


DOCUMENTS = {
    PDF: pdf_of("Stones press.", "Bricks, too."),
    WORD: word_of(),
    SLIDES: slides_of(),
    SHEETS: sheets_of(),
    ODT: odt_of("<text:p>Stones press.</text:p>"),
    EPUB: epub_of(),
    FB2: b"<FictionBook><body><p>Stones press.</p></body></FictionBook>",
    RTF: RTF_BYTES,
    NOTEBOOK: NOTEBOOK_BYTES,
}


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_what_is_of_another_kind_is_unreadable(kind: str) -> None:
    """And so is nothing at all."""
    for content in (b"", b"plain text", bytes(1000), b"PK\x03\x04" + bytes(100)):
        with pytest.raises(Unreadable):
            text_of(content, kind)


@settings(max_examples=150)
@given(kind=st.sampled_from(sorted(DOCUMENTS)), seed=st.integers(0, 2**32))
def test_a_damaged_document_is_read_or_refused(kind: str, seed: int) -> None:
    """Bytes changed, cut out, doubled: nothing but text or the refusal comes of it."""
    chance = random.Random(seed)
    content = bytearray(DOCUMENTS[kind])
    for _ in range(chance.randint(1, 8)):
        start = chance.randrange(len(content) + 1)
        end = min(len(content), start + chance.randint(0, 20))
        content[start:end] = chance.choice(
            [b"", chance.randbytes(end - start), bytes(content[start:end]) * 2]
        )
    try:
        text_of(bytes(content), kind).encode("utf-8", errors="surrogatepass")
    except Unreadable as refused:
        assert str(refused)


# Over the wire


async def import_of(server: Mounted, content: bytes, kind: str) -> tuple[dict[str, Any], str]:
    """The operation of an import, and the state of its document."""
    store = await server.new_store()
    name = await server.import_file(store, await server.new_file(content, mime_type=kind))
    operation = await server.call("GET", f"/v1beta/{name}")
    (document,) = await server.documents(store)
    return operation, str(document["state"])


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_every_kind_is_indexed(tmp_path: Path, kind: str) -> None:
    """Its document is active."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            operation, state = await import_of(server, DOCUMENTS[kind], kind)
            assert "error" not in operation
            assert state == "STATE_ACTIVE"

    asyncio.run(story())


def test_what_cannot_be_read_fails_with_a_status(tmp_path: Path) -> None:
    """The operation is done with an error as gRPC numbers it, the document has failed."""
    secret = encrypted(pdf_of("Stones press."), "secret")

    async def story() -> None:
        async with mounted(tmp_path) as server:
            operation, state = await import_of(server, secret, PDF)
            assert operation["done"]
            assert operation["error"] == {
                "code": 3,
                "message": "The PDF is encrypted: it needs a password; save it without one.",
            }
            assert "response" not in operation
            assert state == "STATE_FAILED"

    asyncio.run(story())


def test_a_citation_names_the_page(tmp_path: Path) -> None:
    """In generateContent as `pageNumber`, in an interaction as `page_number`."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            content = pdf_of("Bricks are baked of clay.", "Arches stand by their keystone.")
            await server.import_file(store, await server.new_file(content, mime_type=PDF))
            found = await server.ask("Why do arches stand?", store)
            (chunk, *_) = found["groundingMetadata"]["groundingChunks"]
            assert chunk["retrievedContext"]["pageNumber"] == 2
            body = {
                "model": "gemini-3.5-flash",
                "input": "Why do arches stand?",
                "tools": [{"type": "file_search", "file_search_store_names": [store]}],
            }
            answer = await server.call("POST", "/v1beta/interactions", body)
            (citation, *_) = answer["steps"][0]["content"][0]["annotations"]
            assert citation["page_number"] == 2

    asyncio.run(story())
