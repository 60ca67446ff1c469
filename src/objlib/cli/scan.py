"""objlib scan"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from pathlib import Path

import click

from objlib import Library, ScanReport
from objlib.cli.manual import Manual
from objlib.cli.options import Invocation, checksum_option, common_options, hidden_option
from objlib.cli.render import count, one_line, path_line, print_json
from objlib.config import Settings

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
@hidden_option
@common_options
def command(
    invocation: Invocation,
    library: Path | None,
    refresh_metadata: bool,
    checksum: bool,
    hidden: bool | None,
) -> int:
    """Record every file of a library in the catalog.

    New, changed, moved and missing files are found by size, times and inode, then by SHA-256.
    --checksum reads every file instead, as a disk needs whose files have no change times. Files are
    only read; nothing is sent anywhere. What cannot be uploaded is recorded with its reason
    (`objlib failures` shows it), and what .objlibignore lists is left out.
    So are hidden files, locks, backups, keys and the like (docs/what-is-sent.md), unless asked for.

    Metadata comes from sidecars, front matter and paths (`objlib metadata FILE` shows it). A moved
    file, and a change of templates, keep the documents that are in the store; with
    --refresh-metadata the next upload replaces them. A library that is missing or empty is taken
    for an unmounted disk, and changes nothing.
    """
    settings = invocation.settings(library=library, hidden=hidden)
    return asyncio.run(_scan(invocation, settings, refresh_metadata, checksum))


async def _scan(
    invocation: Invocation, settings: Settings, refresh_metadata: bool, checksum: bool
) -> int:
    async with Library.open(settings.library, settings=settings) as library:
        library.selection = replace(library.selection, own=(1, 2))  # its own output
        with invocation.notices().status("scanning") as status:
            wanted = library.scan(refresh_metadata=refresh_metadata, checksum=checksum)
            async with wanted as run:
                async for report in run.events:
                    status.update(f"scanning: {count(report.found, 'file')} so far")
                report = await run.finished()
        root = (await library.bound()).root
    if invocation.json:
        print_json({"library": str(root), **asdict(report)})
    else:
        print_scan(invocation, report, root)
        if report.new or report.changed:
            invocation.console().print("Next: objlib fsm-upload")
        elif report.missing:
            invocation.console().print("Next: objlib store-sync")
    return 0


def print_scan(invocation: Invocation, report: ScanReport, root: Path) -> None:
    """Print the report of a scan for people."""
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
    if report.left_out:
        total = sum(report.left_out.values())
        groups = ", ".join(f"{number:,} {reason}" for reason, number in report.left_out.items())
        console.print(
            f"  {total:>7,}  not looked at: {groups} (! in .objlibignore takes them in)",
            markup=False,
            soft_wrap=True,
        )
    for path in report.kept[:NAMED_MOVES]:
        console.print(f"  stays in the store: {path_line(path)}", markup=False, soft_wrap=True)
    if report.kept:
        console.print(
            f"  {count(len(report.kept), 'file')} in the store would not be sent today; what you"
            " list in .objlibignore goes",
            markup=False,
            soft_wrap=True,
        )
    for old, new in report.moved[:NAMED_MOVES]:
        console.print(
            f"  moved: {path_line(old)} -> {path_line(new)}", markup=False, soft_wrap=True
        )
    for sidecar, problem in report.bad_sidecars.items():
        console.print(
            f"  {one_line(sidecar)}: {one_line(problem)}; not used", markup=False, soft_wrap=True
        )
