"""What is quoted: sentences that hold a word of the question as the index folds it, no others."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from benchmarks.questions import HELD_OUT, QUESTIONS, questions
from benchmarks.retrieval import texts
from hypothesis import given
from hypothesis import strategies as st

from objlib.filestore.quoting import (
    QUOTE_CHARS_MAX,
    TOKENIZER,
    best_sentences,
    folded,
    without_header,
)
from objlib.language.spelling import near
from objlib.language.words import closed_up, question_terms, telling_terms
from tests.filestore.mounted import mounted

EXAMPLES = Path(__file__).parents[2] / "examples" / "library"
SCHEMA = Path(__file__).parents[2] / "src" / "objlib" / "filestore" / "schema.sql"
HEADER = "[objlib:1]\ntitle: On lynching\npath: On lynching.txt\n[/objlib]\n\n"


def best(question: str, passage: str) -> str | None:
    (sentence,) = best_sentences(question, [passage], {})
    return sentence


def holds_a_word(question: str, sentence: str) -> bool:
    asked, said = folded([" ".join(question_terms(closed_up(question))), sentence])
    return not set(asked).isdisjoint(said)


def is_near(question: str, sentence: str) -> bool:
    """A word without one ending more than the index takes off, or with a mistake in it."""
    words = [(word, 1) for word in folded([sentence])[0]]
    asked = telling_terms(question)
    (twice_folded,) = folded([" ".join(folded([" ".join(asked)])[0])])
    return not {word for word, _ in words}.isdisjoint(twice_folded) or any(
        near(word, " ".join(stem), lambda first, _end: (w for w in words if w[0][0] == first))
        for word, stem in zip(asked, folded(asked), strict=True)
    )


def test_words_are_folded_as_the_index_folds_them() -> None:
    """One tokenizer, written in two files."""
    assert TOKENIZER in SCHEMA.read_text("utf-8")
    assert folded(["Lynchings, Révolution!", "", "哲学史"]) == [
        ["lynch", "revolut"],
        [],
        ["哲学", "学史"],
    ]


@pytest.mark.parametrize(
    ("question", "passage", "expected"),
    [
        ("lynching", "Nothing yet. Lynchings must end. Go.", "Lynchings must end."),
        ("hostages in Iran", "In all. The hostage came home.", "The hostage came home."),
        ("keystone", "Bees fly. Bread is baked.", None),
        ("everybody 1", "1. Everybody is free. 2. No.", "Everybody is free."),
        ("applause", "(Applause.) We thank you for applause.", "We thank you for applause."),
        ("applause", "(Applause.)", None),
        ("2", "2.", None),
        ("lynching", HEADER + "We end it.", None),
        ("lynching", HEADER + "Lynchings end.", "Lynchings end."),
        ("lynching", "path: On lynching.txt\n[/objlib]\n\nWe end it.", None),
        ("lynching", "[objlib:1]\ntitle: On lynching", None),
        ("arches", "# On arches\nArches stand.", "Arches stand."),
    ],
)
def test_a_sentence_is_quoted_for_its_words_or_not_at_all(
    question: str, passage: str, expected: str | None
) -> None:
    """Endings do not matter; headers, numbers of lists and stage directions are no sentences."""
    assert best(question, passage) == expected


def test_the_rare_word_decides() -> None:
    """A sentence with the rare word goes before one with two frequent ones."""
    passage = "The people of the nation. Caesium shines."
    weights = {"peopl": 0.2, "nation": 0.3, "caesium": 6.0}
    (sentence,) = best_sentences("caesium people nation", [passage], weights)
    assert sentence == "Caesium shines."


def test_a_long_sentence_is_cut_around_its_word() -> None:
    """With a word of the question in what is left, in scripts without spaces too."""
    for filler, word in (("and on it goes ", "keystone "), ("人人生而自由", "钥匙")):
        quoted = best(word.strip(), filler * 90 + word + filler * 90 + "end.")
        assert quoted is not None
        assert word.strip() in quoted
        assert len(quoted) <= QUOTE_CHARS_MAX


@given(st.text(alphabet="ab .!\n()[]/:1#é人生", max_size=700), st.text("abé人生 1", max_size=12))
def test_what_is_quoted_holds_a_word_of_the_question(passage: str, question: str) -> None:
    """For all passages and questions."""
    quoted = best(question, passage)
    if quoted is not None:
        assert holds_a_word(question, quoted)
        assert len(quoted) <= QUOTE_CHARS_MAX


@given(st.text(alphabet="a:\n[]/", max_size=60))
def test_a_text_that_is_no_header_stays(text: str) -> None:
    """What is left is the end of the passage, and a header on a text takes nothing of it along."""
    assert text.endswith(without_header(text))
    assert without_header(HEADER + "So. \n\n" + text) == "So. \n\n" + text
    assert without_header("So. [/a]") == "So. [/a]"


def test_of_the_projects_own_questions_each_quotation_holds_a_word(tmp_path: Path) -> None:
    """Or one nearly the same where the index does not know it ("Hungary", "hungry"); no header."""

    async def story() -> list[tuple[str, str]]:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            for _title, content in texts(EXAMPLES, with_header=True):
                await server.add(store, content)
            asked = [*questions(QUESTIONS), *questions(HELD_OUT)]
            asked_of = [one.text for one in asked] + ["bees", "Why do arches stand?", "On bread"]
            parts = []
            for text in asked_of:
                candidate = await server.ask(text, store)
                grounding = candidate.get("groundingMetadata", {})
                parts += [
                    (text, support["segment"]["text"])
                    for support in grounding.get("groundingSupports", [])
                ]
            return parts

    parts = asyncio.run(story())
    assert len(parts) > 20
    for question, quoted in parts:
        assert holds_a_word(question, quoted) or is_near(question, quoted), (question, quoted)
        assert "objlib" not in quoted
        assert not re.fullmatch(r"\W*(\d+|\(.*\))\W*", quoted)
