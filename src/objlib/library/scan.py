"""scan: bring the catalog's picture of the library up to date.

The walk and the catalog come in the same order, so they are merged in one pass without holding
either. What may have changed is hashed in batches on all cores and written a batch at a time, so a
scan that is interrupted has lost nothing: the next one finds the rest. Nothing is ever dropped in
silence: what cannot be uploaded is a row with its reason.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

from objlib.catalog import queries, writes
from objlib.catalog.connection import Catalog
from objlib.catalog.records import FileRecord
from objlib.catalog.writes import FileFacts
from objlib.errors import ConfigurationError, OCCConflictError
from objlib.library.changes import (
    Change,
    KnownFile,
    Missing,
    New,
    Skipped,
    Suspect,
    Unchanged,
    Unreadable,
    compare,
)
from objlib.library.described import BadSidecar, describe, front_matter_of, read_sidecar
from objlib.library.hashing import FileChanged, Fingerprint, sha256_many
from objlib.library.ignore import IgnoreRules
from objlib.library.metadata import PathTemplate, extract_metadata
from objlib.library.mime import HEAD_BYTES, Unsupported, mime_type_of, size_problem
from objlib.library.walk import FoundFile, SkippedPath, walk
from objlib.upload.fsm import IN_FLIGHT, State

BATCH = 500

#: Reasons for which a document is replaced.
CHANGED, METADATA_CHANGED = "changed on disk", "metadata changed"

#: Key in `catalog_info`: since when no scan has come to its end; empty when the last one has.
UNFINISHED_SCAN = "unfinished_scan_since"


class Lifecycle(Protocol):
    """The two moves a scan may ask for; it never writes a state itself."""

    async def invalidate(self, record: FileRecord, *, reason: str) -> FileRecord: ...
    async def retry(self, record: FileRecord, *, reason: str) -> FileRecord: ...


@dataclass(slots=True)
class ScanReport:
    """What a scan found. Counts of files."""

    found: int = 0
    unchanged: int = 0
    new: int = 0
    changed: int = 0
    restored: int = 0
    missing: int = 0
    skipped: int = 0
    in_flight: int = 0
    moved: list[tuple[str, str]] = field(default_factory=list)
    #: Sidecar -> why it cannot be read. Its file keeps the metadata it had.
    bad_sidecars: dict[str, str] = field(default_factory=dict)


async def scan_library(
    catalog: Catalog,
    root: Path,
    *,
    templates: Sequence[PathTemplate],
    lifecycle: Lifecycle,
    is_current: Callable[[FileRecord], bool] | None = None,
    workers: int | None = None,
    on_progress: Callable[[ScanReport], None] | None = None,
) -> ScanReport:
    """Walk `root` and record what is new, changed, moved and missing.

    Args:
        is_current: whether a document is what would be sent of its row today. Where it is given,
            every file is looked at again, and those whose documents are not current are changed.

    Raises:
        ConfigurationError: `root` is missing, no folder, or empty while the catalog is not: an
            unmounted disk must not look like a library that was deleted.
    """
    if not root.is_dir():
        raise ConfigurationError(f"{root} is not a folder; give the library's with --library DIR")
    await _refuse_emptiness(catalog, root)
    # A move whose two halves were seen by an interrupted scan and by the next one is still a move.
    since = await queries.get_info(catalog, UNFINISHED_SCAN) or catalog.now()
    await queries.set_info(catalog, **{UNFINISHED_SCAN: since})
    report = ScanReport()
    workers = workers or os.cpu_count() or 1
    scan = _Scan(catalog, root, templates, lifecycle, workers, report, is_current)
    # Closed here and now: it holds a connection, which only the thread that opened it may close.
    with contextlib.closing(_known_files(catalog)) as known:
        changes = compare(_files_of_others(root, catalog), known)
        all_again = is_current is not None
        while batch := list(islice(_worth_a_look(changes, report, all_again), BATCH)):
            await scan.apply(batch)
            if on_progress is not None:
                on_progress(report)
    report.moved = await writes.adopt_moves(catalog, since)
    await queries.set_info(catalog, **{UNFINISHED_SCAN: ""})
    report.new = max(0, report.new - len(report.moved))
    report.missing = max(0, report.missing - len(report.moved))
    return report


async def _refuse_emptiness(catalog: Catalog, root: Path) -> None:
    if next(_files_of_others(root, catalog), None) is not None:
        return
    known = await queries.count_files(catalog)
    if known:
        raise ConfigurationError(
            f"{root} is empty, but the catalog knows {known:,} files there; is its disk mounted? "
            "Nothing was changed"
        )
    raise ConfigurationError(f"there are no files in {root}; is it the right folder?")


def _files_of_others(root: Path, catalog: Catalog) -> Iterator[FoundFile | SkippedPath]:
    """The walk without our own databases, for a catalog that is kept inside the library."""
    folder = catalog.path.resolve().parent
    if not folder.is_relative_to(root.resolve()):
        return walk(root, IgnoreRules())
    own = folder.relative_to(root.resolve()).as_posix()
    rules = IgnoreRules().within("" if own == "." else own, ["/*.db", "/*.db-*", "/*.db.*.bak"])
    return walk(root, rules)


def _known_files(catalog: Catalog) -> Generator[KnownFile, None, None]:
    for row in queries.stream_known_files(catalog.path):
        path, size, mtime, inode, device, digest, deleted, reason, sidecar_mtime = row
        yield KnownFile(
            path, size, mtime, inode, device, digest, bool(deleted), reason, sidecar_mtime
        )


def _worth_a_look(
    changes: Iterator[Change], report: ScanReport, all_again: bool
) -> Iterator[Change]:
    """All but the unchanged, which are only counted, unless `all_again` is said."""
    for change in changes:
        if isinstance(change, New | Suspect | Unchanged):
            report.found += 1
        if isinstance(change, Unchanged) and all_again:
            yield Suspect(change.found, change.known)
        elif isinstance(change, Unchanged):
            report.unchanged += 1
            report.skipped += change.known.skip_reason is not None
        elif not isinstance(change, Unreadable):
            yield change


@dataclass(frozen=True, slots=True)
class _Scan:
    catalog: Catalog
    root: Path
    templates: Sequence[PathTemplate]
    lifecycle: Lifecycle
    workers: int
    report: ScanReport
    is_current: Callable[[FileRecord], bool] | None

    async def apply(self, batch: Sequence[Change]) -> None:
        """Write one batch of changes."""
        inserted: list[FileFacts] = []
        seen_again: list[FileFacts] = []
        gone: list[str] = []
        for change, facts in self._judge(batch):
            if isinstance(change, Missing):
                gone.append(change.known.path)
                continue
            if facts is None:
                self.report.found -= 1
                if isinstance(change, Suspect) and not change.known.is_deleted:
                    gone.append(change.known.path)
                continue
            if isinstance(change, New) or (isinstance(change, Skipped) and not change.known):
                inserted.append(facts)
            else:
                seen_again.append(facts)
            self.report.skipped += facts.skip_reason is not None
        self.report.new += sum(facts.skip_reason is None for facts in inserted)
        self.report.missing += len(gone)
        await writes.insert_files(self.catalog, inserted)
        await self._update(seen_again)
        await writes.mark_deleted(self.catalog, gone)

    async def _update(self, seen_again: Sequence[FileFacts]) -> None:
        rows = await queries.files_by_path(self.catalog, [facts.file_path for facts in seen_again])
        followed = []
        for facts in seen_again:
            row = rows.get(facts.file_path)
            if row is not None:  # else another scan gave it a new path
                followed += await self._follow(row, self._with_metadata_of(row, facts))
        await writes.update_facts(self.catalog, followed)

    def _with_metadata_of(self, row: FileRecord, facts: FileFacts) -> FileFacts:
        """The facts with the metadata a row has, where what was read now must not replace it.

        A document of the earlier generation carries what its row says, and is left alone; a sidecar
        that cannot be read says nothing.
        """
        is_earlier = row.upload_key is None and row.gemini_state is State.INDEXED and row.metadata
        is_unknown = facts.metadata is None
        return replace(facts, metadata=row.metadata) if is_earlier or is_unknown else facts

    async def _follow(self, row: FileRecord, facts: FileFacts) -> list[FileFacts]:
        """Count what happened to a known file, and move its row if its document is another.

        Returns:
            The facts that may be written.
        """
        if row.gemini_state in IN_FLIGHT:
            self.report.in_flight += 1  # left alone; the next scan sees it again
            return []
        if row.gemini_state is State.INDEXED and facts.mtime is None:
            return [facts]  # it could not be looked at, which is no proof that it changed
        change = self._difference(row, facts)
        try:
            if change and row.gemini_state is State.INDEXED:
                await self.lifecycle.invalidate(row, reason=change)
            elif change and row.gemini_state is State.FAILED:
                await self.lifecycle.retry(row, reason=change)
        except OCCConflictError:
            self.report.in_flight += 1  # another run took it just now
            return []
        if row.is_deleted:
            self.report.restored += 1
        elif change:
            self.report.changed += 1
        else:
            self.report.unchanged += 1
        return [facts]

    def _difference(self, row: FileRecord, facts: FileFacts) -> str | None:
        """Why what would be sent of a file is another than its row says, or None."""
        if (row.content_hash, row.skip_reason) != (facts.content_hash, facts.skip_reason):
            return CHANGED
        if row.metadata != dict(facts.metadata or {}):
            return METADATA_CHANGED
        if self.is_current is not None and row.gemini_state is State.INDEXED and row.upload_key:
            return None if self.is_current(row) else METADATA_CHANGED
        return None

    def _judge(self, batch: Sequence[Change]) -> Iterator[tuple[Change, FileFacts | None]]:
        """Pair every change with what is to be written; hash what needs hashing, on all cores.

        None stands for a file that was there a moment ago and is gone.
        """
        facts = [self._first_look(change) for change in batch]
        to_hash = [
            (index, seen)
            for index, (change, seen) in enumerate(zip(batch, facts, strict=True))
            if isinstance(change, New | Suspect) and seen is not None and seen.skip_reason is None
        ]
        digests = sha256_many((self.root / seen.file_path for _, seen in to_hash), self.workers)
        for (index, seen), digest in zip(to_hash, digests, strict=True):
            facts[index] = _with_digest(seen, digest)
        yield from zip(batch, facts, strict=True)

    def _first_look(self, change: Change) -> FileFacts | None:
        if isinstance(change, New | Suspect):
            return self._facts_of(change.found, is_known=isinstance(change, Suspect))
        if isinstance(change, Skipped):
            return FileFacts(change.skipped.path, skip_reason=change.skipped.reason)
        assert isinstance(change, Missing)
        return FileFacts(change.known.path)

    def _facts_of(self, found: FoundFile, *, is_known: bool) -> FileFacts | None:
        facts = FileFacts(
            found.path,
            size_bytes=found.size_bytes,
            mtime=found.mtime,
            inode=found.inode,
            device=found.device,
            metadata=extract_metadata(found.path, self.templates),
            skip_reason=size_problem(found.size_bytes),
            sidecar_mtime=found.sidecar_mtime,
        )
        if facts.skip_reason is not None:
            return facts
        try:
            with (self.root / found.path).open("rb") as file:
                head = file.read(HEAD_BYTES)
                verdict = mime_type_of(found.path, head)
        except OSError as error:
            return _without_content(facts, error)
        if isinstance(verdict, Unsupported):
            return replace(facts, skip_reason=verdict.reason)
        facts = replace(facts, mime_type=verdict.mime_type)
        try:
            sidecar = read_sidecar(self.root / found.sidecar) if found.sidecar else None
        except BadSidecar as problem:
            self.report.bad_sidecars[str(found.sidecar)] = str(problem)
            # Its time is not recorded, so that the next scan tries again.
            kept = None if is_known else facts.metadata
            return replace(facts, metadata=kept, sidecar_mtime=None)
        described = describe(
            found.path,
            templates=self.templates,
            front_matter=front_matter_of(head, verdict.mime_type),
            sidecar=sidecar,
        )
        return replace(facts, metadata=described.metadata)


def _with_digest(facts: FileFacts, digest: Fingerprint | OSError | FileChanged) -> FileFacts | None:
    if isinstance(digest, Fingerprint):
        return replace(
            facts,
            content_hash=digest.sha256_hex,
            size_bytes=digest.size_bytes,
            mtime=digest.mtime,
        )
    return _without_content(facts, digest)


def _without_content(facts: FileFacts, error: OSError | FileChanged) -> FileFacts | None:
    """A file that could not be read. Its time is not recorded, so that the next scan tries again:
    giving permission changes neither size nor time."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return None
    if isinstance(error, FileChanged):
        reason = "it was being written to; scan again when it is at rest"
    else:
        problem = (error.strerror or str(error)).lower()
        reason = f"it cannot be read ({problem}); change its permissions"
    return replace(facts, mtime=None, skip_reason=reason)
