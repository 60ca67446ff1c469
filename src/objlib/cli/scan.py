"""objlib scan"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from pathlib import Path

import click

from objlib import Library, Narrowing, ScanReport
from objlib.cli import terminal
from objlib.cli.manual import Manual
from objlib.cli.narrowing import narrowing_of
from objlib.cli.options import (
    Invocation,
    accept_home_option,
    checksum_option,
    common_options,
    exclude_option,
    hidden_option,
    include_option,
    max_size_option,
)
from objlib.cli.outdated import outdated_as_json, outdated_line
from objlib.config import Settings
from objlib.service.files import title
from objlib.service.numbers import count
from objlib.service.outdated import Outdated

NAMED_MOVES = 10


@click.command(
    "scan",
    cls=Manual,
    examples=[
        "objlib scan --library ~/Lectures",
        "objlib scan --refresh-metadata",
        "objlib scan --checksum",
        "objlib scan --exclude 'Archive/' --max-size 20M",
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
@exclude_option
@include_option
@max_size_option
@accept_home_option
@common_options
def command(
    invocation: Invocation,
    library: Path | None,
    refresh_metadata: bool,
    checksum: bool,
    hidden: bool | None,
    exclude: tuple[str, ...],
    include: tuple[str, ...],
    max_size: str | None,
    accept_home: bool,
) -> int:
    """Record every file of a library in the catalog.

    New, changed, moved and missing files are found by size, times and inode, then by SHA-256.
    --checksum reads every file instead, as a disk needs whose files have no change times. Files are
    only read; nothing is sent anywhere. What cannot be uploaded is recorded with its reason
    (`objlib failures` shows it), and what .objlibignore lists is left out.
    So are hidden files, locks, backups, keys and the like (docs/what-is-sent.md), unless asked for.
    --exclude, --include and --max-size narrow this scan alone: what they leave out stays as it is.

    Metadata comes from sidecars, front matter and paths (`objlib metadata FILE` shows it). A moved
    file, and a change of templates, keep the documents that are in the store; with
    --refresh-metadata the next upload replaces them. A library that is missing or empty is taken
    for an unmounted disk, and changes nothing.
    """
    settings = invocation.settings(library=library, hidden=hidden)
    wanted = (refresh_metadata, checksum, accept_home)
    narrowing = narrowing_of(exclude, include, max_size)
    return asyncio.run(_scan(invocation, settings, narrowing, *wanted))


async def _scan(
    invocation: Invocation,
    settings: Settings,
    narrowing: Narrowing | None,
    refresh_metadata: bool,
    checksum: bool,
    accept_home: bool,
) -> int:
    await invocation.question(settings, accept_home)
    async with Library.open(settings.library, settings=settings) as library:
        own = (1, 2)  # its own output
        library.selection = replace(library.selection, own=own, narrowing=narrowing)
        with invocation.notices().status("scanning") as status:
            wanted = library.scan(refresh_metadata=refresh_metadata, checksum=checksum)
            async with wanted as run:
                async for report in run.events:
                    status.update(f"scanning: {count(report.found, 'file')} so far")
                report = await run.finished()
        root = (await library.bound()).root
        outdated = await library.outdated()
    if invocation.json:
        said = {"library": str(root), **asdict(report), "outdated": outdated_as_json(outdated)}
        terminal.say_json(said)
    else:
        print_scan(invocation, report, root, outdated)
        if report.new or report.changed:
            invocation.console().say("Next: objlib fsm-upload")
        elif report.missing:
            invocation.console().say("Next: objlib store-sync")
    return 0


def print_scan(invocation: Invocation, report: ScanReport, root: Path, outdated: Outdated) -> None:
    """Print the report of a scan for people."""
    say = invocation.console().say
    say(f"Scanned {root}: {count(report.found, 'file')}", whole=True)
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
            say(f"  {number:>7,}  {what}")
    if report.left_out:
        total = sum(report.left_out.values())
        groups = ", ".join(f"{number:,} {reason}" for reason, number in report.left_out.items())
        say(
            f"  {total:>7,}  not looked at: {groups} (! in .objlibignore takes them in)",
            whole=True,
        )
    if report.not_this_time:
        say(f"  {report.not_this_time:>7,}  files and folders left out this time")
    if report.held:
        say(f"  {report.held:>7,}  known files stay as they are")
    if outdated.files:
        say(f"  {outdated_line(outdated)}", whole=True)
    for path in report.kept[:NAMED_MOVES]:
        say(f"  stays in the store: {title(path)}", whole=True)
    if report.kept:
        say(
            f"  {count(len(report.kept), 'file')} in the store would not be sent today; what you"
            " list in .objlibignore goes",
            whole=True,
        )
    for old, new in report.moved[:NAMED_MOVES]:
        say(f"  moved: {title(old)} -> {title(new)}", whole=True)
    for sidecar, problem in report.bad_sidecars.items():
        say(f"  {sidecar}: {problem}; not used", whole=True)
    for path, bad_lines in list(report.bad_lines.items())[:NAMED_MOVES]:
        more = f", and {count(len(bad_lines) - 1, 'more line')}" * (len(bad_lines) > 1)
        say(f"  {title(path)}, front matter: {bad_lines[0]}{more}", whole=True)
    if report.bad_lines:
        texts = count(len(report.bad_lines), "text")
        say(
            f"  {texts} with lines of front matter that are not used (`objlib metadata FILE` names"
            " them)",
            whole=True,
        )
