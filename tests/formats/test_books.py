"""EPUB and FictionBook as programs and people really make them."""

from __future__ import annotations

import io
import struct
import zipfile
from io import BytesIO

import pytest

from objlib.formats import Reading, Unreadable, read
from objlib.formats import zipped as zipped_module
from objlib.formats.about import about
from tests.formats.test_formats import EPUB, FB2, zipped

CONTAINER = '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
PAGES = {
    "OEBPS/One.xhtml": "<p>zqeone</p>",
    "OEBPS/two words.xhtml": "<p>zqetwo</p>",
}


def package(items: str, spine: str, more: str = "") -> str:
    return f"<package>{more}<manifest>{items}</manifest><spine>{spine}</spine></package>"


def item(name: str, href: str) -> str:
    return f'<item id="{name}" href="{href}" media-type="application/xhtml+xml"/>'


def ref(name: str) -> str:
    return f'<itemref idref="{name}"/>'


def book(opf: str, **more: str) -> Reading:
    return read(
        zipped({"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": opf, **PAGES, **more}), EPUB
    )


TWO = item("a", "One.xhtml") + item("b", "two%20words.xhtml")


@pytest.mark.parametrize(
    "opf",
    [
        package(TWO, ref("a") + ref("b")),
        package(
            TWO + '<item href="x.css"/><item id="c"/><item/>', ref("a") + "<itemref/>" + ref("b")
        ),
        package(item("a", "one.XHTML") + item("b", "two words.xhtml"), ref("a") + ref("b")),
        package(
            item("a", "One.xhtml#top") + item("c", "One.xhtml#end") + TWO.partition("/>")[2],
            ref("a") + ref("c") + ref("b"),
        ),
        package(
            item("a", "/OEBPS/One.xhtml")
            + item("b", "../OEBPS/two+words.xhtml".replace("+", "%20")),
            ref("a") + ref("b"),
        ),
        "\n  <?xml version='1.0'?>" + package(TWO, ref("a") + ref("b")),
        package(
            TWO, ref("a") + ref("b"), "<metadata><description>a&nbsp;b & c</description></metadata>"
        ),
        package(TWO, ""),
        package(TWO, "<itemref/>"),
        package(TWO, ref("a") + ref("b"))
        .replace("<item ", "<opf:item ")
        .replace("<spine", "<opf:spine")
        .replace("</spine", "</opf:spine"),
        "no package at all",
    ],
    ids="plain holes case fragments absolute blank entities empty nothing prefixes damaged".split(),
)
def test_a_book_is_read_as_far_as_it_can_be_understood(opf: str) -> None:
    """Both chapters, in order, once."""
    if opf == "no package at all":
        with pytest.raises(Unreadable):
            book(opf)
        return
    reading = book(opf)
    assert " ".join(page.text for page in reading.pages).split() == ["zqeone", "zqetwo"]
    assert reading.missing == ()


def test_a_book_without_container_or_package_is_read() -> None:
    """In the order of names."""
    for gone in ("META-INF/container.xml", "OEBPS/book.opf"):
        members = {
            "META-INF/container.xml": CONTAINER,
            "OEBPS/book.opf": package(TWO, ref("a") + ref("b")),
            **PAGES,
        }
        del members[gone]
        pages = read(zipped(members), EPUB).pages
        assert " ".join(page.text for page in pages).split() == ["zqeone", "zqetwo"]


def test_a_chapter_that_is_not_there_is_named() -> None:
    """By its number and its name; the rest of the book is read."""
    opf = package(TWO + item("x", "ch%203.xhtml"), ref("a") + ref("x") + ref("b"))
    reading = book(opf)
    assert [page.text for page in reading.pages] == ["zqeone", "zqetwo"]
    assert reading.missing == ("chapter 2 (ch 3.xhtml) is missing",)


def test_a_chapter_that_is_damaged_is_named() -> None:
    """Its bytes are not those that were packed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, said in {
            "META-INF/container.xml": CONTAINER,
            "OEBPS/book.opf": package(TWO, ref("a") + ref("b")),
            **PAGES,
        }.items():
            archive.writestr(name, said)
    reading = read(buffer.getvalue().replace(b"zqeone", b"zqeONE", 1), EPUB)
    assert [page.text for page in reading.pages] == ["zqetwo"]
    assert reading.missing == ("chapter 1 (One.xhtml) is damaged",)


def test_author_and_title_of_a_book_are_known_and_read() -> None:
    """They go before the text, so that they are found."""
    said = (
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>On\n Arches</dc:title>'
        "<dc:creator>Ada &amp; Co</dc:creator><dc:creator>Bo</dc:creator></metadata>"
    )
    members = {
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": package(TWO, ref("a"), said),
        **PAGES,
    }
    content = zipped(members)
    assert about(BytesIO(content), EPUB) == {"title": "On Arches", "author": ["Ada & Co", "Bo"]}
    assert [page.text for page in read(content, EPUB).pages] == [
        "On Arches\n\nAda & Co, Bo",
        "zqeone",
    ]


# FictionBook


def fiction(body: str, before: str = "") -> str:
    return (
        f"{before}<FictionBook><description><title-info><author><first-name>Ада</first-name>"
        "<last-name>Бо</last-name></author><book-title>Арки</book-title></title-info>"
        f"</description><body>{body}</body></FictionBook>"
    )


def fiction_text(content: bytes) -> str:
    return "\n\n".join(page.text for page in read(content, FB2).pages)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            fiction("<p>Rock & roll, AT&T &nbsp;&mdash; R&D;</p>").encode(),
            "Rock & roll, AT&T — R&D;",
        ),
        (fiction('<p>a<l:a xlink:href="x">b</l:a>c</p>').encode(), "abc"),
        (
            fiction("<p>石头</p>", '<?xml version="1.0" encoding="GB18030"?>').encode("gb18030"),
            "石头",
        ),
        (
            fiction("<p>石头</p>", '<?xml version="1.0" encoding="gb2312"?>').encode("gb18030"),
            "石头",
        ),
        (
            fiction("<p>Камни</p>", '<?xml version="1.0" encoding="UTF-16"?>').encode("utf-16"),
            "Камни",
        ),
        (
            fiction("<p>Камни</p>", '<?xml version="1.0" encoding="windows-1251"?>').encode(
                "cp1251"
            ),
            "Камни",
        ),
        (fiction("<p>Камни</p>", f"<!--{'x' * 3000}-->").encode(), "Камни"),
        (fiction("<p>a\x0bb</p>").encode(), "ab"),
        (("\n " + fiction("<p>x</p>", '<?xml version="1.0"?>')).encode(), "x"),
    ],
    ids="ampersand prefix gb18030 gb2312 utf16 cp1251 late control blank".split(),
)
def test_a_fictionbook_that_is_not_quite_xml_is_read(content: bytes, expected: str) -> None:
    """Nothing of it is lost."""
    reading = read(content, FB2)
    assert reading.pages[-1].text == expected
    assert reading.pages[0].text == "Ада Бо\n\nАрки"
    assert reading.missing == ()
    assert about(BytesIO(content), FB2) == {"title": "Арки", "author": "Ада Бо"}


def test_a_zipped_fictionbook_is_read() -> None:
    """As libraries of such books keep them."""
    content = zipped({"Arches.fb2": fiction("<p>Камни</p>")})
    kind = "application/x-zip-compressed-fb2"
    assert [page.text for page in read(content, kind).pages][-1] == "Камни"
    assert about(BytesIO(content), kind) == {"title": "Арки", "author": "Ада Бо"}
    with pytest.raises(Unreadable, match="no FictionBook in the archive"):
        read(zipped({"a.txt": "x"}), kind)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (EPUB, b""),
        (EPUB, b"PK\x03\x04 half a download"),
        (EPUB, zipped({"a.txt": "no book"})),
        (EPUB, zipped({"book.opf": "<package><metadata><title> </title><creator/>"})),
        (EPUB, zipped({"book.opf": "<!DOCTYPE p [<!ENTITY a 'b'>]><p><title>&a;</title></p>"})),
        (EPUB, zipped({"book.opf": "<a>" * 50_000})),
        (EPUB, zipped({"book.opf": "\0" * 900})),
        (FB2, b"no XML"),
        (FB2, fiction("").replace("Арки", "").replace("Ада", "").replace("Бо", "").encode()),
        ("application/x-zip-compressed-fb2", zipped({"a.txt": "x"})),
    ],
)
def test_a_book_that_does_not_name_itself_has_no_name(kind: str, content: bytes) -> None:
    """Whatever is wrong with it: that is told when its text is read."""
    assert about(BytesIO(content), kind) == {}


def test_no_more_of_a_book_is_looked_at_than_names_it() -> None:
    """A scan does so in its own process: neither a large member nor a large directory is read."""
    named = "<package><metadata><title>Arches</title><creator>Ada</creator></metadata>"
    names = [f"{number * 7919 % 100_003}" for number in range(30_000)]
    large = zipped({"book.opf": f"{named}<manifest>{''.join(map(item, names, names))}"})
    assert about(BytesIO(large), EPUB) == {"title": "Arches", "author": "Ada"}
    late = fiction("<p>x</p>" * 200_000)
    assert about(BytesIO(late.encode()), FB2) == {"title": "Арки", "author": "Ада Бо"}
    directory = bytearray(zipped({"book.opf": named}))
    at = directory.rindex(b"PK\x05\x06")
    struct.pack_into("<I", directory, at + 12, zipped_module.DIRECTORY_BYTES_MAX + 1)
    assert about(BytesIO(bytes(directory)), EPUB) == {}


@pytest.mark.parametrize(
    "entity",
    [
        '<!ENTITY x SYSTEM "file:///etc/passwd">',
        '<!ENTITY x "a">',
        "<!ENTITY % p SYSTEM 'http://x'>",
    ],
)
def test_a_document_that_defines_entities_is_refused(entity: str) -> None:
    """None is expanded, none is fetched."""
    laughs = fiction("<p>&x;</p>", f"<!DOCTYPE FictionBook [{entity}]>")
    with pytest.raises(Unreadable, match="XML entities"):
        fiction_text(laughs.encode())


def test_a_document_nested_without_end_is_refused_or_cut() -> None:
    """With one clear reason, at once."""
    deep = fiction("<section>" * 100_000)
    reading = read(deep.encode(), FB2)
    assert reading.missing == ("a part that is damaged",)
