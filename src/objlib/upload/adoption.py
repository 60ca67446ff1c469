"""Adoption: a row at rest is given a document that is there already, by the legal road.

Nothing is sent. Every step is a transition of its own with `reason = adopted`, and whoever is cut
off between two leaves a row that recovery knows how to finish.
"""

from __future__ import annotations

from objlib.catalog.lease import Lease
from objlib.catalog.records import FileRecord
from objlib.documents.payload import SHA256
from objlib.gemini.resources import Document
from objlib.states import State
from objlib.upload.state import AsyncUploadStateManager

ADOPTED = "adopted"


def holds_the_file(document: Document, record: FileRecord) -> bool:
    """Whether a document was made from the content that a row has now, going by its metadata."""
    return record.content_hash is not None and document.metadata.get(SHA256) == record.content_hash


def can_be_adopted(record: FileRecord) -> bool:
    """Whether a row is at rest without a document, and should have one."""
    return (
        record.gemini_state in (State.FAILED, State.UNTRACKED)
        and not record.is_deleted
        and record.skip_reason is None
    )


async def adopt_document(
    state: AsyncUploadStateManager,
    record: FileRecord,
    document: Document,
    *,
    upload_key: str,
    run_id: str,
    lease: Lease,
) -> FileRecord:
    """failed|untracked -> … -> indexed, or up to `processing` for a document that is not active.

    Args:
        document: as it was just seen.
        lease: one that has run out lets the next recovery watch a row that stays in `processing`.

    Raises:
        OCCConflictError: somebody else moved the row.
    """
    if record.gemini_state is State.FAILED:
        record = await state.retry(record, reason=ADOPTED)
    record = await state.begin_adoption(record, upload_key=upload_key, run_id=run_id, lease=lease)
    record = await state.upload_confirmed(
        record, operation_name=None, document_name=document.name, reason=ADOPTED
    )
    if not document.is_active:
        return record
    return await state.import_confirmed(record, document_name=document.name, reason=ADOPTED)
