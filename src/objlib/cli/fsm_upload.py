"""objlib fsm-upload"""

from __future__ import annotations

import asyncio
import gc
from contextlib import ExitStack
from pathlib import Path

import click

from objlib import Library, Options, Work
from objlib.cli import terminal
from objlib.cli.event_files import Files, events_option, results_option
from objlib.cli.interrupts import interruptible
from objlib.cli.main import INTERRUPTED
from objlib.cli.manual import CAN_BE_INTERRUPTED, TALKS_TO_A_STORE, Manual
from objlib.cli.options import (
    Invocation,
    common_options,
    new_library_option,
    new_store_option,
    tier_option,
    yes_option,
)
from objlib.cli.plan import (
    actual_beside_expected,
    plan_as_json,
    print_files,
    print_groups,
    print_price,
    uploaded_as_json,
)
from objlib.cli.progress import show_progress
from objlib.config import Settings
from objlib.service.files import title
from objlib.service.numbers import count, duration, size
from objlib.service.uploads import Uploaded


@click.command(
    "fsm-upload",
    cls=Manual,
    exit_codes={1: "done, but some files failed", **TALKS_TO_A_STORE, **CAN_BE_INTERRUPTED},
    examples=[
        "objlib fsm-upload --dry-run",
        "objlib fsm-upload --limit 20",
        "objlib fsm-upload --retry-failed --results results.jsonl",
    ],
    see_also=["scan", "status", "failures", "store-sync"],
)
@click.option(
    "--limit", metavar="N", type=click.IntRange(min=1), help="At most this many files [all]."
)
@click.option("--retry-failed", is_flag=True, help="Also try files again that failed before.")
@click.option(
    "--reset-existing",
    is_flag=True,
    help="Also upload indexed files again; the old documents go when the new ones are active.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be uploaded, why, and what it takes; send nothing.",
)
@click.option(
    "--concurrency",
    metavar="N",
    type=click.IntRange(1, 1000),
    help="At most so many files sent at a time [8].",
)
@click.option(
    "--stagger",
    "stagger_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0, max=3600),
    help="Seconds between the starts of two files [0].",
)
@new_library_option
@new_store_option
@yes_option
@tier_option
@events_option
@results_option
@common_options
def command(
    invocation: Invocation,
    limit: int | None,
    retry_failed: bool,
    reset_existing: bool,
    dry_run: bool,
    concurrency: int | None,
    stagger_s: float | None,
    new_library: bool,
    new_store: bool,
    yes: bool,
    tier: str | None,
    events: Path | None,
    results: Path | None,
) -> int:
    """Upload what the store does not have yet, and see every document become active.

    Begins with what an earlier run left unfinished. A file is uploaded exactly once, however often
    a run is interrupted or killed: the next one goes on where the last one stopped. How fast it
    sends follows what the store can take.

    Interrupt once to finish what is in flight, twice to stop at once.
    """
    settings = invocation.settings(concurrency=concurrency, stagger_s=stagger_s, tier=tier)
    options = Options(
        limit=limit,
        concurrency=settings.concurrency,
        stagger_s=settings.stagger_s,
        retry_failed=retry_failed,
        reset_existing=reset_existing,
        new_store=new_store,
    )
    if dry_run:
        return asyncio.run(_dry_run(invocation, settings, options))
    files = Files(events, results)
    with invocation.traced():
        return asyncio.run(_upload(invocation, settings, options, files, new_library, yes))


async def _dry_run(invocation: Invocation, settings: Settings, options: Options) -> int:
    async with Library.open(settings=settings) as library:
        work = await library.plan(options)
        if invocation.json:
            terminal.say_json(plan_as_json(work, settings))
            return 0
        invocation.console().say(
            f"Would upload {count(work.files, 'file')} ({size(work.size_bytes)}); nothing was sent"
        )
        await _show_plan(invocation, library, options, work)
    return 0


async def _show_plan(
    invocation: Invocation, library: Library, options: Options, work: Work
) -> None:
    say = invocation.console().say
    show_all = invocation.verbosity > 0
    print_groups(say, work)
    await print_files(say, library, options, work.files, show_all=show_all)
    print_price(say, work, library.settings)


async def _ask(invocation: Invocation, library: Library, options: Options, yes: bool) -> None:
    """A new store takes everything once more, so somebody has to agree to the price."""
    work = await library.plan(options)
    if not (invocation.json or (invocation.quiet and yes)):
        invocation.console().say(
            f"To upload into a new store: {count(work.files, 'file')} ({size(work.size_bytes)})"
        )
        await _show_plan(invocation, library, options, work)
    if not yes:
        invocation.ask()


async def _upload(
    invocation: Invocation,
    settings: Settings,
    options: Options,
    files: Files,
    new_library: bool,
    yes: bool,
) -> int:
    invocation.name_the_store(settings)
    async with Library.open(settings=settings) as library:
        if new_library:
            await library.declare_new_library()
        if options.new_store:
            await _ask(invocation, library, options, yes)
        uploaded = await upload(invocation, library, options, files)
    if invocation.json:
        terminal.say_json(uploaded_as_json(uploaded))
    else:
        report(invocation, uploaded)
        if (following := _next_step(uploaded)) is not None:
            invocation.console().say(f"Next: {following}")
    return exit_code(invocation, uploaded) or bool(files.torn)


def exit_code(invocation: Invocation, uploaded: Uploaded) -> int:
    """Return 0, 1 or 130; an interruption is told to people."""
    if uploaded.was_interrupted:
        invocation.notices().say("Interrupted; the next upload goes on from here")
        return INTERRUPTED
    return 0 if uploaded.is_clean else 1


async def upload(
    invocation: Invocation, library: Library, options: Options, files: Files
) -> Uploaded:
    """Carry out an upload, with its progress on the terminal and two signals to stop it."""
    async with library.upload(options) as run:
        spare_the_collector()
        with ExitStack() as stack:
            stack.enter_context(
                show_progress(run.observable, invocation.notices(), invocation.verbosity)
            )
            stack.enter_context(files.written(run.observable))
            stack.enter_context(interruptible(run.shutdown))
            await run.finished()
        return await run.outcome()


def spare_the_collector() -> None:
    """Let the collector leave alone what is loaded by now: it took a fifth of the time."""
    if not gc.get_freeze_count():
        gc.freeze()


def report(invocation: Invocation, uploaded: Uploaded) -> None:
    """The summary for people."""
    progress, elapsed_s = uploaded.progress, uploaded.elapsed_s
    say = invocation.console().say
    if uploaded.to_be_reset:
        say(
            f"A reset is unfinished: {count(uploaded.to_be_reset, 'file')} to go; "
            "`objlib fsm-upload --reset-existing` goes on with it"
        )
    if not (progress.settled or progress.released):
        if uploaded.failed:
            say(f"Nothing was uploaded; {count(uploaded.failed, 'file')} failed before")
        elif uploaded.waiting:
            say(f"Nothing was uploaded; {count(uploaded.waiting, 'file')} to go")
        else:
            say("Nothing to upload: the store has everything the catalog knows")
        return
    rate = f", {progress.indexed / elapsed_s:.1f} files/s" if elapsed_s > 0 else ""
    adopted = f" ({progress.adopted:,} adopted from an earlier run)" if progress.adopted else ""
    say(f"Indexed {count(progress.indexed, 'file')}{adopted} in {duration(elapsed_s)}{rate}")
    lines = (
        (progress.failed, "failed"),
        (progress.partly_read, "read in part (`objlib history FILE` says what is missing)"),
        (progress.vanished, "gone or unreadable since the scan"),
        (progress.released, "given back unfinished"),
        (progress.taken, "done by another run"),
        (progress.retries, "calls repeated"),
        (progress.left_behind, "leftovers for a later run to tidy up"),
    )
    for number, what in lines:
        if number:
            say(f"  {number:>7,}  {what}")
    say(actual_beside_expected(uploaded))
    for event in progress.failures:
        reason = event.reason.removeprefix(f"{event.path}: ")
        say(f"  {title(event.path)}: {reason}", whole=True)


def _next_step(uploaded: Uploaded) -> str | None:
    progress = uploaded.progress
    if progress.failed or (uploaded.failed and not uploaded.waiting):
        return "objlib failures"
    if uploaded.waiting:
        return f"objlib fsm-upload ({count(uploaded.waiting, 'file')} to go)"
    return "objlib store-sync" if progress.settled else None
