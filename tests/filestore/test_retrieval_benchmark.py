"""The evaluation of retrieval: its questions, its figures, and a run over a small library."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from benchmarks.questions import (
    HELD_OUT,
    QUESTIONS,
    Figures,
    Passage,
    Question,
    Ranked,
    questions,
    ranked,
    unanswered,
)
from benchmarks.retrieval import evaluate, smaller

#: These ask for a file, not for a passage of it.
OF_FILES = {"name", "date"}


def asked(text: str, *files: str, said: str = "") -> Question:
    return Question("keyword", text, frozenset(files), (said,) if said else ())


def test_there_are_enough_questions_and_a_third_of_them_is_held_out() -> None:
    """At least a hundred and fifty, none twice."""
    tuned, held_out = questions(QUESTIONS), questions(HELD_OUT)
    assert len(tuned) + len(held_out) >= 150
    assert len(held_out) * 3 >= len(tuned) + len(held_out)
    texts = [one.text for one in tuned + held_out] + unanswered(QUESTIONS) + unanswered(HELD_OUT)
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("path", [QUESTIONS, HELD_OUT], ids=lambda path: path.stem)
def test_each_kind_has_some_questions_with_files_and_passages(path: Path) -> None:
    """The phrase of a passage is missing only where a file is asked for."""
    found = questions(path)
    kinds = Counter(question.kind for question in found)
    assert kinds.keys() >= {"paraphrase", "speaker", "year", "near", "script", *OF_FILES}
    assert min(kinds.values()) >= 6
    assert all(question.files and all(question.files) for question in found)
    assert all((not one.phrases) == (one.kind in OF_FILES) for one in found)


def test_files_count_once_and_passages_one_by_one() -> None:
    """A passage is right where it is of the right file and says the phrase, white space apart."""
    question = asked("?", "A", said="a b")
    passages = [Passage("B", "a b"), Passage("B", "a b"), Passage("A", "c"), Passage("A", "a\n b")]
    assert ranked(question, passages) == Ranked(question, 2, 4)
    assert ranked(question, passages[:2]) == Ranked(question, None, None)


def test_the_figures_are_those_of_the_places() -> None:
    """Passages count only where one is asked for."""
    with_passage = asked("?", "A", said="a")
    some = [
        Ranked(with_passage, 1, 5),
        Ranked(with_passage, 3, 6),
        Ranked(asked("!", "A"), 4, None),
        Ranked(asked("…", "A"), None, None),
    ]
    assert Figures.of(some) == Figures(1 / 4, 2 / 4, 1 / 2, (1 + 1 / 3 + 1 / 4) / 4)


def test_scripts_are_told_apart() -> None:
    """By most of the letters."""
    texts = ("a 1 б", "рабство a", "受教育 a", "1 ?")
    assert [asked(text, "A").script for text in texts] == ["Latin", "Cyrillic", "Cjk", "None"]


def test_a_library_is_uploaded_and_asked(tmp_path: Path) -> None:
    """A miss is None; what names a file finds it."""
    folder = tmp_path / "library" / "Talks"
    folder.mkdir(parents=True)
    (folder / "Talks - 1934 - Bees.txt").write_text("Wax is made of honey. " * 200)
    (folder / "Talks - 1656 - Clocks.txt").write_bytes("Größe und Öl.".encode("latin-1"))
    wanted = [
        asked("wax and honey", "Talks - 1934 - Bees", said="Wax is"),
        asked("Größe", "Talks - 1656 - Clocks", said="und Öl"),
        asked("honey", "Talks - 1656 - Clocks", said="und Öl"),
        asked("the talk of 1656", "Talks - 1656 - Clocks"),
    ]
    nothing = ["the price of a ticket to Tokyo", "wax"]
    evaluated = asyncio.run(evaluate(tmp_path / "library", wanted, nothing))
    found = evaluated.ways
    assert evaluated.quoting == {"words": ["wax"]}
    assert found.keys() == {"FTS5", "bm25s", "words"}
    assert [one.file for one in found["words"]] == [1, 1, None, 1]
    assert [one.passage for one in found["words"]] == [1, 1, None, None]


def test_a_part_of_a_library_is_what_questions_are_about(tmp_path: Path) -> None:
    """As long as there is room."""
    library, part = tmp_path / "library", tmp_path / "part"
    library.mkdir()
    for name, words in (("a", 100), ("b", 100_000), ("c", 100)):
        (library / f"{name}.txt").write_text("word " * words)
    smaller(library, [asked("?", "a"), asked("!", "b")], 10, part)
    assert [path.name for path in part.rglob("*.txt")] == ["a.txt"]
