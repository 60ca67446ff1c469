"""The state of a library at a glance, from its catalog alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from objlib.catalog import binding, queries, readings, tallies
from objlib.catalog.protocol import Catalog
from objlib.service.outdated import Outdated, outdated_files
from objlib.service.steps import NextStep
from objlib.upload.reports import (
    CUT_OFF,
    DONE,
    INTERRUPTED,
    UNDER_WAY,
    LastRun,
    last_run,
)

__all__ = ["CUT_OFF", "DONE", "INTERRUPTED", "UNDER_WAY", "LastRun", "Status", "status_of"]

#: Files named in a status; the rest is counted.
NAMED = 10
STATES = ("indexed", "processing", "uploading", "untracked", "failed")


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a library at a glance."""

    #: The library's folder; None before the first scan.
    library: str | None
    #: The File Search that the catalog is bound to; None before the first upload.
    backend: str | None
    #: Display name of the store.
    store: str | None
    #: Name of the store at the backend, `fileSearchStores/…`.
    store_name: str | None
    last_run: LastRun | None
    #: State -> `files` and `size_bytes`, over files on disk that can be uploaded.
    states: Mapping[str, Mapping[str, int]]
    #: Texts that are too long for one document.
    in_parts: int
    #: Their parts, all together.
    parts: int
    #: Indexed files that the store has cited since.
    proven: int
    #: Moment of the oldest of these proofs: ISO 8601, UTC.
    oldest_proof: str | None
    #: Files that are gone from disk.
    deleted: int
    #: Those of them that still have a document in the store.
    deleted_with_document: int
    #: Reason -> paths of the first files that cannot be uploaded.
    skipped: Mapping[str, Sequence[str]]
    #: Files that cannot be uploaded.
    skipped_files: int
    #: Known files that the last scan could not read; what the store has of them stays there.
    unread: int
    #: Path -> reason, of the first files that failed.
    failed: Mapping[str, str]
    #: Files in the store that an older reader has read.
    outdated: Outdated = field(default_factory=Outdated)
    #: Files in the store of which parts could not be read.
    partly_read_files: int = 0
    #: Path -> those parts, of the first such files.
    partly_read: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """Files on disk that can be uploaded."""
        return sum(tally["files"] for tally in self.states.values())

    @property
    def next_step(self) -> NextStep:
        """The next sensible thing to do."""
        files = {state: tally["files"] for state, tally in self.states.items()}
        if self.library is None:
            return NextStep.NAME_LIBRARY
        if files["untracked"] or files["uploading"] or files["processing"]:
            return NextStep.UPLOAD
        if files["failed"] or self.unread:
            return NextStep.SEE_FAILURES
        if self.deleted_with_document:
            return NextStep.REPAIR
        return NextStep.SEARCH if files["indexed"] else NextStep.SCAN


async def status_of(catalog: Catalog) -> Status:
    """Return the state of the library that a catalog is of."""
    by_state = await tallies.tally_by_state(catalog)
    deleted, deleted_with_document = await tallies.count_deleted(catalog)
    in_parts = await tallies.tally_of_parts(catalog)
    proofs = await tallies.tally_of_proofs(catalog)
    partly = await readings.partly_read(catalog, NAMED)
    skipped: dict[str, list[str]] = {}
    for record in await queries.skipped_page(catalog, None, NAMED):
        skipped.setdefault(str(record.skip_reason), []).append(record.file_path)
    return Status(
        library=await queries.get_info(catalog, binding.LIBRARY_ROOT),
        backend=await queries.get_info(catalog, binding.BACKEND),
        store=await queries.get_info(catalog, binding.STORE_DISPLAY_NAME),
        store_name=await queries.get_info(catalog, binding.STORE_NAME),
        last_run=await last_run(catalog),
        states={state: asdict(by_state.get(state, tallies.Tally(0, 0))) for state in STATES},
        in_parts=in_parts.files,
        parts=in_parts.parts,
        proven=proofs.files,
        oldest_proof=proofs.oldest,
        deleted=deleted,
        deleted_with_document=deleted_with_document,
        skipped=skipped,
        skipped_files=sum((await tallies.tally_by_skip_reason(catalog)).values()),
        unread=await tallies.count_unread(catalog),
        failed={
            record.file_path: (record.error_message or "").removeprefix(f"{record.file_path}: ")
            for record in await queries.failed_page(catalog, None, NAMED)
        },
        outdated=await outdated_files(catalog),
        partly_read_files=partly.files,
        partly_read=partly.named,
    )
