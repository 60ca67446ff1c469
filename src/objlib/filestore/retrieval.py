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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from objlib.filestore.asking import Asked, Held, asked_of
from objlib.filestore.filters import MetadataValue, Predicate
from objlib.filestore.fusion import DEPTH, Scored, fused
from objlib.filestore.quoting import folded
from objlib.filestore.semantic import Embedder, Nearness
from objlib.filestore.storage import ACTIVE, FileStore
from objlib.language.words import closed_up, question_terms, terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_TOP_K = 5
TOP_K_MAX = 100

#: Pairs of a long question that are looked for; its terms all are.
PAIRS_MAX = 64
#: A passage may be quoted that holds this share of a question, or whose cosine is this part of the
#: way from the embedder's floor to 1. Tuned on benchmarks/questions.toml.
QUOTED = 0.4
QUOTED_BY_MEANING = 0.2
#: A passage that was found by few of a question's words is left out where it holds a smaller share
#: of them than this, or than this part of what the first holds. Tuned on benchmarks/questions.toml.
LISTED = 0.25
LISTED_OF_BEST = 0.4

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
           documents.metadata_json, chunks.page,
           CASE WHEN EXISTS (SELECT 1 FROM pieces WHERE owner = 'media/' || documents.position)
                THEN documents.id END
    FROM chunks JOIN documents ON documents.position = chunks.document
    WHERE chunks.id IN (SELECT value FROM json_each(:ids))
"""
_TERMS = """
    SELECT chunk_terms.rowid, terms FROM json_each(:ids) AS found
    CROSS JOIN chunk_terms ON chunk_terms.rowid = found.value
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found.

    Args:
        media_id: the name of the picture, if it is one.
        is_near: it holds enough of the question, or is near it by its meaning: it may be quoted.
    """

    store_name: str
    title: str
    text: str
    metadata: list[dict[str, Any]]
    page: int | None
    media_id: str | None
    is_near: bool


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
    depth = max(top_k, DEPTH)
    asked = asked_of(store, question)
    match = match_expression(asked.text)
    by_words: list[Scored] = []
    if match:
        rows = store.all(_BY_WORDS, match=match, limit=depth, **eligible)
        by_words = [(int(chunk), -float(score)) for chunk, score in rows]
    held = _held(store, asked, [chunk for chunk, _ in by_words])
    if by_words and accepts is None:  # a filter chose the files: of those a weak passage is one
        least = max(LISTED, LISTED_OF_BEST * held[by_words[0][0]].mild_share)
        by_words = [
            (chunk, score)
            for chunk, score in by_words
            if held[chunk].is_telling or held[chunk].mild_share >= least
        ]
    covered = held[by_words[0][0]].share if by_words else 0.0
    by_meaning: list[Scored] = []
    if embedder is not None and vector is not None:
        by_meaning = _by_meaning(store, embedder, vector, depth, eligible)
    best = fused(by_words, by_meaning, covered)[:top_k]
    is_near = {chunk for chunk, one in held.items() if one.share >= QUOTED}
    if embedder is not None:
        least = embedder.floor + QUOTED_BY_MEANING * (1 - embedder.floor)
        is_near.update(chunk for chunk, cosine in by_meaning if cosine >= least)
    return Found(_hits(store, best, is_near), asked.text, asked.weights)


def _held(store: FileStore, asked: Asked, ids: Sequence[int]) -> dict[int, Held]:
    """Return how much of a question each of these passages holds."""
    rows = store.all(_TERMS, ids=json.dumps(list(ids)))
    passages = folded([terms for _, terms in rows])
    return {id: asked.held_by(set(some)) for (id, _), some in zip(rows, passages, strict=True)}


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


def _hits(store: FileStore, ids: Sequence[int], is_near: Collection[int]) -> list[Hit]:
    """The chunks with these ids, in their order."""
    rows = {row[0]: row[1:] for row in store.all(_HITS, ids=json.dumps(ids))}
    return [_hit(*rows[id], is_near=id in is_near) for id in ids]


def _hit(
    store_id: str,
    title: str,
    text: str,
    metadata_json: str,
    page: int | None,
    media: str | None,
    *,
    is_near: bool,
) -> Hit:
    name = f"fileSearchStores/{store_id}"
    media_id = None if media is None else f"{name}/media/{media}"
    return Hit(name, title, text, json.loads(metadata_json), page, media_id, is_near)


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
