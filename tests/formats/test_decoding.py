"""Text from bytes, the same on both sides."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.formats.decoding import (
    NO_MARK,
    _lines,
    after_all_turns,
    decode_text,
    examined,
    is_text,
    mark_of,
)
from objlib.formats.text import extract, extracted
from objlib.library.content import Content
from objlib.library.hashing import Fingerprint
from objlib.library.mime import Accepted, mime_type_of

_UTF = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]
_SINGLE_BYTE = ["cp1250", "cp1251", "cp1252", "cp1257", "iso8859_2", "koi8_u", "mac_cyrillic"]
SENTENCES = st.sampled_from(
    [
        "Élève, où étais-tu ? Ça coûte cher, mon cœur.",
        "Мысль изречённая есть ложь. Взрывая, возмутишь ключи.",
        "Žluťoučký kůň úpěl ďábelské ódy.",
        "Įlinkdama fechtuotojo špaga sublykčiojusi pragręžė apvalų arbūzą.",
    ]
)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Über αβγ".encode(), "Über αβγ"),
        (codecs.BOM_UTF8 + b"bread", "bread"),
        (codecs.BOM_UTF16_LE + "Brot ü".encode("utf-16-le"), "Brot ü"),
        (codecs.BOM_UTF16_BE + "Brot ü".encode("utf-16-be"), "Brot ü"),
        (codecs.BOM_UTF32_LE + "Brot ü".encode("utf-32-le"), "Brot ü"),
        (b"", ""),
        ("\ufffd was here".encode(), "\ufffd was here"),
        (("Τα νερά " * 20).encode() + b"\xff", "Τα νερά " * 20 + "\ufffd"),
        ("Η αψίδα στέκεται γιατί κάθε πέτρα θέλει να πέσει. ".encode("iso8859-7") * 9,
         "Η αψίδα στέκεται γιατί κάθε πέτρα θέλει να πέσει. " * 9),
    ],
)  # fmt: skip
def test_texts_are_read_in_the_encoding_they_are_in(content: bytes, text: str) -> None:
    """Marks decide, then UTF-8, also when damaged, then the likeliest of the old encodings."""
    assert decode_text(content) == text


@given(st.binary(max_size=200))
def test_no_bytes_are_beyond_reading(content: bytes) -> None:
    """For all bytes there is a text, and for UTF-8 it is the right one."""
    text = decode_text(content)

    assert "\0" not in text
    assert decode_text(text.encode()) == text.removeprefix("\ufeff")


@given(st.lists(SENTENCES, min_size=1, max_size=3), st.sampled_from(_UTF + _SINGLE_BYTE))
def test_library_and_store_read_the_same_text(sentences: list[str], encoding: str) -> None:
    """For every text in every encoding, the text that is sent is the text that the store reads."""
    content = " ".join(sentences).encode(encoding, errors="ignore")
    fingerprint = Fingerprint(hashlib.sha256(content).hexdigest(), len(content), 0.0, 0)

    assert extract(content, "text/plain") == Content(content, fingerprint).text


@given(st.binary(max_size=200).filter(lambda content: b"\0" not in content))
def test_any_bytes_are_the_same_text_on_both_sides(content: bytes) -> None:
    """For all bytes without a NUL the store reads what the library reads."""
    assert extract(content, "text/plain") == decode_text(content)


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=9),
            st.builds(
                str.encode, SENTENCES, st.sampled_from(_UTF + _SINGLE_BYTE), st.just("ignore")
            ),
            st.sampled_from([b"\n", b"\r", b"\r\n", b"\x1b$B$3", codecs.BOM_UTF16_LE]),
        ),
        max_size=8,
    )
)
def test_a_text_in_pieces_is_read_as_the_whole(pieces: list[bytes]) -> None:
    """For all bytes, wherever the pieces end: the same text, and the same bytes of it in UTF-8."""
    text = decode_text(b"".join(pieces))
    decoding = after_all_turns(examined(pieces))

    assert "".join(decoding.decoded(pieces)) == text
    assert b"".join(decoding.as_utf_8(pieces)) == text.encode()


@given(
    st.lists(st.sampled_from([b"a", b"\xe9", b"\n", b"\r", b"\r\n"]), max_size=12),
    st.lists(st.integers(0, 20), max_size=6),
)
def test_lines_are_the_same_wherever_the_pieces_end(parts: list[bytes], cuts: list[int]) -> None:
    """For all line ends, also one that is cut in two."""
    content = b"".join(parts)
    places = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    pieces = [content[begin:end] for begin, end in pairwise(places)]
    lines = [line for some in _lines(pieces) for line in some]
    assert lines == content.splitlines(keepends=True)


def test_a_text_without_line_ends_takes_no_time_to_speak_of() -> None:
    """Each piece of it is copied once: by the square of their number it would take an hour."""
    lines = [line for some in _lines([b"\xe9 " * 50] * 200_000) for line in some]
    assert [len(line) for line in lines] == [20_000_000]


def test_others_have_turns_while_a_text_is_looked_through() -> None:
    """One a piece from the first piece on, for a text may have a hundred megabytes."""
    read: list[int] = []

    class Pieces:
        """Three pieces of a text, which note that they are read."""

        def __iter__(self) -> Iterator[bytes]:
            for number in range(3):
                read.append(number)
                yield b"text "

    work = extracted(Pieces(), "text/plain")
    next(work)
    assert read == [0]
    assert "".join(after_all_turns(work)) == "text " * 3


ESCAPES = st.sampled_from(
    ["\\", "\\\\", "\\u00e9", "\\ud83c", "\\udf5e", "\\u4e2d", "\\u00", "u", "d", '"']
)


@given(st.lists(ESCAPES, max_size=12), st.lists(st.integers(0, 80), max_size=5))
def test_json_in_pieces_is_read_as_the_whole(parts: list[str], cuts: list[int]) -> None:
    """For all escapes, wherever the pieces end: within one, or between the halves of a pair."""
    content = "".join(parts).encode()
    places = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    pieces = [content[begin:end] for begin, end in pairwise(places)]

    read = "".join(after_all_turns(extracted(pieces, "application/json")))
    assert read == extract(content, "application/json")


def test_a_mark_of_every_encoding_is_known_and_makes_a_text() -> None:
    """UTF-32 is not taken for UTF-16, and a file that begins with a mark is never called binary."""
    for content, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ):
        assert mark_of(content + "Brot".encode(encoding)).encoding == encoding
        head = content + "Brot".encode(encoding)
        assert mime_type_of("Brot.txt", head) == Accepted("text/plain")
    assert mark_of(b"Brot") is NO_MARK


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_character_across_two_pieces_stays_whole(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long texts are decoded piece by piece, wherever the pieces end."""
    text = "Über das Brot \U0001f35e, Ελληνικά. " * 5
    for size in range(1, 12):
        monkeypatch.setattr("objlib.formats.decoding._PIECE_BYTES", size)
        assert decode_text(text.encode(encoding)) == text


def test_one_nul_does_not_make_a_short_text_binary() -> None:
    """A crash leaves one; where all else is a text, it is one."""
    assert is_text(b"A word\0 and more of it in here.\n")
    assert is_text("Größe\0 und mehr davon, zwölf Wörter".encode())
    assert not is_text(b"\x7fELF\0short")
    assert not is_text(b"A word\0 and\0 more\0 of it.\n")
    assert not is_text(b"A word\0 and more \xff\xfe of it in.")
