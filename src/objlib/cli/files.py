"""FILE on the command line: which file of the library somebody means."""

from __future__ import annotations

import asyncio
import difflib
import os
import re
from pathlib import Path

import click

from objlib.catalog.binding import LIBRARY_ROOT
from objlib.catalog.opening import open_catalog
from objlib.catalog.part_names import named
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_file, get_info, parts_of_file, paths_beginning, paths_with
from objlib.cli.render import one_line
from objlib.config import load_settings
from objlib.errors import ConfigurationError, ObjlibError

SUGGESTED = 3
#: More than anybody reads.
COMPLETED = 200
_CANDIDATES = 500
_WORD = re.compile(r"\w{3,}")


async def find_file(catalog: Catalog, said: str) -> str:
    """The path in the catalog of a file, or of a part of one, that was named by its path in the
    library, or by its path on disk.

    Raises:
        ConfigurationError: the catalog has no such file; the message names near ones.
    """
    said = printable(said)
    root = Path(await get_info(catalog, LIBRARY_ROOT) or os.curdir)
    for path in dict.fromkeys((named(said), path_in(root, said))):
        if path and (await get_file(catalog, path) or await parts_of_file(catalog, path)):
            return path
    near = await nearest(catalog, said)
    raise ConfigurationError(f"the catalog knows no file {one_line(said)!r}{or_did_you_mean(near)}")


def printable(said: str) -> str:
    """A name with its bytes that are not UTF-8 written as the scan writes them: \\xff."""
    return os.fsencode(said).decode(errors="backslashreplace")


def path_in(root: Path, said: str) -> str | None:
    """A path on disk as the path in the library that it is, if it lies there."""
    absolute = Path(os.path.normpath(Path(said).absolute()))
    return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else None


async def nearest(catalog: Catalog, said: str) -> list[str]:
    """Paths that look most like what was said."""
    name, stem = Path(said).name, Path(said).stem
    for fragment in (name, stem, *sorted(_WORD.findall(stem), key=len, reverse=True)):
        if fragment and (paths := await paths_with(catalog, fragment, _CANDIDATES)):
            ranked = difflib.get_close_matches(said, paths, SUGGESTED, cutoff=0.0)
            return ranked or paths[:SUGGESTED]
    return []


def or_did_you_mean(near: list[str]) -> str:
    """The end of a message about a file that is not there."""
    if not near:
        return "; paths are relative to the library, and `objlib scan` records new files"
    named = [repr(one_line(path)) for path in near]
    return f"; did you mean {' or '.join(named)}?"


def complete_file(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """What Tab offers: paths the catalog knows, and nothing where there is none to ask."""
    said = {**ctx.find_root().params, **ctx.params}
    try:
        db = load_settings(said.get("config"), db=said.get("db")).db
        return asyncio.run(_paths_beginning(db, begun))
    except ObjlibError:
        return []


async def _paths_beginning(db: Path, begun: str) -> list[str]:
    async with await open_catalog(db) as catalog:
        return await paths_beginning(catalog, begun, COMPLETED)
