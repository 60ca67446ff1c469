"""The questions of the evaluation, and how far down their answers were found."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

#: What rules and weights were made with, and what nothing was tuned on.
QUESTIONS = Path(__file__).with_name("questions.toml")
HELD_OUT = Path(__file__).with_name("held_out.toml")


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the names without extension of the files that answer it, and what they say there.

    `phrases` is empty where a whole file is asked for; one of them is enough.
    """

    kind: str
    text: str
    files: frozenset[str]
    phrases: tuple[str, ...] = ()

    @property
    def script(self) -> str:
        """Return the script that most of its letters are of."""
        names = [unicodedata.name(char, "?").split()[0] for char in self.text if char.isalpha()]
        return max(dict.fromkeys(names), key=names.count, default="none").capitalize()


@dataclass(frozen=True, slots=True)
class Passage:
    """Something that was found: the name of a file without extension, and a text of it."""

    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """A question with the places, from 1, of the first right file and the first right passage."""

    question: Question
    file: int | None
    passage: int | None


def questions(path: Path = QUESTIONS) -> list[Question]:
    """The questions of a file."""
    found = []
    for entry in tomllib.loads(path.read_text("utf-8"))["question"]:
        said = entry.get("phrase", ())
        phrases = (said,) if isinstance(said, str) else tuple(said)
        files = frozenset([entry["file"], *entry.get("also", ())])
        found.append(Question(entry["kind"], entry["text"], files, phrases))
    return found


def unanswered(path: Path = QUESTIONS) -> list[str]:
    """Return the questions of a file that nothing in the library answers."""
    return [entry["text"] for entry in tomllib.loads(path.read_text("utf-8"))["nothing"]]


def ranked(question: Question, passages: Sequence[Passage]) -> Ranked:
    """Look where the right file and the right passage are. Files count once each."""
    files = {file: place for place, file in enumerate(dict.fromkeys(p.file for p in passages), 1)}
    right = (place for place, passage in enumerate(passages, 1) if _answers(question, passage))
    first = min((files[file] for file in question.files if file in files), default=None)
    return Ranked(question, first, next(right, None))


def _answers(question: Question, passage: Passage) -> bool:
    text = " ".join(passage.text.split())
    return passage.file in question.files and any(said in text for said in question.phrases)


@dataclass(frozen=True, slots=True)
class Figures:
    """The measure of one way to search.

    Args:
        file_first, file_in_three: the share of questions with the right file there.
        passage_in_five: the same for the right passage, of the questions that ask for one.
        mrr: the mean of 1 / the place of the file, 0 for one that is not found.
    """

    file_first: float
    file_in_three: float
    passage_in_five: float
    mrr: float

    @classmethod
    def of(cls, some: Sequence[Ranked]) -> Figures:
        """Return the figures of some questions."""
        with_passage = [one for one in some if one.question.phrases]
        return cls(
            _share([one.file for one in some], 1),
            _share([one.file for one in some], 3),
            _share([one.passage for one in with_passage], 5),
            fmean(0.0 if one.file is None else 1 / one.file for one in some) if some else 0.0,
        )


def _share(places: Sequence[int | None], within: int) -> float:
    return fmean(place is not None and place <= within for place in places) if places else 1.0
