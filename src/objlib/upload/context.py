"""The record that every stage of a run works with, made once and handed from stage to stage.

What is written, and when, follows four musts:

1. The intent (upload key, lease) is on disk before the first call of an attempt.
2. The intent to import is on disk before `importFile`, which is not idempotent; whoever finds it
   set looks for the document before importing.
3. `indexed` is written only when the document itself was seen active with the right key.
4. The superseded document goes after that, and the raw file last.

A stage is one bridged coroutine, because every layer of operators costs as much as a database call
(decision 4); the orchestrator puts the operators between and around them. A stage returns, or
raises one of `objlib.errors`, or one of the two that steer: `NotReady` (look again later) and
`Taken`. It can be run again after any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from objlib.catalog.lease import Lease
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import overdue_rows
from objlib.catalog.records import FileRecord
from objlib.catalog.reservations import free_reservations
from objlib.congestion.outcomes import Outcome
from objlib.documents.lookup import DocumentLookup
from objlib.documents.payload import Payload, Source
from objlib.gemini.resources import RawFile
from objlib.upload import events as ev
from objlib.upload.client import GeminiFileSearchClient
from objlib.upload.state import AsyncUploadStateManager
from objlib.waits import Waits


class Taken(Exception):
    """Control flow, no error: somebody else has the file now, or has done what was to be done."""


def still_ours(record: FileRecord | None) -> FileRecord:
    """Return the row after a move of ours. Raises `Taken` where somebody else was faster."""
    if record is None:
        raise Taken
    return record


@dataclass(slots=True)
class Attempt:
    """A row that is ours, its bytes, and how far they have come: a repeat goes on from there."""

    record: FileRecord
    payload: Payload
    raw_file: RawFile | None = None
    #: A raw file of this key was there before it was sent, or a copy of the catalog has documents
    #: that were never seen here: who sent it may have imported it, too.
    was_there: bool = False
    #: It was sent once more, because the backend could not process what was there.
    was_sent_again: bool = False


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run over one catalog, one client and one store."""

    catalog: Catalog
    state: AsyncUploadStateManager
    client: GeminiFileSearchClient
    source: Source
    #: The name of the run in the catalog.
    run_id: str
    #: The owner of its leases: host, process and run.
    owner: str
    waits: Waits
    #: Tells the run's listeners what happens.
    emit: Callable[[ev.Event], None]
    #: Tells the gate how documents fare.
    tell: Callable[[Outcome], None]
    #: Seconds that documents have taken lately until they were active; None before the first one.
    usual_indexing_s: Callable[[], float | None]
    #: Finds documents whose names are not known.
    lookup: DocumentLookup
    #: Names of failed documents whose deletion was asked for.
    condemned: set[str] = field(default_factory=set)

    def lease(self) -> Lease:
        """Return a lease of ours from now on."""
        return Lease(self.owner, self.catalog.clock().timestamp() + self.waits.lease_s)

    async def renew_leases(self) -> None:
        """Push out the end of every lease of the run: the heartbeat."""
        await self.state.renew_leases(self.lease())

    async def end_leases(self) -> None:
        """Free what the run has left in flight or reserved for the next one, at once."""
        await free_reservations(self.catalog, self.owner)
        await self.state.renew_leases(Lease(self.owner, 0.0))

    def age_s(self, since: datetime | str | None) -> float:
        """Seconds by the wall clock, which is the clock of the backend's time stamps too."""
        if since is None:
            return 0.0
        moment = datetime.fromisoformat(since) if isinstance(since, str) else since
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0.0, (self.catalog.clock() - moment).total_seconds())


async def overdue(catalog: Catalog, waits: Waits) -> list[FileRecord]:
    """Return the rows in `processing` whose deadline has passed."""
    before = catalog.clock() - timedelta(seconds=waits.poll_deadline_s)
    return await overdue_rows(catalog, before.isoformat(timespec="milliseconds"))
