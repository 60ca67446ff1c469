"""objlib metadata"""

from __future__ import annotations

import asyncio

import click

from objlib.cli.files import complete_file
from objlib.cli.manual import Manual
from objlib.cli.options import Invocation, common_options
from objlib.cli.render import one_line, print_json
from objlib.service.view import open_view

_KINDS = {str: "text", int: "number", float: "number", list: "list"}


@click.command(
    "metadata",
    cls=Manual,
    examples=[
        'objlib metadata "Essays/On Walking to Work.md"',
    ],
    see_also=["scan", "search", "init"],
)
@click.argument("file", shell_complete=complete_file)
@common_options
def command(invocation: Invocation, file: str) -> int:
    """Show what is sent about one file besides its text, and where each entry comes from.

    FILE is its path in the library, or one on disk below it. Reads the file as it is now; nothing
    is recorded or sent. A sidecar FILE.meta.toml or FILE.meta.json goes before front matter, and
    both before what the templates find in the path. What is left out is shown with its reason.
    """
    return asyncio.run(_metadata(invocation, file))


async def _metadata(invocation: Invocation, file: str) -> int:
    async with open_view(invocation.settings()) as view:
        found = await view.metadata(file)
    if invocation.json:
        entries = [
            {"key": entry.key, "value": entry.value, "from": entry.origin}
            for entry in found.entries
        ]
        print_json(
            {
                "file": found.file,
                "mime_type": found.mime_type,
                "sent_as": found.sent_as,
                "parts": found.parts,
                "metadata": entries,
                "left_out": found.left_out,
                "bad_lines": found.bad_lines,
            }
        )
        return 0
    console = invocation.console()
    parts = f", in {found.parts} parts" * (found.parts > 1)
    how = ", sent as text" if found.is_converted else parts
    title = f"{one_line(found.file)} ({found.mime_type}{how})"
    console.print(title, markup=False, soft_wrap=True)
    width = max((len(entry.key) for entry in found.entries), default=0)
    for entry in found.entries:
        shown = one_line(_shown(entry.value))
        where = f"({_KINDS[type(entry.value)]}, from the {entry.origin})"
        console.print(f"  {entry.key:<{width}}  {shown}  {where}", markup=False)
    for key, reason in found.left_out.items():
        console.print(f"  not sent: {one_line(key)}: {reason}", markup=False)
    for line in found.bad_lines:
        console.print(f"  front matter, {one_line(line)}", markup=False, soft_wrap=True)
    return 0


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
