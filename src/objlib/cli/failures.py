"""objlib failures"""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click

from objlib.catalog.connection import Catalog
from objlib.catalog.queries import FailureGroup, failure_groups, failure_paths
from objlib.cli.options import Invocation, common_options
from objlib.cli.render import count, one_line, path_line, print_json

NAMED = 3


@click.command("failures")
@common_options
def command(invocation: Invocation) -> int:
    """Show why files are not in the store, grouped by reason, and what to do about each.

    Names the first files of a group; -v names all. Reads the catalog only. Exit code 1 when there
    are any.

    \b
    Example:
      objlib failures -v
    """
    return asyncio.run(_failures(invocation))


async def _failures(invocation: Invocation) -> int:
    async with await Catalog.open(invocation.settings().db) as catalog:
        groups = await failure_groups(catalog)
        limit = None if invocation.verbosity or invocation.json else NAMED
        named = [await failure_paths(catalog, group, limit) for group in groups]
    if invocation.json:
        print_json(
            [
                {**asdict(group), "remedy": _remedy(group), "paths": paths}
                for group, paths in zip(groups, named, strict=True)
            ]
        )
        return 1 if groups else 0
    console = invocation.console()
    if not groups:
        console.print("No file has failed, and none was left out")
        return 0
    for group, paths in zip(groups, named, strict=True):
        console.print(f"{count(group.files, 'file')}: {one_line(group.reason)}", markup=False)
        for path in paths:
            console.print(f"  {path_line(path)}", markup=False)
        if group.files > len(paths):
            console.print(f"  … and {group.files - len(paths):,} more (-v names all)")
        console.print(f"  -> {_remedy(group)}", markup=False)
    return 1


def _remedy(group: FailureGroup) -> str:
    if "pip install" in group.reason:
        return "install that, then objlib sync"
    if group.kind == "transient":
        return "it may pass: objlib fsm-upload --retry-failed"
    if group.kind == "permanent":
        return "trying again will not help: change the file, then objlib sync"
    return (
        "it is left out until the file is another: change or remove it, or list it in .objlibignore"
    )
