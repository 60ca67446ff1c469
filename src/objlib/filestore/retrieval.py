"""Finding the passages that answer a question: BM25 over chunks, by FTS5."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from objlib.filestore.filters import MetadataValue
from objlib.filestore.storage import ACTIVE, FileStore
from objlib.filestore.words import question_terms

DEFAULT_TOP_K = 5
TOP_K_MAX = 100

#: How far down the ranking to look for chunks that pass the filter.
_CANDIDATES_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found, best first."""

    store_name: str
    document_name: str
    title: str
    text: str
    metadata: list[dict[str, Any]]


def find(
    store: FileStore,
    question: str,
    *,
    store_ids: Sequence[str],
    top_k: int,
    accepts: Callable[[Mapping[str, MetadataValue]], bool],
) -> list[Hit]:
    """The best chunks of active, visible documents of these stores that the filter accepts."""
    words = question_terms(question)
    if not words:
        return []
    match = " OR ".join(f'"{word.replace(chr(34), chr(34) * 2)}"' for word in words)
    marks = ", ".join(f":store{index}" for index in range(len(store_ids)))
    rows = store.all(
        "SELECT documents.store_id, documents.id, documents.display_name, chunks.text,"
        " documents.metadata_json FROM chunk_terms"
        " JOIN chunks ON chunks.id = chunk_terms.rowid"
        " JOIN documents ON documents.position = chunks.document"
        f" WHERE chunk_terms MATCH :match AND documents.store_id IN ({marks})"
        f" AND {ACTIVE} AND documents.visible_at <= :now"
        " ORDER BY bm25(chunk_terms), chunks.id LIMIT :limit",
        match=match,
        now=store.clock(),
        limit=_CANDIDATES_MAX,
        **{f"store{index}": identifier for index, identifier in enumerate(store_ids)},
    )
    hits: list[Hit] = []
    for store_id, document_id, title, text, metadata_json in rows:
        metadata = json.loads(metadata_json)
        if accepts(values_of(metadata)):
            store_name = f"fileSearchStores/{store_id}"
            name = f"{store_name}/documents/{document_id}"
            hits.append(Hit(store_name, name, title, text, metadata))
            if len(hits) == top_k:
                break
    return hits


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
