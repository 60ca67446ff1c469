"""The work of a scan."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from reactivex.subject import Subject

from objlib.catalog.binding import BoundLibrary
from objlib.catalog.protocol import Catalog
from objlib.config import Settings
from objlib.documents.payload import Source, is_current
from objlib.library.scan import scan_library
from objlib.library.scan_report import ScanReport
from objlib.library.selection import Selection
from objlib.service.runs import Work
from objlib.threads import one_thread
from objlib.upload.shutdown import Shutdown
from objlib.upload.state import AsyncUploadStateManager


def selection_of(settings: Settings, own: tuple[Path | int, ...] = ()) -> Selection:
    """Return what the settings want of a library.

    Args:
        own: paths and descriptors of files that the program itself writes.
    """
    return Selection(settings.follow_links_to, settings.hidden, settings.gitignore, own)


def scanning(
    catalog: Catalog,
    bound: BoundLibrary,
    settings: Settings,
    source: Source,
    selection: Selection,
    *,
    refresh_metadata: bool,
    checksum: bool,
) -> Work[ScanReport, ScanReport]:
    """Return the work of recording what is on disk.

    Args:
        refresh_metadata: compare what is sent for each file with what its document has, too.
        checksum: hash every file, whatever its size and times say.
    """
    shutdown, told, reports = Shutdown(), Subject[ScanReport](), [ScanReport()]

    def tell(report: ScanReport) -> None:
        reports[0] = report
        told.on_next(report)

    async def until_done() -> None:
        async with one_thread() as offload:
            report = await scan_library(
                catalog,
                bound.root,
                templates=settings.path_templates,
                lifecycle=AsyncUploadStateManager(catalog),
                selection=selection,
                is_current=partial(is_current, source=source) if refresh_metadata else None,
                checksum=checksum,
                on_progress=tell,
                is_stopped=lambda: shutdown.is_stopping,
                offload=offload,
            )
        tell(report)

    return Work(told, until_done, shutdown, lambda: reports[0])
