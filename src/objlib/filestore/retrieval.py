"""Finding the passages that answer a question: BM25 over chunks, by FTS5."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from objlib.filestore.filters import MetadataValue, Predicate
from objlib.filestore.storage import ACTIVE, FileStore
from objlib.filestore.words import question_terms

DEFAULT_TOP_K = 5
TOP_K_MAX = 100

# The cross joins keep the full-text index outermost; texts are read for the best chunks only.
_BEST = f"""
    SELECT documents.store_id, documents.display_name, chunks.text, documents.metadata_json
    FROM (
        SELECT chunk_terms.rowid AS id, bm25(chunk_terms) AS score
        FROM chunk_terms
        CROSS JOIN chunks ON chunks.id = chunk_terms.rowid
        CROSS JOIN documents ON documents.position = chunks.document
        WHERE chunk_terms MATCH :match
          AND documents.store_id IN (SELECT value FROM json_each(:stores))
          AND (:accepted IS NULL
               OR documents.position IN (SELECT value FROM json_each(:accepted)))
          AND {ACTIVE} AND visible_at <= :now
        ORDER BY score, id LIMIT :limit
    ) AS best
    JOIN chunks ON chunks.id = best.id
    JOIN documents ON documents.position = chunks.document
    ORDER BY best.score, best.id
"""


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found, best first."""

    store_name: str
    title: str
    text: str
    metadata: list[dict[str, Any]]


def find(
    store: FileStore,
    question: str,
    *,
    store_ids: Sequence[str],
    top_k: int,
    accepts: Predicate | None,
) -> list[Hit]:
    """The best chunks of active, visible documents of these stores that the filter accepts."""
    words = question_terms(question)
    if not words:
        return []
    accepted = None if accepts is None else _accepted(store, store_ids, accepts)
    rows = store.all(
        _BEST,
        match=" OR ".join(f'"{word}"' for word in words),
        stores=json.dumps(list(store_ids)),
        accepted=None if accepted is None else json.dumps(accepted),
        now=store.clock(),
        limit=top_k,
    )
    return [
        Hit(f"fileSearchStores/{store_id}", title, text, json.loads(metadata_json))
        for store_id, title, text, metadata_json in rows
    ]


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
