"""objlib store-sync"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path

import click

from objlib.api import Library
from objlib.catalog.connection import Catalog
from objlib.cli.options import Invocation, common_options
from objlib.cli.render import count, one_line, print_json
from objlib.sync.apply import MaxDelete, RepairReport
from objlib.sync.classify import DELETABLE, DocumentClass
from objlib.sync.listing import SyncReport, ghosts, missing, verdicts

NAMED = 20


@click.command("store-sync")
@click.option("--apply", is_flag=True, help="Repair: delete what no file wants.")
@click.option("--max-delete", default="10%", help="Stop if more orphans would go [10%].")
@click.option("--report", type=click.Path(path_type=Path), help="One line per document to FILE.")
@common_options
def command(invocation: Invocation, apply: bool, max_delete: str, report: Path | None) -> int:
    """Compare every document in the store with the catalog. Changes nothing without --apply.

    Exit code 1 when something is off. Signs in the report: = canonical, - orphan, 2 duplicate,
    s superseded, x broken, ~ in flight, ? foreign, ! ghost, + missing.

    \b
    Example:
      objlib store-sync --apply
    """
    return asyncio.run(_sync(invocation, apply, MaxDelete.parse(max_delete), report))


async def _sync(
    invocation: Invocation, apply: bool, max_delete: MaxDelete, report_file: Path | None
) -> int:
    settings = invocation.settings()
    invocation.name_the_store(settings)
    async with Library.open(settings=settings) as library:
        report = await library.survey()
        if report_file is not None:
            await _write_report(library.catalog, report_file)
        lines = await _named(library.catalog, report)
        repaired = await library.repair(report, max_delete) if apply else None
    if invocation.json:
        print_json(_as_json(report, repaired))
    else:
        _print(invocation, report, repaired, lines)
    return 0 if report.is_clean or repaired is not None else 1


async def _write_report(catalog: Catalog, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        async for verdict in verdicts(catalog):
            what = one_line(verdict.path or verdict.document_name)
            file.write(f"{verdict.document_class.value} {what} ({verdict.reason})\n")
        async for row in ghosts(catalog):
            file.write(f"! {one_line(row.file_path)} (indexed, but the store does not have it)\n")
        async for row in missing(catalog):
            file.write(f"+ {one_line(row.file_path)} (its file is {row.gemini_state.value})\n")


async def _named(catalog: Catalog, report: SyncReport) -> list[str]:
    """The first few things that are off, by name."""
    lines: list[str] = []
    if report.is_clean:
        return lines
    async for verdict in verdicts(catalog, *DELETABLE, DocumentClass.BROKEN):
        if len(lines) == NAMED:
            return [*lines, "… (--report FILE lists them all)"]
        what = one_line(verdict.path or verdict.document_name)
        lines.append(f"{verdict.document_class.value} {what}: {verdict.reason}")
    async for row in ghosts(catalog):
        if len(lines) == NAMED:
            return [*lines, "… (--report FILE lists them all)"]
        lines.append(f"! {one_line(row.file_path)}: indexed, but the store does not have it")
    return lines


def _as_json(report: SyncReport, repaired: RepairReport | None) -> dict[str, object]:
    return {
        "store": report.store_name,
        "documents": {kind.name.lower(): number for kind, number in report.documents.items()},
        "ghosts": report.ghosts,
        "missing": report.missing,
        "clean": report.is_clean,
        "repaired": asdict(repaired) if repaired else None,
    }


def _print(
    invocation: Invocation, report: SyncReport, repaired: RepairReport | None, lines: list[str]
) -> None:
    console = invocation.console()

    def say(line: str) -> None:
        console.print(line, markup=False)

    documents = report.documents
    say(f"Canonical documents: {documents[DocumentClass.CANONICAL]:,}")
    say(f"Orphaned documents: {documents[DocumentClass.ORPHAN]:,}")
    say(f"Duplicate documents: {documents[DocumentClass.DUPLICATE]:,}")
    say(f"Superseded documents: {documents[DocumentClass.SUPERSEDED]:,}")
    say(f"Ghosts: {report.ghosts:,}")
    for kind in (DocumentClass.BROKEN, DocumentClass.IN_FLIGHT, DocumentClass.FOREIGN):
        if documents[kind]:
            say(f"{kind.name.replace('_', '-').capitalize()} documents: {documents[kind]:,}")
    if report.missing:
        say(f"Files not in the store yet: {report.missing:,}")
    for line in lines:
        say(f"  {line}")
    if repaired is not None:
        if repaired.deleted or repaired.sent_round_again:
            say(f"Deleted {count(repaired.deleted, 'document')}")
        if repaired.sent_round_again:
            say(f"To be uploaded again: {count(repaired.sent_round_again, 'file')}")
            say("Next: objlib fsm-upload")
    elif not report.is_clean:
        say("Nothing was changed. Next: objlib store-sync --apply")
    elif report.missing:
        say("Next: objlib fsm-upload")
