"""The evaluation of retrieval: its questions, its figures, and a run over a small library."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from benchmarks.retrieval import (
    HELD_OUT,
    QUESTIONS,
    Question,
    Ranked,
    evaluate,
    questions,
    recall,
    reciprocal_rank,
)


def asked(text: str, *files: str) -> Question:
    return Question("keyword", text, frozenset(files))


@pytest.mark.parametrize("path", [QUESTIONS, HELD_OUT], ids=lambda path: path.stem)
def test_there_are_enough_questions_of_every_kind(path: Path) -> None:
    """At least sixty, none twice, each with a file."""
    found = questions(path)
    assert len(found) >= 60
    assert len({question.text for question in found}) == len(found)
    assert all(question.files and all(question.files) for question in found)
    kinds = Counter(question.kind for question in found)
    assert kinds.keys() == {"keyword", "paraphrase", "name", "date", "number"}
    assert min(kinds.values()) >= 10


def test_the_figures_are_those_of_the_ranks() -> None:
    """First, third, fourth and not at all: half within three."""
    ranked = [Ranked(asked("?"), rank) for rank in (1, 3, 4, None)]
    assert recall(ranked) == 0.5
    assert reciprocal_rank(ranked) == (1 + 1 / 3 + 1 / 4) / 4


def test_a_library_is_indexed_and_asked(tmp_path: Path) -> None:
    """Ranks count files, not passages; by name with the header only; a miss is None."""
    folder = tmp_path / "Talks"
    folder.mkdir()
    (folder / "Talks - 1934 - Bees.txt").write_text("Wax is made of honey. " * 200)
    (folder / "Talks - 1656 - Clocks.txt").write_bytes("Größe und Öl.".encode("latin-1"))
    wanted = [
        asked("wax and honey", "Talks - 1934 - Bees"),
        asked("Größe", "Talks - 1656 - Clocks"),
        asked("honey", "Talks - 1656 - Clocks"),
        asked("the talk of 1656", "Talks - 1656 - Clocks"),
    ]

    def ranks(*, with_header: bool) -> list[int | None]:
        ranked = asyncio.run(evaluate(tmp_path, wanted, with_header=with_header))
        return [one.rank for one in ranked["BM25"]]

    assert ranks(with_header=True) == [1, 1, None, 1]
    assert ranks(with_header=False) == [1, 1, None, None]
