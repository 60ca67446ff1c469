"""One pass over the library on disk, in the order in which the catalog lists it.

Paths come in strictly ascending order of their code points, which is the order of SQLite's BINARY
collation, so a merge of the two needs no memory. The trick is to sort a folder's entries by name
with "/" appended to folders: `a-b` comes before what is in `a/`, because "-" sorts before "/".

A folder that cannot be looked into is reported as a SkippedPath whose path ends with "/". The
slash puts it where its contents would have come, and makes "everything below it" a plain prefix.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, TypeAlias

from objlib.errors import ConfigurationError
from objlib.library.described import sidecar_of
from objlib.library.ignore import ASKED, IGNORE_FILE_NAME, BadRules, IgnoreRules, read_ignore_file
from objlib.library.narrowing import NOT_THIS_TIME, Narrowing
from objlib.library.reach import LEADS_OUT, Reach

#: Written by programs for themselves; never a part of what somebody wants to search.
HOUSEKEEPING = frozenset({IGNORE_FILE_NAME, "objlib.toml", ".DS_Store", "Thumbs.db", ".git"})

#: Going on without the rules would publish what somebody meant to keep back.
_RULES_UNREADABLE = f"its {IGNORE_FILE_NAME} cannot be read; make it readable or remove it"


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a text that is too long for one document; see `objlib.library.parts`."""

    #: From 1.
    number: int
    offset: int
    size_bytes: int


class FoundFile(NamedTuple):
    """A file on disk. A tuple, because a rescan makes one for each file and does little else."""

    #: Relative to the library's root, with "/" between the segments.
    path: str
    size_bytes: int
    mtime: float
    inode: int
    #: Time of the last change to content, mode, owner or links: nanoseconds since the epoch.
    ctime: int
    device: int
    #: The file that describes this one, and when it changed last.
    sidecar: str | None = None
    sidecar_mtime: float | None = None
    #: Set where this is not the whole file but a part of it, of `size_bytes`.
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class SkippedPath:
    #: Ends with "/" for a folder; bytes that are not UTF-8 appear as `\\xNN`.
    path: str
    #: One line for people: what it is and what to do.
    reason: str
    #: True when nothing is known about what lies below `path`.
    is_folder: bool

    def __post_init__(self) -> None:
        if self.is_folder != self.path.endswith("/"):
            raise ValueError(f"a skipped folder's path ends with '/', a file's does not: {self!r}")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entry that only a default leaves out, or this run alone. The path of a folder ends with
    "/"."""

    path: str
    reason: str

    @property
    def is_folder(self) -> bool:
        """Return True for a folder, and all that lies in it."""
        return self.path.endswith("/")


@dataclass(frozen=True, slots=True)
class _Subfolder:
    #: Ends with "/", like the prefix of everything below it.
    path: str


_Entry: TypeAlias = FoundFile | SkippedPath | LeftOut | _Subfolder
_by_path = attrgetter("path")


@dataclass(frozen=True, slots=True)
class _Listing:
    rules: IgnoreRules
    entries: Iterator[_Entry]


def walk(
    root: Path,
    ignore: IgnoreRules,
    links_to: tuple[Path, ...] = (),
    narrowing: Narrowing | None = None,
) -> Iterator[FoundFile | SkippedPath | LeftOut]:
    """Every file below `root` that the rules do not ignore, and every path that was passed over.

    Holds one folder's entries per level of depth. A symbolic link to a file is followed where it
    stays in the library, one to a folder is not, so there are no loops. A file that vanishes on the
    way is not mentioned.

    Args:
        links_to: folders outside of the library that links to files may lead into.
        narrowing: what else is left out. No folder that it leaves out is entered.

    Raises:
        ConfigurationError: the root itself, or its ignore file, cannot be read. Nothing is known
            then, and an empty answer would read as "everything was deleted".
    """
    base, reach = os.fspath(root), Reach(root, links_to)
    top = _list_folder(reach, "", ignore, narrowing)
    if not isinstance(top, _Listing):
        problem = "it is not there or not a folder" if top is None else top.reason
        raise ConfigurationError(f"cannot read the library folder {base}: {problem}")
    open_folders = [top]
    while open_folders:
        folder = open_folders[-1]
        for entry in folder.entries:
            if not isinstance(entry, _Subfolder):
                yield entry
                continue
            inner = _list_folder(reach, entry.path, folder.rules, narrowing)
            if isinstance(inner, _Listing):
                open_folders.append(inner)
                break
            if inner is not None:
                yield inner
        else:
            open_folders.pop()


def _list_folder(
    reach: Reach, prefix: str, rules: IgnoreRules, narrowing: Narrowing | None
) -> _Listing | SkippedPath | None:
    """The measured and sorted entries of one folder; None when it has vanished."""
    absolute = os.path.join(reach.root, prefix)  # noqa: PTH118 - a Path per folder is measurable
    try:
        with _scanned(absolute) as listed:
            for file in rules.files:
                if any(entry.name == file for entry in listed):
                    stricter = _with_file(rules, prefix, Path(absolute, file))
                    if stricter is None:
                        return SkippedPath(prefix or "./", _RULES_UNREADABLE, is_folder=True)
                    rules = stricter
            entries = _wanted(listed, prefix, rules, reach)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return SkippedPath(prefix or "./", _unreadable_folder(error), is_folder=True)
    if narrowing is not None:
        entries = [one for entry in entries for one in _narrowed(entry, narrowing)]
    entries.sort(key=_by_path)
    return _Listing(rules, iter(entries))


def _with_file(rules: IgnoreRules, prefix: str, path: Path) -> IgnoreRules | None:
    """Return the rules with those of a file above them; None when it cannot be read."""
    try:
        return rules.within(prefix, read_ignore_file(path))
    except OSError:
        return None
    except ValueError as error:
        raise BadRules(
            f"{path}: line {error.args[0]} is no pattern; put it right, and scan again"
        ) from error


@contextmanager
def _scanned(absolute: str) -> Iterator[list[os.DirEntry[str]]]:
    """A folder's entries; through a descriptor, if possible, `stat` need not resolve the path."""
    if os.scandir not in os.supports_fd:
        with os.scandir(absolute) as scan:
            yield list(scan)
        return
    descriptor = os.open(absolute, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with os.scandir(descriptor) as scan:
            yield list(scan)
    finally:
        os.close(descriptor)


def _wanted(
    listed: list[os.DirEntry[str]], prefix: str, rules: IgnoreRules, reach: Reach
) -> list[_Entry]:
    wanted: list[_Entry] = []
    undecodable: list[os.DirEntry[str]] = []
    has_rules, is_candidate = bool(rules.layers), rules.is_candidate
    sidecars = _sidecars(listed, prefix, rules)
    own = {sidecar.name for sidecar in sidecars.values()}
    for entry in listed:
        name = entry.name
        if name in HOUSEKEEPING or name in own:
            continue
        if not name.isascii() and not _is_utf8(name):
            undecodable.append(entry)
            continue
        path = prefix + name
        is_folder = not entry.is_file(follow_symlinks=False) and _is_folder(entry)
        may_match = has_rules or is_candidate(name)
        if may_match and (reason := rules.reason_against(path, is_folder)) is not None:
            if reason != ASKED:
                wanted.append(LeftOut(f"{path}/" if is_folder else path, reason))
            continue
        if is_folder:
            wanted.append(_folder(entry, path))
            continue
        try:
            found = entry.stat()
        except OSError as error:
            if problem := _unreadable_file(error, entry):
                wanted.append(SkippedPath(path, problem, is_folder=False))
            continue
        if entry.is_symlink() and reach.leads_out(f"{reach.root}/{path}"):
            wanted.append(SkippedPath(path, LEADS_OUT, is_folder=False))
        elif stat.S_ISREG(found.st_mode):
            file = FoundFile(
                path,
                found.st_size,
                found.st_mtime,
                found.st_ino,
                found.st_ctime_ns,
                found.st_dev,
            )
            wanted.append(_described(file, sidecars[name], prefix) if name in sidecars else file)
        elif not stat.S_ISDIR(found.st_mode):  # else: became a folder; the next walk enters it
            wanted.append(SkippedPath(path, _special(found.st_mode), is_folder=False))
    if undecodable:
        wanted += _undecodable(undecodable, prefix, taken={entry.name for entry in listed})
    return wanted


def _narrowed(entry: _Entry, narrowing: Narrowing) -> tuple[_Entry, ...]:
    size_bytes = entry.size_bytes if isinstance(entry, FoundFile) else None
    if not narrowing.leaves_out(entry.path, size_bytes):
        return (entry,)
    whole = LeftOut(entry.path, NOT_THIS_TIME)
    # Its parts, which the catalog may know, do not follow at once: `a.txt` comes before `a//part`.
    return (whole,) if whole.is_folder else (whole, LeftOut(f"{entry.path}//", NOT_THIS_TIME))


def _sidecars(
    listed: list[os.DirEntry[str]], prefix: str, rules: IgnoreRules
) -> dict[str, os.DirEntry[str]]:
    """Name of a file -> the sidecar that lies beside it; of two of them the first by name."""
    names: set[str] | None = None
    sidecars: dict[str, os.DirEntry[str]] = {}
    for entry in listed:
        # Folders without sidecars, that is nearly all, must not pay for them.
        if ".meta." not in entry.name or (base := sidecar_of(entry.name)) is None:
            continue
        names = names or {entry.name for entry in listed if not _is_folder(entry)}
        if base in names and not rules.ignores(prefix + entry.name, False):
            first = sidecars.setdefault(base, entry)
            sidecars[base] = min(first, entry, key=attrgetter("name"))
    return sidecars


def _described(file: FoundFile, sidecar: os.DirEntry[str], prefix: str) -> FoundFile:
    try:
        mtime = sidecar.stat().st_mtime
    except OSError:
        mtime = 0.0  # reading it will say why
    return file._replace(sidecar=prefix + sidecar.name, sidecar_mtime=mtime)


def _folder(entry: os.DirEntry[str], path: str) -> _Subfolder | SkippedPath:
    if not entry.is_symlink():
        return _Subfolder(path + "/")
    reason = "a symbolic link to a folder, which is not followed; move the folder itself here"
    return SkippedPath(path + "/", reason, is_folder=True)


def _undecodable(
    entries: list[os.DirEntry[str]], prefix: str, taken: set[str]
) -> Iterator[SkippedPath]:
    """Names that are not UTF-8, under printable names that nothing else in the folder has."""
    for entry in sorted(entries, key=attrgetter("name")):
        printable = os.fsencode(entry.name).decode("utf-8", "backslashreplace")
        while printable in taken:
            printable += "?"
        taken.add(printable)
        is_folder = _is_folder(entry)
        path = prefix + printable + ("/" if is_folder else "")
        yield SkippedPath(path, "its name is not valid UTF-8; rename it", is_folder)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link into nowhere; measuring it tells why


def _unreadable_folder(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "permission denied; give yourself read and search rights on it (chmod u+rx)"
    if error.errno == errno.ENAMETOOLONG:
        return "its path is too long for the system; move it further up"
    return f"it cannot be read ({error.strerror or error}); check the disk and scan again"


def _unreadable_file(error: OSError, entry: os.DirEntry[str]) -> str | None:
    is_gone = isinstance(error, FileNotFoundError | NotADirectoryError)
    if is_gone:
        is_link = entry.is_symlink()
        return "a broken symbolic link; remove it or point it at a file" if is_link else None
    if isinstance(error, PermissionError):
        return "permission denied; give yourself search rights on its folder (chmod u+x)"
    if error.errno == errno.ELOOP:
        return "a symbolic link that leads back to itself; remove it or point it at a file"
    return f"it cannot be examined ({error.strerror or error}); check the disk and scan again"


def _special(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a named pipe, not a file; there is nothing to index"
    if stat.S_ISSOCK(mode):
        return "a socket, not a file; there is nothing to index"
    return "a device, not a file; there is nothing to index"
