"""The files of a library that are wanted: the one place that says what a scan takes."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from objlib.formats.hook import KEPT_TEXTS, NO_HOOKS, Hooks
from objlib.library.mime import VERDICTS_VERSION
from objlib.library.narrowing import Narrowing
from objlib.library.unasked import unasked_rules
from objlib.library.walk import FoundFile, LeftOut, SkippedPath, walk

#: The reason for leaving out what objlib itself is writing at that moment.
OWN = "written by objlib"

_SPECIAL = re.compile(r"([\\*?[\]!# ])")


@dataclass(frozen=True, slots=True)
class Selection:
    """The wishes about the files of a library.

    Args:
        links_to: folders outside of the library that links to files may lead into.
        hidden: hidden files and folders are wanted, too.
        gitignore: the rules of `.gitignore` hold, too.
        own: paths and descriptors of files that this process writes; where they lie in the library
            they are none of it, or each scan would find them changed by the one before.
        hooks: commands that make text of files; these are wanted, whatever they are.
        pictures: the store takes some.
        narrowing: what this run alone leaves out; it is neither new nor missing.
    """

    links_to: tuple[Path, ...] = ()
    hidden: bool = False
    gitignore: bool = False
    own: tuple[Path | int, ...] = ()
    hooks: Hooks = NO_HOOKS
    pictures: bool = False
    narrowing: Narrowing | None = None

    @property
    def verdicts(self) -> str:
        """The version of the verdicts on files; with another one, others may be sent."""
        patterns = " ".join(hook.pattern for hook in self.hooks.hooks)
        return f"{VERDICTS_VERSION} {'pictures ' if self.pictures else ''}{patterns}".strip()

    def walk(
        self, root: Path, database: Path | None
    ) -> Iterator[FoundFile | SkippedPath | LeftOut]:
        """Walk a library, in the order and with the errors of `objlib.library.walk.walk`.

        Args:
            database: the catalog's file. It, other databases beside it and their backups are left
                out without a word.
        """
        rules = unasked_rules(hidden=self.hidden)
        if self.gitignore:
            rules = replace(rules, files=(".gitignore", *rules.files))
        inside = root.resolve()
        if database is not None and database.is_relative_to(inside):
            name = _SPECIAL.sub(r"\\\1", database.name)
            endings = ("", "-*", ".*.bak", KEPT_TEXTS)
            patterns = [f"/{db}{end}" for db in ("*.db", name) for end in endings]
            folder = database.parent.relative_to(inside).as_posix()
            rules = rules.within("" if folder == "." else folder, patterns)
        walked = walk(root, rules, self.links_to, self.narrowing)
        own = set(filter(None, map(_regular, self.own)))
        return _without(walked, own) if own else walked


USUAL = Selection()


def fingerprint(walked: Iterator[FoundFile | SkippedPath | LeftOut]) -> bytes:
    """Return a digest of all that a walk finds: another one when a scan would find a change."""
    digest = hashlib.blake2b(digest_size=16)
    for entry in walked:
        if not isinstance(entry, LeftOut):
            digest.update(repr(entry).encode("utf-8", "surrogatepass"))
    return digest.digest()


def _regular(file: Path | int) -> tuple[int, int] | None:
    """Return device and inode of a file; None for what is not there, or no file."""
    try:
        found = os.stat(file)  # noqa: PTH116 - it may be a descriptor
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _without(
    walked: Iterator[FoundFile | SkippedPath | LeftOut], own: set[tuple[int, int]]
) -> Iterator[FoundFile | SkippedPath | LeftOut]:
    for entry in walked:
        is_own = isinstance(entry, FoundFile) and (entry.device, entry.inode) in own
        yield LeftOut(entry.path, OWN) if is_own else entry
