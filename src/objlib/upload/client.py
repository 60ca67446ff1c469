"""GeminiFileSearchClient: what an upload asks of File Search, and the two ways to wait for it.

Both ways are cold observables of one value: `retry_when` asks again after a delay for as long as
the answer is `NotReady`, and `timeout` over the one value is the deadline. They take the scheduler
of whoever subscribes. The look at a document in `objlib.upload.watch` waits by the same notifier.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops

from objlib.documents.lookup import full_name, is_for
from objlib.documents.payload import Payload
from objlib.errors import AlreadyExists, NotFound, Rejected, Transient
from objlib.gemini.last_moment import LastMoment
from objlib.gemini.resources import Document, ImportOperation, Metadata, RawFile
from objlib.reactive.bridge import from_coroutine
from objlib.reactive.retry import retry_when, timer_until
from objlib.waits import Waits, poll_wait_s

if TYPE_CHECKING:  # with it comes the SDK: half a second
    from objlib.catalog.records import FileRecord
    from objlib.gemini.client import FileSearchClient

T = TypeVar("T")


class NotReady(Exception):
    """Control flow, no error: it is too early, look again after `wait_s` seconds."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        super().__init__(f"not ready yet, next look in {wait_s:.1f} s")


def until_ready(
    errors: Observable[Exception], hurry: Observable[Any] | None = None
) -> Observable[Any]:
    """Decide, as the notifier of `retry_when`, to look again after each `NotReady`.

    errors      --N--------N-----X       N: NotReady, with its wait; X: any other error
    result      ------n------n---X

    Args:
        hurry: ends a wait when it emits.
    """

    def later(error: Exception) -> Observable[Any]:
        if not isinstance(error, NotReady):
            return rx.throw(error)
        return timer_until(error.wait_s, hurry)

    return errors.pipe(ops.concat_map(later))


@dataclass(frozen=True, slots=True)
class GeminiFileSearchClient:
    """The calls of one upload into one store, on top of the client for the wire."""

    wire: FileSearchClient
    store_name: str
    waits: Waits

    # Raw files

    async def send_raw_file(self, payload: Payload, key: str) -> tuple[RawFile, bool]:
        """Upload bytes under their upload key. This is safe to repeat, because the name is ours.

        Returns:
            The raw file of that name, and whether it was there before.

        Raises:
            OSError: the file cannot be read any more.
        """
        try:
            with contextlib.closing(payload.open()) as content:
                sent = await self.wire.upload_file(content, name=key, mime_type=payload.mime_type)
            return sent, False
        except AlreadyExists:
            return await self.wire.get_file(f"files/{key}"), True

    async def raw_file(self, name: str) -> RawFile | None:
        """Return a raw file, or None when there is none of that name (any more)."""
        try:
            return await self.wire.get_file(name)
        except NotFound:
            return None

    def wait_for_active(self, name: str) -> Observable[RawFile]:
        """Look at a raw file until it is ACTIVE and can be imported.

        looks       --P       --P       --A         P: PROCESSING, A: ACTIVE
        delays         ---t      ---t
        result      ----------------------A|

        Raises (through `on_error`):
            Rejected: the backend could not process it.
            Transient: it was not active within `poll_deadline_s`.
        """

        async def look() -> RawFile:
            raw_file = await self.wire.get_file(name)
            if raw_file.state == "FAILED":
                raise Rejected(f"the backend could not process the raw file {name}")
            if raw_file.state != "ACTIVE":
                raise NotReady(self.waits.poll_s)
            return raw_file

        return self._polled(name, look)

    async def delete_raw_file(self, name: str) -> None:
        """Delete a raw file. Deleting what is not there is fine."""
        await self.wire.delete_file(name)

    # Imports

    async def import_raw_file(
        self, name: str, metadata: Metadata, renew: Callable[[], Awaitable[None]]
    ) -> ImportOperation:
        """Copy a raw file into the store. This is not idempotent: each call makes a document.

        Args:
            renew: renews the lease when the import's turn has come. Raises when it is lost, and
                then nothing is sent.

        Raises:
            InDoubt: the answer was lost; look the document up before importing again.
        """
        return await self.wire.import_file(
            self.store_name,
            file_name=name,
            metadata=metadata,
            last_moment=LastMoment(renew, self.waits.import_s),
        )

    async def operation(self, name: str) -> ImportOperation | None:
        """Return how an import stands, or None when its operation has vanished."""
        try:
            return await self.wire.get_operation(name, self.store_name)
        except NotFound:
            return None

    def poll_operation(self, name: str) -> Observable[ImportOperation]:
        """Ask for an operation until it says that it is done, at longer and longer distances.

        asks        --p       --p            --d          p: pending, d: done
        delays         ---t      -------t
        result      ---------------------------d|

        `done` is a hint: the document is the truth (decision 1), so an upload looks at that first.

        Raises (through `on_error`):
            NotFound: there is no such operation.
            Transient: it was not done within `poll_deadline_s`; it may never be.
        """
        waited_s = 0.0

        async def ask() -> ImportOperation:
            nonlocal waited_s
            operation = await self.wire.get_operation(name, self.store_name)
            if not operation.done:
                wait_s = poll_wait_s(waited_s, self.waits)
                waited_s += wait_s
                raise NotReady(wait_s)
            return operation

        return self._polled(name, ask)

    def _polled(self, name: str, look: Callable[[], Awaitable[T]]) -> Observable[T]:
        deadline_s = self.waits.poll_deadline_s
        too_late = Transient(f"{name}: not ready after {deadline_s:.0f} s")
        # `timeout` is silence between items: over a stream of one value it is a deadline.
        return from_coroutine(look).pipe(
            retry_when(until_ready), ops.timeout(deadline_s, rx.throw(too_late))
        )

    # Documents

    def full_name(self, recorded: str | None) -> str | None:
        """Return the name at the API of a document as it is recorded, or None if it has none."""
        return None if recorded is None else full_name(recorded, self.store_name)

    async def document(self, recorded: str | None) -> Document | None:
        """Return a document by its recorded name, or None when there is none."""
        name = self.full_name(recorded)
        return None if name is None else await self.wire.get_document(name)

    async def document_of(self, record: FileRecord, recorded: str | None) -> Document | None:
        """Return a document by its recorded name, if it holds the version that a row is about."""
        document = await self.document(recorded)
        return document if document is not None and is_for(document, record) else None

    async def delete_document(self, name: str) -> None:
        """Delete a document and its chunks. Deleting what is not there is fine."""
        await self.wire.delete_document(name)
