"""From text to terms, in scripts with and without spaces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.language.stop_words import ENGLISH
from objlib.language.words import question_terms, telling_terms, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("?! —", []),
        ("Why Arches Stand, in 3 acts.", ["why", "arches", "stand", "in", "3", "acts"]),
        ("foo_bar", ["foo", "bar"]),
        ("foo_bär", ["foo", "bär"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("ﬁle №5", ["file", "no5"]),
        ("ΛΌΓΟΣ λόγος", ["λόγοσ", "λόγοσ"]),
        ("Война и миръ", ["война", "и", "миръ"]),
        ("مدرسة الفلسفة", ["مدرسة", "الفلسفة"]),
        ("ሰላም ለዓለም።", ["ሰላም", "ለዓለም"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("תורה", ["תורה"]),
        ("한국어 문장", ["한국어", "문장"]),
    ],
)
def test_scripts_with_spaces_are_cut_into_words(text: str, expected: list[str]) -> None:
    """A term is a run of letters, digits and combining marks, normalised and case-folded."""
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("哲学史", ["哲学", "学史"]),
        ("我", ["我"]),
        ("哲学。历史", ["哲学", "历史"]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー"]),
        ("ปลา", ["ปล", "ลา"]),
        ("Web网页2", ["web", "网页", "2"]),
    ],
)
def test_scripts_without_spaces_are_cut_into_pairs(text: str, expected: list[str]) -> None:
    """Neighbouring characters stand for words, so that any part of a text can be found."""
    assert terms(text) == expected


def test_a_composed_and_a_decomposed_letter_are_the_same_term() -> None:
    """The same word typed on two systems is found either way."""
    assert terms("Caf\u00e9") == terms("Cafe\u0301")


def test_words_that_say_nothing_are_dropped_from_a_question_once_others_remain() -> None:
    """Stop words and single letters do not blur the ranking."""
    assert question_terms("What is the arch, and why does the arch stand?") == ["arch", "stand"]


@pytest.mark.parametrize(
    ("question", "telling"),
    [
        ("Please tell me something about the keystone", "keystone"),
        ("Was sagt die Erklärung über die Ehe?", "erklärung ehe"),
        ("Wat sê die verklaring oor die huwelik?", "verklaring huwelik"),
        ("Vad säger förklaringen om äktenskapet?", "förklaringen äktenskapet"),
        ("Hvad siger erklæringen om ægteskabet?", "erklæringen ægteskabet"),
        ("Hva sier erklæringen om ekteskapet?", "erklæringen ekteskapet"),
        ("Mitä julistus sanoo siitä, kuka on vapaa?", "julistus vapaa"),
        ("Co deklaracja mówi o prawie do pracy?", "deklaracja prawie pracy"),
        ("Kdo má právo na práci a co je to?", "právo práci"),
        ("Kto má právo na prácu a čo je to?", "právo prácu"),
        ("Mit mond a nyilatkozat a házasságról?", "nyilatkozat házasságról"),
        ("Ce spune declarația despre dreptul la muncă?", "declarația dreptul muncă"),
        ("Bildirge evlilik hakkında ne diyor ve kim için?", "bildirge evlilik diyor"),
        ("Apa yang ada dalam deklarasi tentang perkawinan?", "deklarasi perkawinan"),
        ("Què diu la declaració sobre el matrimoni?", "declaració matrimoni"),
        ("Τι λέει η διακήρυξη για τον γάμο;", "διακήρυξη γάμο"),
        ("Що каже декларація про шлюб і про що це?", "каже декларація шлюб"),
    ],
)
def test_words_that_say_nothing_are_known_in_many_languages(question: str, telling: str) -> None:
    """Each question keeps what it is about."""
    assert telling_terms(question) == terms(telling)


def test_a_question_of_stop_words_keeps_them() -> None:
    """To be or not to be can still be asked."""
    assert question_terms("To be or not to be") == ["to", "be", "or", "not"]


def test_stop_words_are_terms() -> None:
    """Each of them is what `terms` would make of it, or it could never be dropped."""
    assert all(terms(word) == [word] for word in ENGLISH)


@given(st.text(max_size=200))
def test_terms_of_any_text_are_words(text: str) -> None:
    """For all texts: terms hold no white space and nothing is a term of nothing."""
    assert all(term and not any(char.isspace() for char in term) for term in terms(text))


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=100))
def test_the_short_way_for_ascii_gives_the_same_terms(text: str) -> None:
    """For all ASCII texts: a letter of another script at the end changes nothing before it."""
    assert terms(text + " é") == [*terms(text), "é"]
