"""Word, PowerPoint and Excel as programs other than the libraries write them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import docx
import openpyxl  # type: ignore[import-untyped]
import pptx
import pytest
from openpyxl.comments import Comment  # type: ignore[import-untyped]

from objlib.formats import Reading, Unreadable, read
from tests.formats.compound import compound
from tests.formats.pdfs import written
from tests.formats.test_formats import SHEETS, SLIDES, WORD, odt_of, zipped


def repacked(content: bytes, change: Callable[[str, bytes], bytes | None]) -> bytes:
    """An archive with members changed, or left out where the change is None."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(changed, "w") as copy:
        for name in source.namelist():
            if (member := change(name, source.read(name))) is not None:
                copy.writestr(name, member)
    return changed.getvalue()


RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
W = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
)


def relations(**targets: str) -> str:
    """A part of relationships: kind -> target."""
    entries = "".join(
        f'<Relationship Id="r{n}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets.items())
    )
    return f"<Relationships>{entries}</Relationships>"


def word(body: str, **parts: str) -> Reading:
    """What is read of a document with this body; of other parts, by their kind, these contents."""
    members = {
        "_rels/.rels": relations(officeDocument="word/document.xml"),
        "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": relations(**{kind: f"{kind}.xml" for kind in parts}),
        **{f"word/{kind}.xml": f"<w:part {W}>{said}</w:part>" for kind, said in parts.items()},
    }
    return read(zipped(members), WORD)


def run(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


def paragraph(inside: str) -> str:
    return f"<w:p>{inside}</w:p>"


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (
            f"{run('Kunde: ')}<w:sdt><w:sdtContent>{run('X')}</w:sdtContent></w:sdt>",
            "Kunde: X",
        ),
        (f"{run('a')}<w:ins>{run('zqeins')}</w:ins>{run('b')}", "azqeinsb"),
        (f"a<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>{run('b')}", "b"),
        (f"<w:moveFrom>{run('gone')}</w:moveFrom><w:moveTo>{run('here')}</w:moveTo>", "here"),
        (f'<w:fldSimple w:instr="DATE">{run("zqefield")}</w:fldSimple>', "zqefield"),
        (f"<w:smartTag>{run('zqe')}<w:smartTag>{run('tag')}</w:smartTag></w:smartTag>", "zqetag"),
        (f"<w:hyperlink>{run('zqelink')}</w:hyperlink>", "zqelink"),
        (f"<w:customXml>{run('zqecustom')}</w:customXml>", "zqecustom"),
        (
            "<w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t></w:r>",
            "a\tb",
        ),
        (
            "<w:r><w:t>co</w:t><w:noBreakHyphen/><w:t>op</w:t><w:br/><w:t>next</w:t></w:r>",
            "co-op\nnext",
        ),
        ('<w:r><w:sym w:font="x" w:char="2192"/><w:sym w:font="x" w:char="F0E0"/></w:r>', "→"),
        (f"<w:r><w:instrText>PAGE</w:instrText></w:r>{run('x')}", "x"),
        ("<w:r><w:t>a<!-- no --></w:t><?no no?><w:t>b</w:t></w:r>", "ab"),
    ],
    ids="control ins del moved field tags link custom tabs hyphen symbol code comment".split(),
)
def test_a_paragraph_of_word_is_read_whole(inside: str, expected: str) -> None:
    """Whatever its words are wrapped in, and without those that were deleted."""
    reading = word(paragraph(inside))
    assert reading.pages[0].text == expected
    assert reading.missing == ()


def test_blocks_of_word_are_read_wherever_they_stand() -> None:
    """In content controls, in tables within tables, in text boxes: once."""
    box = (
        "<w:r><mc:AlternateContent><mc:Choice><wps:txbx><w:txbxContent>"
        f"{paragraph(run('zqebox'))}</w:txbxContent></wps:txbx></mc:Choice><mc:Fallback>"
        f"<w:txbxContent>{paragraph(run('zqebox'))}</w:txbxContent></mc:Fallback>"
        "</mc:AlternateContent></w:r>"
    )
    inner = f"<w:tbl><w:tr><w:tc>{paragraph(run('in'))}</w:tc></w:tr></w:tbl>"
    cell = f"<w:sdt><w:sdtContent><w:tc>{inner}</w:tc></w:sdtContent></w:sdt>"
    row = f"<w:tr><w:tc>{paragraph(run('a'))}</w:tc>{cell}</w:tr>"
    body = (
        f"<w:sdt><w:sdtContent>{paragraph(run('zqeblock'))}</w:sdtContent></w:sdt>"
        f"<w:tbl>{row}</w:tbl>{paragraph(run('before ') + box + run('after'))}"
    )
    assert word(body).pages[0].text.split("\n\n") == [
        "zqeblock",
        "a | in",
        "zqebox",
        "before after",
    ]


def test_notes_comments_and_margins_of_word_are_read() -> None:
    """After the body; a header that is there on each page once."""
    parts = ("footnotes", "endnotes", "comments", "header", "footer")
    said = {kind: paragraph(run(f"zqe{kind}")) for kind in parts}
    found = word(paragraph(run("body")), **said).pages[0].text.split("\n\n")
    assert found == ["body", *(f"zqe{kind}" for kind in parts)]


def test_what_a_word_document_takes_in_is_read_or_named() -> None:
    """Web pages are; other files within it are missing, and so are pictures."""
    members = {
        "word/document.xml": f"<w:document {W}><w:body>{paragraph(run('body'))}<w:altChunk/>"
        f"<w:altChunk/>{paragraph('<w:r><a:blip/></w:r>')}"
        '<w:p><w:r><wp:docPr descr="zqedescribed"/></w:r></w:p></w:body></w:document>',
        "word/_rels/document.xml.rels": relations(aFChunk="in.html").replace(
            "</Rel", f'<Relationship Type="{RELATIONS}/aFChunk" Target="in.docx"/></Rel'
        ),
        "word/in.html": "<p>zqepage</p>",
        "word/in.docx": "",
    }
    reading = read(zipped(members), WORD)
    assert reading.pages[0].text.split("\n\n") == ["body", "zqedescribed", "zqepage"]
    assert reading.missing == ("the text in 1 picture", "in.docx, a file within the document")


def test_a_real_document_of_word_is_read_with_its_margins() -> None:
    """As python-docx writes it."""
    document = docx.Document()
    document.add_paragraph("zqebody")
    document.sections[0].header.paragraphs[0].text = "zqeheader"
    document.sections[0].footer.paragraphs[0].text = "zqefooter"
    assert read(written(document.save), WORD).pages[0].text.split() == [
        "zqebody",
        "zqeheader",
        "zqefooter",
    ]


def test_a_strict_document_with_a_bare_ampersand_is_read() -> None:
    """Namespaces do not matter, and damage that can be mended is."""
    body = paragraph(run("Müller & Söhne &nbsp;zqeend")).replace("w:", "")
    members = {"word/document.xml": f"<document><body>{body}</body></document>"}
    assert read(zipped(members), WORD).pages[0].text == "Müller & Söhne \xa0zqeend"


def test_half_a_part_is_read_and_named() -> None:
    """Up to where it ends."""
    members = {"word/document.xml": f"<w:document {W}><w:body>{paragraph(run('zqehalf'))}<w:p>"}
    reading = read(zipped(members), WORD)
    assert reading.pages[0].text == "zqehalf"
    assert reading.missing == ("a part that is damaged",)


@pytest.mark.parametrize("kind", [WORD, SLIDES, SHEETS])
def test_a_document_under_a_password_is_encrypted_not_damaged(kind: str) -> None:
    """Office hides it in a compound file."""
    hidden = compound({"EncryptedPackage": b"x", "EncryptionInfo": b"x"})
    with pytest.raises(Unreadable, match=r"encrypted; save it without a password"):
        read(hidden, kind)


def test_an_opendocument_under_a_password_is_encrypted_not_damaged() -> None:
    """Its manifest says so."""
    content = odt_of("<text:p>noise</text:p>")
    with zipfile.ZipFile(extended := io.BytesIO(content), "a") as archive:
        archive.writestr("META-INF/manifest.xml", "<m><manifest:encryption-data/></m>")
    with pytest.raises(Unreadable, match=r"encrypted; save it without a password"):
        read(extended.getvalue(), "application/vnd.oasis.opendocument.text")


def test_deleted_text_of_opendocument_is_no_text() -> None:
    """Deletions that were tracked are kept in the file; comments are read, their authors not."""
    body = (
        "<text:tracked-changes><text:deletion><text:p>gone</text:p></text:deletion>"
        "</text:tracked-changes><text:p>stays<text:change/> here</text:p>"
        '<office:annotation xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator>who</dc:creator>'
        "<text:p>zqecomment</text:p></office:annotation><text:p>a<text:s text:c='3'/>b</text:p>"
    )
    reading = read(odt_of(body), "application/vnd.oasis.opendocument.text")
    assert reading.pages[0].text.split("\n\n") == ["stays here", "zqecomment", "a   b"]


def test_headers_and_objects_of_opendocument_are_read() -> None:
    """They stand in other members."""
    with zipfile.ZipFile(extended := io.BytesIO(odt_of("<text:p>body</text:p>")), "a") as archive:
        space = 'xmlns:style="s" xmlns:text="t"'
        header = "<style:header><text:p>zqeheader</text:p></style:header>"
        archive.writestr("styles.xml", f"<style:s {space}>{header}</style:s>")
        archive.writestr("Object 1/content.xml", f"<o {space}><text:p>zqechart</text:p></o>")
    reading = read(extended.getvalue(), "application/vnd.oasis.opendocument.text")
    assert reading.pages[0].text.split() == ["body", "zqechart", "zqeheader"]


# Sheets


def test_a_sheet_does_not_end_where_it_claims_to() -> None:
    """The dimension in the file may be wrong; rows count."""
    book = openpyxl.Workbook()
    for row in range(50):
        book.active.append([f"zqe{row}", row])
    claiming = repacked(written(book.save), lambda name, member: member.replace(b"A1:B50", b"A1"))
    assert claiming != written(book.save)
    assert "zqe49 | 49" in read(claiming, SHEETS).pages[0].text


def test_cells_are_read_as_they_are_shown() -> None:
    """Words, numbers, dates, truth, rich text; comments after the rows."""
    import datetime as dt

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["text", 3, 4.5, 0.1, True, dt.date(2021, 3, 4), dt.datetime(2021, 3, 4, 5, 6, 7)])  # noqa: DTZ001
    sheet.append([dt.time(13, 30), None, "  ", "end"])
    sheet["A1"].comment = Comment("zqecomment", "who")
    found = read(written(book.save), SHEETS).pages[0].text.split("\n\n")
    assert found == [
        "Sheet",
        "text | 3 | 4.5 | 0.1 | TRUE | 2021-03-04 | 2021-03-04 05:06:07",
        "13:30:00 | end",
        "zqecomment",
    ]


def test_formulas_that_were_never_calculated_are_counted() -> None:
    """Programs write them so; a spreadsheet that is opened and saved once has the values."""
    book = openpyxl.Workbook()
    book.active.append(["sum", "=1+1"])
    reading = read(written(book.save), SHEETS)
    assert reading.pages[0].text == "Sheet\n\nsum"
    assert reading.missing == ("the values of 1 formula, not calculated yet",)


def test_a_sheet_that_is_not_there_is_missing() -> None:
    """The others are read."""
    book = openpyxl.Workbook()
    book.active.append(["zqeone"])
    book.create_sheet("Gone").append(["two"])
    gone = "xl/worksheets/sheet2.xml"
    content = repacked(written(book.save), lambda name, member: None if name == gone else member)
    reading = read(content, SHEETS)
    assert [page.text for page in reading.pages] == ["Sheet\n\nzqeone"]
    assert reading.missing == ("the sheet Gone is missing",)


# Slides


def test_a_slide_that_is_not_there_is_missing() -> None:
    """The others are read, in order."""
    show = pptx.Presentation()
    for title in ("zqeone", "zqetwo"):
        show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = title
    gone = "ppt/slides/slide1.xml"
    content = repacked(written(show.save), lambda name, member: None if name == gone else member)
    reading = read(content, SLIDES)
    assert [page.text for page in reading.pages] == ["zqetwo"]
    assert reading.missing == ("slide 1 is missing",)
