"""Web pages: blocks, hidden parts, pictures, and the encoding that a page declares."""

from __future__ import annotations

import pytest

from objlib.formats import NoText, read


def lines(page: str | bytes, kind: str = "text/html") -> list[str]:
    """The blocks of a page."""
    content = page.encode() if isinstance(page, str) else page
    return read(content, kind).pages[0].text.split("\n\n")


def test_a_block_ends_where_it_ends() -> None:
    """What follows a heading or a quotation is no part of its last word."""
    page = "<h2>zqehead</h2>zqebody starts<blockquote>zqequote</blockquote>zqeend"
    assert lines(page) == ["zqehead", "zqebody starts", "zqequote", "zqeend"]


@pytest.mark.parametrize("tag", "figcaption summary option legend caption td dt optgroup".split())
def test_every_block_stands_for_itself(tag: str) -> None:
    """Captions, summaries, options and cells are apart from their neighbours."""
    inside = f"<{tag}>zqeone</{tag}><{tag}>zqetwo</{tag}>"
    outside = {"td": "table", "caption": "table", "option": "select", "optgroup": "select"}
    page = f"<p>a</p><{outside.get(tag, 'div')}>{inside}</{outside.get(tag, 'div')}>zqethree"
    words = " ".join(lines(page)).split()
    assert {"zqeone", "zqetwo", "zqethree"} <= set(words)


def test_white_space_is_kept_where_it_is_written() -> None:
    """In `pre`; elsewhere a line break in the source is a blank."""
    assert lines("<p>one\n   two</p><pre>a\n  b</pre>") == ["one two", "a\n  b"]


def test_a_word_in_several_elements_is_one_word() -> None:
    """Elements within a line do not break it."""
    assert lines("<p>zqe<b>mid</b>dle <i>x</i></p>") == ["zqemiddle x"]


def test_a_picture_is_its_description() -> None:
    """One without is counted as missing; nothing hidden is text."""
    page = b"<p>a<img src='x' alt='zqeview'>b</p><img src='y'><script>no</script><style>no</style>"
    reading = read(page, "text/html")
    assert reading.pages[0].text == "a zqeview b"
    assert reading.missing == ("1 picture without a description",)


@pytest.mark.parametrize(
    ("declaration", "encoding"),
    [
        ('<meta charset="iso-8859-2">', "iso8859_2"),
        ("<meta charset=windows-1251>", "cp1251"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=ISO-8859-2">', "iso8859_2"),
        ('<meta charset="iso-2022-jp">', "iso2022_jp"),
        ('<?xml version="1.0" encoding="windows-1250"?>', "cp1250"),
        ('<meta charset="utf-8">', "utf-8"),
        ('<meta charset="no-such-thing">', "utf-8"),
        ('<meta charset="iso-8859-1">', "utf-8"),
    ],
)
def test_a_page_is_read_in_the_encoding_that_it_declares(declaration: str, encoding: str) -> None:
    """UTF-8 is UTF-8, whatever is declared."""
    texts = {"cp1251": "Мышь", "iso2022_jp": "日本語の本"}
    text = texts.get(encoding, "Zażółć źdźbło Łódź")
    page = f"{declaration}<p>{text}</p>".encode(encoding)
    assert lines(page) == [text]


def test_a_declaration_that_is_a_lie_is_not_believed() -> None:
    """Bytes that are none of the encoding that they are said to be are judged as they are."""
    page = '<meta charset="euc-kr"><p>Élève, où étais-tu ? Ça coûte cher.</p>'.encode("cp1252")
    assert lines(page) == ["Élève, où étais-tu ? Ça coûte cher."]


def test_utf_16_is_read_with_and_without_its_mark() -> None:
    """A page that holds NULs otherwise is none."""
    for content in ("<p>Łódź</p>".encode("utf-16"), "<p>Łódź</p>".encode("utf-16-be")):
        assert lines(content) == ["Łódź"]
    with pytest.raises(NoText):
        read(b"\0\1\2", "text/html")


def test_a_page_nested_without_end_is_read() -> None:
    """The walk does not call itself."""
    assert lines("<b>" * 3_000 + "zqedeep") == ["zqedeep"]


def test_what_stands_in_a_box_of_its_own_is_no_part_of_the_word_before() -> None:
    """In the same line, as a reader sees it."""
    page = "<p>Name<textarea>Ada</textarea><button>Send</button>or<input>leave</p>"
    assert lines(page) == ["Name Ada Send or leave"]


def test_a_page_that_would_keep_the_parser_for_minutes_is_read_at_once() -> None:
    """Nobody has written it; its words are found all the same, and none of its scripts."""
    page = "<title>Deep</title>" + "<div>zqe" * 300_000 + "<script>var x = 1;</script>end &amp; all"
    said = lines(page)
    assert (said[0], said[-1]) == ("Deep zqe", "end & all") or said[-1].endswith("end & all")
    assert not any("var x" in line for line in said)
    rows = "<table>" + "<tr><td>a<td>b" * 50_000 + "</table>"
    assert lines(rows).count("b") == 50_000
