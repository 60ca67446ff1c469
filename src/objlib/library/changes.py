"""Two snapshots, disk and catalog, become changes: a merge of two sorted streams, pure and O(1).

A file is Suspect, not changed, when its size, mtime, inode or ctime differ, or its sidecar does:
only a closer look can tell. A program can set the mtime back, but not the ctime. What lies under a
folder that could not be read is Unreadable, never Missing: not seeing a file is no proof that it is
gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from objlib.library.walk import FoundFile, LeftOut, SkippedPath


class KnownFile(NamedTuple):
    """The facts that the catalog remembers of a path; None means "never recorded".

    The fields stand as `queries.stream_known_files` selects them.
    """

    path: str
    size_bytes: int | None
    mtime: float | None
    inode: int | None
    ctime: int | None
    device: int | None
    content_hash: str | None
    is_deleted: bool
    skip_reason: str | None
    sidecar_mtime: float | None = None
    #: The last scan could not read it.
    is_unread: bool = False


@dataclass(frozen=True, slots=True)
class New:
    found: FoundFile


@dataclass(frozen=True, slots=True)
class Suspect:
    """Hash it to know whether it changed; also a file that was deleted and is back."""

    found: FoundFile
    known: KnownFile


class Unchanged(NamedTuple):
    found: FoundFile
    known: KnownFile


@dataclass(frozen=True, slots=True)
class Confirmed:
    """It is unchanged, and its row has yet to say so: its ctime was never recorded, or it lay in a
    folder that could not be read."""

    found: FoundFile
    known: KnownFile


@dataclass(frozen=True, slots=True)
class Missing:
    known: KnownFile


@dataclass(frozen=True, slots=True)
class Skipped:
    skipped: SkippedPath
    known: KnownFile | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """It lies under a folder that could not be read: nothing is known about it."""

    known: KnownFile


@dataclass(frozen=True, slots=True)
class Unasked:
    """It is known, and now only a default leaves it out."""

    known: KnownFile


Change: TypeAlias = New | Suspect | Unchanged | Confirmed | Missing | Skipped | Unreadable | Unasked


def compare(
    found: Iterable[FoundFile | SkippedPath | LeftOut], known: Iterable[KnownFile]
) -> Iterator[Change]:
    """Yield the changes between the catalog's snapshot and the disk's, in the order of paths.

    Both inputs ascend strictly by the code points of `path`, as `walk` and SQLite's BINARY order
    do. The device is not compared: its number may change whenever a disk is mounted.

    Raises:
        ValueError: an input does not ascend; going on would report files as missing.
    """
    disk, catalog = _ascending(found), _ascending(known)
    here, there = next(disk, None), next(catalog, None)
    left_out = "/"  # the folder last seen that only a default leaves out
    unreadable = ""  # the folder last seen that could not be read
    while here is not None or there is not None:
        if there is None or (here is not None and here.path < there.path):
            assert here is not None
            if not isinstance(here, LeftOut):
                yield New(here) if isinstance(here, FoundFile) else Skipped(here, None)
        elif here is None or there.path < here.path:
            if not there.is_deleted:
                is_hidden = unreadable and there.path.startswith(unreadable)
                if there.path.startswith(left_out):
                    yield Unasked(there)
                else:
                    yield Unreadable(there) if is_hidden else Missing(there)
            there = next(catalog, None)
            continue
        else:
            if not isinstance(here, LeftOut):
                yield _seen_again(here, there)
            elif not there.is_deleted:
                yield Unasked(there)
            there = next(catalog, None)
        if isinstance(here, SkippedPath) and here.is_folder:
            unreadable = here.path
        elif isinstance(here, LeftOut):
            left_out = here.path.rstrip("/") + "/"  # of a file: its parts
        here = next(disk, None)


def _seen_again(found: FoundFile | SkippedPath, known: KnownFile) -> Change:
    if isinstance(found, SkippedPath):
        return Skipped(found, known)
    # Path, size, time and inode, which both begin with; the ctime comes next.
    is_same = found[:4] == known[:4] and found.sidecar_mtime == known.sidecar_mtime
    was_judged = known.content_hash is not None or known.skip_reason is not None
    if not is_same or not was_judged or known.is_deleted:
        return Suspect(found, known)
    if found.ctime == known.ctime and not known.is_unread:
        return Unchanged(found, known)
    if known.ctime is None or found.ctime == known.ctime:
        return Confirmed(found, known)
    return Suspect(found, known)


class _HasPath(Protocol):
    @property
    def path(self) -> str: ...


_P = TypeVar("_P", bound=_HasPath)


def _ascending(items: Iterable[_P]) -> Iterator[_P]:
    last: str | None = None
    for item in items:
        if last is not None and item.path <= last:
            raise ValueError(f"paths must ascend strictly, but {item.path!r} follows {last!r}")
        last = item.path
        yield item
