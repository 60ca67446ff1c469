"""Adoption: a row at rest is given a document that is there already, by the legal road.

Nothing is sent. Every step is a transition of its own with `reason = adopted`, and whoever is cut
off between two leaves a row that recovery knows how to finish.
"""

from __future__ import annotations

from objlib.catalog.lease import Lease
from objlib.catalog.queries import get_file
from objlib.catalog.records import FileRecord
from objlib.documents.payload import SHA256
from objlib.gemini.calls import calls_are_about
from objlib.gemini.resources import Document
from objlib.states import State
from objlib.upload import events as ev
from objlib.upload.context import RunContext
from objlib.upload.state import AsyncUploadStateManager
from objlib.upload.tidy import tidy_up

ADOPTED = "adopted"


def holds_the_file(document: Document, record: FileRecord) -> bool:
    """Return True if a document was made from the content of a row, going by its metadata."""
    return record.content_hash is not None and document.metadata.get(SHA256) == record.content_hash


def can_be_adopted(record: FileRecord) -> bool:
    """Return True if a row is at rest without a document, and should have one."""
    return record.gemini_state in (State.FAILED, State.UNTRACKED) and record.is_uploadable


async def adopt_document(
    state: AsyncUploadStateManager,
    record: FileRecord,
    document: Document,
    *,
    upload_key: str,
    run_id: str,
    lease: Lease,
) -> FileRecord | None:
    """failed|untracked -> … -> indexed, or up to `processing` for a document that is not active.

    Args:
        document: as it was just seen.
        lease: one that has run out lets the next recovery watch a row that stays in `processing`.

    Returns:
        The row afterwards; None when somebody else has the file now.
    """
    free = (
        await state.retry(record, reason=ADOPTED) if record.gemini_state is State.FAILED else record
    )
    if free is None:
        return None
    begun = await state.begin_adoption(free, upload_key=upload_key, run_id=run_id, lease=lease)
    if begun is None:
        return None
    confirmed = await state.upload_confirmed(
        begun, operation_name=None, document_name=document.name, reason=ADOPTED
    )
    if confirmed is None or not document.is_active:
        return confirmed
    return await state.import_confirmed(confirmed, document_name=document.name, reason=ADOPTED)


async def adopt_late(run: RunContext, listed: FileRecord) -> bool:
    """Give a failed row the document of its attempt, if that has come alive after all.

    No import is made and none repeated; a document that is still no good is left for the retry.
    """
    calls_are_about(listed.file_path)
    document = await run.client.document_of(listed, listed.gemini_store_doc_id)
    if document is None or not document.is_active:
        return False
    record = await get_file(run.catalog, listed.file_path)
    if record is None or record.upload_key is None or record.version != listed.version:
        return False
    if not (can_be_adopted(record) and holds_the_file(document, record)):
        return False
    adopted = await adopt_document(
        run.state,
        record,
        document,
        upload_key=record.upload_key,
        run_id=run.run_id,
        lease=run.lease(),
    )
    if adopted is None:
        return False
    run.emit(ev.FileIndexed(adopted.file_path, document.name, adopted=True))
    await tidy_up(run, adopted)
    return True
