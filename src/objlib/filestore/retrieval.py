"""Finding the passages that answer a question: BM25 over chunks, by FTS5, and meaning if wanted.

A question is the OR of its telling terms and of its pairs of neighbouring telling terms. A pair is
rarer than its words, so BM25 makes it weigh more. Pairs like "what did" and "the president" would
outweigh the one rare word of a question; they count only where there is hardly anything else, so
that "ask what you can do" finds the sentence although each of its words says nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from objlib.filestore.filters import MetadataValue, Predicate
from objlib.filestore.fusion import DEPTH, Scored, fused
from objlib.filestore.quoting import folded
from objlib.filestore.semantic import Embedder, Nearness
from objlib.filestore.storage import ACTIVE, FileStore
from objlib.language.spelling import near
from objlib.language.words import closed_up, question_terms, telling_terms, terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_TOP_K = 5
TOP_K_MAX = 100

#: Pairs of a long question that are looked for; its terms all are.
PAIRS_MAX = 64
#: Near words are looked for in place of the first unknown ones among the first terms.
TERMS_MAX = 512
UNKNOWN_MAX = 4
_WORD_CHARS_MAX = 40

_MAY_BE_FOUND = f"""documents.store_id IN (SELECT value FROM json_each(:stores))
          AND (:accepted IS NULL
               OR documents.position IN (SELECT value FROM json_each(:accepted)))
          AND {ACTIVE} AND visible_at <= :now"""

# The cross joins keep the full-text index outermost; texts are read for the best chunks only.
_BY_WORDS = f"""
        SELECT chunk_terms.rowid, bm25(chunk_terms) AS score
        FROM chunk_terms
        CROSS JOIN chunks ON chunks.id = chunk_terms.rowid
        CROSS JOIN documents ON documents.position = chunks.document
        WHERE chunk_terms MATCH :match AND {_MAY_BE_FOUND}
        ORDER BY score, chunk_terms.rowid LIMIT :limit
"""
_VECTORS_OF_SOME = f"""
        SELECT vectors.chunk, vectors.vector
        FROM documents
        CROSS JOIN chunks ON chunks.document = documents.position
        CROSS JOIN vectors ON vectors.chunk = chunks.id
        WHERE vectors.embedder = :embedder AND {_MAY_BE_FOUND}
"""
_VECTORS = "SELECT chunk, vector FROM vectors WHERE embedder = :embedder"
_OF_THESE_MAY_BE_FOUND = f"""
        SELECT chunks.id
        FROM json_each(:chunks) AS near
        CROSS JOIN chunks ON chunks.id = near.value
        CROSS JOIN documents ON documents.position = chunks.document
        WHERE {_MAY_BE_FOUND}
"""
_HITS = """
    SELECT chunks.id, documents.store_id, documents.display_name, chunks.text,
           documents.metadata_json, chunks.page
    FROM chunks JOIN documents ON documents.position = chunks.document
    WHERE chunks.id IN (SELECT value FROM json_each(:ids))
"""
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
class Hit:
    """A chunk that was found, best first."""

    store_name: str
    title: str
    text: str
    metadata: list[dict[str, Any]]
    page: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """The hits, best first; what was looked for; and the weight of each folded word of that."""

    hits: list[Hit]
    asked: str
    weights: Mapping[str, float]


#: For a question that no store was asked.
NOTHING = Found([], "", {})


async def find(
    store: FileStore,
    question: str,
    *,
    store_ids: Sequence[str],
    top_k: int,
    accepts: Predicate | None,
) -> Found:
    """Return the best chunks of active, visible documents of these stores that a filter accepts.

    With an embedder the rankings by words and by meaning are fused.
    """
    embedder, vector = store.embedder, None
    if embedder is not None:
        vector = (await asyncio.to_thread(embedder.embed, [question], is_question=True))[0]
    accepted = None if accepts is None else _accepted(store, store_ids, accepts)
    eligible = {
        "stores": json.dumps(list(store_ids)),
        "accepted": None if accepted is None else json.dumps(accepted),
        "now": store.clock(),
    }
    depth = top_k if embedder is None else max(top_k, DEPTH)
    asked = _spelled(store, question)
    match = match_expression(asked)
    by_words: list[Scored] = []
    if match:
        rows = store.all(_BY_WORDS, match=match, limit=depth, **eligible)
        by_words = [(int(chunk), -float(score)) for chunk, score in rows]
    by_meaning: list[Scored] = []
    if embedder is not None and vector is not None:
        by_meaning = _by_meaning(store, embedder, vector, depth, eligible)
    weights = weights_of(store, asked)
    covered = _covered(store, question, by_words, weights) if by_meaning else 1.0
    best = fused(by_words, by_meaning, covered)
    return Found(_hits(store, best[:top_k]), asked, weights)


def _covered(
    store: FileStore, question: str, by_words: Sequence[Scored], weights: Mapping[str, float]
) -> float:
    """Return the share of a question's words, weighed, that the best passage holds."""
    if not by_words:
        return 0.0
    row = store.one("SELECT terms FROM chunk_terms WHERE rowid = :id", id=by_words[0][0])
    asked, held = folded([" ".join(question_terms(closed_up(question))), row[0] if row else ""])
    in_all = sum(weights.get(word, 0.0) for word in set(asked))
    in_passage = sum(weights.get(word, 0.0) for word in set(asked) & set(held))
    return in_passage / in_all if in_all else 0.0


def _by_meaning(
    store: FileStore,
    embedder: Embedder,
    question: NDArray[np.float32],
    depth: int,
    eligible: Mapping[str, Any],
) -> list[Scored]:
    """Return the nearest passages that may be found and have to do with a question.

    With a filter the vectors of what it accepts are read. Without one all are, in the order in
    which they lie, and of the nearest those are taken that may be found.
    """
    some = eligible["accepted"] is not None
    rows = store.cursor(
        _VECTORS_OF_SOME if some else _VECTORS,
        embedder=embedder.name,
        **(eligible if some else {}),
    )
    nearness = Nearness(rows, question)
    wanted = depth
    while True:
        near = [one for one in nearness.best(wanted) if one.cosine >= embedder.floor]
        if not some:
            ids = json.dumps([one.id for one in near])
            known = {id for (id,) in store.all(_OF_THESE_MAY_BE_FOUND, chunks=ids, **eligible)}
            found = [one for one in near if one.id in known]
        else:
            found = near
        if len(found) >= depth or len(near) < wanted:
            return [(one.id, one.cosine) for one in found[:depth]]
        wanted *= 8


def _hits(store: FileStore, ids: Sequence[int]) -> list[Hit]:
    """The chunks with these ids, in their order."""
    rows = {row[0]: row[1:] for row in store.all(_HITS, ids=json.dumps(ids))}
    return [
        Hit(f"fileSearchStores/{store_id}", title, text, json.loads(metadata_json), page)
        for store_id, title, text, metadata_json, page in (rows[id] for id in ids)
    ]


def _counts(store: FileStore, words: Sequence[str]) -> dict[str, int]:
    """Return in how many passages each of these folded words is."""
    store.all(_SHOW_COUNTS)
    return dict(store.all(_COUNTS, words=json.dumps(words)))


def weights_of(store: FileStore, question: str) -> dict[str, float]:
    """Return how rare each word of a question is, by BM25's formula."""
    (words,) = folded([" ".join(question_terms(closed_up(question)))])
    (passages,) = store.one("SELECT COALESCE(MAX(id), 0) FROM chunks") or (0,)
    counted = _counts(store, words)
    return {
        word: math.log(1 + (passages - count + 0.5) / (count + 0.5))
        for word in words
        for count in [min(counted.get(word, 0), passages)]
    }


def _spelled(store: FileStore, question: str) -> str:
    """Return a question, and behind it words of the index that are near those it does not know."""
    telling = telling_terms(closed_up(question))[:TERMS_MAX]
    if not telling:
        return question
    counted = _counts(store, [word for some in folded(telling) for word in some])
    unknown = [
        one
        for one, some in zip(telling, folded(telling), strict=True)
        if some and not any(map(counted.get, some)) and len(one) <= _WORD_CHARS_MAX
    ][:UNKNOWN_MAX]

    def words(first: str, end: str) -> list[tuple[str, int]]:
        return store.all(_WORDS_BETWEEN, first=first, end=end)

    # A stem that is folded again may be one that the index knows: peacefull, peaceful, peac.
    folds = [" ".join(some) for some in folded(unknown)]
    refolded = [
        fold for fold, some in zip(folds, folded(folds), strict=True) if _counts(store, some)
    ]
    others = [
        word
        for one, fold in zip(unknown, folds, strict=True)
        if fold not in refolded
        for word in near(one, fold, words)
    ]
    return " ".join([question, *refolded, *others])


def match_expression(question: str) -> str:
    """Return an FTS5 expression for a question; empty when there is nothing to look for.

    Terms hold letters, digits and marks only, so quoting them leaves no syntax to escape. Pairs of
    words that say nothing lend weight to a passage with a telling word; alone they find nothing.
    """
    question = closed_up(question)
    words = terms(question)
    telling = question_terms(question)
    kept = set(telling)
    is_sparse = len(telling) < 2
    pairs = dict.fromkeys(
        f"{one} {other}"
        for one, other in itertools.pairwise(words)
        if is_sparse or (one in kept and other in kept)
    )
    wanted = " OR ".join(f'"{term}"' for term in [*telling, *list(pairs)[:PAIRS_MAX]])
    return f'({wanted}) AND "{telling[0]}"' if is_sparse and pairs else wanted


def _accepted(store: FileStore, store_ids: Sequence[str], accepts: Predicate) -> list[int]:
    """The documents of these stores that a filter accepts, by their positions."""
    rows = store.all(
        "SELECT position, metadata_json FROM documents"
        " WHERE store_id IN (SELECT value FROM json_each(:stores))",
        stores=json.dumps(list(store_ids)),
    )
    return [position for position, text in rows if accepts(values_of(json.loads(text)))]


def values_of(metadata: Sequence[Mapping[str, Any]]) -> dict[str, MetadataValue]:
    """Custom metadata as a mapping, for filters."""
    values: dict[str, MetadataValue] = {}
    for entry in metadata:
        if "stringValue" in entry:
            values[entry["key"]] = entry["stringValue"]
        elif "numericValue" in entry:
            values[entry["key"]] = float(entry["numericValue"])
        else:
            values[entry["key"]] = list(entry.get("stringListValue", {}).get("values", []))
    return values
