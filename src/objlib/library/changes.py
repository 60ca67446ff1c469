"""Two snapshots, disk and catalog, become changes: a merge of two sorted streams, pure and O(1).

A file is Suspect, not changed, when its size, mtime, inode or ctime differ, or its sidecar does:
only a closer look can tell. A program can set the mtime back, but not the ctime. What lies under a
folder that could not be read is Unreadable, never Missing: not seeing a file is no proof that it is
gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from objlib.library.mime import HOOKED_TYPE
from objlib.library.narrowing import NOT_THIS_TIME
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
    #: Its content was read, or there is a reason why not.
    is_judged: bool
    is_deleted: bool
    skip_reason: str | None
    sidecar_mtime: float | None = None
    #: The last scan could not read it.
    is_unread: bool = False
    #: The MIME type of a file that is not in the store.
    unsent_type: str | None = None

    @property
    def depends_on_verdict(self) -> bool:
        """True if another verdict may make another row: it is not sent, or a command is to help."""
        return self.skip_reason is not None or self.unsent_type == HOOKED_TYPE


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
    """It lies under a folder, or is a part of a text, that could not be read.

    Nothing is known about it.
    """

    known: KnownFile
    skipped: SkippedPath


@dataclass(frozen=True, slots=True)
class Unasked:
    """It is known, and now only a default leaves it out."""

    known: KnownFile


@dataclass(frozen=True, slots=True)
class Held:
    """It is known, and this run leaves it as it is, whether it is there or not."""

    known: KnownFile


Change: TypeAlias = (
    New
    | Suspect
    | Unchanged
    | Confirmed
    | Missing
    | Skipped
    | Unreadable
    | Unasked
    | Held
    | LeftOut
)


def compare(
    found: Iterable[FoundFile | SkippedPath | LeftOut],
    known: Iterable[KnownFile],
    is_held: Callable[[str], bool] = lambda _path: False,
) -> Iterator[Change]:
    """Yield the changes between the catalog's snapshot and the disk's, in the order of paths.

    Both inputs ascend strictly by the code points of `path`, as `walk` and SQLite's BINARY order
    do. The device is not compared: its number may change whenever a disk is mounted. What a default
    leaves out is passed on.

    Args:
        is_held: whether this run leaves a known path as it is.

    Raises:
        ValueError: an input does not ascend; going on would report files as missing.
    """
    disk, catalog = _ascending(found), _ascending(known)
    here, there = next(disk, None), next(catalog, None)
    left_out, why = "/", ""  # the folder last seen that is left out, and its reason
    unreadable: SkippedPath | None = None  # the folder last seen that could not be read
    while here is not None or there is not None:
        if here is None or (there is not None and there.path < here.path):
            assert there is not None
            is_left_out = there.path.startswith(left_out)
            if is_held(there.path) or (is_left_out and why == NOT_THIS_TIME):
                yield Held(there)
            elif not there.is_deleted:
                if is_left_out:
                    yield Unasked(there)
                elif unreadable is not None and there.path.startswith(unreadable.path):
                    yield Unreadable(there, unreadable)
                else:
                    yield Missing(there)
            there = next(catalog, None)
            continue
        same = there if there is not None and there.path == here.path else None
        if isinstance(here, FoundFile):
            yield New(here) if same is None else _seen_again(here, same)
        elif isinstance(here, SkippedPath):
            yield Skipped(here, same)
            unreadable = here if here.is_folder else unreadable
        else:
            yield here
            if same is not None and here.reason == NOT_THIS_TIME:
                yield Held(same)
            elif same is not None and not same.is_deleted:
                yield Unasked(same)
            left_out, why = here.path.rstrip("/") + "/", here.reason  # of a file: its parts
        here = next(disk, None)
        there = there if same is None else next(catalog, None)


def _seen_again(found: FoundFile, known: KnownFile) -> Change:
    # Path, size, time and inode, which both begin with; the ctime comes next.
    is_same = found[:4] == known[:4] and found.sidecar_mtime == known.sidecar_mtime
    if not is_same or not known.is_judged or known.is_deleted:
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
