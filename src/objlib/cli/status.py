"""objlib status"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass

import click

from objlib.catalog import queries
from objlib.catalog.connection import Catalog
from objlib.cli.options import Invocation, common_options
from objlib.cli.render import count, one_line, path_line, print_json, size
from objlib.upload import binding

NAMED = 10
BAR_CELLS = 24
STATES = ("indexed", "processing", "uploading", "untracked", "failed")


@click.command("status")
@common_options
def command(invocation: Invocation) -> int:
    """Show how many files are where, what cannot be uploaded, and what to do next.

    Reads the catalog only; no request is sent.

    \b
    Example:
      objlib status --json
    """
    return asyncio.run(_status(invocation))


@dataclass(frozen=True, slots=True)
class Status:
    """What the catalog knows at a glance."""

    library: str | None
    backend: str | None
    store: str | None
    store_name: str | None
    states: dict[str, dict[str, int]]
    in_parts: int
    parts: int
    proven: int
    oldest_proof: str | None
    deleted: int
    deleted_with_document: int
    skipped: dict[str, list[str]]
    skipped_files: int
    failed: dict[str, str]

    @property
    def next_step(self) -> str:
        """The next sensible command."""
        files = {state: tally["files"] for state, tally in self.states.items()}
        if self.library is None:
            return "objlib scan --library DIR"
        if files["untracked"] or files["uploading"] or files["processing"]:
            return "objlib fsm-upload"
        if files["failed"]:
            return "objlib fsm-upload --retry-failed"
        if self.deleted_with_document:
            return "objlib store-sync --apply"
        return 'objlib search "…"' if files["indexed"] else "objlib scan"


async def _status(invocation: Invocation) -> int:
    async with await Catalog.open(invocation.settings().db) as catalog:
        status = await _gather(catalog)
    if invocation.json:
        print_json({**asdict(status), "next": status.next_step})
    else:
        _print(invocation, status)
    return 0


async def _gather(catalog: Catalog) -> Status:
    tallies = await queries.tally_by_state(catalog)
    deleted, deleted_with_document = await queries.count_deleted(catalog)
    in_parts = await queries.tally_of_parts(catalog)
    proofs = await queries.tally_of_proofs(catalog)
    skipped: dict[str, list[str]] = {}
    for record in await queries.skipped_page(catalog, None, NAMED):
        skipped.setdefault(str(record.skip_reason), []).append(record.file_path)
    return Status(
        library=await queries.get_info(catalog, binding.LIBRARY_ROOT),
        backend=await queries.get_info(catalog, binding.BACKEND),
        store=await queries.get_info(catalog, binding.STORE_DISPLAY_NAME),
        store_name=await queries.get_info(catalog, binding.STORE_NAME),
        states={state: asdict(tallies.get(state, queries.Tally(0, 0))) for state in STATES},
        in_parts=in_parts.files,
        parts=in_parts.parts,
        proven=proofs.files,
        oldest_proof=proofs.oldest,
        deleted=deleted,
        deleted_with_document=deleted_with_document,
        skipped=skipped,
        skipped_files=sum((await queries.tally_by_skip_reason(catalog)).values()),
        failed={
            record.file_path: record.error_message or ""
            for record in await queries.failed_page(catalog, None, NAMED)
        },
    )


def _print(invocation: Invocation, status: Status) -> None:
    console = invocation.console()

    def say(line: str) -> None:
        console.print(line, markup=False)

    say(f"Library  {one_line(status.library or 'not scanned yet')}")
    say(f"Store    {status.store or 'none yet'}{f' on {status.backend}' if status.backend else ''}")
    total = sum(tally["files"] for tally in status.states.values())
    for state, tally in status.states.items():
        bar = "█" * round(BAR_CELLS * tally["files"] / total) if total else ""
        say(f"  {state:<11}{tally['files']:>8,}  {size(tally['size_bytes']):>10}  {bar}".rstrip())
    if status.in_parts:
        texts = count(status.in_parts, "text")
        say(f"Of those in parts: {texts}, too long for one document, in {status.parts:,}")
    if status.proven:
        since = f", the oldest proof of {status.oldest_proof[:10]}" if status.oldest_proof else ""
        say(f"Verified: {count(status.proven, 'file')}{since}")
    if status.deleted:
        still = status.deleted_with_document
        kept = f", {still:,} of them still in the store" if still else ""
        say(f"Deleted from disk: {count(status.deleted, 'file')}{kept}")
    if status.skipped_files:
        say(f"Cannot be uploaded: {count(status.skipped_files, 'file')}")
        for reason, paths in status.skipped.items():
            for path in paths:
                say(f"  {path_line(path)}: {reason}")
        _say_rest(say, status.skipped_files, sum(map(len, status.skipped.values())))
    if status.failed:
        say("Failed:")
        for path, reason in status.failed.items():
            say(f"  {path_line(path)}: {one_line(reason)}")
        _say_rest(say, status.states["failed"]["files"], len(status.failed))
    say(f"Next: {status.next_step}")


def _say_rest(say: Callable[[str], None], total: int, named: int) -> None:
    if total > named:
        say(f"  … and {total - named:,} more (--json names the first {NAMED})")
