"""One ranking of two: by words and by meaning.

Pure functions over (id, score), best first. Who looks for a name, a number or a rare word is best
served by the words, so where the best passage holds enough of the question its ranking stands, and
meaning adds what no word finds. Where it does not, the question was asked in other words: then the
reciprocal ranks of both are added. Only where the words hardly say anything does their best passage
lose its place.
"""

from __future__ import annotations

from collections.abc import Sequence

#: (id of a passage, its score: the higher, the better).
Scored = tuple[int, float]

#: How much the first ranks count against the next; the value of Cormack, Clarke and Buettcher,
#: "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods" (2009).
RRF_K = 60
#: How much of each ranking is fused. Further down, to stand in both says less than to be first in
#: one, but would count for more.
DEPTH = 10
#: The share of a question, its words weighed by their rarity, that the best passage by words must
#: hold for its ranking to stand. Tuned on benchmarks/questions.toml: docs/search.md.
ENOUGH = 0.5
#: The same for the best passage by words alone to stay the first. Tuned likewise.
ENOUGH_FOR_FIRST = 0.3


def fused(words: Sequence[Scored], meaning: Sequence[Scored], covered: float) -> list[int]:
    """Return the ids of both rankings, best first; ties go to the ranking by words.

    The first `DEPTH` of each are fused. What follows keeps its order, words first.

    Args:
        covered: the share of the question that the best passage by words holds, 0 to 1.
    """
    scores: dict[int, float] = {}
    rankings = (words, meaning)
    for ranking in rankings if covered < ENOUGH else ():
        for rank, (item, _score) in enumerate(ranking[:DEPTH], start=1):
            scores[item] = scores.get(item, 0.0) + 1 / (RRF_K + rank)
    best = sorted(scores, key=lambda item: -scores[item])  # stable: those by words come first
    if words and covered >= ENOUGH_FOR_FIRST:
        best = [words[0][0], *best]
    return list(dict.fromkeys([*best, *(item for ranking in rankings for item, _ in ranking)]))
