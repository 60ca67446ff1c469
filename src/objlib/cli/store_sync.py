"""objlib store-sync"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from objlib.catalog.protocol import Catalog
from objlib.cli.interrupts import interruptible
from objlib.cli.main import INTERRUPTED
from objlib.cli.manual import CAN_BE_INTERRUPTED, TALKS_TO_A_STORE, Manual
from objlib.cli.options import Invocation, accept_device_option, common_options, max_delete_option
from objlib.cli.render import count, one_line, print_json
from objlib.errors import ConfigurationError
from objlib.service.library import Library
from objlib.sync.apply import Repair, RepairReport
from objlib.sync.classify import DocumentClass
from objlib.sync.listing import SyncReport, ghosts, missing, verdicts
from objlib.sync.plan import MaxDelete, steps
from objlib.upload.shutdown import Shutdown


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
    accept_device: bool,
    report: Path | None,
) -> int:
    """Compare every document in the store with the catalog, and repair it with --apply.

    Without --apply nothing is changed: the plan is shown, step by step. --apply carries out exactly
    that: it deletes orphans and duplicates, adopts documents that came alive late, and sends files
    round again whose documents are gone. Documents that are not of this library are left alone.

    Signs in the report: = canonical, - orphan, 2 duplicate, s superseded, x broken, a to be
    adopted, ~ in flight, ? foreign, ! ghost, + missing.
    """
    options: dict[str, Any] = {"include_foreign": include_foreign}
    limits = (max_delete, accept_device)
    with invocation.traced():
        return asyncio.run(_sync(invocation, apply, limits, options, report))


async def _sync(
    invocation: Invocation,
    apply: bool,
    limits: tuple[MaxDelete, bool],
    options: dict[str, Any],
    report_file: Path | None,
) -> int:
    settings = invocation.settings()
    invocation.name_the_store(settings)
    async with Library.open(settings=settings) as library:
        synced = await sync_store(invocation, library, apply, limits, report_file, **options)
    if invocation.json:
        print_json(synced.as_json())
    else:
        _print_end(invocation, synced.survey, synced.done, synced.refusal)
    return synced.exit_code


@dataclass(frozen=True, slots=True)
class Synced:
    """What a survey found, and what its repair did, if there was one."""

    survey: SyncReport
    done: RepairReport | None
    refusal: ConfigurationError | None
    was_interrupted: bool

    @property
    def exit_code(self) -> int:
        """0, 1 or 130."""
        if self.was_interrupted:
            return INTERRUPTED
        if self.done is not None:
            return 1 if self.done.failed else 0
        return 0 if self.survey.is_clean else 1

    def as_json(self) -> dict[str, object]:
        """For scripts."""
        return _as_json(self.survey, self.done, self.refusal)


async def sync_store(
    invocation: Invocation,
    library: Library,
    apply: bool,
    limits: tuple[MaxDelete, bool],
    report_file: Path | None = None,
    *,
    shows_plan: bool = True,
    **options: Any,
) -> Synced:
    """Survey, plan on the terminal, and with `apply` the repair.

    Args:
        limits: `--max-delete` and `--accept-device`.
        shows_plan: counts and steps are printed, unless the result is JSON.
        options: those of `Repair`.

    Raises:
        ConfigurationError: a guard refuses to repair.
    """
    shutdown = Shutdown()
    survey = await library.survey()
    if report_file is not None:
        await _write_report(library.catalog, report_file)
    if shows_plan and not invocation.json:
        _print_counts(invocation, survey)
        await _print_plan(library.catalog, options.get("include_foreign", False))
    repair = await library.new_repair(survey, shutdown=shutdown, **options)
    refusal = await _refusal(repair, *limits)
    if refusal is not None and apply:
        raise refusal
    done = await _carry_out(invocation, repair, shutdown) if apply else None
    return Synced(survey, done, refusal, shutdown.is_stopping)


async def _refusal(
    repair: Repair, max_delete: MaxDelete, accept_device: bool
) -> ConfigurationError | None:
    try:
        await repair.check(max_delete, accept_device=accept_device)
    except ConfigurationError as error:
        return error
    return None


async def _carry_out(invocation: Invocation, repair: Repair, shutdown: Shutdown) -> RepairReport:
    def say_that_it_stops() -> None:
        invocation.notices().print("Stopping after the steps under way; again to stop at once")

    with interruptible(shutdown, say_that_it_stops):
        return await repair.carry_out()


async def _write_report(catalog: Catalog, path: Path) -> None:
    try:
        with path.open("w", encoding="utf-8") as file:
            async for verdict in verdicts(catalog):
                what = one_line(verdict.path or verdict.document_name)
                file.write(f"{verdict.document_class.value} {what} ({verdict.reason})\n")
            async for row in ghosts(catalog):
                what = one_line(row.file_path)
                file.write(f"! {what} (indexed, but the store does not have it)\n")
            async for row in missing(catalog):
                what = one_line(row.file_path)
                file.write(f"+ {what} (its file is {row.gemini_state.value})\n")
    except OSError as error:
        raise ConfigurationError(f"cannot write the report {path}: {error.strerror}") from error


def _as_json(
    report: SyncReport, done: RepairReport | None, refusal: ConfigurationError | None
) -> dict[str, object]:
    return {
        "store": report.store_name,
        "documents": {kind.name.lower(): number for kind, number in report.documents.items()},
        "ghosts": report.ghosts,
        "missing": report.missing,
        "clean": report.is_clean,
        "refused": str(refusal) if refusal else None,
        "repaired": asdict(done) if done else None,
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
        DocumentClass.FOREIGN,
    )
    for kind in others:
        if documents[kind]:
            name = kind.name.replace("_", "-").capitalize()
            lines.append(f"{name} documents: {documents[kind]:,}")
    if report.missing:
        lines.append(f"Files not in the store yet: {report.missing:,}")
    for line in lines:
        console.print(line, markup=False)


async def _print_plan(catalog: Catalog, include_foreign: bool) -> None:
    async for step in steps(catalog, include_foreign=include_foreign):
        click.echo(f"  {one_line(step.line)}")


def _print_end(
    invocation: Invocation,
    report: SyncReport,
    done: RepairReport | None,
    refusal: ConfigurationError | None,
) -> None:
    console = invocation.console()

    def say(line: str) -> None:
        console.print(line, markup=False)

    if done is not None:
        _print_done(say, done)
    elif refusal is not None:
        say(f"Nothing was changed, and --apply would stop: {one_line(str(refusal))}")
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
        say(f"  failed: {one_line(problem)}")
    if done.failed:
        say(f"Could not be done: {done.failed:,}. Next: objlib store-sync --apply")
    elif done.sent_round_again:
        say(f"To be uploaded again: {count(done.sent_round_again, 'file')}")
        say("Next: objlib fsm-upload")
