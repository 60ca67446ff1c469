"""The files of a library: which one somebody means, and all of them in pages."""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from objlib.catalog import queries
from objlib.catalog.binding import LIBRARY_ROOT
from objlib.catalog.part_names import file_of, named, shown
from objlib.catalog.protocol import Catalog
from objlib.catalog.records import FileRecord
from objlib.catalog.selections import Selection, page_of
from objlib.errors import ConfigurationError, Hint
from objlib.library.root import is_folder

#: Near paths that a message names.
SUGGESTED = 3
_CANDIDATES = 500
_WORD = re.compile(r"\w{3,}")


#: Folders that a page of files names; below a folder of more they are found by walking the pages.
FOLDERS_MAX = 500


@dataclass(frozen=True, slots=True)
class FilePage:
    """Some files of a library, by path.

    Where few of very many files are wanted, a page may have less than it could, and not be the
    last one.
    """

    files: tuple[FileRecord, ...]
    #: Pass it as `after` for the next page; None at the last one.
    next_after: str | None


def title(path: str) -> str:
    """Return the path of a row as people read it; of a part of a file `big.txt, part 2`."""
    return shown(path)


async def page_of_files(
    catalog: Catalog, selection: Selection, after: str | None, size: int
) -> FilePage:
    """Return one page of selected files that are on disk, as far as the last scan knows."""
    rows, next_after = await page_of(catalog, selection, after, size)
    return FilePage(tuple(rows), next_after)


async def folders_below(catalog: Catalog, beginning: str) -> list[str]:
    """Return the folders right below one, each with a closing slash."""
    return await queries.folders_in(catalog, beginning, FOLDERS_MAX)


async def find_file(catalog: Catalog, said: str) -> str:
    """Return the path in the catalog of a file, or of a part of one.

    Args:
        said: its path in the library, or its path on disk.

    Raises:
        ConfigurationError: the catalog has no such file; the message names near ones.
    """
    said = printable(said)
    root = Path(await queries.get_info(catalog, LIBRARY_ROOT) or os.curdir)
    for path in dict.fromkeys((named(said), path_in(root, said))):
        if path and (
            await queries.get_file(catalog, path) or await queries.parts_of_file(catalog, path)
        ):
            return path
    ending, hint = await _way_on(catalog, said)
    raise ConfigurationError(f"the catalog knows no file {said!r}{ending}", hint=hint)


async def find_on_disk(catalog: Catalog, root: Path, said: str) -> str:
    """Return the path in the library of a file that is on disk now.

    Args:
        said: its path in the library, or its path on disk.

    Raises:
        ConfigurationError: there is no such file; the message names near ones.
    """
    said = printable(said)
    for name in (said, file_of(named(said))):
        for path in (path_in(root, str(root / name)), path_in(root, name)):
            if path and is_on_disk(root, path):
                return path
    ending, hint = await _way_on(catalog, said)
    raise ConfigurationError(f"there is no file {said!r} in {root}{ending}", hint=hint)


def is_on_disk(root: Path, path: str) -> bool:
    """Return whether a file of the library is there and can be looked at."""
    try:
        return (root / path).is_file()
    except OSError:
        return False


def check_folder(folder: Path) -> None:
    """Make sure that a library's folder is there.

    Raises:
        ConfigurationError: it is no folder.
        LibraryGone: its disk does not answer.
    """
    if not is_folder(folder):
        raise ConfigurationError(f"{folder} is not a folder", hint=Hint.CHECK_LIBRARY)


def printable(said: str) -> str:
    """Return a name with its bytes that are not UTF-8 as the scan writes them: \\xff."""
    return os.fsencode(said).decode(errors="backslashreplace")


def path_in(root: Path, said: str) -> str | None:
    """Return the path in the library of a path on disk; None if it lies elsewhere."""
    absolute = Path(os.path.normpath(Path(said).absolute()))
    return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else None


async def _way_on(catalog: Catalog, said: str) -> tuple[str, Hint | None]:
    """Return the end and the hint of the message that there is no such file."""
    near = await _nearest(catalog, said)
    if not near:
        return "; paths are relative to the library", Hint.SCAN_NEW_FILES
    return f"; did you mean {' or '.join(map(repr, near))}?", None


async def _nearest(catalog: Catalog, said: str) -> list[str]:
    """Return the paths that look most like what was said."""
    name, stem = Path(said).name, Path(said).stem
    for fragment in (name, stem, *sorted(_WORD.findall(stem), key=len, reverse=True)):
        if fragment and (paths := await queries.paths_with(catalog, fragment, _CANDIDATES)):
            ranked = difflib.get_close_matches(said, paths, SUGGESTED, cutoff=0.0)
            return ranked or paths[:SUGGESTED]
    return []
