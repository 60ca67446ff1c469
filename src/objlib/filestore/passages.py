"""Passages of documents in the data file, and what they are found by.

The passages of a large document are written in batches, each in a short transaction, before the
document itself: until its row is there they belong to nothing, and search does not see them. What a
process that died left behind is freed an hour later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from objlib.filestore.storage import FileStore

#: Passages in one transaction: some dozens of milliseconds.
BATCH = 512
ABANDONED_AFTER_S = 3600.0


class Chunk(NamedTuple):
    """A passage, what it is found by, and the page on which it begins, if there are pages.

    `vector` is its meaning, where there is an embedder.
    """

    text: str
    terms: str
    page: int | None
    vector: bytes | None = None


def reserve(store: FileStore) -> int:
    """A position for a document that is not there yet. In a transaction."""
    # Only an insert moves the sequence on by which no position is ever used twice.
    position = store.insert(
        "INSERT INTO documents (store_id, id, display_name, mime_type, size_bytes, metadata_json,"
        " created_at, ready_at, visible_at) VALUES ('', '', '', '', 0, '', 0, 0, 0)"
    )
    store.all("DELETE FROM documents WHERE position = :position", position=position)
    store.insert("INSERT INTO unfinished (position, since) VALUES (?, ?)", position, store.clock())
    return position


def add(store: FileStore, document: int, first: int, chunks: Sequence[Chunk]) -> None:
    """Add passages of a document, numbered from `first`. In a transaction."""
    for ordinal, (text, terms, page, vector) in enumerate(chunks, start=first):
        chunk = store.insert(
            "INSERT INTO chunks (document, ordinal, text, page) VALUES (?, ?, ?, ?)",
            *(document, ordinal, text, page),
        )
        store.insert("INSERT INTO chunk_terms (rowid, terms) VALUES (?, ?)", chunk, terms)
        if vector is not None and store.embedder is not None:
            store.insert(
                "INSERT INTO vectors (chunk, embedder, vector) VALUES (?, ?, ?)",
                *(chunk, store.embedder.name, vector),
            )


def finish(store: FileStore, document: int) -> None:
    """Say that a document's row is there now. In a transaction."""
    store.all("DELETE FROM unfinished WHERE position = :position", position=document)


def remove(store: FileStore, document: int) -> None:
    """Delete a document's passages, whether it is there or only reserved. In a transaction."""
    store.all("DELETE FROM chunks WHERE document = :position", position=document)
    finish(store, document)


def remove_abandoned(store: FileStore) -> None:
    """Delete the passages of documents that never came to be. In a transaction."""
    for (position,) in store.all(
        "SELECT position FROM unfinished WHERE since <= :since",
        since=store.clock() - ABANDONED_AFTER_S,
    ):
        remove(store, position)
