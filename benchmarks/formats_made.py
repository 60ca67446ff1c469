"""Documents whose words are known, made with the libraries that people's programs use."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import docx
import matplotlib
import openpyxl  # type: ignore[import-untyped]
import pptx
from docx.oxml import parse_xml
from matplotlib.figure import Figure
from openpyxl.comments import Comment  # type: ignore[import-untyped]
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from tests.formats.compound import Tree, compound

_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns"


@dataclass(frozen=True, slots=True)
class Made:
    """A document, and the words that a person who looks at it can see."""

    name: str
    content: bytes
    words: frozenset[str]


def made() -> Iterator[Made]:
    """Yield one document of each kind."""
    for name, build in _BUILDERS.items():
        words = _Words(name.rpartition(".")[2])
        yield Made(name, build(words), frozenset(words.given))


class _Words:
    """Gives each place of a document a word of its own, such as `zqedocxheader`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.given: list[str] = []

    def __call__(self, place: str) -> str:
        self.given.append(f"zqe{self.kind}{place}")
        return self.given[-1]


def _docx(word: _Words) -> bytes:
    document = docx.Document()
    document.add_heading(word("heading"), level=1)
    paragraph = document.add_paragraph(f"{word('paragraph')} ")
    run = f"<w:r {_W}><w:t>%s </w:t></w:r>"
    for place, wrapped in {
        "inserted": f'<w:ins {_W} w:id="1" w:author="a">%s</w:ins>',
        "control": f"<w:sdt {_W}><w:sdtContent>%s</w:sdtContent></w:sdt>",
        "field": f'<w:fldSimple {_W} w:instr="TITLE">%s</w:fldSimple>',
        "tag": f'<w:smartTag {_W} w:element="x">%s</w:smartTag>',
        "link": f'<w:hyperlink {_W} w:anchor="x">%s</w:hyperlink>',
    }.items():
        paragraph._p.append(parse_xml(wrapped % (run % word(place))))
    block = f"<w:sdt {_W}><w:sdtContent><w:p>%s</w:p></w:sdtContent></w:sdt>"
    document.element.body.insert(1, parse_xml(block % (run % word("block"))))
    table = document.add_table(rows=1, cols=2)
    for cell, place in zip(table.rows[0].cells, ("cellone", "celltwo"), strict=True):
        cell.text = word(place)
    document.add_paragraph(word("bullet"), style="List Bullet")
    document.add_comment(paragraph.runs, text=word("comment"))
    section = document.sections[0]
    section.header.paragraphs[0].text = word("header")
    section.footer.paragraphs[0].text = word("footer")
    return _saved(document.save)


def _pptx(word: _Words) -> bytes:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = word("title")
    slide.placeholders[1].text = word("body")
    slide.notes_slide.notes_text_frame.text = word("notes")
    inch = pptx.util.Inches(1)
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(inch, inch, inch, inch).text_frame.text = word("group")
    table = slide.shapes.add_table(1, 1, inch, inch, inch, inch).table
    table.cell(0, 0).text = word("cell")
    data: Any = CategoryChartData()  # type: ignore[no-untyped-call]
    data.categories = [word("category")]
    data.add_series(word("series"), (1,))
    kind = XL_CHART_TYPE.COLUMN_CLUSTERED
    slide.shapes.add_chart(kind, inch, inch, inch, inch, data)
    return _saved(show.save)


def _xlsx(word: _Words) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = word("title")
    for row in range(20):
        sheet.append([word(f"row{row}"), row])
    sheet["A1"].comment = Comment(word("comment"), "a")
    book.create_sheet("Second").append([word("second")])
    content = _saved(book.save)
    return _changed(content, "xl/worksheets/sheet1.xml", b'ref="A1:B20"', b'ref="A1"')


def _odf(kind: str, inside: str) -> bytes:
    spaces = " ".join(
        f'xmlns:{name}="{_OFFICE}:{name}:1.0"'
        for name in ("office", "text", "table", "style", "presentation")
    )
    head = f'<office:document-content {spaces} office:version="1.3">'
    content = f"{head}<office:body>{inside}</office:body></office:document-content>"
    styles = f"<office:document-styles {spaces}><office:styles/></office:document-styles>"
    kind = f"application/vnd.oasis.opendocument.{kind}"
    return _zipped({"mimetype": kind, "content.xml": content, "styles.xml": styles})


def _odt(word: _Words) -> bytes:
    body = (
        f"<text:h text:outline-level='1'>{word('heading')}</text:h><text:p>{word('paragraph')}"
        f"<text:note><text:note-body><text:p>{word('note')}</text:p></text:note-body></text:note>"
        f"</text:p><text:list><text:list-item><text:p>{word('item')}</text:p></text:list-item>"
        f"</text:list><table:table><table:table-row><table:table-cell><text:p>{word('cell')}"
        "</text:p></table:table-cell></table:table-row></table:table>"
    )
    return _odf("text", f"<office:text>{body}</office:text>")


def _ods(word: _Words) -> bytes:
    cells = "".join(
        f"<table:table-cell><text:p>{word(place)}</text:p></table:table-cell>"
        for place in ("one", "two")
    )
    row = f"<table:table-row>{cells}</table:table-row>"
    table = f'<table:table table:name="{word("title")}">{row}</table:table>'
    return _odf("spreadsheet", f"<office:spreadsheet>{table}</office:spreadsheet>")


def _epub(word: _Words) -> bytes:
    about = (
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{word('title')}</dc:title><dc:creator>{word('author')}</dc:creator></metadata>"
    )
    items = "".join(
        f'<item id="c{n}" href="part%20{n}.xhtml" media-type="application/xhtml+xml"/>'
        for n in range(3)
    )
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(3))
    space = 'xmlns="http://www.idpf.org/2007/opf" version="3.0"'
    page = '<html xmlns="http://www.w3.org/1999/xhtml"><body><h1>%s</h1><p>%s</p></body></html>'
    return _zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container version="1.0" '
            'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile '
            'full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles>'
            "</container>",
            "OEBPS/book.opf": f"<package {space}>{about}<manifest>{items}</manifest>"
            f"<spine>{spine}</spine></package>",
            **{
                f"OEBPS/part {n}.xhtml": page % (word(f"head{n}"), word(f"body{n}"))
                for n in range(3)
            },
        }
    )


def _fb2(word: _Words) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0"><description><title-info>'
        f"<author><first-name>{word('author')}</first-name></author>"
        f"<book-title>{word('title')}</book-title></title-info></description><body><section>"
        f"<title><p>{word('head')}</p></title><p>{word('body')} &amp; {word('more')}</p></section>"
        "</body></FictionBook>"
    ).encode()


def _html(word: _Words) -> bytes:
    return (
        f"<html><head><title>{word('title')}</title></head><body><h2>{word('head')}</h2>"
        f"{word('loose')}<blockquote>{word('quote')}</blockquote>{word('after')}<figure>"
        f"<img src='x.png' alt='{word('picture')}'><figcaption>{word('caption')}</figcaption>"
        f"{word('behind')}</figure><details><summary>{word('summary')}</summary>{word('details')}"
        f"</details><table><tr><td>{word('cell')}</td><td>{word('next')}</td></tr></table>"
        f"<script>no</script></body></html>"
    ).encode()


def _rtf(word: _Words) -> bytes:
    return (
        r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Times;}}{\header " + word("header") + r"\par}"
        r"\f0 " + word("plain") + r" {\b " + word("bold") + r"}\par " + word("second") + "\\par}"
    ).encode()


def _pdf(word: _Words) -> bytes:
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure = Figure()
        for line, place in enumerate(("title", "body", "end")):
            figure.text(0.1, 0.8 - 0.1 * line, f"{word(place)} and more")
        return _saved(lambda buffer: figure.savefig(buffer, format="pdf"))


def _msg(word: _Words) -> bytes:
    texts = {"0037": "subject", "0C1A": "sender", "0E04": "to", "1000": "body"}
    streams: Tree = {
        f"__substg1.0_{number}001F": word(place).encode("utf-16-le")
        for number, place in texts.items()
    }
    attached: Tree = {"__substg1.0_3707001F": word("attached").encode("utf-16-le")}
    return compound(
        {**streams, "__properties_version1.0": b"", "__attach_version1.0_#00000000": attached}
    )


def _message(word: _Words) -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"] = word("subject"), f"{word('sender')} <a@example.org>"
    message["To"] = "b@example.org"
    message.set_content(f"Grüße, {word('body')}.", cte="base64")
    message.add_attachment(b"\0", maintype="image", subtype="png", filename=word("attached"))
    return message


def _eml(word: _Words) -> bytes:
    return _message(word).as_bytes()


def _mbox(word: _Words) -> bytes:
    return b"From a@example.org Thu Mar  4 05:06:07 2021\n" + _message(word).as_bytes()


def _mht(word: _Words) -> bytes:
    page = EmailMessage()
    text = f"<h1>{word('head')}</h1>{word('body')}"
    page.set_content(text, subtype="html", cte="base64")
    page.make_related()
    page.add_related(b"\0", maintype="image", subtype="png")
    return page.as_bytes()


def _ipynb(word: _Words) -> bytes:
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "metadata": {}, "source": [f"# {word('head')}"]},
        {
            "cell_type": "code",
            "metadata": {},
            "execution_count": 1,
            "source": [f"{word('code')} = 1"],
            "outputs": [{"output_type": "stream", "name": "stdout", "text": [word("output")]}],
        },
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook).encode()


def _json(word: _Words) -> bytes:
    return json.dumps({"a": f"{word('plain')} {word('łódź')}"}).encode()


def _saved(save: Callable[[Any], Any]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


def _zipped(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _changed(content: bytes, member: str, before: bytes, after: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(buffer, "w") as copy:
        for name in source.namelist():
            one = source.read(name)
            copy.writestr(name, one.replace(before, after) if name == member else one)
    return buffer.getvalue()


_BUILDERS: dict[str, Callable[[_Words], bytes]] = {
    "made.docx": _docx,
    "made.pptx": _pptx,
    "made.xlsx": _xlsx,
    "made.odt": _odt,
    "made.ods": _ods,
    "made.epub": _epub,
    "made.fb2": _fb2,
    "made.html": _html,
    "made.rtf": _rtf,
    "made.pdf": _pdf,
    "made.eml": _eml,
    "made.mbox": _mbox,
    "made.mht": _mht,
    "made.msg": _msg,
    "made.ipynb": _ipynb,
    "made.json": _json,
}
