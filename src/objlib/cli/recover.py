"""objlib recover"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

import click

from objlib import Library, RebuildReport, RecoveryReport
from objlib.cli import terminal
from objlib.cli.event_files import Files, events_option
from objlib.cli.interrupts import interruptible
from objlib.cli.main import INTERRUPTED
from objlib.cli.manual import CAN_BE_INTERRUPTED, TALKS_TO_A_STORE, Manual
from objlib.cli.next_steps import COMMANDS
from objlib.cli.options import Invocation, common_options
from objlib.cli.progress import show_progress
from objlib.errors import ConfigurationError
from objlib.service.numbers import count
from objlib.service.recovery import step_after


@click.command(
    "recover",
    cls=Manual,
    exit_codes={
        1: "some files failed, or a phase could not be finished",
        **TALKS_TO_A_STORE,
        **CAN_BE_INTERRUPTED,
    },
    examples=[
        "objlib recover",
        "objlib recover --from-store --library ~/Lectures",
    ],
    see_also=["fsm-upload", "store-sync"],
)
@click.option(
    "--from-store",
    is_flag=True,
    help="The catalog is lost: make it anew from the files and the store's documents.",
)
@click.option(
    "--library",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="With --from-store: the library's folder.",
)
@click.option(
    "--library-id",
    help="With --from-store: whose documents they are, if the store has those of several.",
)
@events_option
@common_options
def command(
    invocation: Invocation,
    from_store: bool,
    library: Path | None,
    library_id: str | None,
    events: Path | None,
) -> int:
    """Bring to rest what an interrupted run left behind.

    Every upload begins with this; alone it is for when nothing new is to be sent. It uploads
    nothing and deletes no document.

    With --from-store it gives a lost catalog back: it scans the library afresh and finds each
    file's document by the metadata that documents carry.
    """
    if not from_store and (library is not None or library_id is not None):
        raise ConfigurationError("--library and --library-id belong to --from-store")
    with invocation.traced():
        return asyncio.run(_recover(invocation, from_store, library, library_id, events))


async def _recover(
    invocation: Invocation,
    from_store: bool,
    library: Path | None,
    library_id: str | None,
    events: Path | None,
) -> int:
    settings = invocation.settings(library=library)
    invocation.name_the_store(settings)
    rebuilt: RebuildReport | None = None
    files = Files(events)
    async with Library.open(settings.library if from_store else None, settings=settings) as opened:
        if from_store:
            opened.selection = replace(opened.selection, own=(1, 2, *files.paths))
            await opened.scan()
            rebuilt = await opened.rebuild(library_id)
        report, was_interrupted = await _follow_recovery(invocation, opened, files)
        waiting = (await opened.plan()).files
        requests = opened.client.requests
    if invocation.json:
        found = asdict(rebuilt) if rebuilt else None
        terminal.say_json({**asdict(report), "from_store": found, "requests": requests})
    else:
        _print(invocation, report, rebuilt, waiting)
    if was_interrupted:
        return INTERRUPTED
    return 0 if report.is_clean and not files.torn else 1


async def _follow_recovery(
    invocation: Invocation, library: Library, files: Files
) -> tuple[RecoveryReport, bool]:
    async with library.recover() as run:
        with ExitStack() as stack:
            stack.enter_context(
                show_progress(run.observable, invocation.notices(), invocation.verbosity)
            )
            stack.enter_context(files.written(run.observable))
            stack.enter_context(interruptible(run.shutdown))
            return await run.finished(), run.is_stopping


def _print(
    invocation: Invocation, report: RecoveryReport, rebuilt: RebuildReport | None, waiting: int
) -> None:
    say = invocation.console().say
    if rebuilt is not None:
        _print_rebuilt(say, rebuilt)
    lines = (
        (report.adopted, "adopted: the store had their documents"),
        (report.released, "released: the store has nothing of them"),
        (report.polled_again, "polled again, to the end of their imports"),
        (report.left, "left to a run that is at work on them"),
        (report.failed, "failed"),
    )
    if not any(number for number, _ in lines) and not report.unfinished and rebuilt is None:
        say("Nothing to recover: no run left anything behind")
    for number, what in lines:
        if number:
            say(f"  {number:>7,}  {what}")
    for problem in report.unfinished:
        say(f"  not finished: {problem}")
    if (step := step_after(report, rebuilt, waiting)) is not None:
        say(f"Next: {COMMANDS[step]}")


def _print_rebuilt(say: Callable[[str], None], rebuilt: RebuildReport) -> None:
    taken_over = ", taken over" if rebuilt.id_was_taken_over else ""
    say(f"Found {count(rebuilt.documents, 'document')} in the store")
    say(f"Library id: {rebuilt.library_id}{taken_over}")
    lines = (
        (rebuilt.adopted - rebuilt.moved - rebuilt.pending, "files have their documents again"),
        (rebuilt.moved, "files have them under the paths they were moved to"),
        (rebuilt.pending, "documents are still being indexed"),
        (rebuilt.superseded, "documents hold an older version, kept until the new one is indexed"),
        (rebuilt.foreign, "documents of others, left alone"),
    )
    for number, what in lines:
        if number:
            say(f"  {number:>7,}  {what}")
