"""objlib failures"""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from objlib.cli.manual import Manual
from objlib.cli.options import Invocation, common_options
from objlib.cli.terminal import json_text, say, say_text
from objlib.service.failures import Failures, Remedy
from objlib.service.files import title
from objlib.service.numbers import count
from objlib.service.view import open_view

NAMED = 3
REASONS = 20
REMEDIES = {
    Remedy.INSTALL: "install that, then run: objlib sync",
    Remedy.RETRY: "it may succeed next time: objlib fsm-upload --retry-failed",
    Remedy.CHANGE: "another attempt will not help: change the file, then run: objlib sync",
    Remedy.MAKE_READABLE: (
        "what the store had of it stays there: make the file readable, then run: objlib sync"
    ),
    Remedy.CHANGE_OR_IGNORE: (
        "objlib cannot upload this file as it is: change it, remove it, or list it in .objlibignore"
    ),
}


@click.command(
    "failures",
    cls=Manual,
    exit_codes={1: "there are such files"},
    examples=[
        "objlib failures",
        "objlib failures -v",
    ],
    see_also=["status", "history", "fsm-upload"],
)
@common_options
def command(invocation: Invocation) -> int:
    """Show why files are not in the store, grouped by reason, and what to do about each.

    Names the first files of a group; -v names all. Reads the catalog only. What an upload could not
    send is here, and what a scan left out: empty, too large, of a kind that cannot be searched. So
    is what can no longer be read; its last version stays in the store.
    """
    return asyncio.run(_failures(invocation))


async def _failures(invocation: Invocation) -> int:
    async with open_view(invocation.settings()) as view:
        failures = await view.failures()
        if invocation.json:
            await _write_json(failures)
        elif not failures.reasons:
            say("No file has failed, and none was left out")
        else:
            await _write_text(failures, names_all=bool(invocation.verbosity))
    return 1 if failures.reasons else 0


async def _write_text(failures: Failures, *, names_all: bool) -> None:
    async for group in failures.groups(None if names_all else REASONS):
        say(f"{count(group.files, 'file')}: {group.reason}")
        named = group.files if names_all else min(group.files, NAMED)
        async for paths in failures.pages(group, named):
            for path in paths:
                say(f"  {title(path)}")
        if group.files > named:
            say(f"  … and {group.files - named:,} more (-v names all)")
        say(f"  -> {REMEDIES[group.remedy]}")
    if not names_all and failures.reasons > REASONS:
        say(f"… and {count(failures.reasons - REASONS, 'more reason')} (-v names all)")


async def _write_json(failures: Failures) -> None:
    """Write a list of groups as it is read: each may have a million paths."""
    say_text("[", end="")
    separator = "\n"
    async for group in failures.groups():
        said = {**asdict(group), "remedy": REMEDIES[group.remedy], "paths": []}
        head = json_text(said).removesuffix("]}")
        say_text(f"{separator}  {head}", end="")
        comma = ""
        async for paths in failures.pages(group):
            listed = ", ".join(json_text(path) for path in paths)
            say_text(f"{comma}{listed}", end="")
            comma = ", "
        say_text("]}", end="")
        separator = ",\n"
    say_text("\n]")
