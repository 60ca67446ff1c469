"""objlib history"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from objlib.catalog.opening import open_catalog
from objlib.catalog.part_names import part_number
from objlib.catalog.queries import audit_trail, get_file, parts_of_file
from objlib.catalog.records import FileRecord, TransitionRecord
from objlib.cli.files import complete_file, find_file
from objlib.cli.manual import Manual
from objlib.cli.options import Invocation, common_options
from objlib.cli.render import one_line, path_line, print_json


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
    async with await open_catalog(invocation.settings().db) as catalog:
        file = await find_file(catalog, file)
        whole = await get_file(catalog, file)
        rows = [*([whole] if whole is not None else []), *await parts_of_file(catalog, file)]
        trails = [(row, await audit_trail(catalog, row.file_path)) for row in rows]
    if invocation.json:
        print_json(_as_json(file, whole, trails))
        return 0
    console = invocation.console()
    for number, (record, moves) in enumerate(trails):
        if len(trails) > 1:
            title = path_line(record.file_path)
            console.print(f"{title}:" if number == 0 else f"\n{title}:", markup=False)
        for move in moves:
            what = f"{move.from_state} -> {move.to_state}"
            reason = one_line(move.reason or "")
            line = f"{move.at}  v{move.version:<3} {what:<24} {reason}".rstrip()
            console.print(line, markup=False)
        gone = ", gone from disk" if record.is_deleted and len(trails) > 1 else ""
        console.print(f"Now: {record.gemini_state.value}, version {record.version}{gone}")
    return 0


def _as_json(
    file: str,
    whole: FileRecord | None,
    trails: Sequence[tuple[FileRecord, Sequence[TransitionRecord]]],
) -> dict[str, Any]:
    """The moves of the file, or of each of its parts."""
    parts = [
        {"part": part_number(row.file_path), "state": row.gemini_state, "moves": _moves(moves)}
        for row, moves in trails
        if row is not whole
    ]
    if whole is None:
        return {"file": file, "parts": parts}
    own = {"file": file, "state": whole.gemini_state, "moves": _moves(trails[0][1])}
    return {**own, "parts": parts} if parts else own


def _moves(moves: Sequence[TransitionRecord]) -> list[dict[str, Any]]:
    return [asdict(move) for move in moves]
