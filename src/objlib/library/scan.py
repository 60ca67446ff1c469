"""scan: bring the catalog's picture of the library up to date.

The walk and the catalog come in the same order, so they are merged in one pass without holding
either. What may have changed is hashed in batches on all cores and written a batch at a time, so a
scan that is interrupted has lost nothing: the next one finds the rest. Nothing is ever dropped in
silence: what cannot be uploaded is a row with its reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from objlib.catalog import queries, writes
from objlib.catalog.held import Held as HeldRows
from objlib.catalog.part_names import file_of
from objlib.catalog.protocol import Catalog
from objlib.catalog.records import FileRecord
from objlib.catalog.tallies import METADATA_CHANGED, SENT_DIFFERENTLY
from objlib.catalog.writes import FileFacts, Unread
from objlib.errors import ConfigurationError, Hint, OCCConflictError
from objlib.formats.hook import Hooks
from objlib.library.ahead import map_ahead
from objlib.library.changes import (
    Change,
    Confirmed,
    Held,
    KnownFile,
    Missing,
    New,
    Skipped,
    Suspect,
    Unasked,
    Unchanged,
    Unreadable,
    compare,
)
from objlib.library.emptiness import emptiness, until_the_first, would_be_taken
from objlib.library.looks import BOOK_TYPES, Looks
from objlib.library.metadata import PathTemplate
from objlib.library.mime import HOOKED_TYPE
from objlib.library.narrowing import NOT_THIS_TIME, Narrowing
from objlib.library.parts import in_parts
from objlib.library.reach import Reach
from objlib.library.root import RootIdentity, identity_of, is_folder, library_gone
from objlib.library.scan_report import ScanReport, Tally
from objlib.library.selection import USUAL, Selection
from objlib.library.walk import FoundFile, LeftOut, SkippedPath
from objlib.states import IN_FLIGHT, State
from objlib.threads import LIGHT_BYTES, Offload, in_place

#: At most so many changes are written together.
BATCH = 200
#: After so many files a scan says how far it has come, whether anything has changed or not.
STRETCH = 5_000
#: After so many moved rows the event loop gets its turn: a move takes 0.2 ms.
ROWS_A_TURN = 20

CHANGED = "changed on disk"

_FOLDER_UNREADABLE = "its folder cannot be read; make it readable and scan again"

#: Key in `catalog_info`: the version of the verdicts on files that cannot be uploaded.
VERDICTS = "verdicts_version"

#: Key in `catalog_info`: since when no scan has come to its end; empty when the last one has.
UNFINISHED_SCAN = "unfinished_scan_since"


class Lifecycle(Protocol):
    """The two moves a scan may ask for; it never writes a state itself.

    Each returns the row afterwards, or None when somebody else moved it first.
    """

    async def invalidate(self, record: FileRecord, *, reason: str) -> FileRecord | None: ...
    async def retry(self, record: FileRecord, *, reason: str) -> FileRecord | None: ...


async def scan_library(
    catalog: Catalog,
    root: Path,
    *,
    templates: Sequence[PathTemplate],
    lifecycle: Lifecycle,
    selection: Selection = USUAL,
    held: HeldRows | None = None,
    is_current: Callable[[FileRecord], bool] | None = None,
    checksum: bool = False,
    workers: int | None = None,
    on_progress: Callable[[ScanReport], None] | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    offload: Offload = in_place,
) -> ScanReport:
    """Walk `root` and record what is new, changed, moved and missing.

    Args:
        selection: the files that are wanted.
        held: told of every known file that the narrowing of the selection leaves out.
        is_current: whether a document is what would be sent of its row today. Where it is given,
            every file is looked at again, and those whose documents are not current are changed.
        checksum: hash every file, whatever its size and times say.
        is_stopped: asked after each batch; the next scan finds the rest.
        offload: where walking, reading and hashing are done; all of it in one thread.

    Raises:
        ConfigurationError: `root` is missing, no folder, or empty while the catalog is not: an
            unmounted disk must not look like a library that was deleted.
        LibraryGone: the disk of `root` does not answer, or has gone on the way.
    """
    if not is_folder(root):
        raise ConfigurationError(
            f"{root} is not a folder; give the library's", hint=Hint.NAME_LIBRARY
        )
    identity = identity_of(root)
    tally = Tally()
    walked = selection.walk(root, catalog.data_file)
    first = await offload(lambda: until_the_first(walked))
    if not would_be_taken(first):
        raise await emptiness(catalog, root)
    # A move whose two halves were seen by an interrupted scan and by the next one is still a move.
    since = await queries.get_info(catalog, UNFINISHED_SCAN) or catalog.now()
    again = _Again(
        everything=checksum or is_current is not None,
        skipped=await queries.get_info(catalog, VERDICTS) != selection.verdicts,
        hooks=selection.hooks,
    )
    await queries.set_info(catalog, **{UNFINISHED_SCAN: since})
    workers = workers or os.cpu_count() or 1
    opener = Reach(root, selection.links_to).opener
    bad = (tally.bad_sidecars, tally.bad_lines)
    looks = Looks(root, templates, opener, *bad, selection.hooks, selection.pictures)
    narrowing = selection.narrowing
    scan = _Scan(
        catalog, root, identity, lifecycle, workers, tally, is_current, looks, narrowing, held
    )
    rows = await queries.stream_known_files(catalog)
    batches = scan.judged(rows, chain(first, walked), again)
    try:
        while (batch := await offload(lambda: next(batches, None))) is not None:
            await scan.apply(batch)
            if on_progress is not None:
                on_progress(tally.report())
            if is_stopped():
                return tally.report()
    finally:
        await offload(batches.close)
        rows.close()  # it holds a connection, also where no batch was ever asked for
    scan.check_root()  # a disk that is gone by now answered for none of this
    tally.moved = await writes.adopt_moves(catalog, since)
    if narrowing is None:  # else the next one finds the rest
        await queries.set_info(catalog, **{UNFINISHED_SCAN: "", VERDICTS: selection.verdicts})
    tally.new = max(0, tally.new - len(tally.moved))
    tally.missing = max(0, tally.missing - len(tally.moved))
    return tally.report()


@dataclass(frozen=True, slots=True)
class _Again:
    """Files that are looked at again although nothing about them has changed on disk.

    Args:
        skipped: files that an earlier objlib could not upload; the verdicts may be others now.
        hooks: the commands there are; a file that waits for another one is looked at again.
    """

    everything: bool
    skipped: bool
    hooks: Hooks

    def wants(self, known: KnownFile) -> bool:
        """Return True for a file that depends on a verdict which may be another one now."""
        if known.skip_reason is not None:
            return self.skipped
        return self.hooks.hook_for(known.path) is None


_SAME = (Unchanged, Confirmed)


def _batches(changes: Iterable[Change], tally: Tally, again: _Again) -> Iterator[list[Change]]:
    """All but the unchanged, which are only counted, unless they are looked at again."""
    batch: list[Change] = []
    since = tally.found
    for change in changes:
        if isinstance(change, _SAME):  # asked first: nearly all are
            tally.found += 1
            known = change.known
            if again.everything or (known.depends_on_verdict and again.wants(known)):
                batch.append(Suspect(change.found, change.known))
            else:
                tally.unchanged += 1
                tally.skipped += known.skip_reason is not None
                if isinstance(change, Confirmed):
                    batch.append(change)
        elif isinstance(change, Unreadable):
            if change.known.skip_reason is None:
                tally.unread += 1
                if not change.known.is_unread:
                    batch.append(change)
        elif isinstance(change, LeftOut):
            if change.reason != NOT_THIS_TIME:
                tally.left_out[change.reason] = tally.left_out.get(change.reason, 0) + 1
            else:
                tally.not_this_time += not change.path.endswith("//")
        elif isinstance(change, Held):
            tally.held += not change.known.is_deleted
            batch.append(change)
        else:
            tally.found += isinstance(change, New | Suspect)
            batch.append(change)
        if len(batch) == BATCH or tally.found - since >= STRETCH:
            yield batch
            batch, since = [], tally.found
    yield batch


_Judged = list[tuple[Change, FileFacts | None]]


@dataclass(frozen=True, slots=True)
class _Scan:
    catalog: Catalog
    root: Path
    identity: RootIdentity
    lifecycle: Lifecycle
    workers: int
    tally: Tally
    is_current: Callable[[FileRecord], bool] | None
    looks: Looks
    narrowing: Narrowing | None
    held: HeldRows | None

    def judged(
        self,
        rows: Iterable[tuple[Any, ...]],
        walked: Iterable[FoundFile | SkippedPath | LeftOut],
        again: _Again,
    ) -> Generator[_Judged, None, None]:
        """Compare the walk with the catalog's rows; yield what has changed, a batch at a time."""
        found = in_parts(self.root, walked, self.tally.note_parts, self.looks.opener)
        changes = compare(found, map(KnownFile._make, rows), self._is_held)
        for batch in _batches(changes, self.tally, again):
            yield self._judge(batch)

    def _is_held(self, path: str) -> bool:
        return self.narrowing is not None and self.narrowing.leaves_out(path)

    async def apply(self, batch: _Judged) -> None:
        """Write one batch of changes."""
        if self.held is not None:
            await self.held.add(c.known.path for c, _ in batch if isinstance(c, Held))
        inserted: list[FileFacts] = []
        seen_again: list[FileFacts] = []
        books: set[str] = set()
        gone = await self._unasked([c.known.path for c, _ in batch if isinstance(c, Unasked)])
        confirmed: list[tuple[str, int]] = []
        hidden: list[Unread] = []
        for change, facts in batch:
            if isinstance(change, Unasked | Held):
                continue
            if isinstance(change, Missing):
                gone.append(change.known.path)
                continue
            if isinstance(change, Confirmed):
                confirmed.append((change.known.path, change.found.ctime))
                continue
            if isinstance(change, Unreadable):
                hidden.append(Unread(change.known.path, _why_hidden(change), forgets_time=False))
                continue
            if facts is None:
                self.tally.found -= 1
                if isinstance(change, Suspect) and not change.known.is_deleted:
                    gone.append(change.known.path)
                continue
            if isinstance(change, New) or (isinstance(change, Skipped) and not change.known):
                inserted.append(facts)
            else:
                seen_again.append(facts)
                if isinstance(change, Suspect) and _is_same_book(change, facts):
                    books.add(facts.file_path)
                continue
            self.tally.skipped += facts.skip_reason is not None
        if gone:
            self.check_root()
        self.tally.new += sum(facts.skip_reason is None for facts in inserted)
        self.tally.missing += len(gone)
        await writes.insert_files(self.catalog, inserted)
        await self._update(seen_again, books)
        await writes.mark_deleted(self.catalog, gone)
        await writes.confirm_unchanged(self.catalog, confirmed)
        await writes.note_unread(self.catalog, hidden)

    def check_root(self) -> None:
        """Make sure that files are missing from the folder that the walk began in."""
        if identity_of(self.root) != self.identity:
            raise library_gone(self.root)

    async def _unasked(self, paths: Sequence[str]) -> list[str]:
        """Keep what is in the store already; return the rest, of which nothing was ever sent.

        A default deletes no document. A rule that somebody writes does.
        """
        gone = []
        for path, row in (await queries.files_by_path(self.catalog, paths)).items():
            is_there = os.path.lexists(self.root / file_of(path))
            if is_there and (
                row.gemini_state in (State.INDEXED, *IN_FLIGHT) or row.superseded_doc_id
            ):
                self.tally.kept.append(path)
            else:
                gone.append(path)
        return gone

    async def _update(self, seen_again: Sequence[FileFacts], books: Set[str]) -> None:
        """Write what is known of files that were known before.

        Args:
            books: those that are described by themselves alone, or by the sidecar they had.
        """
        rows = await queries.files_by_path(self.catalog, [facts.file_path for facts in seen_again])
        followed: list[FileFacts] = []
        unread: list[Unread] = []
        for number, facts in enumerate(seen_again, start=1):
            if number % ROWS_A_TURN == 0:
                await asyncio.sleep(0)
            row = rows.get(facts.file_path)
            if row is None:  # another scan gave it a new path
                continue
            if _keeps_its_document(row, facts):
                self.tally.unread += 1
                was_seen = facts.size_bytes is not None
                reason = str(facts.skip_reason)
                unread.append(Unread(row.file_path, reason, forgets_time=was_seen))
                continue
            self.tally.skipped += facts.skip_reason is not None
            followed += await self._follow(row, self._with_metadata_of(row, facts, books))
        await writes.update_facts(self.catalog, followed)
        await writes.note_unread(self.catalog, unread)

    def _with_metadata_of(self, row: FileRecord, facts: FileFacts, books: Set[str]) -> FileFacts:
        """The facts with the metadata a row has, where what was read now must not replace it.

        A document of the earlier generation carries what its row says, and is left alone; a sidecar
        that cannot be read says nothing. A book that was touched is not sent again because more is
        read in it today than when it was sent.
        """
        is_earlier = row.upload_key is None and row.gemini_state is State.INDEXED and row.metadata
        is_unknown = facts.metadata is None
        is_same_book = (
            self.is_current is None
            and row.gemini_state is State.INDEXED
            and row.file_path in books
            and row.content_hash == facts.content_hash
        )
        keeps = is_earlier or is_unknown or is_same_book
        return replace(facts, metadata=row.metadata) if keeps else facts

    async def _follow(self, row: FileRecord, facts: FileFacts) -> list[FileFacts]:
        """Count what happened to a known file, and move its row if its document is another.

        Returns:
            The facts that may be written.
        """
        if row.gemini_state in IN_FLIGHT:
            self.tally.in_flight += 1  # left alone; the next scan sees it again
            return []
        change = self._difference(row, facts)
        moved: FileRecord | None = row
        try:
            if change and row.gemini_state is State.INDEXED:
                moved = await self.lifecycle.invalidate(row, reason=change)
            elif change and row.gemini_state is State.FAILED:
                moved = await self.lifecycle.retry(row, reason=change)
        except OCCConflictError:
            moved = None
        if moved is None:
            self.tally.in_flight += 1  # another run took it just now
            return []
        if row.is_deleted:
            self.tally.restored += 1
        elif change:
            self.tally.changed += 1
        else:
            self.tally.unchanged += 1
        return [facts]

    def _difference(self, row: FileRecord, facts: FileFacts) -> str | None:
        """Why what would be sent of a file is another than its row says, or None."""
        if (row.content_hash, row.skip_reason) != (facts.content_hash, facts.skip_reason):
            return CHANGED
        if row.metadata != dict(facts.metadata or {}):
            return METADATA_CHANGED
        is_in_store = row.gemini_state is State.INDEXED
        if row.mime_type == HOOKED_TYPE != facts.mime_type and not is_in_store:
            return SENT_DIFFERENTLY  # the command it waits for is no more
        if self.is_current is not None and is_in_store and row.upload_key:
            return None if self.is_current(row) else SENT_DIFFERENTLY
        return None

    def _judge(self, batch: Sequence[Change]) -> _Judged:
        """Pair every change with what is to be written, large files read on all cores.

        None stands for a file that was there a moment ago and is gone.
        """
        looks = map_ahead(self._facts_of, batch, self.workers, is_light=_is_light)
        with contextlib.closing(looks):
            return list(zip(batch, looks, strict=True))

    def _facts_of(self, change: Change) -> FileFacts | None:
        if isinstance(change, New | Suspect):
            return self.looks.look_into(change.found, is_known=isinstance(change, Suspect))
        if isinstance(change, Skipped):
            return FileFacts(change.skipped.path, skip_reason=change.skipped.reason)
        assert isinstance(change, Missing | Confirmed | Unreadable | Unasked | Held)
        return FileFacts(change.known.path)


def _keeps_its_document(row: FileRecord, facts: FileFacts) -> bool:
    """Return whether a file could not be looked at, and an older version of it can be found.

    That is no proof that it changed. A row in flight is left alone anyhow.
    """
    has_document = row.gemini_state is State.INDEXED or row.superseded_doc_id is not None
    is_known = row.skip_reason is None and not row.is_deleted
    could_not_look = facts.mtime is None and facts.skip_reason is not None
    return could_not_look and is_known and has_document and row.gemini_state not in IN_FLIGHT


def _why_hidden(change: Unreadable) -> str:
    is_part = file_of(change.known.path) == change.skipped.path.rstrip("/")
    return change.skipped.reason if is_part else _FOLDER_UNREADABLE


def _is_same_book(change: Suspect, facts: FileFacts) -> bool:
    """Return whether a file is a book, and nothing beside it describes it otherwise than before."""
    is_book = facts.mime_type in BOOK_TYPES
    return is_book and change.known.sidecar_mtime == change.found.sidecar_mtime


def _is_light(change: Change) -> bool:
    """True if a look takes less than handing it to another thread and back."""
    return not isinstance(change, New | Suspect) or change.found.size_bytes <= LIGHT_BYTES
