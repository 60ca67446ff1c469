"""FILE on the command line, as a shell completes it."""

from __future__ import annotations

import asyncio

import click

from objlib.cli.cleaning import one_line
from objlib.config import Settings, load_settings
from objlib.errors import ObjlibError
from objlib.service.view import open_view

#: More than anybody reads.
COMPLETED = 200


def complete_file(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return what Tab offers: paths the catalog knows, and nothing where there is none to ask."""
    said = {**ctx.find_root().params, **ctx.params}
    try:
        return asyncio.run(_beginning(load_settings(said.get("config"), db=said.get("db")), begun))
    except ObjlibError:
        return []


async def _beginning(settings: Settings, begun: str) -> list[str]:
    async with open_view(settings) as view:
        page = await view.files(beginning=begun, size=COMPLETED)
    # A name that cannot be shown as it is cannot be typed, and a line break in it forges another.
    return [path for file in page.files if one_line(path := file.file_path) == path]
