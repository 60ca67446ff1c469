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
#: A word is rare from this part of the weight of one that no passage has: one passage of sixty has
#: it, four of four thousand, ten of a hundred thousand.
_RARE = 0.75

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
        is_rare: hardly any other passage has it.
        is_known: some passage has it.
    """

    forms: frozenset[str]
    weight: float
    is_rare: bool
    is_known: bool


@dataclass(frozen=True, slots=True)
class Held:
    """How much of a question a passage holds.

    Args:
        share: 0 to 1, words weighed by their rarity.
        mild_share: the same, but what no passage holds counts half. A slip or an ending that the
            index does not take off is such a word, too.
        is_telling: a third of the words, some few of a long question, or a rare one.
    """

    share: float
    mild_share: float
    is_telling: bool


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
        weight = sum(word.weight for word in found)
        known = sum(word.weight for word in self.words if word.is_known)
        unknown = sum(word.weight for word in self.words if not word.is_known)
        has_many = len(found) >= min(len(self.words) / 3, _MANY)
        return Held(
            weight / (known + unknown) if found else 0.0,
            weight / (known + unknown / 2) if found else 0.0,
            has_many or any(word.is_rare for word in found),
        )


def asked_of(store: FileStore, question: str) -> Asked:
    """Return a question as the index of a store sees it."""
    (passages,) = store.one("SELECT COALESCE(MAX(id), 0) FROM chunks") or (0,)
    terms = question_terms(closed_up(question))
    folds = dict(zip(terms, folded(terms), strict=True))
    counted = _counts(store, [fold for some in folds.values() for fold in some])
    telling = telling_terms(closed_up(question))[:TERMS_MAX]
    nearly = _near_words(store, {term: folds[term] for term in telling}, counted)
    text = " ".join([question, *(other for some in nearly.values() for other in some)])
    instead = {
        term: [fold for some in folded(others) for fold in some] for term, others in nearly.items()
    }
    counted.update(_counts(store, [fold for some in instead.values() for fold in some]))
    every = {fold for some in [*folds.values(), *instead.values()] for fold in some}
    weights = {fold: _rarity(counted.get(fold, 0), passages) for fold in every}
    enough = max(passages, _PASSAGES_MIN)
    words = {}
    for term, some in folds.items():
        for fold in some:
            forms = frozenset([fold, *instead.get(term, ())])
            is_rare = min(weights[form] for form in forms) >= _RARE * _rarity(0, passages)
            is_known = any(map(counted.get, forms))
            words[fold] = _Word(forms, _rarity(counted.get(fold, 0), enough), is_rare, is_known)
    return Asked(text, weights, tuple(words.values()))


def _rarity(count: int, passages: int) -> float:
    count = min(count, passages)
    return math.log(1 + (passages - count + 0.5) / (count + 0.5))


def _counts(store: FileStore, words: Sequence[str]) -> dict[str, int]:
    """Return in how many passages each of these folded words is."""
    if not words:
        return {}
    store.all(_SHOW_COUNTS)
    return dict(store.all(_COUNTS, words=json.dumps(list(dict.fromkeys(words)))))


def _near_words(
    store: FileStore, folds: Mapping[str, Sequence[str]], counted: Mapping[str, int]
) -> dict[str, list[str]]:
    """Return each word that the index does not know -> words of it that are near.

    Args:
        folds: word of a question -> as the index would hold it.
        counted: folded word -> in how many passages it is.
    """
    unknown = [
        one
        for one, some in folds.items()
        if some and not any(map(counted.get, some)) and len(one) <= _WORD_CHARS_MAX
    ][:UNKNOWN_MAX]

    def words(first: str, end: str) -> list[tuple[str, int]]:
        store.all(_SHOW_COUNTS)
        return store.all(_WORDS_BETWEEN, first=first, end=end)

    nearly: dict[str, list[str]] = {}
    # A stem that is folded again may be one that the index knows: peacefull, peaceful, peac.
    stems = [" ".join(folds[one]) for one in unknown]
    for one, stem, again in zip(unknown, stems, folded(stems), strict=True):
        nearly[one] = [stem] if _counts(store, again) else near(one, stem, words)
    return {one: others for one, others in nearly.items() if others}
