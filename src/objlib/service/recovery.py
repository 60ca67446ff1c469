"""A lost catalog gets its documents back; and the next thing to do after a recovery."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from objlib.catalog.protocol import Catalog
from objlib.documents.payload import Source
from objlib.reactive.retry import Retry
from objlib.service.steps import NextStep
from objlib.sync.rebuild import RebuildReport, choose_library_id, list_documents, rebuild
from objlib.upload.reports import RecoveryReport

if TYPE_CHECKING:
    from objlib.gemini.client import FileSearchClient
    from objlib.gemini.resources import Store


async def rebuilt(
    catalog: Catalog,
    client: FileSearchClient,
    store: Store,
    retry: Retry,
    source_of: Callable[[str], Source],
    library_id: str | None,
) -> RebuildReport:
    """List the store, and give the files of a fresh scan their documents.

    Args:
        source_of: library id -> the source of what is sent for that library.
        library_id: take over the documents of this library, where several come into question.

    Raises:
        ConfigurationError: it cannot be told which library's documents these are.
    """
    listing = await retry.call(lambda: list_documents(catalog, client, store))
    chosen = await choose_library_id(catalog, listing.found, library_id)
    return await rebuild(catalog, source_of(chosen), listing)


def step_after(
    report: RecoveryReport, rebuilt: RebuildReport | None, waiting: int
) -> NextStep | None:
    """Return the next sensible thing to do after a recovery, if there is one.

    Args:
        rebuilt: the result of the rebuild that went before.
        waiting: files that an upload would take now.
    """
    if report.unfinished:
        return NextStep.RECOVER
    if report.failed:
        return NextStep.RETRY_FAILED
    if report.released or (rebuilt is not None and waiting):
        return NextStep.UPLOAD
    return NextStep.COMPARE if rebuilt is not None else None
