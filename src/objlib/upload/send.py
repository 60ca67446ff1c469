"""The second stage: the raw file is sent and imported, and the row comes to `processing`."""

from __future__ import annotations

from objlib.catalog.queries import get_file
from objlib.catalog.records import FileRecord
from objlib.congestion.outcomes import Accepted
from objlib.documents.lookup import is_for
from objlib.documents.payload import LIBRARY, PATH, document_metadata
from objlib.errors import (
    AccessRefused,
    InDoubt,
    IntegrityError,
    NotFound,
    RateLimited,
    Rejected,
    Transient,
)
from objlib.gemini.calls import calls_are_about
from objlib.gemini.resources import Document, ImportOperation, RawFile
from objlib.upload import events as ev
from objlib.upload._operators import settled
from objlib.upload.context import Attempt, RunContext, still_ours
from objlib.upload.tidy import condemn


async def send(run: RunContext, attempt: Attempt) -> FileRecord:
    """Send the raw file, import it, and move the row to `processing`.

    Raises:
        RateLimited, Transient: run it again after a pause; it goes on where it stopped.
        Taken: somebody else has the row now.
    """
    calls_are_about(attempt.record.file_path)
    if attempt.raw_file is None:
        attempt.raw_file = await _send_raw_file(run, attempt)
    if attempt.raw_file.state != "ACTIVE":  # seldom, so that no file pays for the wait of another
        attempt.raw_file = await _active_raw_file(run, attempt, attempt.raw_file)
    found = await document_of_earlier_attempt(run, attempt.record, was_there=attempt.was_there)
    if found is not None:
        return await adopt(run, attempt.record, found)
    operation = await _import(run, attempt, attempt.raw_file)
    run.tell(Accepted())
    return await _confirm(
        run, attempt.record, operation.name, operation.document_name, "import accepted"
    )


async def adopt(run: RunContext, record: FileRecord, document: Document) -> FileRecord:
    """uploading -> processing, with a document that an earlier attempt has made."""
    return await _confirm(run, record, None, document.name, "adopted")


async def _send_raw_file(run: RunContext, attempt: Attempt) -> RawFile:
    path, key = attempt.record.file_path, str(attempt.record.upload_key)
    try:
        raw_file, was_there = await run.client.send_raw_file(attempt.payload, key)
        attempt.was_there |= was_there
        if was_there and raw_file.sha256 is None and raw_file.state != "FAILED":
            # Nothing tells what is in it, so it gives way to what is known.
            await run.client.delete_raw_file(raw_file.name)
            raw_file, _ = await run.client.send_raw_file(attempt.payload, key)
        # Where it does not say what it has received: a payload lets itself be sent to the end only
        # as it was hashed.
        held = raw_file.sha256 or attempt.payload.sha256
    except FileNotFoundError as error:
        run.source.check()
        raise Transient(f"{path}: gone while it was being sent") from error
    if held != attempt.payload.sha256:
        await run.client.delete_raw_file(raw_file.name)
        raise IntegrityError(
            f"{path}: the backend holds other bytes than were hashed "
            f"(SHA-256 {held}); deleted there"
        )
    return raw_file


async def _active_raw_file(run: RunContext, attempt: Attempt, raw_file: RawFile) -> RawFile:
    """Wait until a raw file can be imported.

    One that the backend could not process keeps its name for two days, and every attempt would
    meet it again. So it is deleted; one that was there before is sent once more.
    """
    try:
        return await settled(run.client.wait_for_active(raw_file.name))
    except Rejected as refusal:
        await run.client.delete_raw_file(raw_file.name)
        attempt.raw_file = None
        if not attempt.was_there or attempt.was_sent_again:
            raise
        attempt.was_sent_again = True
        raise Transient(f"{refusal}; deleted there, to be sent once more") from refusal


async def _import(run: RunContext, attempt: Attempt, raw_file: RawFile) -> ImportOperation:
    """Import the raw file, with the intent on record for as long as the effect is in doubt.

    Its turn may come late. So intent and lease are written when it has come, and only where the row
    is still ours; then nobody else takes it over before the import is over or in doubt.
    """

    async def renew() -> None:
        attempt.record = still_ours(
            await run.state.intend_import(attempt.record, file_id=raw_file.name, lease=run.lease())
        )

    metadata = document_metadata(attempt.record, run.source)
    try:
        return await run.client.import_raw_file(raw_file.name, metadata, renew)
    except InDoubt as doubt:
        raise Transient(str(doubt)) from doubt
    except (RateLimited, Rejected, NotFound) as refusal:
        attempt.record = still_ours(await run.state.withdraw_import_intent(attempt.record))
        if isinstance(refusal, NotFound):
            await _look_what_is_gone(run, raw_file, refusal)
            attempt.raw_file = None  # it expired: send it again
            raise Transient(str(refusal)) from refusal
        raise


async def _look_what_is_gone(run: RunContext, raw_file: RawFile, refusal: NotFound) -> None:
    """Find out why an import was answered as if its raw file were gone. The API says 403 to both.

    Raises:
        StoreGone: that is it.
        AccessRefused: raw file and store are there, so it is the import that is not allowed.
    """
    if await run.client.raw_file(raw_file.name) is None:
        return
    await run.client.wire.known_store(run.client.store_name)
    raise AccessRefused(
        f"{refusal}, although the file is there: imports are refused; "
        "check GEMINI_API_KEY, its project and its billing"
    ) from refusal


async def _confirm(
    run: RunContext, record: FileRecord, operation: str | None, document: str | None, reason: str
) -> FileRecord:
    confirmed = still_ours(
        await run.state.upload_confirmed(
            record, operation_name=operation, document_name=document, reason=reason
        )
    )
    run.emit(ev.ImportAccepted(confirmed.file_path))
    return confirmed


async def document_of_earlier_attempt(
    run: RunContext, record: FileRecord, *, was_there: bool
) -> Document | None:
    """Return the document that an earlier attempt at this version has made, if it is any good.

    One that is not is deleted before anything is imported beside it.

    Args:
        was_there: its raw file was there before anything was sent, so that its document may be,
            although no intent is on record: another copy of the catalog may have made it.
    """
    earlier = await run.client.document(record.gemini_store_doc_id)
    if earlier is not None:
        if _can_be_kept(run, earlier) and is_for(earlier, record):
            return earlier
        if await _is_nobody_elses(run, earlier, record):
            await condemn(run, earlier)
            if is_for(earlier, record):  # the one that its import has made: no doubt is left
                return None
    if record.import_intent_at is not None:
        found = await run.lookup.find(record)
    elif was_there:
        found = await run.lookup.find_unrecorded(record)
    else:
        return None
    if found is not None and (
        found.name in run.condemned or (found.is_failed and has_settled(run, found))
    ):
        await condemn(run, found)
        return None
    return found


def has_settled(run: RunContext, document: Document) -> bool:
    """Return True if a document that shows as failed has had its time to come alive after all."""
    return run.age_s(document.created_at) >= run.waits.settle_s


def _can_be_kept(run: RunContext, document: Document) -> bool:
    return document.is_active and document.name not in run.condemned


async def _is_nobody_elses(run: RunContext, document: Document, record: FileRecord) -> bool:
    """Return True if a document that a row names may be deleted for it.

    The name may be a guess, so the document has to say that it is of this file, or of a path that
    the file had before it was moved.
    """
    path = document.metadata.get(PATH)
    if path == record.file_path:
        return True
    if path is None or document.metadata.get(LIBRARY) != run.source.library_id:
        return False
    return await get_file(run.catalog, str(path)) is None
