"""Text from bytes."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.formats import NoText, read


def extract(content: bytes, mime_type: str) -> str:
    """The text of a document."""
    return "\n\n".join(page.text for page in read(content, mime_type).pages)


FRENCH = "Élève, où étais-tu ? Ça coûte 5 € — « très » cher, mon cœur."
RUSSIAN = "Мысль изречённая есть ложь. Взрывая, возмутишь ключи, питайся ими и молчи."


@pytest.mark.parametrize(
    "content",
    [
        FRENCH.encode(),
        codecs.BOM_UTF8 + FRENCH.encode(),
        FRENCH.encode("utf-16"),
        codecs.BOM_UTF16_BE + FRENCH.encode("utf-16-be"),
        FRENCH.encode("utf-32"),
        codecs.BOM_UTF32_BE + FRENCH.encode("utf-32-be"),
        FRENCH.encode("cp1252"),
    ],
    ids=["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "cp1252"],
)
def test_a_text_is_read_in_the_encoding_it_was_written_in(content: bytes) -> None:
    """By its mark, else as UTF-8, else as what Western texts used to be."""
    assert extract(content, "text/plain") == FRENCH


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_a_short_western_text_is_not_taken_for_another_script(encoding: str) -> None:
    """A single accent is enough to tell."""
    for text in ("Café", "Das Mädchen heißt Björn.", "El niño mañana"):
        assert extract(text.encode(encoding), "text/plain") == text


def test_an_old_russian_text_is_still_russian() -> None:
    """The preference for Western encodings ends where they make no sense."""
    assert extract(RUSSIAN.encode("cp1251"), "text/plain") == RUSSIAN
    assert extract(RUSSIAN.encode("koi8_r"), "text/plain") == RUSSIAN


def test_a_few_damaged_bytes_do_not_change_the_encoding() -> None:
    """A UTF-8 text cut in mid-character stays UTF-8."""
    assert extract((RUSSIAN * 2).encode()[:-1][:101], "text/plain").startswith(RUSSIAN[:40])


@pytest.mark.parametrize(
    ("content", "mime_type"),
    [
        (b"text", "image/png"),
        (b"text", ""),
        (b"a\x00b", "text/plain"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "application/octet-stream"),
    ],
)
def test_what_is_no_text_is_refused(content: bytes, mime_type: str) -> None:
    """By type, or by what the bytes are."""
    with pytest.raises(NoText):
        extract(content, mime_type)


@pytest.mark.parametrize(
    "mime_type",
    ["text/plain", "TEXT/Markdown; charset=utf-8", "application/json", "application/x-sh"],
)
def test_types_of_text_are_read(mime_type: str) -> None:
    """Upper case and parameters do not matter."""
    assert extract(b"text", mime_type) == "text"


@pytest.mark.parametrize(
    "piece", ["<!--", "<![", "<a ", "</", "<script>", "<![CDATA[", "&#", "<b>"]
)
def test_broken_markup_takes_no_time_and_no_life(piece: str) -> None:
    """What stays open stays open."""
    assert extract((f"<p>Stones.</p>{piece * 20_000}").encode(), "text/html").startswith("Stones.")


def test_an_empty_title_of_xhtml_does_not_swallow_the_page() -> None:
    """Elements closed at once are empty."""
    page = "<html><head><title/><script src='x'/></head><body><p>Stones.</p></body></html>"
    assert extract(page.encode(), "application/xhtml+xml") == "Stones."


def test_markup_is_left_out_of_html() -> None:
    """Only what a reader sees is text, and blocks stay apart."""
    page = (
        "<html><head><title>T</title><style>p {}</style></head><body><h1>Head</h1>"
        "<p>One &amp; <b>two</b>.</p><script>no()</script><p>Three.</p></body></html>"
    )
    text = extract(page.encode(), "text/html")
    assert text.split() == ["T", "Head", "One", "&", "two.", "Three."]
    assert "\n\n" in text


@given(
    st.binary(max_size=200),
    st.sampled_from(["text/plain", "text/html", "application/json", "image/png", "x"]),
)
def test_any_bytes_are_text_or_none(content: bytes, mime_type: str) -> None:
    """For all bytes: nothing but NoText is raised, and text can be written as UTF-8."""
    try:
        extract(content, mime_type).encode("utf-8")
    except NoText as error:
        assert str(error)
