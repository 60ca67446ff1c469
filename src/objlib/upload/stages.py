"""One file's journey in three coarse stages: claim, upload, watch.

Each stage is one bridged coroutine, because every layer of operators costs as much as a database
call; the orchestrator puts the operators between and around them. A stage either returns, or raises
one of `objlib.errors`, and can be run again. What is written, and when, follows four
musts:

1. The intent (upload key, lease) is on disk before the first call of an attempt.
2. The intent to import is on disk before `importFile`, which is not idempotent; whoever finds it
   set looks for the document before importing.
3. `indexed` is written only when the document itself was seen active with the right key.
4. The superseded document goes after that, and the raw file last.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from objlib.catalog.lease import Lease
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import Leftover, get_file, overdue_rows
from objlib.catalog.records import FileRecord
from objlib.catalog.writes import facts_of, forget_leftover, mark_deleted, update_facts
from objlib.congestion.outcomes import DocumentActive, DocumentFailed, Outcome
from objlib.documents.lookup import DocumentLookup, full_name, is_for
from objlib.documents.payload import (
    LIBRARY,
    PATH,
    NoPayload,
    Payload,
    Source,
    document_metadata,
    key_of,
    prepare,
)
from objlib.errors import (
    AlreadyExists,
    InDoubt,
    IntegrityError,
    NotFound,
    ObjlibError,
    RateLimited,
    Rejected,
    RemoteError,
    RunEnded,
    Transient,
)
from objlib.gemini.calls import calls_are_about
from objlib.gemini.resources import Document, ImportOperation, RawFile
from objlib.library.hashing import FileChanged, Fingerprint
from objlib.states import IN_FLIGHT, State
from objlib.upload import events as ev
from objlib.upload.adoption import adopt_document, can_be_adopted, holds_the_file
from objlib.upload.state import AsyncUploadStateManager, is_claimable
from objlib.waits import Waits, is_worth_a_look, poll_wait_s

if TYPE_CHECKING:
    from objlib.upload.client import GeminiFileSearchClient


#: How much later than it was due a look may come and still tell how long the document took.
HELD_UP_MAX = 1.25


class NotReady(ObjlibError):
    """The document is still being indexed; look again after `wait_s` seconds."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        super().__init__(f"not ready yet, next look in {wait_s:.1f} s")


def until_ready(error: Exception, _earlier: int) -> float | None:
    """For `waiting`: how long until the next look; None for what is no `NotReady`."""
    return error.wait_s if isinstance(error, NotReady) else None


class IndexingFailed(RemoteError):
    """The backend took the import and did not make a usable document of it."""


@dataclass(slots=True)
class Attempt:
    """A row that is ours, its bytes, and how far they have come: a repeat goes on from there."""

    record: FileRecord
    payload: Payload
    raw_file: RawFile | None = None


@dataclass(slots=True)
class Watch:
    """A row in `processing`, and what its document has shown so far."""

    record: FileRecord
    was_shown_failed: bool = False
    #: Seconds spent waiting so far: patience must end although the wall clock was set back.
    waited_s: float = 0.0
    #: The age at which the next look is due. It may come later, when requests have to wait.
    due_s: float = math.inf


class FileStages:
    """The stages, over one catalog, one client and one store."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        client: GeminiFileSearchClient,
        store_name: str,
        source: Source,
        run_id: str,
        owner: str,
        waits: Waits,
        emit: Callable[[ev.Event], None],
        tell: Callable[[Outcome], None],
        usual_indexing_s: Callable[[], float | None],
    ) -> None:
        self._catalog = catalog
        self._state = AsyncUploadStateManager(catalog)
        self._client = client
        self._store_name = store_name
        self._source = source
        self._run_id = run_id
        self._owner = owner
        self._waits = waits
        self._emit = emit
        #: Tells the gate how documents fare.
        self._tell = tell
        self._usual_indexing_s = usual_indexing_s
        #: Finds documents whose names are not known.
        self.lookup = DocumentLookup(client, store_name, self._overdue)
        #: Names of failed documents whose deletion was asked for.
        self._condemned: set[str] = set()

    def lease(self) -> Lease:
        """A lease of ours from now on."""
        now = self._catalog.clock().timestamp()
        return Lease(self._owner, now + self._waits.lease_s)

    async def renew_leases(self) -> None:
        """The heartbeat."""
        await self._state.renew_leases(self.lease())

    async def end_leases(self) -> None:
        """The run is over: whatever it has left in flight is free for the next one at once."""
        await self._state.renew_leases(Lease(self._owner, 0.0))

    # Claiming

    async def claim(self, listed: FileRecord) -> Attempt | None:
        """Take a row and read its file; None when there is nothing (left) to do.

        A file that was edited since the scan is taken as it is now. One that is gone is recorded as
        such. Reads the row afresh, so it can be run again after an OCC conflict.

        Raises:
            NoPayload: it cannot be sent; the row is ours, to be settled.
        """
        calls_are_about(listed.file_path)
        record = await get_file(self._catalog, listed.file_path)
        if record is None or record.gemini_state is not listed.gemini_state:
            self._emit(ev.FileTaken(listed.file_path))
            return None
        if record.gemini_state is State.INDEXED:
            record = await self._state.invalidate(record, reason="forced by --reset-existing")
        elif record.gemini_state is State.FAILED:
            record = await self._state.retry(record, reason="another attempt")
        if not is_claimable(record):
            return None
        try:
            payload = await prepare(record, self._source)
        except NoPayload as problem:
            await self._begin(record, problem.fingerprint)
            raise
        except FileNotFoundError:
            self._source.check()
            await mark_deleted(self._catalog, [record.file_path])
            self._emit(ev.FileVanished(record.file_path, "gone since the scan; scan again"))
            return None
        except (OSError, FileChanged) as error:
            self._source.check()
            reason = getattr(error, "strerror", None) or str(error)
            self._emit(ev.FileVanished(record.file_path, f"cannot be read: {reason}"))
            return None
        return Attempt(await self._begin(record, payload.fingerprint), payload)

    async def _begin(self, record: FileRecord, seen: Fingerprint) -> FileRecord:
        """untracked -> uploading, for the content that was just seen."""
        record = await self._take_current_content(record, seen)
        key = key_of(record, self._source, seen.sha256_hex)
        if record.import_intent_at is not None and record.upload_key != key:
            record = await self._settle_doubt(record)
        record = await self._state.begin_upload(
            record,
            upload_key=key,
            run_id=self._run_id,
            lease=self.lease(),
        )
        self._emit(ev.FileStarted(record.file_path, seen.size_bytes))
        return record

    async def _settle_doubt(self, record: FileRecord) -> FileRecord:
        """Find the document that an import in doubt may have made, while its key is on record.

        The file was edited or moved since, so it gets another key. What there is of the old one is
        kept, as a superseded version is, until the new one is indexed.

        Raises: what a listing raises; the row stays as it is.
        """
        found = await self.lookup.find(record)
        is_named = (record.superseded_doc_id, self._full_name(record.gemini_store_doc_id))
        if found is None or found.name in is_named:  # what a row names is not forgotten
            return record
        if not found.is_active:  # nobody finds anything in it; an older version may still be found
            await self._condemn(found)
            return record
        return await self._state.keep_until_indexed(record, found.name)

    async def _take_current_content(self, record: FileRecord, seen: Fingerprint) -> FileRecord:
        if seen.sha256_hex == record.content_hash:
            return record
        facts = replace(
            facts_of(record),
            content_hash=seen.sha256_hex,
            size_bytes=seen.size_bytes,
            mtime=seen.mtime,
        )
        await update_facts(self._catalog, [facts])
        return replace(record, content_hash=seen.sha256_hex, file_size=seen.size_bytes)

    # Uploading

    async def upload(self, attempt: Attempt) -> FileRecord:
        """Send the raw file, import it, and move the row to `processing`.

        Raises:
            NotReady: the raw file is still being processed.
            RateLimited, Transient: run it again after a pause; it goes on where it stopped.
        """
        calls_are_about(attempt.record.file_path)
        if attempt.raw_file is None:
            attempt.raw_file = await self._send(attempt)
        if attempt.raw_file.state != "ACTIVE":
            attempt.raw_file = await self._look_at_raw_file(attempt.raw_file)
        found = await self._document_of_earlier_attempt(attempt.record)
        if found is not None:
            return await self.adopt(attempt.record, found)
        operation = await self._import(attempt, attempt.raw_file)
        return await self._confirm(
            attempt.record, operation.name, operation.document_name, "import accepted"
        )

    async def _send(self, attempt: Attempt) -> RawFile:
        """Upload the bytes under the upload key. Safe to repeat: the name is ours."""
        path, key = attempt.record.file_path, str(attempt.record.upload_key)
        try:
            with contextlib.closing(attempt.payload.open()) as content:
                raw_file = await self._client.upload_file(
                    content, name=key, mime_type=attempt.payload.mime_type
                )
        except AlreadyExists:
            raw_file = await self._client.get_file(f"files/{key}")
        except FileNotFoundError as error:
            self._source.check()
            raise Transient(f"{path}: gone while it was being sent") from error
        if raw_file.sha256 not in (None, attempt.payload.sha256):
            await self._client.delete_file(raw_file.name)
            raise IntegrityError(
                f"{path}: the backend holds other bytes than were sent "
                f"(SHA-256 {raw_file.sha256}); deleted there"
            )
        return raw_file

    async def _look_at_raw_file(self, known: RawFile) -> RawFile:
        raw_file = await self._client.get_file(known.name)
        if raw_file.state == "FAILED":
            raise Rejected(f"the backend could not process the raw file {known.name}")
        if raw_file.state != "ACTIVE":
            raise NotReady(self._waits.poll_s)
        return raw_file

    async def _import(self, attempt: Attempt, raw_file: RawFile) -> ImportOperation:
        """Import the raw file, with the intent on record for as long as the effect is in doubt."""
        attempt.record = await self._state.intend_import(
            attempt.record,
            file_id=raw_file.name,
            file_uri=raw_file.uri,
            expires_at=raw_file.expires_at,
        )
        try:
            return await self._client.import_file(
                self._store_name,
                file_name=raw_file.name,
                metadata=document_metadata(attempt.record, self._source),
            )
        except InDoubt as doubt:
            raise Transient(str(doubt)) from doubt
        except (RateLimited, Rejected, NotFound) as refusal:
            attempt.record = await self._state.withdraw_import_intent(attempt.record)
            if isinstance(refusal, NotFound):  # the raw file expired: send it again
                attempt.raw_file = None
                raise Transient(str(refusal)) from refusal
            raise

    async def _document_of_earlier_attempt(self, record: FileRecord) -> Document | None:
        name = self._full_name(record.gemini_store_doc_id)
        if name is not None:
            earlier = await self._client.get_document(name)
            if earlier is not None and self._can_be_kept(earlier) and is_for(earlier, record):
                return earlier
            if earlier is not None and await self._is_nobody_elses(earlier, record):
                await self._condemn(earlier)
                if is_for(earlier, record):  # the one that its import has made: no doubt is left
                    return None
        if record.import_intent_at is None:
            return None
        found = await self.lookup.find(record)
        if found is not None and (
            found.name in self._condemned or (found.is_failed and self._has_settled(found))
        ):
            await self._condemn(found)
            return None
        return found

    def _can_be_kept(self, document: Document) -> bool:
        return document.is_active and document.name not in self._condemned

    async def _condemn(self, document: Document) -> None:
        """Delete a document, and never adopt it again.

        A deletion whose answer was lost may still take effect, after the document has come alive.
        """
        self._condemned.add(document.name)
        await self._client.delete_document(document.name)

    async def _is_nobody_elses(self, document: Document, record: FileRecord) -> bool:
        """Whether a document that a row names may be deleted for it.

        The name may be a guess, so the document has to say that it is of this file, or of a path
        that the file had before it was moved.
        """
        path = document.metadata.get(PATH)
        if path == record.file_path:
            return True
        if path is None or document.metadata.get(LIBRARY) != self._source.library_id:
            return False
        return await get_file(self._catalog, str(path)) is None

    async def _overdue(self) -> list[FileRecord]:
        patience = timedelta(seconds=self._waits.poll_deadline_s)
        before = self._catalog.clock() - patience
        return await overdue_rows(self._catalog, before.isoformat(timespec="milliseconds"))

    async def adopt(self, record: FileRecord, document: Document) -> FileRecord:
        """uploading -> processing, with a document that an earlier attempt has made."""
        return await self._confirm(record, None, document.name, "adopted")

    async def adopt_late(self, listed: FileRecord) -> bool:
        """Give a failed row the document of its attempt, if that has come alive after all.

        No import is made and none repeated; a document that is still no good is left for the retry.
        """
        calls_are_about(listed.file_path)
        name = self._full_name(listed.gemini_store_doc_id)
        document = await self._client.get_document(name) if name is not None else None
        if document is None or not document.is_active or not is_for(document, listed):
            return False
        record = await get_file(self._catalog, listed.file_path)
        if record is None or record.upload_key is None or record.version != listed.version:
            return False
        if not (can_be_adopted(record) and holds_the_file(document, record)):
            return False
        record = await adopt_document(
            self._state,
            record,
            document,
            upload_key=record.upload_key,
            run_id=self._run_id,
            lease=self.lease(),
        )
        self._emit(ev.FileIndexed(record.file_path, document.name, adopted=True))
        await self.tidy_up(record)
        return True

    async def _confirm(
        self, record: FileRecord, operation: str | None, document: str | None, reason: str
    ) -> FileRecord:
        record = await self._state.upload_confirmed(
            record, operation_name=operation, document_name=document, reason=reason
        )
        self._emit(ev.ImportAccepted(record.file_path))
        return record

    # Watching

    async def watch(self, watch: Watch) -> None:
        """See the document of a row in `processing` become active, write `indexed`, tidy up.

        Raises:
            NotReady: look again later.
            IndexingFailed: it failed and the settling window has passed, or the deadline has.
        """
        record = watch.record
        calls_are_about(record.file_path)
        document = await self._active_document(watch)
        # Of a look that was held up for long, as in an outage, most says nothing of the document.
        took_s = min(self._age_s(record.upload_timestamp), HELD_UP_MAX * watch.due_s)
        adopted = record.operation_name is None
        # What took longer than anybody waits tells of a clock that was set, or a closed lid.
        was_in_time = took_s <= self._waits.poll_deadline_s and not watch.was_shown_failed
        is_typical = record.run_id == self._run_id and not adopted and was_in_time
        record = await self._state.import_confirmed(
            record,
            document_name=document.name,
            reason="adopted" if adopted else "document active",
        )
        self._emit(
            ev.FileIndexed(
                record.file_path,
                document.name,
                adopted,
                took_s if is_typical else None,
            )
        )
        if is_typical:
            self._tell(DocumentActive(took_s))
        await self.tidy_up(record)

    async def _active_document(self, watch: Watch) -> Document:
        record = watch.record
        if not watch.waited_s and self._is_too_early(record):
            raise self._not_ready(watch, self._age_s(record.upload_timestamp))
        document, operation = await self._look(record)
        age_s = max(self._age_s(record.upload_timestamp), watch.waited_s)
        if record.upload_timestamp is None:  # of the earlier generation, so it was long ago
            age_s = max(age_s, self._waits.poll_deadline_s)
        if document is not None and document.is_active:
            return document
        if document is not None and document.is_failed:
            self._say_once_that_it_failed(watch, age_s)
            if not self._has_settled(document) and watch.waited_s < self._waits.settle_s:
                raise self._not_ready(watch, age_s)
            raise IndexingFailed(f"{record.file_path}: the backend could not index it")
        finished_without = document is None and operation is not None and operation.done
        patience_s = self._waits.settle_s if finished_without else self._waits.poll_deadline_s
        if age_s < patience_s:
            raise self._not_ready(watch, age_s)
        found = await self.lookup.find(record)
        if found is not None and found.is_active:
            return found
        self._say_once_that_it_failed(watch, age_s)
        raise IndexingFailed(f"{record.file_path}: {_why(operation, age_s)}")

    def _is_too_early(self, record: FileRecord) -> bool:
        age_s = self._age_s(record.upload_timestamp)
        is_ours = record.upload_timestamp is not None and record.run_id == self._run_id
        return is_ours and not is_worth_a_look(age_s, self._waits, self._usual_indexing_s())

    def _has_settled(self, document: Document) -> bool:
        return self._age_s(document.created_at) >= self._waits.settle_s

    def _not_ready(self, watch: Watch, age_s: float) -> NotReady:
        wait_s = poll_wait_s(age_s, self._waits, self._usual_indexing_s())
        watch.waited_s += wait_s
        watch.due_s = age_s + wait_s
        return NotReady(wait_s)

    def _say_once_that_it_failed(self, watch: Watch, took_s: float) -> None:
        if not watch.was_shown_failed:
            watch.was_shown_failed = True
            self._emit(ev.DocumentShownFailed(watch.record.file_path, took_s))
            self._tell(DocumentFailed(took_s))

    async def _look(self, record: FileRecord) -> tuple[Document | None, ImportOperation | None]:
        """Ask for the document first: where its name can be told, that is the one call needed."""
        recorded = record.gemini_store_doc_id or _implied_document(record.operation_name)
        name = self._full_name(recorded)
        document = await self._matching_document(name, record)
        if document is not None or record.operation_name is None:
            return document, None
        try:
            operation = await self._client.get_operation(record.operation_name, self._store_name)
        except NotFound:
            return None, None
        if operation.document_name not in (None, name):
            document = await self._matching_document(operation.document_name, record)
        return document, operation

    def _full_name(self, recorded: str | None) -> str | None:
        return None if recorded is None else full_name(recorded, self._store_name)

    async def _matching_document(self, name: str | None, record: FileRecord) -> Document | None:
        document = await self._client.get_document(name) if name else None
        return document if document is not None and is_for(document, record) else None

    async def tidy_up(self, record: FileRecord) -> None:
        """Delete the superseded document, then the raw file. What fails is left to a later run."""
        calls_are_about(record.file_path)
        try:
            superseded = self._full_name(record.superseded_doc_id)
            if superseded is not None:
                await self._client.delete_document(superseded)
                record = await self._state.forget_superseded(record)
            if record.gemini_file_id is not None:
                await self._client.delete_file(record.gemini_file_id)
                await self._state.forget_raw_file(record)
        except ObjlibError as error:
            left = record.superseded_doc_id or record.gemini_file_id or ""
            self._emit(ev.LeftBehind(record.file_path, left, str(error)))

    async def discard(self, leftover: Leftover) -> None:
        """Delete a document that no row names any more. If that fails a later run does it."""
        calls_are_about(leftover.file_path)
        name = self._full_name(leftover.document_name)
        if name is None:
            return
        try:
            await self._client.delete_document(name)
            await forget_leftover(self._catalog, leftover.document_name)
        except ObjlibError as error:
            self._emit(ev.LeftBehind(leftover.file_path, name, str(error)))

    # When something goes wrong

    async def settle(self, record: FileRecord, error: Exception) -> None:
        """Bring a row of ours to rest after its stage has given up."""
        fresh = await get_file(self._catalog, record.file_path)
        if fresh is None or fresh.gemini_state not in IN_FLIGHT or fresh.lease_owner != self._owner:
            if fresh is not None and fresh.gemini_state is State.UNTRACKED:  # it was never begun
                self._emit(ev.FileReleased(record.file_path, str(error)))
            else:
                self._emit(ev.FileTaken(record.file_path))
            return
        if isinstance(error, RunEnded):
            if fresh.gemini_state is State.UPLOADING:
                await self._state.release(fresh, reason=str(error))
                self._emit(ev.FileReleased(record.file_path, str(error)))
            return
        is_passing = isinstance(error, RemoteError) and not isinstance(error, Rejected)
        transient = is_passing or (isinstance(error, NoPayload) and error.may_pass)
        await self._state.fail(
            fresh,
            reason=str(error),
            transient=transient,
            document_name=fresh.gemini_store_doc_id or _implied_document(fresh.operation_name),
        )
        self._emit(ev.FileFailed(record.file_path, str(error), transient))

    def _age_s(self, since: datetime | str | None) -> float:
        """Seconds by the wall clock, which is the clock of the backend's time stamps too."""
        if since is None:
            return 0.0
        moment = datetime.fromisoformat(since) if isinstance(since, str) else since
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (self._catalog.clock() - moment).total_seconds())


def _implied_document(operation_name: str | None) -> str | None:
    """The document an import operation is about, going by its name: the last segments agree.

    Seen for uploads, likely for imports, promised for neither. A wrong guess costs one 404, and the
    document's key is checked in any case.
    """
    if operation_name is None or "/operations/" not in operation_name:
        return None
    parent, _, identifier = operation_name.partition("/operations/")
    return f"{parent.removesuffix('/upload')}/documents/{identifier}"


def _why(operation: ImportOperation | None, age_s: float) -> str:
    if operation is not None and operation.error:
        return f"the import failed: {operation.error}"
    if operation is not None and operation.done:
        return "the import reported success but made no document"
    return f"still not indexed {age_s:.0f} s after the import; try again with --retry-failed"
