"""The end of a file's journey: what is no longer wanted goes, and a row that failed comes to rest.

What cannot be deleted now is reported and left to a later run.
"""

from __future__ import annotations

from collections.abc import Mapping

from objlib.catalog.queries import Leftover, get_file
from objlib.catalog.records import FileRecord
from objlib.catalog.writes import forget_leftover
from objlib.errors import (
    GuardRefused,
    NotConvertible,
    ObjlibError,
    Rejected,
    RemoteError,
    RunEnded,
    StoppedWaiting,
)
from objlib.gemini.calls import calls_are_about
from objlib.gemini.resources import Document
from objlib.library.unread import why_unread
from objlib.states import IN_FLIGHT, State
from objlib.upload import events as ev
from objlib.upload.context import RunContext, Taken, still_ours


async def tidy_up(run: RunContext, record: FileRecord) -> None:
    """Delete the superseded document, then the raw file. What fails is left to a later run."""
    calls_are_about(record.file_path)
    try:
        superseded = run.client.full_name(record.superseded_doc_id)
        if superseded is not None:
            await run.client.delete_document(superseded)
            record = still_ours(await run.state.forget_superseded(record))
        if record.gemini_file_id is not None:
            await run.client.delete_raw_file(record.gemini_file_id)
            await run.state.forget_raw_file(record)
    except GuardRefused:
        raise
    except ObjlibError as error:
        left = record.superseded_doc_id or record.gemini_file_id or ""
        run.emit(ev.LeftBehind(record.file_path, left, str(error)))
    except Taken:  # the file goes round again already; whoever took it tidies up after it
        return


async def discard(run: RunContext, leftover: Leftover) -> None:
    """Delete a document that no row names any more. If that fails a later run does it."""
    calls_are_about(leftover.file_path)
    name = run.client.full_name(leftover.document_name)
    if name is None:
        return
    try:
        await run.client.delete_document(name)
        await forget_leftover(run.catalog, leftover.document_name)
    except GuardRefused:
        raise
    except ObjlibError as error:
        run.emit(ev.LeftBehind(leftover.file_path, name, str(error)))


async def condemn(run: RunContext, document: Document) -> None:
    """Delete a document, and never adopt it again.

    A deletion whose answer was lost may still take effect, after the document has come alive.
    """
    run.condemned.add(document.name)
    await run.client.delete_document(document.name)


async def settle(run: RunContext, record: FileRecord, error: Exception) -> None:
    """Bring a row of ours to rest after its stage has given up."""
    fresh = await get_file(run.catalog, record.file_path)
    if fresh is None or fresh.gemini_state not in IN_FLIGHT or fresh.lease_owner != run.owner:
        if fresh is not None and fresh.gemini_state is State.UNTRACKED:  # it was never begun
            run.emit(ev.FileReleased(record.file_path, str(error)))
            return
        raise Taken
    if isinstance(error, RunEnded):
        if fresh.gemini_state is State.UPLOADING:
            still_ours(await run.state.release(fresh, reason=str(error)))
            run.emit(ev.FileReleased(record.file_path, str(error)))
        return
    if isinstance(error, StoppedWaiting):  # what its import has made is looked up by the next run
        still_ours(await run.state.release(fresh, reason=str(error)))
        run.emit(ev.FileReleased(record.file_path, str(error)))
        return
    reason = str(error)
    if isinstance(error, NotConvertible):
        transient = error.may_pass
    elif isinstance(error, OSError):  # of the disk, while the file was being sent
        transient, reason = True, f"{record.file_path}: {why_unread(error)}"
    else:
        transient = isinstance(error, RemoteError) and not isinstance(error, Rejected)
    still_ours(
        await run.state.fail(
            fresh,
            reason=reason,
            transient=transient,
            document_name=fresh.gemini_store_doc_id or implied_document(fresh.operation_name),
        )
    )
    run.emit(ev.FileFailed(record.file_path, reason, transient))


async def take_back(run: RunContext, given_up: Mapping[str, bool], reason: str) -> None:
    """Let files go round again that this run has given up, though it was no fault of theirs.

    Args:
        given_up: path -> True while the file is counted as failed.
    """
    for path, is_counted in given_up.items():
        record = await get_file(run.catalog, path)
        if record is None or record.gemini_state is not State.FAILED or record.run_id != run.run_id:
            continue
        if await run.state.retry(record, reason=reason) is not None:
            run.emit(ev.FileReleased(path, reason, had_failed=is_counted))


def implied_document(operation_name: str | None) -> str | None:
    """Return the document an import operation is about, going by its name: the last segments agree.

    Seen for uploads, likely for imports, promised for neither. A wrong guess costs one 404, and the
    document's key is checked in any case.
    """
    if operation_name is None or "/operations/" not in operation_name:
        return None
    parent, _, identifier = operation_name.partition("/operations/")
    return f"{parent.removesuffix('/upload')}/documents/{identifier}"
