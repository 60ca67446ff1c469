"""The first stage: a row is claimed, and its file read."""

from __future__ import annotations

from dataclasses import replace

from objlib.catalog.accounts import has_news
from objlib.catalog.queries import get_file
from objlib.catalog.readings import Made, parts_not_read
from objlib.catalog.records import FileRecord
from objlib.catalog.writes import Unread, facts_of, mark_deleted, note_unread, update_facts
from objlib.documents.payload import NoPayload, key_of, prepare
from objlib.gemini.calls import calls_are_about
from objlib.library.hashing import FileChanged, Fingerprint
from objlib.library.unread import why_unread
from objlib.states import State
from objlib.upload import events as ev
from objlib.upload.context import Attempt, RunContext, Taken, still_ours
from objlib.upload.state import is_claimable
from objlib.upload.tidy import condemn


async def claim(run: RunContext, listed: FileRecord) -> Attempt | None:
    """Take a row and read its file; None when there is nothing to send.

    A file that was edited since the scan is taken as it is now. One that is gone is recorded as
    such.

    Raises:
        NoPayload: it cannot be sent; the row is ours, to be settled.
        Taken: somebody else has moved the row since it was listed.
    """
    calls_are_about(listed.file_path)
    record = await get_file(run.catalog, listed.file_path)
    if record is None or record.gemini_state is not listed.gemini_state:
        raise Taken
    if record.is_reserved_for_another(run.owner, run.catalog.clock().timestamp()):
        raise Taken
    if record.gemini_state is State.INDEXED:
        record = still_ours(await run.state.invalidate(record, reason="forced by request"))
    elif record.gemini_state is State.FAILED:
        record = still_ours(await run.state.retry(record, reason="another attempt"))
    if not is_claimable(record):
        return None
    try:
        payload = await prepare(record, run.source)
    except NoPayload as problem:
        await _begin(run, record, problem.fingerprint)
        raise
    except FileNotFoundError:
        run.source.check()
        await mark_deleted(run.catalog, [record.file_path])
        run.emit(ev.FileVanished(record.file_path, "gone since the scan; scan again"))
        return None
    except (OSError, FileChanged) as error:
        run.source.check()
        reason = getattr(error, "strerror", None) or str(error)
        note = Unread(record.file_path, why_unread(error), forgets_time=True)
        await note_unread(run.catalog, [note])
        run.emit(ev.FileVanished(record.file_path, f"cannot be read: {reason}"))
        return None
    is_other = payload.fingerprint.sha256_hex != record.content_hash
    # The store was looked at for what the scan had seen. It may have this content, too.
    is_doubtful = is_other and await has_news(run.catalog)
    missing = payload.made.not_read if payload.made is not None else ()
    is_news = bool(missing) and not await _has_said_parts(run, record)
    begun = await _begin(run, record, payload.fingerprint, payload.made)
    if is_news:
        run.emit(ev.PartlyRead(record.file_path, missing))
    return Attempt(begun, payload, was_there=is_doubtful)


async def _has_said_parts(run: RunContext, record: FileRecord) -> bool:
    """Return whether an earlier attempt of this run has sent the file in part, and said so."""
    if record.run_id != run.run_id:
        return False
    return bool(await parts_not_read(run.catalog, record.file_path))


async def _begin(
    run: RunContext, record: FileRecord, seen: Fingerprint, made: Made | None = None
) -> FileRecord:
    """untracked -> uploading, for the content that was just seen."""
    record = await _take_current_content(run, record, seen)
    key = key_of(record, run.source, seen.sha256_hex)
    if record.import_intent_at is not None and record.upload_key != key:
        record = await _settle_doubt(run, record)
    record = still_ours(
        await run.state.begin_upload(
            record, upload_key=key, run_id=run.run_id, lease=run.lease(), made=made
        )
    )
    run.emit(ev.FileStarted(record.file_path, seen.size_bytes))
    return record


async def _settle_doubt(run: RunContext, record: FileRecord) -> FileRecord:
    """Find the document that an import in doubt may have made, while its key is on record.

    The file was edited or moved since, so it gets another key. What there is of the old one is
    kept, as a superseded version is, until the new one is indexed.

    Raises: what a listing raises; the row stays as it is.
    """
    found = await run.lookup.find(record)
    is_named = (record.superseded_doc_id, run.client.full_name(record.gemini_store_doc_id))
    if found is None or found.name in is_named:  # what a row names is not forgotten
        return record
    if not found.is_active:  # nobody finds anything in it; an older version may still be found
        await condemn(run, found)
        return record
    return still_ours(await run.state.keep_until_indexed(record, found.name))


async def _take_current_content(
    run: RunContext, record: FileRecord, seen: Fingerprint
) -> FileRecord:
    if seen.sha256_hex == record.content_hash:
        return record
    facts = replace(
        facts_of(record),
        content_hash=seen.sha256_hex,
        size_bytes=seen.size_bytes,
        mtime=seen.mtime,
        ctime=seen.ctime,
    )
    await update_facts(run.catalog, [facts])
    return replace(record, content_hash=seen.sha256_hex, file_size=seen.size_bytes)
