"""The third stage: a document is looked at until it is active and its row indexed.

One look is one coroutine. Where it is too early it raises `NotReady`, and `retry_when(until_ready)`
of `objlib.upload.client` looks again: the waits between two looks are a stream, as with the two
named ways to wait. Deadlines go by the document's age and not by a timer, since a document may have
been waiting since an earlier run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from objlib.catalog.readings import note_not_read
from objlib.catalog.records import FileRecord
from objlib.congestion.outcomes import DocumentActive, DocumentFailed
from objlib.errors import Rejected, RemoteError
from objlib.gemini.calls import calls_are_about
from objlib.gemini.resources import Document, ImportOperation
from objlib.library.conversion import READERS
from objlib.upload import events as ev
from objlib.upload.client import NotReady
from objlib.upload.context import RunContext, still_ours
from objlib.upload.send import has_settled
from objlib.upload.tidy import implied_document, tidy_up
from objlib.waits import is_worth_a_look, poll_wait_s

#: Later than this share of its due age, a look tells little of how long a document took.
HELD_UP_MAX = 1.25


class IndexingFailed(RemoteError):
    """The backend took the import and did not make a usable document of it."""


class IndexingRefused(Rejected):
    """The backend said why it will never make a usable document of a file."""


@dataclass(slots=True)
class Watch:
    """A row in `processing`, and what its document has shown so far."""

    record: FileRecord
    was_shown_failed: bool = False
    #: Seconds spent waiting so far: patience must end although the wall clock was set back.
    waited_s: float = 0.0
    #: The age at which the next look is due. It may come later, when requests have to wait.
    due_s: float = math.inf


async def watch_document(run: RunContext, watch: Watch) -> None:
    """See the document of a row become active, write `indexed`, tidy up.

    Raises:
        NotReady: look again later.
        IndexingFailed: it failed and the settling window has passed, or the deadline has.
        IndexingRefused: it failed for a reason that will not pass, so nothing is waited for.
        Taken: somebody else has the row now.
    """
    record = watch.record
    calls_are_about(record.file_path)
    document = await _active_document(run, watch)
    # Of a look that was held up for long, as in an outage, most says nothing of the document.
    took_s = min(run.age_s(record.upload_timestamp), HELD_UP_MAX * watch.due_s)
    adopted = record.operation_name is None
    # What took longer than anybody waits tells of a clock that was set, or a closed lid.
    was_in_time = took_s <= run.waits.poll_deadline_s and not watch.was_shown_failed
    is_typical = record.run_id == run.run_id and not adopted and was_in_time
    record = still_ours(
        await run.state.import_confirmed(
            record,
            document_name=document.name,
            reason="adopted" if adopted else "document active",
        )
    )
    run.emit(
        ev.FileIndexed(record.file_path, document.name, adopted, took_s if is_typical else None)
    )
    if is_typical:
        run.tell(DocumentActive(took_s))
    await _say_what_was_not_read(run, record)
    await tidy_up(run, record)


async def _say_what_was_not_read(run: RunContext, record: FileRecord) -> None:
    """Write down what readers of ours have left out; the embedded store tells it."""
    is_read_there = run.source.is_read_here and record.mime_type in READERS
    if not is_read_there or record.operation_name is None:
        return
    operation = await run.client.operation(record.operation_name)
    if operation is not None and operation.not_read:
        await note_not_read(run.catalog, record, operation.not_read)
        run.emit(ev.PartlyRead(record.file_path, operation.not_read))


async def _active_document(run: RunContext, watch: Watch) -> Document:
    record = watch.record
    if not watch.waited_s and _is_too_early(run, record):
        raise _not_ready(run, watch, run.age_s(record.upload_timestamp))
    document, operation = await look(run, record)
    age_s = max(run.age_s(record.upload_timestamp), watch.waited_s)
    if record.upload_timestamp is None:  # of the earlier generation, so it was long ago
        age_s = max(age_s, run.waits.poll_deadline_s)
    if document is not None and document.is_active:
        return document
    if document is not None and document.is_failed:
        if not watch.was_shown_failed and record.operation_name is not None:
            operation = await run.client.operation(record.operation_name)
        _refuse(record, operation)
        _say_once_that_it_failed(run, watch, age_s)
        if not has_settled(run, document) and watch.waited_s < run.waits.settle_s:
            raise _not_ready(run, watch, age_s)
        raise IndexingFailed(f"{record.file_path}: the backend could not index it")
    _refuse(record, operation)
    finished_without = document is None and operation is not None and operation.done
    patience_s = run.waits.settle_s if finished_without else run.waits.poll_deadline_s
    if age_s < patience_s:
        raise _not_ready(run, watch, age_s)
    found = await run.lookup.find(record)
    if found is not None and found.is_active:
        return found
    _say_once_that_it_failed(run, watch, age_s)
    raise IndexingFailed(f"{record.file_path}: {_why(operation, age_s)}")


async def look(
    run: RunContext, record: FileRecord
) -> tuple[Document | None, ImportOperation | None]:
    """Ask for the document first: where its name can be told, that is the one call needed."""
    recorded = record.gemini_store_doc_id or implied_document(record.operation_name)
    document = await run.client.document_of(record, recorded)
    if document is not None or record.operation_name is None:
        return document, None
    operation = await run.client.operation(record.operation_name)
    if operation is None:
        return None, None
    if operation.document_name not in (None, run.client.full_name(recorded)):
        document = await run.client.document_of(record, operation.document_name)
    return document, operation


def _is_too_early(run: RunContext, record: FileRecord) -> bool:
    age_s = run.age_s(record.upload_timestamp)
    is_ours = record.upload_timestamp is not None and record.run_id == run.run_id
    return is_ours and not is_worth_a_look(age_s, run.waits, run.usual_indexing_s())


def _not_ready(run: RunContext, watch: Watch, age_s: float) -> NotReady:
    wait_s = poll_wait_s(age_s, run.waits, run.usual_indexing_s())
    watch.waited_s += wait_s
    watch.due_s = age_s + wait_s
    return NotReady(wait_s)


def _refuse(record: FileRecord, operation: ImportOperation | None) -> None:
    """Raise `IndexingRefused` if the import says that it can never succeed.

    A failed document alone may still come alive; the reason that stands in its operation does not
    change. It is asked for once, when a document is first seen to have failed.
    """
    if operation is not None and operation.is_final:
        raise IndexingRefused(f"{record.file_path}: {operation.error}")


def _say_once_that_it_failed(run: RunContext, watch: Watch, took_s: float) -> None:
    if not watch.was_shown_failed:
        watch.was_shown_failed = True
        run.emit(ev.DocumentShownFailed(watch.record.file_path, took_s))
        run.tell(DocumentFailed(took_s))


def _why(operation: ImportOperation | None, age_s: float) -> str:
    if operation is not None and operation.error:
        return f"the import failed: {operation.error}"
    if operation is not None and operation.done:
        return "the import reported success but made no document"
    return f"still not indexed {age_s:.0f} s after the import"
