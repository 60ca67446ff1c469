"""One list of the passages of two questions: the one that was asked, and the one without names.

Pure. Reciprocal ranks are added, so that what both found comes first.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

T = TypeVar("T", bound=Hashable)

#: As in `filestore.fusion`, where the source is.
_RRF_K = 60
#: The weight of a rank among the files that are named, where the question leaves no doubt which:
#: then they come first. Else both lists take turns.
_SURE = 2.0


def merged(plain: Sequence[T], of_named: Sequence[T], *, is_sure: bool) -> list[T]:
    """Return both lists as one, best first; at equal rank what is of the named files comes first.

    Args:
        is_sure: the question leaves no doubt about the files.
    """
    scores: dict[T, float] = {}
    for weight, ranking in ((_SURE if is_sure else 1.0, of_named), (1.0, plain)):
        for rank, item in enumerate(dict.fromkeys(ranking), start=1):
            scores[item] = scores.get(item, 0.0) + weight / (_RRF_K + rank)
    return sorted(scores, key=lambda item: -scores[item])  # stable
