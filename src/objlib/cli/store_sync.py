"""objlib store-sync"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any, Unpack

import click

from objlib import DocumentClass, Library, MaxDelete, RepairReport, SyncReport
from objlib.cli import terminal
from objlib.cli.cleaning import one_line
from objlib.cli.interrupts import interruptible
from objlib.cli.main import INTERRUPTED
from objlib.cli.manual import CAN_BE_INTERRUPTED, TALKS_TO_A_STORE, Manual
from objlib.cli.options import Invocation, accept_device_option, common_options, max_delete_option
from objlib.errors import ConfigurationError
from objlib.service.numbers import count
from objlib.service.repairs import Synced
from objlib.service.wishes import RepairWishes


@click.command(
    "store-sync",
    cls=Manual,
    exit_codes={
        1: "something is off, or could not be repaired",
        **TALKS_TO_A_STORE,
        **CAN_BE_INTERRUPTED,
    },
    examples=[
        "objlib store-sync",
        "objlib store-sync --report report.txt",
        "objlib store-sync --apply --max-delete 20",
    ],
    see_also=["sync", "status", "recover"],
)
@click.option("--apply/--dry-run", help="Carry the plan out, or only show it [--dry-run].")
@max_delete_option
@click.option(
    "--include-foreign",
    is_flag=True,
    help="Delete also what is not of this library; it may be somebody else's.",
)
@click.option(
    "--include-twins",
    is_flag=True,
    help="Delete also documents of the same files under another library's id.",
)
@click.option(
    "--include-elsewhere",
    is_flag=True,
    help="Delete also what a newer state or a copy of this catalog has uploaded.",
)
@accept_device_option
@click.option(
    "--report",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write one line for each document to FILE.",
)
@common_options
def command(
    invocation: Invocation,
    apply: bool,
    max_delete: MaxDelete,
    include_foreign: bool,
    include_twins: bool,
    include_elsewhere: bool,
    accept_device: bool,
    report: Path | None,
) -> int:
    """Compare every document in the store with the catalog, and repair it with --apply.

    Without --apply nothing is changed: the plan is shown, step by step. --apply carries out exactly
    that: it deletes orphans and duplicates, adopts documents that came alive late, and sends files
    round again whose documents are gone. Documents that are not of this library are left alone.

    A lost or copied catalog leaves documents behind that only you can judge: twins, of the same
    files under another library's id, and those that a newer state or a copy of the catalog has
    uploaded. They are named, and deleted only with --include-twins or --include-elsewhere.

    Signs in the report: = canonical, - orphan, 2 duplicate, s superseded, x broken, a to be
    adopted, ~ in flight, e elsewhere, t twin, ? foreign, ! ghost, + missing.
    """
    bounds: RepairWishes = {
        "accept_device": accept_device,
        "include_foreign": include_foreign,
        "include_twins": include_twins,
        "include_elsewhere": include_elsewhere,
    }
    with invocation.traced():
        return asyncio.run(_sync(invocation, apply, max_delete, bounds, report))


async def _sync(
    invocation: Invocation,
    apply: bool,
    max_delete: MaxDelete,
    bounds: RepairWishes,
    report_file: Path | None,
) -> int:
    settings = invocation.settings()
    invocation.name_the_store(settings)
    async with Library.open(settings=settings) as library:
        survey = await library.survey()
        if report_file is not None:
            await _write_report(library, survey, report_file)
        if not invocation.json:
            await print_survey(invocation, library, survey, **bounds)
        if not apply:
            refusal = await library.refusal(survey, max_delete, **bounds)
            synced = Synced(survey, refusal=refusal)
        else:
            async with library.repair(survey, max_delete, **bounds) as run:
                with interruptible(run.shutdown, lambda: say_that_it_stops(invocation)):
                    done = await run.finished()
                synced = Synced(survey, done, was_interrupted=run.is_stopping)
    if invocation.json:
        terminal.say_json(synced_as_json(synced))
    else:
        _print_end(invocation, synced)
    if synced.was_interrupted:
        return INTERRUPTED
    return 0 if synced.is_clean else 1


def say_that_it_stops(invocation: Invocation) -> None:
    """Tell people what their first interruption of a repair does."""
    invocation.notices().say("Stopping after the steps under way; again to stop at once")


async def print_survey(
    invocation: Invocation, library: Library, survey: SyncReport, **bounds: Unpack[RepairWishes]
) -> None:
    """Print the counts of a survey, and its repair step by step."""
    _print_counts(invocation, survey)
    say = invocation.console().say
    for kind, what in FOR_PEOPLE.items():
        if number := survey.documents[kind]:
            say(f"{count(number, 'document')} {what}")
    async for line in library.survey_lines(survey, *FOR_PEOPLE):
        say(f"  {line.sign} {line.name} ({line.reason})", whole=True)
    async for step in library.repair_steps(survey, **bounds):
        say(f"  {step.line}", whole=True)


#: Classes of which only a person can tell -> what to say of them.
FOR_PEOPLE = {
    DocumentClass.TWIN: (
        "of files that have one here, under another library's id, as a lost catalog leaves"
        " them behind; objlib store-sync --apply --include-twins deletes them"
    ),
    DocumentClass.ELSEWHERE: (
        "of a newer state or a copy of this catalog: left alone, for another copy may need them"
        " (objlib store-sync --apply --include-elsewhere deletes them)"
    ),
}


async def _write_report(library: Library, survey: SyncReport, path: Path) -> None:
    try:
        with path.open("w", encoding="utf-8") as file:
            async for line in library.survey_lines(survey):
                said = f"{line.sign} {line.name} ({line.reason})"
                file.write(f"{one_line(said)}\n")
    except OSError as error:
        raise ConfigurationError(f"cannot write the report {path}: {error.strerror}") from error


def synced_as_json(synced: Synced) -> dict[str, object]:
    """Return a survey and its repair for scripts."""
    report = synced.survey
    return {
        "store": report.store_name,
        "documents": {kind.name.lower(): number for kind, number in report.documents.items()},
        "ghosts": report.ghosts,
        "missing": report.missing,
        "in_flight": report.in_flight,
        "clean": report.is_clean,
        "refused": str(synced.refusal) if synced.refusal else None,
        "repaired": asdict(synced.repair) if synced.repair else None,
    }


def _print_counts(invocation: Invocation, report: SyncReport) -> None:
    console = invocation.console()
    documents = report.documents
    lines = [
        f"Canonical documents: {documents[DocumentClass.CANONICAL]:,}",
        f"Orphaned documents: {documents[DocumentClass.ORPHAN]:,}",
        f"Duplicate documents: {documents[DocumentClass.DUPLICATE]:,}",
        f"Superseded documents: {documents[DocumentClass.SUPERSEDED]:,}",
        f"Ghosts: {report.ghosts:,}",
    ]
    others = (
        DocumentClass.BROKEN,
        DocumentClass.LATE,
        DocumentClass.IN_FLIGHT,
        DocumentClass.ELSEWHERE,
        DocumentClass.TWIN,
        DocumentClass.FOREIGN,
    )
    for kind in others:
        if documents[kind]:
            name = kind.name.replace("_", "-").capitalize()
            lines.append(f"{name} documents: {documents[kind]:,}")
    if report.missing:
        lines.append(f"Files not in the store yet: {report.missing:,}")
    if report.in_flight:
        lines.append(f"In flight: {count(report.in_flight, 'file')} another run is at work on")
    for line in lines:
        console.say(line)


def _print_end(invocation: Invocation, synced: Synced) -> None:
    report, done, refusal = synced.survey, synced.repair, synced.refusal
    say = invocation.console().say
    if done is not None:
        _print_done(say, done)
    elif refusal is not None:
        say(f"Nothing was changed, and --apply would stop: {refusal}")
    elif report.is_for_people:
        say("Nothing was changed")
    elif not report.is_clean:
        say("Nothing was changed. Next: objlib store-sync --apply")
    elif report.missing:
        say("Next: objlib fsm-upload")


def _print_done(say: Any, done: RepairReport) -> None:
    if done.deleted or done.sent_round_again or done.adopted:
        say(f"Deleted {count(done.deleted, 'document')}")
    if done.adopted:
        say(f"Adopted {count(done.adopted, 'document')}")
    if done.overtaken:
        say(f"Left alone, because another run was faster: {done.overtaken:,}")
    for problem in done.problems:
        say(f"  failed: {problem}")
    if done.failed:
        say(f"Could not be done: {done.failed:,}. Next: objlib store-sync --apply")
    elif done.sent_round_again:
        say(f"To be uploaded again: {count(done.sent_round_again, 'file')}")
        say("Next: objlib fsm-upload")
