"""objlib metadata"""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from objlib.catalog.binding import bound_library
from objlib.catalog.opening import open_catalog
from objlib.catalog.part_names import file_of, named
from objlib.cli.files import complete_file, nearest, or_did_you_mean, path_in, printable
from objlib.cli.manual import Manual
from objlib.cli.options import Invocation, common_options
from objlib.cli.render import one_line, print_json
from objlib.config import Settings
from objlib.errors import ConfigurationError
from objlib.library.conversion import CONVERTERS
from objlib.library.described import (
    SIDECAR_SUFFIXES,
    BadSidecar,
    Description,
    describe,
    front_matter_of,
    read_sidecar,
)
from objlib.library.metadata import MetadataValue
from objlib.library.mime import Unsupported, look_at
from objlib.library.parts import count_parts
from objlib.library.reach import Reach

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
    settings = invocation.settings()
    root, relative = asyncio.run(_located(settings, file))
    try:
        description, mime_type = _describe(root, relative, settings)
        opener = Reach(root, settings.follow_links_to).opener
        parts = count_parts(root / relative, mime_type, opener)
    except OSError as error:
        raise ConfigurationError(f"cannot read {relative}: {error.strerror}") from error
    if invocation.json:
        entries = [
            {"key": key, "value": value, "from": description.origins[key]}
            for key, value in description.metadata.items()
        ]
        print_json(
            {
                "file": relative,
                "mime_type": mime_type,
                "sent_as": "text/plain" if mime_type in CONVERTERS else mime_type,
                "parts": parts,
                "metadata": entries,
                "left_out": description.left_out,
            }
        )
        return 0
    console = invocation.console()
    how = ", sent as text" if mime_type in CONVERTERS else f", in {parts} parts" * (parts > 1)
    console.print(f"{one_line(relative)} ({mime_type}{how})", markup=False, soft_wrap=True)
    width = max(map(len, description.metadata), default=0)
    for key, value in description.metadata.items():
        kind, origin = _KINDS[type(value)], description.origins[key]
        shown = one_line(_shown(value))
        console.print(f"  {key:<{width}}  {shown}  ({kind}, from the {origin})", markup=False)
    for key, reason in description.left_out.items():
        console.print(f"  not sent: {one_line(key)}: {reason}", markup=False)
    return 0


async def _located(settings: Settings, file: str) -> tuple[Path, str]:
    """The library's folder, and the path in it, whichever way the file was named."""
    async with await open_catalog(settings.db) as catalog:
        root = (await bound_library(catalog)).root
        file = printable(file)
        for said in (file, file_of(named(file))):
            for path in (path_in(root, str(root / said)), path_in(root, said)):
                if path and (root / path).is_file():
                    return root, path
        near = await nearest(catalog, file)
    missing = f"there is no file {one_line(file)!r} in {one_line(str(root))}"
    raise ConfigurationError(f"{missing}{or_did_you_mean(near)}")


def _describe(root: Path, relative: str, settings: Settings) -> tuple[Description, str]:
    opener = Reach(root, settings.follow_links_to).opener
    head, verdict = look_at(root / relative, opener)
    if isinstance(verdict, Unsupported):
        raise ConfigurationError(f"{one_line(relative)} is not sent at all: {verdict.reason}")
    sidecar = None
    for suffix in sorted(SIDECAR_SUFFIXES):
        path = root / f"{relative}{suffix}"
        if path.is_file():
            try:
                sidecar = read_sidecar(path, opener)
            except BadSidecar as problem:
                raise ConfigurationError(f"{one_line(str(path))}: {problem}") from problem
            break
    description = describe(
        relative,
        templates=settings.path_templates,
        front_matter=front_matter_of(head, verdict.mime_type),
        sidecar=sidecar,
    )
    return description, verdict.mime_type


def _shown(value: MetadataValue) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
