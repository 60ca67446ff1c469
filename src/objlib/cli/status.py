"""objlib status"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

import click
from rich.text import Text

from objlib.cli import terminal
from objlib.cli.manual import Manual
from objlib.cli.next_steps import COMMANDS
from objlib.cli.options import Invocation, common_options
from objlib.cli.outdated import outdated_as_json, outdated_line
from objlib.service.files import title
from objlib.service.numbers import ago, count, duration, size
from objlib.service.status import CUT_OFF, DONE, INTERRUPTED, UNDER_WAY, LastRun, Status
from objlib.service.view import open_view

BAR_CELLS = 24
#: What stands before a bar.
FACTS_CELLS = 34
_STYLES = {
    "indexed": "green",
    "processing": "cyan",
    "uploading": "cyan",
    "untracked": "blue",
    "failed": "red",
}


@click.command(
    "status",
    cls=Manual,
    examples=[
        "objlib status",
        "objlib status --json",
    ],
    see_also=["failures", "history", "store-sync"],
)
@common_options
def command(invocation: Invocation) -> int:
    """Show how many files are where, what the last run came to, and what to do next.

    Reads the catalog only, and sends no request: it answers at once, also while an upload is under
    way. `objlib store-sync` compares with the store itself.
    """
    return asyncio.run(_status(invocation))


async def _status(invocation: Invocation) -> int:
    async with open_view(invocation.settings()) as view:
        status = await view.status()
    if invocation.json:
        terminal.say_json(
            {
                **asdict(status),
                "outdated": outdated_as_json(status.outdated),
                "next": COMMANDS[status.next_step],
            }
        )
    else:
        _print(invocation, status)
    return 0


def _print(invocation: Invocation, status: Status) -> None:
    console = invocation.console()
    say = console.say
    say(f"Library   {status.library or 'not scanned yet'}", whole=True)
    backend = f" on {status.backend}" if status.backend else ""
    say(f"Store     {status.store or 'none yet'}{backend}")
    say(f"Last run  {_described(status.last_run)}")
    cells = max(0, min(BAR_CELLS, console.width - FACTS_CELLS))
    for state, tally in status.states.items():
        files = tally["files"]
        # What is there shows, however little it is.
        bar = "█" * max(round(cells * files / status.files), 1 if cells else 0) if files else ""
        facts = f"  {state:<10}{files:>9,}  {size(tally['size_bytes']):>9}"
        say(Text.assemble(facts, "  ", (bar, _STYLES[state])) if bar else facts)
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
    if status.unread:
        unread = count(status.unread, "file")
        say(f"Cannot be read any more: {unread} (`objlib failures` says why)")
    if status.partly_read_files:
        partly = count(status.partly_read_files, "file")
        say(f"Read in part: {partly} (`objlib history FILE` says what is missing)")
    if status.outdated.files:
        say(outdated_line(status.outdated))
    if status.skipped_files:
        say(f"Cannot be uploaded: {count(status.skipped_files, 'file')}")
        for reason, paths in status.skipped.items():
            for path in paths:
                say(f"  {title(path)}: {reason}", whole=True)
        _say_rest(say, status.skipped_files, sum(map(len, status.skipped.values())))
    if status.failed:
        say("Failed:")
        for path, reason in status.failed.items():
            say(f"  {title(path)}: {reason}", whole=True)
        _say_rest(say, status.states["failed"]["files"], len(status.failed))
    say(f"Next: {COMMANDS[status.next_step]}")


def _described(run: LastRun | None) -> str:
    """When the last run was, how it ended, and what came of it."""
    if run is None:
        return "none yet"
    started_at = datetime.fromisoformat(run.started_at)
    since = ago((datetime.now(UTC) - started_at).total_seconds())
    when = f"{started_at.astimezone():%Y-%m-%d %H:%M} ({since})"
    if run.ended == UNDER_WAY:
        return f"{when}, under way"
    counts = f"{run.indexed:,} indexed, {run.failed:,} failed"
    took = f" after {duration(run.elapsed_s)}" if run.elapsed_s is not None else ""
    if run.ended == DONE:
        return f"{when}, done{took}: {counts}"
    if run.ended == CUT_OFF:
        return f"{when}, cut off; the next one goes on from there"
    if run.ended == INTERRUPTED:
        return f"{when}, interrupted{took}: {counts}; the next one goes on from there"
    return f"{when}, ended{took}: {counts}; {run.ended}"


def _say_rest(say: Callable[[str], None], total: int, named: int) -> None:
    if total > named:
        say(f"  … and {total - named:,} more (objlib failures -v names all)")
