"""objlib scan"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from objlib.catalog.binding import LIBRARY_ROOT, bind_library
from objlib.catalog.opening import open_catalog
from objlib.catalog.queries import get_info
from objlib.cli.manual import Manual
from objlib.cli.options import Invocation, checksum_option, common_options
from objlib.cli.render import count, one_line, path_line, print_json
from objlib.documents.payload import Source, is_current
from objlib.errors import ConfigurationError
from objlib.library.scan import scan_library
from objlib.library.scan_report import ScanReport
from objlib.upload.state import AsyncUploadStateManager

NAMED_MOVES = 10


@click.command(
    "scan",
    cls=Manual,
    examples=[
        "objlib scan --library ~/Lectures",
        "objlib scan --refresh-metadata",
        "objlib scan --checksum",
    ],
    see_also=["sync", "fsm-upload", "metadata", "failures"],
)
@click.option(
    "--library",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The library's folder [the one that was scanned before].",
)
@click.option(
    "--refresh-metadata",
    is_flag=True,
    help="Replace documents whose metadata would be another today.",
)
@checksum_option
@common_options
def command(
    invocation: Invocation, library: Path | None, refresh_metadata: bool, checksum: bool
) -> int:
    """Record every file of a library in the catalog.

    New, changed, moved and missing files are found by size, times and inode, then by SHA-256.
    --checksum reads every file instead, as a disk needs whose files have no change times. Files are
    only read; nothing is sent anywhere. What cannot be uploaded is recorded with its reason
    (`objlib failures` shows it), and what .objlibignore lists is left out.

    Metadata comes from sidecars, front matter and paths (`objlib metadata FILE` shows it). A moved
    file, and a change of templates, keep the documents that are in the store; with
    --refresh-metadata the next upload replaces them. A library that is missing or empty is taken
    for an unmounted disk, and changes nothing.
    """
    return asyncio.run(_scan(invocation, library, refresh_metadata, checksum))


async def _scan(
    invocation: Invocation, library: Path | None, refresh_metadata: bool, checksum: bool
) -> int:
    settings = invocation.settings(library=library)
    if settings.library is not None and not settings.library.is_dir():
        raise ConfigurationError(f"{settings.library} is not a folder; check --library")
    async with await open_catalog(settings.db, create=settings.library is not None) as catalog:
        known_root = await get_info(catalog, LIBRARY_ROOT)
        if settings.library is None and known_root is None:
            raise ConfigurationError("which library? Name its folder with --library DIR")
        bound = await bind_library(catalog, settings.library or Path(str(known_root)))
        source = Source(
            bound.root, bound.library_id, settings.identity_header, settings.follow_links_to
        )
        notices = invocation.notices()
        with notices.status("scanning") as status:

            def show(report: ScanReport) -> None:
                status.update(f"scanning: {count(report.found, 'file')} so far")

            report = await scan_library(
                catalog,
                bound.root,
                templates=settings.path_templates,
                lifecycle=AsyncUploadStateManager(catalog),
                is_current=partial(is_current, source=source) if refresh_metadata else None,
                checksum=checksum,
                on_progress=show,
                links_to=settings.follow_links_to,
            )
    if invocation.json:
        print_json({"library": str(bound.root), **asdict(report)})
    else:
        print_scan(invocation, report, bound.root)
        if report.new or report.changed:
            invocation.console().print("Next: objlib fsm-upload")
        elif report.missing:
            invocation.console().print("Next: objlib store-sync")
    return 0


def print_scan(invocation: Invocation, report: ScanReport, root: Path) -> None:
    """What a scan found, for people."""
    console = invocation.console()
    console.print(
        f"Scanned {one_line(str(root))}: {count(report.found, 'file')}",
        markup=False,
        soft_wrap=True,
    )
    lines = (
        (report.new, "new"),
        (report.changed, "changed"),
        (len(report.moved), "moved"),
        (report.restored, "back again"),
        (report.missing, "missing"),
        (report.unchanged, "unchanged"),
        (report.in_flight, "being uploaded, left for the next scan"),
        (report.parts, "of those are parts of texts that are too long for one document"),
        (report.unread, "cannot be read any more (`objlib failures` says why)"),
        (report.skipped, "cannot be uploaded (`objlib failures` says why)"),
    )
    for number, what in lines:
        if number:
            console.print(f"  {number:>7,}  {what}", markup=False)
    for old, new in report.moved[:NAMED_MOVES]:
        console.print(
            f"  moved: {path_line(old)} -> {path_line(new)}", markup=False, soft_wrap=True
        )
    for sidecar, problem in report.bad_sidecars.items():
        console.print(
            f"  {one_line(sidecar)}: {one_line(problem)}; not used", markup=False, soft_wrap=True
        )
