"""The sentence of a passage that answers best, weighed as the index weighs words.

Words are folded by the very tokenizer of the index, so that "lynching" finds the sentence with
"Lynchings". A sentence without any word of the question is not quoted, and neither are the numbers
of a list, stage directions, headings and the headers that clients write before a text.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from objlib.filestore.chunking import sentences
from objlib.language.words import closed_up, question_terms, terms

QUOTE_CHARS_MAX = 400

#: As in `schema.sql`, where the reason is.
TOKENIZER = "porter unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"

#: A word that the index was not asked about.
_WEIGHT = 1.0
#: Two words of the question side by side say more than the two alone.
_PAIR = 0.5
#: A piece without an end names a subject and says less of it.
_FRAGMENT = 0.5

_SENTENCE_END = re.compile(r"[.!?…。！？།॥।][\"'”’»)\]]*$")
#: Markdown's two ways to write one.
_HEADING = re.compile(r"\s*(?:#{1,6}\s[^\n]*|[^\n]+\n[ \t]*(?:=+|-+)[ \t]*)(?:\n|$)")
_NUMBER_OF_A_LIST = re.compile(r"[\W_]*(?:\d{1,4}|[ivxlcdm]{1,7}|\w)[\W_]*", re.IGNORECASE)
_STAGE_DIRECTION = re.compile(r"\s*(?:\([^()]*\)|\[[^\[\]]*\])[\s.,;:!?]*")
#: `[name:1]`, lines of `key: value`, `[/name]`; or what a cut between two passages left of it.
_HEADER = re.compile(
    r"\s*(?:\[(?P<name>\w+):\d+\]\n(?:[^\n]+\n)*?\[/(?P=name)\](?:\s+|$)"
    r"|(?:[^\n]*\n(?:[\w-]+: [^\n]*\n)*)?\[/\w+\](?:\s+|$)"
    r"|\[\w+:\d+\]\n(?:[^\n]+\n?)*$)"
)


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    folded: list[str]


def folded(texts: Sequence[str]) -> list[list[str]]:
    """Return for each text its terms as the index keeps them, in order."""
    found: list[list[str]] = [[] for _ in texts]
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.execute(f'CREATE VIRTUAL TABLE said USING fts5 (terms, tokenize = "{TOKENIZER}")')
        db.execute("CREATE VIRTUAL TABLE words USING fts5vocab (said, instance)")
        db.executemany(
            "INSERT INTO said (rowid, terms) VALUES (?, ?)",
            [(number, " ".join(terms(closed_up(text)))) for number, text in enumerate(texts, 1)],
        )
        for term, number in db.execute("SELECT term, doc FROM words ORDER BY doc, offset"):
            found[number - 1].append(term)
    return found


def without_header(passage: str) -> str:
    """Return a passage without the header that a client wrote before the text."""
    while (header := _HEADER.match(passage)) is not None and header.end():
        passage = passage[header.end() :]
    return passage


def best_sentences(
    question: str, passages: Sequence[str], weights: Mapping[str, float]
) -> list[str | None]:
    """Return for each passage the sentence that answers best, on one line; None without any.

    Args:
        weights: folded word -> how rare it is in the index.
    """
    pieces = [_pieces(passage) for passage in passages]
    wanted, *others = folded([" ".join(question_terms(closed_up(question))), *_chained(pieces)])
    rest = iter(others)
    best: list[str | None] = []
    for some in pieces:
        said = [_Sentence(text, next(rest)) for text in some]
        scored = [(_score(one, wanted, weights), -len(one.text), one.text) for one in said]
        score, _length, text = max(scored, default=(0.0, 0, ""))
        best.append(text if score > 0 else None)
    return best


def _chained(pieces: Sequence[Sequence[str]]) -> list[str]:
    return list(itertools.chain.from_iterable(pieces))


def _pieces(passage: str) -> list[str]:
    """Return what may be quoted of a passage, each piece on one line and short enough."""
    found: list[str] = []
    for sentence in sentences(without_header(passage)):
        said = _HEADING.sub("", sentence, count=1) or sentence
        flat = " ".join(said.split())
        if not _NUMBER_OF_A_LIST.fullmatch(flat) and not _STAGE_DIRECTION.fullmatch(flat):
            found += _shortened(flat)
    return found


def _shortened(sentence: str) -> list[str]:
    """Return a sentence, or overlapping pieces of one that is too long to be quoted whole."""
    if len(sentence) <= QUOTE_CHARS_MAX:
        return [sentence] if sentence else []
    pieces: list[str] = []
    room = QUOTE_CHARS_MAX - 2
    start = 0
    while True:
        end = start + room
        if end >= len(sentence):
            return [*pieces, "…" + sentence[start:]]
        space = sentence.rfind(" ", start + room // 2, end)
        end = end if space < 0 else space
        pieces.append(("…" if start else "") + sentence[start:end].rstrip() + "…")
        middle = start + (end - start) // 2
        start = sentence.find(" ", middle, end) + 1 or middle


def _score(sentence: _Sentence, wanted: Sequence[str], weights: Mapping[str, float]) -> float:
    """Return the weight of the question's words in a sentence, neighbours counting for more."""
    said = set(sentence.folded)
    found = sum(weights.get(word, _WEIGHT) for word in set(wanted) & said)
    asked_side_by_side = set(itertools.pairwise(wanted))
    for one, other in set(itertools.pairwise(sentence.folded)) & asked_side_by_side:
        found += _PAIR * (weights.get(one, _WEIGHT) + weights.get(other, _WEIGHT))
    return found if _SENTENCE_END.search(sentence.text) else found * _FRAGMENT
