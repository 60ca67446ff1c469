"""objlib failures"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict

import click

from objlib.catalog.opening import open_catalog
from objlib.catalog.protocol import Catalog
from objlib.catalog.tallies import FailureGroup, failure_groups, failure_paths, gather_failures
from objlib.cli.manual import Manual
from objlib.cli.options import Invocation, common_options
from objlib.cli.render import count, one_line, path_line

NAMED = 3
REASONS = 20
_PAGE = 1_000


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
    send is here, and what a scan left out: empty, too large, of a kind that cannot be searched.
    """
    return asyncio.run(_failures(invocation))


async def _failures(invocation: Invocation) -> int:
    async with await open_catalog(invocation.settings().db) as catalog:
        reasons = await gather_failures(catalog)
        if invocation.json:
            await _write_json(catalog)
        elif not reasons:
            click.echo("No file has failed, and none was left out")
        else:
            await _write_text(catalog, reasons, names_all=bool(invocation.verbosity))
    return 1 if reasons else 0


async def _write_text(catalog: Catalog, reasons: int, *, names_all: bool) -> None:
    shown = reasons if names_all else min(reasons, REASONS)
    async for group in _groups(catalog, shown):
        click.echo(f"{count(group.files, 'file')}: {one_line(group.reason)}")
        named = group.files if names_all else min(group.files, NAMED)
        async for paths in _paths(catalog, group, named):
            click.echo("\n".join(f"  {path_line(path)}" for path in paths))
        if group.files > named:
            click.echo(f"  … and {group.files - named:,} more (-v names all)")
        click.echo(f"  -> {_remedy(group)}")
    if reasons > shown:
        click.echo(f"… and {count(reasons - shown, 'more reason')} (-v names all)")


async def _write_json(catalog: Catalog) -> None:
    """A list of groups, written as it is read: each may have a million paths."""
    click.echo("[", nl=False)
    separator = "\n"
    async for group in _groups(catalog, None):
        said = {**asdict(group), "remedy": _remedy(group), "paths": []}
        head = json.dumps(said, ensure_ascii=False).removesuffix("]}")
        click.echo(f"{separator}  {head}", nl=False)
        comma = ""
        async for paths in _paths(catalog, group, group.files):
            listed = ", ".join(json.dumps(path, ensure_ascii=False) for path in paths)
            click.echo(f"{comma}{listed}", nl=False)
            comma = ", "
        click.echo("]}", nl=False)
        separator = ",\n"
    click.echo("\n]")


async def _groups(catalog: Catalog, limit: int | None) -> AsyncIterator[FailureGroup]:
    first = 0
    while limit is None or first < limit:
        size = _PAGE if limit is None else min(_PAGE, limit - first)
        page = await failure_groups(catalog, first, size)
        if not page:
            return
        for group in page:
            yield group
        first += len(page)


async def _paths(catalog: Catalog, group: FailureGroup, limit: int) -> AsyncIterator[list[str]]:
    """Pages of the first paths of a group."""
    after: str | None = None
    left = limit
    while left and (page := await failure_paths(catalog, group, after, min(_PAGE, left))):
        yield page
        after, left = page[-1], left - len(page)


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
