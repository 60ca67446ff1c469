"""Names for the parts of a text that is too long for one document.

The path of a part is that of its file, two slashes and its number: `big.txt//part 2`. No file can
be called so, and in the order of paths the parts stand where the files of a folder of that name
would.
"""

from __future__ import annotations

import re

#: Between the path of a file and the number of a part.
SEPARATOR = "//part "
_NUMBERED = re.compile(r"(?P<file>.+)//part (?P<number>[1-9][0-9]*)")
_SHOWN = re.compile(r"(?P<file>.+), part (?P<number>[1-9][0-9]*)")


def part_path(file: str, number: int) -> str:
    """The path of a part, counted from 1."""
    return f"{file}{SEPARATOR}{number}"


def file_of(path: str) -> str:
    """The path of the file on disk that a row is about."""
    return split(path)[0]


def part_number(path: str) -> int | None:
    """Which part of its file a row is about; None for a file that goes up as a whole."""
    return split(path)[1]


def split(path: str) -> tuple[str, int | None]:
    """(file, number of the part, or None)."""
    if SEPARATOR not in path or (found := _NUMBERED.fullmatch(path)) is None:
        return path, None
    return found["file"], int(found["number"])


def shown(path: str) -> str:
    """A path as people read it: `big.txt, part 2`."""
    file, number = split(path)
    return file if number is None else f"{file}, part {number}"


def named(text: str) -> str:
    """The path that somebody means who writes it as `shown` does, or as it is."""
    found = _SHOWN.fullmatch(text)
    return part_path(found["file"], int(found["number"])) if found else text
