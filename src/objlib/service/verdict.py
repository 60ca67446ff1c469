"""The verdict on a round: what may be said of store and library, and what may not. Pure.

"Exactly" may be said when a listing has proved it for each row and each document. A front end words
the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from objlib.catalog.verdicts import RowCounts
from objlib.service.repairs import Synced
from objlib.sync.classify import FOR_CONSENT, DocumentClass


@dataclass(frozen=True, slots=True)
class SyncVerdict:
    """Differences between a store and its library after a round. Counts of files, if not said."""

    #: Another run is at work on them.
    in_flight: int = 0
    #: They are still to be uploaded.
    waiting: int = 0
    #: The store could not index them, or refused them.
    failed: int = 0
    #: They were known and cannot be read any more.
    unread: int = 0
    #: Another run finished them after the listing had passed their place.
    unseen: int = 0
    #: Documents that a repair could not put right, or that another run moved meanwhile.
    off: int = 0
    #: Documents that only a person can judge: twins, and those of a copy of the catalog.
    for_people: int = 0
    #: Documents in the store that are not of this library.
    foreign: int = 0
    #: Files that cannot be uploaded at all.
    skipped: int = 0
    #: A listing of the store came to its end.
    was_listed: bool = False
    #: The round looked at a part of the library only.
    is_narrowed: bool = False

    @property
    def is_in_step(self) -> bool:
        """True if the store holds each file of the library that can be uploaded, once."""
        return self.was_listed and not (self._troubles or self.for_people)

    @property
    def is_for_people(self) -> bool:
        """True if nothing stands between them but what only a person can judge."""
        return self.was_listed and bool(self.for_people) and not self._troubles

    @property
    def _troubles(self) -> int:
        files = self.in_flight + self.waiting + self.failed + self.unread + self.unseen
        return files + self.off

    @property
    def may_pass(self) -> bool:
        """True if the next round may find it better: others are at work, or a file is bad."""
        return bool(self.in_flight or self.waiting or self.unread or self.unseen)

    @property
    def is_exact(self) -> bool:
        """True if it holds nothing else, either."""
        return self.is_in_step and not (self.foreign or self.is_narrowed)


def verdict_on(
    rows: RowCounts, store: Synced | None, sent_since: int, *, is_narrowed: bool = False
) -> SyncVerdict:
    """Return the verdict on a round.

    Args:
        rows: of the catalog, at the end of the round.
        store: the survey and its repair; None where the store was not listed.
        sent_since: files that this round itself has indexed since the survey.
        is_narrowed: it looked at a part of the library only, and these rows are of that part.
    """
    if store is None:
        return SyncVerdict(
            rows.in_flight,
            rows.waiting,
            rows.failed,
            rows.unread,
            skipped=rows.skipped,
            is_narrowed=is_narrowed,
        )
    repair = store.repair
    return SyncVerdict(
        rows.in_flight,
        rows.waiting,
        rows.failed,
        rows.unread,
        unseen=max(0, rows.unseen - sent_since),
        off=repair.failed + repair.overtaken if repair is not None else 0,
        for_people=sum(store.survey.documents[kind] for kind in FOR_CONSENT),
        foreign=store.survey.documents[DocumentClass.FOREIGN],
        skipped=rows.skipped,
        was_listed=not store.was_interrupted,
        is_narrowed=is_narrowed,
    )
