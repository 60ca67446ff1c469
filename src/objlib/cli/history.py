"""objlib history"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import click

from objlib.cli import terminal
from objlib.cli.files import complete_file
from objlib.cli.manual import Manual
from objlib.cli.options import Invocation, common_options
from objlib.service.files import title
from objlib.service.history import History, Trail
from objlib.service.view import open_view


@click.command(
    "history",
    cls=Manual,
    examples=[
        'objlib history "Essays/On Walking to Work.md"',
    ],
    see_also=["status", "failures", "metadata"],
)
@click.argument("file", shell_complete=complete_file)
@common_options
def command(invocation: Invocation, file: str) -> int:
    """Show every move of one file, oldest first.

    FILE is its path in the library, as `objlib status` names it, or its path on disk. The moves are
    written by the catalog itself and never changed: time, version, from which state to which, why.
    A file that was moved has its whole history, also under the paths it had before;
    of a text that went up in parts the moves of each part are shown.
    """
    return asyncio.run(_history(invocation, file))


async def _history(invocation: Invocation, file: str) -> int:
    async with open_view(invocation.settings()) as view:
        history = await view.history(file)
    if invocation.json:
        terminal.say_json(_as_json(history))
        return 0
    console = invocation.console()
    has_titles = len(history.trails) > 1
    for number, trail in enumerate(history.trails):
        record = trail.record
        if has_titles:
            if number:
                console.say()
            console.say(f"{title(record.file_path)}:")
        for move in trail.moves:
            what = f"{move.from_state} -> {move.to_state}"
            line = f"{move.at}  v{move.version:<3} {what:<24} {move.reason or ''}".rstrip()
            console.say(line)
        gone = ", gone from disk" if record.is_deleted and has_titles else ""
        console.say(f"Now: {record.gemini_state.value}, version {record.version}{gone}")
        for part in trail.not_read:
            console.say(f"Not read: {part}")
    return 0


def _as_json(history: History) -> dict[str, Any]:
    """The moves of the file, or of each of its parts."""
    parts = [{"part": trail.part, **_moves(trail)} for trail in history.parts]
    if history.whole is None:
        return {"file": history.file, "parts": parts}
    own = {"file": history.file, **_moves(history.whole)}
    return {**own, "parts": parts} if parts else own


def _moves(trail: Trail) -> dict[str, Any]:
    return {
        "state": trail.record.gemini_state,
        "moves": [asdict(move) for move in trail.moves],
        "not_read": trail.not_read,
    }
