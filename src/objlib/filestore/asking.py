"""A question as the index sees it: its words, how rare each is, and how much of it a passage holds.

A word that the index does not know gives way to words that are nearly the same. A passage that
holds one of those holds the word.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from objlib.filestore.quoting import folded
from objlib.filestore.storage import FileStore
from objlib.language.spelling import near
from objlib.language.words import closed_up, question_terms, telling_terms

#: Near words are looked for in place of the first unknown ones among the first terms.
TERMS_MAX = 512
UNKNOWN_MAX = 4
_WORD_CHARS_MAX = 40
#: How much of a question a passage holds is weighed as if there were so many passages at least. In
#: a small store a word that one passage has would weigh little beside one that none has.
_PASSAGES_MIN = 1_000
#: So many words of a long question are no accident.
_MANY = 4

# A table of the connection, which shows the index and holds nothing.
_SHOW_COUNTS = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS temp.term_counts USING fts5vocab (main, chunk_terms, row)"
)
_COUNTS = """
    SELECT term, doc FROM json_each(:words) AS asked
    CROSS JOIN temp.term_counts WHERE term = asked.value
"""
_WORDS_BETWEEN = "SELECT term, doc FROM temp.term_counts WHERE term >= :first AND term < :end"


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of a question.

    Args:
        forms: the folded words that stand for it: itself, or those that are near it.
        weight: how rare it is.
    """

    forms: frozenset[str]
    weight: float


@dataclass(frozen=True, slots=True)
class Held:
    """How much of a question a passage holds.

    Args:
        share: 0 to 1, words weighed by their rarity.
        has_many: a third of the words, or some few of a long question.
    """

    share: float
    has_many: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what the index knows of its words.

    Args:
        text: the question, and behind it what is near words that the index does not know.
        weights: folded word -> how rare it is, by BM25's formula.
    """

    text: str
    weights: Mapping[str, float]
    words: tuple[_Word, ...] = ()

    def held_by(self, passage: Collection[str]) -> Held:
        """Return how much of the question a passage holds, by its folded words."""
        found = [word for word in self.words if not word.forms.isdisjoint(passage)]
        in_all = sum(word.weight for word in self.words)
        share = sum(word.weight for word in found) / in_all if in_all else 0.0
        return Held(share, has_many=len(found) >= min(len(self.words) / 3, _MANY))


def asked_of(store: FileStore, question: str) -> Asked:
    """Return a question as the index of a store sees it."""
    nearly = _near_words(store, question)
    text = " ".join([question, *(other for some in nearly.values() for other in some)])
    (passages,) = store.one("SELECT COALESCE(MAX(id), 0) FROM chunks") or (0,)
    terms = question_terms(closed_up(question))
    folds = dict(zip(terms, folded(terms), strict=True))
    instead = {
        term: [fold for some in folded(others) for fold in some] for term, others in nearly.items()
    }
    every = {fold for some in [*folds.values(), *instead.values()] for fold in some}
    counted = _counts(store, sorted(every))
    words = {
        fold: _Word(
            frozenset([fold, *instead.get(term, ())]),
            _rarity(counted.get(fold, 0), max(passages, _PASSAGES_MIN)),
        )
        for term, some in folds.items()
        for fold in some
    }
    weights = {fold: _rarity(counted.get(fold, 0), passages) for fold in every}
    return Asked(text, weights, tuple(words.values()))


def _rarity(count: int, passages: int) -> float:
    count = min(count, passages)
    return math.log(1 + (passages - count + 0.5) / (count + 0.5))


def _counts(store: FileStore, words: Sequence[str]) -> dict[str, int]:
    """Return in how many passages each of these folded words is."""
    store.all(_SHOW_COUNTS)
    return dict(store.all(_COUNTS, words=json.dumps(words)))


def _near_words(store: FileStore, question: str) -> dict[str, list[str]]:
    """Return each word that the index does not know -> words of it that are near."""
    telling = telling_terms(closed_up(question))[:TERMS_MAX]
    folds = folded(telling) if telling else []
    counted = _counts(store, [word for some in folds for word in some])
    unknown = [
        one
        for one, some in zip(telling, folds, strict=True)
        if some and not any(map(counted.get, some)) and len(one) <= _WORD_CHARS_MAX
    ][:UNKNOWN_MAX]

    def words(first: str, end: str) -> list[tuple[str, int]]:
        return store.all(_WORDS_BETWEEN, first=first, end=end)

    nearly: dict[str, list[str]] = {}
    # A stem that is folded again may be one that the index knows: peacefull, peaceful, peac.
    stems = [" ".join(some) for some in folded(unknown)]
    for one, stem, again in zip(unknown, stems, folded(stems), strict=True):
        nearly[one] = [stem] if _counts(store, again) else near(one, stem, words)
    return {one: others for one, others in nearly.items() if others}
