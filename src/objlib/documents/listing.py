"""A listing of a whole store, and the proof that it is whole.

A listing is made of pages, and nothing at the API holds them together: a page may come twice, a
token may lead back, and where tokens are offsets a document that is deleted between two pages moves
another one across the border, unseen. A document that was listed exists; a document that was not
listed is absent only when the listing was coherent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from objlib.errors import Transient
from objlib.gemini.resources import Document, Store

#: Empty pages in a row after which a listing is given up; single ones do come.
EMPTY_PAGES_MAX = 50


class Lists(Protocol):
    """The part of a client that a listing needs."""

    def document_pages(self, store_name: str) -> AsyncIterator[list[Document]]:
        """All documents of a store, a page at a time."""
        ...

    async def known_store(self, name: str) -> Store:
        """The store with its counts of documents. Raises `StoreGone`."""
        ...


async def complete_pages(client: Lists, store: Store) -> AsyncIterator[list[Document]]:
    """List all documents of a store, a page at a time, and raise unless that was all of them.

    Args:
        store: as it was before the listing, for its count of documents.

    Raises:
        Transient: the listing is not coherent, so it proves no absence. A document came twice;
            fewer documents came than the store counted; or the store counts fewer after
            than before, so that a deletion may have moved a document across a page's border.
        StoreGone: the store is not there any more.
    """
    # Hashes of names: 64 bytes a document, a fifth of what the names take.
    seen: set[int] = set()
    usable = empty_pages = 0
    async for page in client.document_pages(store.name):
        _refuse_repeats(store, page, seen)
        usable += sum(not document.is_failed for document in page)
        empty_pages = 0 if page else empty_pages + 1
        if empty_pages > EMPTY_PAGES_MAX:
            raise Transient(
                f"the listing of {store.name} does not end: {empty_pages} empty pages in a row"
            )
        yield page
    after = await client.known_store(store.name)
    is_whole = len(seen) >= _counted(store) and usable >= min(_usable(store), _usable(after))
    if not is_whole or _counted(after) < _counted(store):
        raise Transient(
            f"the listing of {store.name} gave {len(seen):,} documents although the store "
            f"counted {_counted(store):,} before and {_counted(after):,} after; nothing was "
            "concluded, run it again"
        )


def _refuse_repeats(store: Store, page: Sequence[Document], seen: set[int]) -> None:
    for document in page:
        identity = hash(document.name)
        if identity in seen:
            raise Transient(
                f"the listing of {store.name} gave {document.name} twice; nothing was concluded, "
                "run it again"
            )
        seen.add(identity)


def _counted(store: Store) -> int:
    return _usable(store) + store.failed_documents


def _usable(store: Store) -> int:
    return store.active_documents + store.pending_documents
