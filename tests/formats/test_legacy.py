"""Texts from before UTF-8."""

from __future__ import annotations

from objlib.formats.decoding import decode_text
from tests.formats.languages import damaged, samples


def test_old_texts_are_read_right() -> None:
    """At least 97 of 100 of all languages, encodings and lengths; all with over 60 characters."""
    wrong = [
        (language, encoding, text)
        for language, encoding, text, content in samples()
        if decode_text(content) != text
    ]
    assert len(samples()) >= 200
    assert len(wrong) <= 0.03 * len(samples()), wrong
    assert [one for one in wrong if len(one[2]) > 60] == []


def test_a_file_half_in_utf_8_is_read_line_by_line() -> None:
    """As when something was added to an old file."""
    old, new = "Élève modèle, où étais-tu ?\n", "Ça coûte cher, mon cœur.\n"
    assert decode_text(old.encode("cp1252") + new.encode()) == old + new
    assert decode_text(new.encode() * 3 + old.encode("cp1252")) == new * 3 + old


def test_texts_that_are_mixed_or_damaged_are_read_right() -> None:
    """In every language: half in UTF-8 and half not, NULs before the text and in it."""
    wrong = [one[:2] for one in damaged() if decode_text(one[3]) != one[2]]
    assert wrong == []


def test_bytes_that_look_like_another_encoding_by_chance_do_not() -> None:
    """What LaTeX and shells write; letters around a NUL, which could be characters."""
    for text in ("a~{b}~} in ~{LaTeX}", "cd ~{a,b}", "1 ~{2} 3~} 4"):
        assert decode_text(text.encode()) == text
    for text in ("Das ist gut. " * 9, "Ça coûte cher, mon cœur. " * 9):
        for encoding in ("utf-8", "cp1252"):
            content = text.encode(encoding)
            for place in (0, 1, 30, 31, len(content)):
                assert decode_text(content[:place] + b"\0" + content[place:]) == text


def test_a_western_text_with_one_odd_character_stays_western() -> None:
    """One accent, one no-break space: too little to tell another language."""
    for text in ("Café", "Das Mädchen heißt Björn.", "100\xa0km from here", "¿Shiyaa quia?"):
        assert decode_text(text.encode("cp1252")) == text
