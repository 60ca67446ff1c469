"""objlib metadata"""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from objlib.cli import terminal
from objlib.cli.files import complete_file
from objlib.cli.manual import Manual
from objlib.cli.options import Invocation, common_options
from objlib.errors import ConfigurationError
from objlib.service.numbers import count
from objlib.service.view import open_view

_KINDS = {str: "text", int: "number", float: "number", list: "list"}


@click.command(
    "metadata",
    cls=Manual,
    examples=[
        'objlib metadata "Essays/On Walking to Work.md"',
        "objlib metadata --keys",
    ],
    see_also=["scan", "search", "init"],
)
@click.argument("file", required=False, shell_complete=complete_file)
@click.option("--keys", is_flag=True, help="The keys and values that --filter can name.")
@common_options
def command(invocation: Invocation, file: str | None, keys: bool) -> int:
    """Show what is sent about one file besides its text, and where each entry comes from.

    FILE is its path in the library, or one on disk below it. Reads the file as it is now; nothing
    is recorded or sent. A sidecar FILE.meta.toml or FILE.meta.json goes before front matter, and
    both before what the templates find in the path. What is left out is shown with its reason.

    With --keys it lists the keys of all files that are in the store instead.
    """
    if keys == (file is not None):
        raise ConfigurationError("name a file, or give --keys")
    return asyncio.run(_keys(invocation) if file is None else _metadata(invocation, file))


async def _keys(invocation: Invocation) -> int:
    async with open_view(invocation.settings()) as view:
        found = await view.metadata_keys()
    if invocation.json:
        terminal.say_json({"keys": [asdict(one) for one in found]})
        return 0
    console = invocation.console()
    if not found:
        console.say("No file is in the store yet, so there are no keys")
    width = max((len(one.key) for one in found), default=0)
    for one in found:
        between = " … " if one.kind == "number" else ", "
        more = ", …" if one.kind != "number" and one.values > len(one.samples) else ""
        samples = between.join(map(str, one.samples)) + more
        counts = f"{count(one.values, 'value')} in {count(one.files, 'file')}"
        console.say(f"{one.key:<{width}}  {one.kind}, {counts}: {samples}")
    return 0


async def _metadata(invocation: Invocation, file: str) -> int:
    async with open_view(invocation.settings()) as view:
        found = await view.metadata(file)
    if invocation.json:
        entries = [
            {"key": entry.key, "value": entry.value, "from": entry.origin}
            for entry in found.entries
        ]
        terminal.say_json(
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
    title = f"{found.file} ({found.mime_type}{how})"
    console.say(title, whole=True)
    width = max((len(entry.key) for entry in found.entries), default=0)
    for entry in found.entries:
        where = f"({_KINDS[type(entry.value)]}, from the {entry.origin})"
        console.say(f"  {entry.key:<{width}}  {_shown(entry.value)}  {where}")
    for key, reason in found.left_out.items():
        console.say(f"  not sent: {key}: {reason}")
    for line in found.bad_lines:
        console.say(f"  front matter, {line}", whole=True)
    return 0


def _shown(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
