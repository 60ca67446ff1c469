"""objlib sync"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click

from objlib.catalog.tallies import count_left_alone
from objlib.cli.errors import EXIT_CODES, worded
from objlib.cli.errors import exit_code as exit_code_of
from objlib.cli.event_files import Files, events_option, results_option
from objlib.cli.fsm_upload import Uploaded, upload
from objlib.cli.fsm_upload import report as report_upload
from objlib.cli.main import INTERRUPTED
from objlib.cli.manual import CAN_BE_INTERRUPTED, TALKS_TO_A_STORE, Manual
from objlib.cli.options import (
    Invocation,
    accept_device_option,
    common_options,
    max_delete_option,
    new_library_option,
    tier_option,
)
from objlib.cli.plan import plan_as_json, print_files, print_price
from objlib.cli.render import count, duration, one_line, print_json, size
from objlib.cli.scan import print_scan
from objlib.cli.store_sync import Synced, sync_store
from objlib.config import Settings
from objlib.errors import ConfigurationError, ObjlibError, TooManyDeletions
from objlib.library.scan_report import ScanReport
from objlib.service.library import Library
from objlib.sync.plan import MaxDelete
from objlib.upload.orchestrator import Options

#: How long a folder must be quiet before changes are taken up: editors save in several steps.
QUIET_S = 2.0

#: Trying what the store could not index takes two settling windows: not in every round.
LEAVE_ALONE_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class _Wish:
    """What was asked for on the command line.

    Args:
        limits: --max-delete and --accept-device.
    """

    limits: tuple[MaxDelete, bool]
    refresh_metadata: bool
    new_library: bool
    dry_run: bool
    yes: bool
    files: Files


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Of one round. `is_worth_another`: what went wrong may be right the next time."""

    exit_code: int
    is_worth_another: bool = False


@click.command(
    "sync",
    cls=Manual,
    exit_codes={
        1: "done, but some files failed or differ",
        **TALKS_TO_A_STORE,
        **CAN_BE_INTERRUPTED,
    },
    examples=[
        "objlib sync --library ~/Lectures",
        "objlib sync --dry-run",
        "objlib sync --yes --quiet",
        "objlib sync --yes --watch",
    ],
    see_also=["status", "failures", "store-sync"],
)
@click.option(
    "--library",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The library's folder [the one that was scanned before].",
)
@click.option("--dry-run", is_flag=True, help="Scan and show the plan; send and delete nothing.")
@click.option("--yes", is_flag=True, help="Go on without asking, as a script must.")
@click.option("--watch", is_flag=True, help="Stay, and sync whenever a file changes.")
@max_delete_option
@accept_device_option
@click.option(
    "--refresh-metadata",
    is_flag=True,
    help="Replace documents whose metadata would be another today.",
)
@new_library_option
@tier_option
@events_option
@results_option
@common_options
def command(
    invocation: Invocation,
    library: Path | None,
    dry_run: bool,
    yes: bool,
    watch: bool,
    max_delete: MaxDelete,
    accept_device: bool,
    refresh_metadata: bool,
    new_library: bool,
    tier: str | None,
    events: Path | None,
    results: Path | None,
) -> int:
    """Bring the store in step with the library: scan, upload, repair.

    Shows a plan with its price first, and asks. Files that failed before are tried again; those
    that the store could not index, once a day. A changed file stays searchable in its old version
    until the new one is active. Documents of files that are gone are deleted last, within
    --max-delete, and never when the library's disk looks unmounted.

    With --watch it stays and does so whenever a file changes. When the store cannot be reached or
    refuses the key it waits, and goes on by itself when all is well again.

    Interrupt it whenever you like: once to finish what is in flight, twice to stop at once.
    """
    settings = invocation.settings(library=library, tier=tier)
    limits = (max_delete, accept_device)
    if dry_run and watch:
        raise ConfigurationError("--dry-run and --watch exclude each other")
    wish = _Wish(limits, refresh_metadata, new_library, dry_run, yes, Files(events, results))
    return asyncio.run(_sync(invocation, settings, wish, watch))


async def _sync(invocation: Invocation, settings: Settings, wish: _Wish, watch: bool) -> int:
    invocation.name_the_store(settings)
    async with Library.open(settings.library, settings=settings) as library:
        if not watch:
            return (await _once(invocation, library, wish)).exit_code
        return await _watch(invocation, library, wish)


async def _watch(invocation: Invocation, library: Library, wish: _Wish) -> int:
    """A round at once, and one whenever something has changed. What only time can mend, such as no
    network, a refused key or a disk that was pulled out, is waited for; too many deletions are said
    once, for only another change mends them."""

    async def once() -> _Outcome:
        try:
            return await _once(invocation, library, wish)
        except TooManyDeletions as error:
            if is_first:
                raise
            notices.print(f"objlib: {one_line(worded(error))}", markup=False)
            return _Outcome(1)

    notices, pause_s = invocation.notices(), library.settings.watch_pause_s
    is_first = True
    while True:
        try:
            # Watched from before the round, so that what changes during it is not missed; anew
            # after trouble, because a disk that comes back is another one to the system.
            async with _watching((await library.bound()).root, pause_s) as next_change:
                outcome = await once()
                if is_first:
                    notices.print("Watching; Ctrl-C to stop")
                    is_first, wish = False, replace(wish, refresh_metadata=False, yes=True)
                while outcome.exit_code != INTERRUPTED:
                    if await next_change() or outcome.is_worth_another:
                        outcome = await once()
                return INTERRUPTED
        except ObjlibError as error:
            if is_first and exit_code_of(type(error)) == EXIT_CODES[ConfigurationError]:
                raise  # said wrongly, and nobody would mend it
            again = f"trying again in {duration(pause_s)}"
            notices.print(f"objlib: {one_line(worded(error))}; {again}", markup=False)
        await asyncio.sleep(pause_s)


async def _once(invocation: Invocation, library: Library, wish: _Wish) -> _Outcome:
    """One round. JSON is one document a round."""
    with invocation.traced():
        return await _round(invocation, library, wish)


async def _round(invocation: Invocation, library: Library, wish: _Wish) -> _Outcome:
    options = Options(
        concurrency=library.settings.concurrency, retry_failed=True, leave_alone_s=LEAVE_ALONE_S
    )
    scanned = await _scan(invocation, library, wish.refresh_metadata)
    if not wish.dry_run:
        await library.look_first(options, new_library=wish.new_library)
    plan = await _show_plan(invocation, library, options, scanned, wish)
    if wish.dry_run:
        if invocation.json:
            print_json({**plan, "dry_run": True})
        return _Outcome(0)
    _ask(invocation, plan, wish.yes)
    uploaded = await upload(invocation, library, options, wish.files)
    exit_code = uploaded.exit_code(invocation)
    if not invocation.json and (exit_code or not invocation.quiet):
        report_upload(invocation, uploaded)
    synced: Synced | None = None
    again: Uploaded | None = None
    if exit_code != INTERRUPTED:
        synced = await sync_store(
            invocation, library, True, wish.limits, shows_plan=not invocation.quiet
        )
        exit_code = max(exit_code, synced.exit_code)
        if synced.done is not None and synced.done.sent_round_again:
            options = replace(options, retry_failed=False)
            again = await upload(invocation, library, options, wish.files)
            code = again.exit_code(invocation)
            exit_code = max(exit_code, code)
            if not invocation.json and (code or not invocation.quiet):
                report_upload(invocation, again)
    is_worth_another = exit_code != 0
    if left_alone := await count_left_alone(library.catalog, LEAVE_ALONE_S):
        exit_code = max(exit_code, 1)
    if invocation.json:
        store = synced.as_json() if synced is not None else None
        said = {**plan, "upload": uploaded.as_json(), "store_sync": store}
        print_json(said if again is None else {**said, "upload_again": again.as_json()})
    elif synced is not None:
        _print_verdict(invocation, synced, exit_code, 0 if is_worth_another else left_alone)
    return _Outcome(exit_code, is_worth_another)


async def _scan(invocation: Invocation, library: Library, refresh_metadata: bool) -> ScanReport:
    with invocation.notices().status("scanning") as status:
        async with library.scan(refresh_metadata=refresh_metadata) as run:
            async for report in run.events:
                status.update(f"scanning: {count(report.found, 'file')} so far")
            return run.progress


async def _show_plan(
    invocation: Invocation, library: Library, options: Options, scanned: ScanReport, wish: _Wish
) -> dict[str, Any]:
    work = await library.plan(options)
    leaving = await library.leaving()
    left_alone = await count_left_alone(library.catalog, LEAVE_ALONE_S)
    if not (invocation.json or (invocation.quiet and wish.yes)):
        say = click.echo
        print_scan(invocation, scanned, (await library.bound()).root)
        if work.files or wish.dry_run:
            say(f"To upload: {count(work.files, 'file')} ({size(work.size_bytes)})")
        show_all = invocation.verbosity > 0
        await print_files(say, library.catalog, options, work.files, show_all=show_all)
        print_price(say, work, library.settings)
        if leaving:
            say(f"To delete from the store: {count(leaving, 'document')} of files that are gone")
        if left_alone:
            say(f"Left alone for a day: {count(left_alone, 'file')} that the store could not index")
    return {
        "scan": asdict(scanned),
        "plan": {
            **plan_as_json(work, library.settings),
            "to_delete": leaving,
            "left_alone": left_alone,
        },
    }


def _ask(invocation: Invocation, plan: dict[str, Any], yes: bool) -> None:
    """Nothing is sent or deleted before somebody has agreed."""
    if yes or not (plan["plan"]["files"] or plan["plan"]["to_delete"]):
        return
    if invocation.json or invocation.log_json or not sys.stdin.isatty():
        raise ConfigurationError("there is nobody to ask; say --yes to go on, or --dry-run to look")
    click.confirm("Go on?", abort=True, err=True)


def _print_verdict(invocation: Invocation, synced: Synced, exit_code: int, left_alone: int) -> None:
    console = invocation.console()
    done = synced.done
    if done is not None and done.deleted:
        console.print(f"Deleted {count(done.deleted, 'document')}")
    if done is not None and done.adopted:
        console.print(f"Adopted {count(done.adopted, 'document')}")
    for problem in done.problems if done is not None else ():
        console.print(f"  failed: {one_line(problem)}", markup=False)
    if exit_code == 0 and invocation.quiet:
        return
    if exit_code == 0:
        console.print("The store holds exactly what the library does")
    elif left_alone:
        console.print(f"Next: objlib failures ({count(left_alone, 'file')} left alone for a day)")
    else:
        console.print("Next: objlib status")


@asynccontextmanager
async def _watching(root: Path, pause_s: float) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Yields a question: how many paths have changed? It is answered when the library is quiet
    again, or with 0 after `pause_s` of silence. Nothing is missed between two questions."""
    try:
        from watchfiles import awatch
    except ImportError as error:
        raise ConfigurationError(
            "--watch needs the extra of that name: pip install 'objlib[watch]'"
        ) from error
    pause_ms, quiet_ms = int(pause_s * 1000), int(QUIET_S * 1000)
    stopping = asyncio.Event()
    changes = awatch(
        root,
        step=quiet_ms,
        debounce=pause_ms,
        rust_timeout=pause_ms,
        yield_on_timeout=True,
        stop_event=stopping,
    )
    coming = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0)  # now it watches

    async def next_change() -> int:
        nonlocal coming
        try:
            number = len(await coming)
        except OSError as error:
            raise ConfigurationError(f"{root} cannot be watched: {error}") from error
        coming = asyncio.ensure_future(anext(changes))
        return number

    try:
        yield next_change
    finally:
        stopping.set()  # a thread waits for changes; cancelling its task would not wake it
        await asyncio.wait([coming])
        if not coming.cancelled():
            coming.exception()
        await changes.aclose()
