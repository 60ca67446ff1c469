"""One ranking of two: by words and by meaning.

Pure functions over (id, score), best first. The ranking by words is the one that is trusted: who
looks for a name, a number or a rare word is best served by it. Meaning may add to it and reorder
it, by reciprocal rank, and takes the first place only where the words leave the question open.
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
#: The weight of a rank by meaning; one by words weighs 1.
MEANING = 0.5


def fused(words: Sequence[Scored], meaning: Sequence[Scored]) -> list[int]:
    """Return the ids of both rankings, best first; ties go to the ranking by words.

    The first `DEPTH` of each are fused. What follows keeps its order, words first.
    """
    rankings = ((1.0, words), (MEANING, meaning))
    scores: dict[int, float] = {}
    for weight, ranking in rankings:
        for rank, (item, _score) in enumerate(ranking[:DEPTH], start=1):
            scores[item] = scores.get(item, 0.0) + weight / (RRF_K + rank)
    best = sorted(scores, key=lambda item: -scores[item])  # stable: those by words come first
    return list(dict.fromkeys([*best, *(item for _, ranking in rankings for item, _ in ranking)]))
