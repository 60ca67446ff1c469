"""The work of a scan."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from reactivex.subject import Subject

from objlib.catalog import readings
from objlib.catalog.binding import BoundLibrary
from objlib.catalog.held import Held
from objlib.catalog.protocol import Catalog
from objlib.config import Settings
from objlib.documents.payload import Source, is_current, reader_of
from objlib.library.conversion import CONVERTERS, READERS
from objlib.library.scan import scan_library
from objlib.library.scan_report import ScanReport
from objlib.library.selection import Selection
from objlib.service.runs import Work
from objlib.service.stores import source_of, takes_pictures
from objlib.threads import one_thread
from objlib.upload.shutdown import Shutdown
from objlib.upload.state import AsyncUploadStateManager

ScanWork: TypeAlias = Work[ScanReport, ScanReport]

#: Rows that are looked through at a time.
_PAGE = 500


def selection_of(settings: Settings, own: tuple[Path | int, ...] = ()) -> Selection:
    """Return what the settings want of a library.

    Args:
        own: paths and descriptors of files that the program itself writes.
    """
    hooks = settings.hooks()
    return Selection(settings.follow_links_to, settings.hidden, settings.gitignore, own, hooks)


def scanning(
    catalog: Catalog,
    bound: BoundLibrary,
    settings: Settings,
    selection: Selection,
    refresh_metadata: bool,
    checksum: bool,
    held: Held | None = None,
) -> ScanWork:
    """Return the work of recording what is on disk.

    Args:
        refresh_metadata: compare what is sent for each file with what its document has, too.
        checksum: hash every file, whatever its size and times say.
        held: told of every known file that the narrowing of the selection leaves out.
    """
    source = source_of(settings, bound)
    shutdown, told, reports = Shutdown(), Subject[ScanReport](), [ScanReport()]

    def tell(report: ScanReport) -> None:
        reports[0] = report
        told.on_next(report)

    async def until_done() -> None:
        taken = replace(selection, pictures=await takes_pictures(catalog, settings))
        async with one_thread() as offload:
            report = await scan_library(
                catalog,
                bound.root,
                templates=settings.path_templates,
                lifecycle=AsyncUploadStateManager(catalog),
                selection=taken,
                held=held,
                is_current=partial(is_current, source=source) if refresh_metadata else None,
                checksum=checksum,
                on_progress=tell,
                is_stopped=lambda: shutdown.is_stopping,
                offload=offload,
            )
        if not shutdown.is_stopping:
            await learn_readers(catalog, source)
        tell(report)

    return Work(told, until_done, shutdown, lambda: reports[0])


async def learn_readers(catalog: Catalog, source: Source) -> None:
    """Find out, from their keys, which readers have made the documents that say nothing of it.

    An earlier objlib wrote no reader down, and a document that was found again has none either.
    """
    after, types = "", [*CONVERTERS, *(READERS if source.is_read_here else ())]
    while page := await readings.unknown_readers_page(catalog, types, after, _PAGE):
        known = [(record, reader_of(record, source)) for record in page]
        await readings.note_readers(catalog, known)
        after = page[-1].file_path
