"""The beginning of a walk: a folder in which nothing is found may be the place of a disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from objlib.catalog import tallies
from objlib.catalog.protocol import Catalog
from objlib.errors import ConfigurationError
from objlib.library.narrowing import NOT_THIS_TIME
from objlib.library.walk import FoundFile, LeftOut, SkippedPath


def until_the_first(
    walked: Iterator[FoundFile | SkippedPath | LeftOut],
) -> list[FoundFile | SkippedPath | LeftOut]:
    """Return the beginning of a walk, up to the first entry that a whole scan would take."""
    entries: list[FoundFile | SkippedPath | LeftOut] = []
    for entry in walked:
        entries.append(entry)
        if would_be_taken(entries):
            break
    return entries


def would_be_taken(entries: Sequence[FoundFile | SkippedPath | LeftOut]) -> bool:
    """Return True if the last of some entries is one that a whole scan would take."""
    last = entries[-1] if entries else None
    return last is not None and not (isinstance(last, LeftOut) and last.reason != NOT_THIS_TIME)


async def emptiness(catalog: Catalog, root: Path) -> ConfigurationError:
    """Return the error for a library without files."""
    known = await tallies.count_files(catalog)
    if known:
        return ConfigurationError(
            f"{root} is empty, but the catalog knows {known:,} files there; is its disk mounted? "
            "Nothing was changed"
        )
    return ConfigurationError(f"there are no files in {root}; is it the right folder?")
