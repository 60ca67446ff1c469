"""objlib history"""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from objlib.catalog.connection import Catalog
from objlib.catalog.queries import audit_trail, get_file
from objlib.cli.options import Invocation, common_options
from objlib.cli.render import one_line, print_json
from objlib.errors import ConfigurationError


@click.command("history")
@click.argument("file")
@common_options
def command(invocation: Invocation, file: str) -> int:
    """Show every move of one file. FILE is its path in the library, as `status` names it.

    \b
    Example:
      objlib history "Essays/On Walking to Work.md"
    """
    return asyncio.run(_history(invocation, file))


async def _history(invocation: Invocation, file: str) -> int:
    async with await Catalog.open(invocation.settings().db) as catalog:
        record = await get_file(catalog, file)
        if record is None:
            raise ConfigurationError(
                f"the catalog knows no file {one_line(file)!r}; paths are relative to the library"
            )
        moves = await audit_trail(catalog, file)
    if invocation.json:
        print_json({"file": file, "state": record.gemini_state, "moves": [*map(asdict, moves)]})
        return 0
    console = invocation.console()
    for move in moves:
        what = f"{move.from_state} -> {move.to_state}"
        reason = one_line(move.reason or "")
        console.print(f"{move.at}  v{move.version:<3} {what:<24} {reason}".rstrip(), markup=False)
    console.print(f"Now: {record.gemini_state.value}, version {record.version}")
    return 0
