"""Looks at the store before anything is sent, where the catalog may not know what is there.

A catalog can be lost, made anew, restored from a backup or copied to another machine; what it would
send may be in the store already. Looking is free as long as the store's counters agree with the
catalog, and one listing where they do not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

from objlib.catalog import accounts
from objlib.catalog.found import Findings
from objlib.catalog.new_store import exchange_is_over, is_exchanged
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_info
from objlib.catalog.records import FileRecord
from objlib.catalog.tallies import count_files
from objlib.documents.lookup import full_name
from objlib.documents.payload import Source
from objlib.errors import CatalogLost, Hint
from objlib.gemini.resources import Store
from objlib.library.scan import UNFINISHED_SCAN
from objlib.sync.rebuild import adopt_found, list_documents, note_found, rebuild
from objlib.upload.state import AsyncUploadStateManager

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient

_PAGE = 200
#: A listing shows so many documents for the price of one.
_ON_A_PAGE = 20


async def look_first(
    catalog: Catalog,
    client: FileSearchClient,
    store: Store,
    source: Source,
    *,
    sends: bool = True,
) -> int:
    """Make sure that what is about to be sent is not in the store already.

    A recovery that was killed is finished. Documents of this library that the catalog has not seen
    are adopted where their files lie here.

    Args:
        sends: something is about to be sent; else there is no reason to look.

    Returns:
        How many documents were adopted.

    Raises:
        CatalogLost: nothing was uploaded with this catalog, and half of another library's documents
            or more are of files that lie here; or half of the files that a scan has seen before it
            was cut off have documents of another library.
        Transient, RateLimited: the listing failed or is not complete; call again.
    """
    source = await _finish_recovery(catalog, client, store, source)
    if await is_exchanged(catalog):
        return await _look_into_new_store(catalog, client, store, source)
    if not sends or await _is_accounted_for(catalog, client, store):
        return 0
    listing = await list_documents(catalog, client, store)
    is_new = await get_info(catalog, accounts.NEW_LIBRARY) is not None
    if not is_new and not await accounts.has_uploaded(catalog):
        await _refuse_lost(catalog, listing.found, source.library_id)
    await accounts.begin_look(catalog)
    adopted = await adopt_found(catalog, source, listing.found, only_news=True)
    await note_found(catalog, source.library_id, listing)
    return adopted


async def _finish_recovery(
    catalog: Catalog, client: FileSearchClient, store: Store, source: Source
) -> Source:
    """Go on with a recovery that was killed, if there was one; return the library as it is then."""
    library_id = await get_info(catalog, accounts.RECOVERING)
    if library_id is None:
        return source
    source = replace(source, library_id=library_id)
    await rebuild(catalog, source, await list_documents(catalog, client, store))
    return source


async def _look_into_new_store(
    catalog: Catalog, client: FileSearchClient, store: Store, source: Source
) -> int:
    """Adopt what a store has that took the place of a gone one: a copy may have been faster."""
    adopted = 0
    if _documents_in(store):
        listing = await list_documents(catalog, client, store)
        adopted = await adopt_found(catalog, source, listing.found)
        await note_found(catalog, source.library_id, listing)
    await exchange_is_over(catalog, store.name)
    return adopted


def _documents_in(store: Store) -> int:
    return store.active_documents + store.pending_documents + store.failed_documents


async def _is_accounted_for(catalog: Catalog, client: FileSearchClient, store: Store) -> bool:
    """Return whether the store holds what the catalog expects, going by its counters.

    A document that came may hide behind one that went. Documents go when their file is replaced or
    deleted, so those that are about to go must still be there.
    """
    counted = _documents_in(store)
    if not (await accounts.account(catalog)).agrees_with(counted):
        return False
    looked_at = 0
    async for row in _replacing(catalog):
        looked_at += 1
        if looked_at * _ON_A_PAGE > counted + _ON_A_PAGE:
            return False  # a listing is cheaper
        recorded = row.superseded_doc_id or row.gemini_store_doc_id
        name = full_name(recorded, store.name) if recorded else None
        if name is None or await client.get_document(name) is not None:
            continue
        if row.superseded_doc_id is not None:
            await AsyncUploadStateManager(catalog).forget_superseded(row)
        return False
    return True


async def _replacing(catalog: Catalog) -> AsyncIterator[FileRecord]:
    after: str | None = None
    while page := await accounts.replacing_page(catalog, after, _PAGE):
        for row in page:
            yield row
        after = page[-1].file_path


async def _refuse_lost(catalog: Catalog, found: Findings, library_id: str) -> None:
    # A scan that was cut off has seen but some of the files: then it is half of those that counts.
    is_partial = bool(await get_info(catalog, UNFINISHED_SCAN))
    scanned = await count_files(catalog) if is_partial else 0
    for one in await found.libraries_of_our_files():
        is_half = one.here * 2 >= one.documents or (is_partial and one.files * 2 >= scanned)
        if one.library != library_id and one.here and is_half:
            raise CatalogLost(
                f"{one.here:,} of {one.documents:,} documents of another library in the store are "
                f"of files that lie here, and the catalog {catalog.description} knows nothing of "
                "them: it seems to be lost; nothing was sent",
                hint=Hint.RECOVER_FROM_STORE,
            )
