"""objlib sync"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
from reactivex.subject import Subject

from objlib import Library, MaxDelete, Narrowing, SyncReport
from objlib import events as ev
from objlib.cli import terminal
from objlib.cli.event_files import Files, events_option, results_option
from objlib.cli.fsm_upload import exit_code as exit_code_of_upload
from objlib.cli.fsm_upload import report as report_upload
from objlib.cli.fsm_upload import spare_the_collector
from objlib.cli.interrupts import interruptible
from objlib.cli.main import INTERRUPTED
from objlib.cli.manual import CAN_BE_INTERRUPTED, TALKS_TO_A_STORE, Manual
from objlib.cli.narrowing import narrowing_of
from objlib.cli.options import (
    Invocation,
    accept_device_option,
    accept_home_option,
    checksum_option,
    common_options,
    exclude_option,
    hidden_option,
    include_option,
    max_delete_option,
    max_size_option,
    new_library_option,
    new_store_option,
    tier_option,
    yes_option,
)
from objlib.cli.plan import plan_as_json, print_files, print_groups, print_price, uploaded_as_json
from objlib.cli.progress import show_progress
from objlib.cli.scan import print_scan
from objlib.cli.store_sync import print_survey, say_that_it_stops, synced_as_json
from objlib.cli.verdict import verdict_lines
from objlib.cli.watching import WatchLog
from objlib.config import Settings
from objlib.errors import ConfigurationError
from objlib.service.numbers import count, size
from objlib.service.rounds import SyncOutcome, SyncPhase, SyncPlan
from objlib.service.uploads import Uploaded
from objlib.service.watching import can_watch, watch


@dataclass(frozen=True, slots=True)
class _Wish:
    """The wishes of the command line."""

    #: --max-delete and --accept-device.
    limits: tuple[MaxDelete, bool]
    new_store: bool
    refresh_metadata: bool
    checksum: bool
    dry_run: bool
    yes: bool
    files: Files
    #: Somebody else says what came of it.
    is_brief: bool = False
    narrowing: Narrowing | None = None

    def is_silent(self, invocation: Invocation) -> bool:
        """Return whether nothing is said on the way."""
        return self.is_brief or invocation.json


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
        "objlib sync --include '*.pdf' --exclude 'Drafts/'",
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
@yes_option
@click.option(
    "--watch", "is_watching", is_flag=True, help="Stay, and sync whenever a file changes."
)
@max_delete_option
@accept_device_option
@accept_home_option
@click.option(
    "--refresh-metadata",
    is_flag=True,
    help="Replace documents whose metadata would be another today.",
)
@checksum_option
@new_library_option
@new_store_option
@hidden_option
@exclude_option
@include_option
@max_size_option
@tier_option
@events_option
@results_option
@common_options
def command(
    invocation: Invocation,
    library: Path | None,
    dry_run: bool,
    yes: bool,
    is_watching: bool,
    max_delete: MaxDelete,
    accept_device: bool,
    accept_home: bool,
    refresh_metadata: bool,
    checksum: bool,
    new_library: bool,
    new_store: bool,
    hidden: bool | None,
    exclude: tuple[str, ...],
    include: tuple[str, ...],
    max_size: str | None,
    tier: str | None,
    events: Path | None,
    results: Path | None,
) -> int:
    """Bring the store in step with the library: scan, upload, repair.

    Shows a plan with its price first, and asks. Files that failed before are tried again; those
    that the store could not index, once a day. A changed file stays searchable in its old version
    until the new one is active. Documents of files that are gone are deleted last, within
    --max-delete, and never when the library's disk looks unmounted.

    --exclude, --include and --max-size narrow this run alone: what they leave out is neither sent
    nor deleted.

    With --watch it stays and does so whenever a file changes. When the store cannot be reached or
    refuses the key it waits, and goes on by itself when all is well again.

    Interrupt it whenever you like: once to finish what is in flight, twice to stop at once.
    """
    settings = invocation.settings(library=library, tier=tier, hidden=hidden)
    limits = (max_delete, accept_device)
    if dry_run and is_watching:
        raise ConfigurationError("--dry-run and --watch exclude each other")
    if new_store and is_watching:
        raise ConfigurationError("--new-store and --watch exclude each other")
    files = Files(events, results)
    narrowing = narrowing_of(exclude, include, max_size)
    wish = _Wish(
        limits, new_store, refresh_metadata, checksum, dry_run, yes, files, narrowing=narrowing
    )
    wanted = (is_watching, new_library, accept_home)
    return asyncio.run(_sync(invocation, settings, wish, *wanted))


async def _sync(
    invocation: Invocation,
    settings: Settings,
    wish: _Wish,
    is_watching: bool,
    new_library: bool,
    accept_home: bool,
) -> int:
    await invocation.question(settings, accept_home)
    invocation.name_the_store(settings)
    async with Library.open(settings.library, settings=settings) as library:
        library.selection = replace(
            library.selection, own=(1, 2, *wish.files.paths), narrowing=wish.narrowing
        )
        if new_library:
            await library.declare_new_library()
        if wish.dry_run:
            return await _dry_run(invocation, library, wish)
        if not is_watching:
            code = _exit_code(await _once(invocation, library, wish))
            return code or bool(wish.files.torn)
        if not can_watch():
            raise ConfigurationError(
                "--watch needs the extra of that name: pip install 'objlib[watch]'"
            )
        is_brief = not invocation.verbosity
        later = replace(wish, refresh_metadata=False, checksum=False, yes=True, is_brief=is_brief)
        log = WatchLog(invocation)

        async def carry_out(is_first: bool) -> SyncOutcome:
            chosen = wish if is_first else later
            outcome = await _once(invocation, library, chosen)
            if chosen.is_brief and not invocation.json:
                log.round(outcome)
            else:
                log.remember(outcome)
            return outcome

        await watch(library, carry_out, log.tell)
        return INTERRUPTED


async def _dry_run(invocation: Invocation, library: Library, wish: _Wish) -> int:
    with invocation.traced():
        plan = await _plan(invocation, library, wish)
    if invocation.json:
        terminal.say_json({**_as_json(plan, library.settings), "dry_run": True})
    return 0


async def _once(invocation: Invocation, library: Library, wish: _Wish) -> SyncOutcome:
    """Carry out one round. JSON is one document a round."""
    with invocation.traced():
        plan = await _plan(invocation, library, wish)
        _ask(invocation, plan, wish.yes)
        outcome = await _carry_out(invocation, library, plan, wish)
        if invocation.json:
            terminal.say_json({**_as_json(plan, library.settings), **_outcome_as_json(outcome)})
        elif outcome.store is not None and not wish.is_brief:
            _print_verdict(invocation, outcome)
        return outcome


def _exit_code(outcome: SyncOutcome) -> int:
    if outcome.is_clean:
        return 0
    return INTERRUPTED if outcome.was_interrupted else 1


async def _plan(invocation: Invocation, library: Library, wish: _Wish) -> SyncPlan:
    with invocation.notices().status("scanning") as status:
        async with library.plan_sync(
            refresh_metadata=wish.refresh_metadata,
            checksum=wish.checksum,
            new_store=wish.new_store,
        ) as run:
            async for report in run.events:
                status.update(f"scanning: {count(report.found, 'file')} so far")
            plan = run.progress
    if not wish.dry_run:
        await library.look_first(plan.options)
    if not (wish.is_silent(invocation) or (invocation.quiet and wish.yes)):
        await _show_plan(invocation, library, plan, wish)
    return plan


async def _show_plan(invocation: Invocation, library: Library, plan: SyncPlan, wish: _Wish) -> None:
    say, work = invocation.console().say, plan.work
    root, outdated = (await library.bound()).root, await library.outdated()
    print_scan(invocation, plan.scan, root, outdated)
    if work.files or wish.dry_run:
        where = " into a new store" if plan.options.new_store else ""
        say(f"To upload{where}: {count(work.files, 'file')} ({size(work.size_bytes)})")
    show_all = invocation.verbosity > 0
    print_groups(say, work)
    await print_files(say, library, plan.options, work.files, show_all=show_all)
    print_price(say, work, library.settings)
    if plan.leaving:
        say(f"To delete from the store: {count(plan.leaving, 'document')} of files that are gone")
    if plan.left_alone:
        left_alone = count(plan.left_alone, "file")
        say(f"Left alone for a day: {left_alone} that the store could not index")


def _ask(invocation: Invocation, plan: SyncPlan, yes: bool) -> None:
    """Nothing is sent or deleted before somebody has agreed."""
    if not yes and plan.needs_consent:
        invocation.ask()


async def _carry_out(
    invocation: Invocation, library: Library, plan: SyncPlan, wish: _Wish
) -> SyncOutcome:
    """Carry a plan out, with its progress on the terminal and two signals to stop it."""
    max_delete, accept_device = wish.limits
    phase = SyncPhase.UPLOADING

    async def show(survey: SyncReport) -> None:
        if not (invocation.quiet or wish.is_silent(invocation)):
            await print_survey(invocation, library, survey)

    def interrupted() -> None:
        if phase is SyncPhase.REPAIRING:
            say_that_it_stops(invocation)

    async with library.sync(
        plan, max_delete, accept_device=accept_device, before_repair=show
    ) as run:
        spare_the_collector()
        happened = Subject[ev.Event]()
        with ExitStack() as stack:
            stack.enter_context(wish.files.written(happened))
            stack.enter_context(interruptible(run.shutdown, interrupted))
            shown = stack.enter_context(ExitStack())
            async for said in run.events:
                match said:
                    case SyncPhase():
                        phase = said
                        notices, verbosity = invocation.notices(), invocation.verbosity
                        is_upload = said in (SyncPhase.UPLOADING, SyncPhase.UPLOADING_AGAIN)
                        if is_upload and (notices.is_live or not wish.is_brief):
                            shown.enter_context(show_progress(happened, notices, verbosity))
                    case ev.Event():
                        happened.on_next(said)
                    case Uploaded():
                        shown.close()
                        _report(invocation, said, wish)
        return run.progress


def _report(invocation: Invocation, uploaded: Uploaded, wish: _Wish) -> None:
    code = exit_code_of_upload(invocation, uploaded)
    if not wish.is_silent(invocation) and (code or not invocation.quiet):
        report_upload(invocation, uploaded)


def _as_json(plan: SyncPlan, settings: Settings) -> dict[str, Any]:
    return {
        "scan": asdict(plan.scan),
        "plan": {
            **plan_as_json(plan.work, settings),
            "to_delete": plan.leaving,
            "left_alone": plan.left_alone,
        },
    }


def _outcome_as_json(outcome: SyncOutcome) -> dict[str, Any]:
    uploaded, store, again = outcome.uploaded, outcome.store, outcome.uploaded_again
    said = {
        "upload": uploaded_as_json(uploaded) if uploaded is not None else None,
        "store_sync": synced_as_json(store) if store is not None else None,
    }
    return said if again is None else {**said, "upload_again": uploaded_as_json(again)}


def _print_verdict(invocation: Invocation, outcome: SyncOutcome) -> None:
    console = invocation.console()
    done = outcome.store.repair if outcome.store is not None else None
    if done is not None and done.deleted:
        console.say(f"Deleted {count(done.deleted, 'document')}")
    if done is not None and done.adopted:
        console.say(f"Adopted {count(done.adopted, 'document')}")
    for problem in done.problems if done is not None else ():
        console.say(f"  failed: {problem}")
    if outcome.is_clean and invocation.quiet:
        return
    if outcome.verdict is not None and not outcome.was_interrupted:
        for line in verdict_lines(outcome.verdict):
            console.say(line)
    if outcome.is_clean:
        return
    if outcome.verdict is not None and outcome.verdict.unread:
        console.say("Next: objlib failures")
    elif outcome.verdict is not None and outcome.verdict.is_for_people:
        console.say("Next: objlib store-sync")
    elif outcome.is_worth_another or not outcome.left_alone:
        console.say("Next: objlib status")
    else:
        left_alone = count(outcome.left_alone, "file")
        console.say(f"Next: objlib failures ({left_alone} left alone for a day)")
