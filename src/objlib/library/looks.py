"""One look at one file: its kind, its hash and what is said about it, as facts for its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from objlib.catalog.part_names import file_of
from objlib.catalog.writes import FileFacts
from objlib.formats.hook import NO_HOOKS, Hooks
from objlib.library import hashing
from objlib.library.described import BadSidecar, describe, read_sidecar
from objlib.library.front_matter import FRONT_MATTER_BYTES_MAX, front_matter_of
from objlib.library.hashing import FileChanged, Stretch
from objlib.library.metadata import MetadataValue, PathTemplate, extract_metadata
from objlib.library.mime import (
    HEAD_BYTES,
    HOOKED_TYPE,
    Accepted,
    Unsupported,
    judged,
    size_problem,
)
from objlib.library.reach import Opener, open_regular
from objlib.library.unread import why_unread
from objlib.library.walk import FoundFile

#: Types of books that may name their title and their authors.
BOOK_TYPES = frozenset(
    {
        "application/epub+zip",
        "application/x-fictionbook+xml",
        "application/x-zip-compressed-fb2",
    }
)


@dataclass(frozen=True, slots=True)
class Looks:
    """Looks at the files of one library.

    Args:
        bad_sidecars: filled with sidecars that cannot be read, and why.
        bad_lines: filled with the texts whose front matter has lines that are not understood.
    """

    root: Path
    templates: Sequence[PathTemplate]
    opener: Opener
    bad_sidecars: dict[str, str]
    bad_lines: dict[str, Sequence[str]]
    hooks: Hooks = NO_HOOKS
    #: The store takes pictures.
    pictures: bool = False

    def look_into(self, found: FoundFile, *, is_known: bool) -> FileFacts | None:
        """Read a file once, for its type, its own metadata and its hash."""
        verdict: Accepted | Unsupported | None = None
        path = f"{self.root}/{file_of(found.path)}"
        hook = self.hooks.hook_for(found.path) if found.part is None else None
        problem = None if hook and found.size_bytes else size_problem(found.size_bytes)

        def is_wanted(head: bytes) -> bool:
            nonlocal verdict
            verdict = (
                Accepted(HOOKED_TYPE)
                if hook
                else judged(path, head, self.opener, pictures=self.pictures)
            )
            return isinstance(verdict, Accepted) and not problem

        if not found.size_bytes:
            return self._unread(found, str(problem))
        try:
            look = hashing.look_into(path, HEAD_BYTES, is_wanted, _stretch(found), self.opener)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, FileChanged) as error:
            # Its time is not recorded, so that the next scan tries again: giving permission changes
            # neither size nor time.
            return replace(self._unread(found, why_unread(error)), mtime=None)
        if isinstance(verdict, Unsupported):
            # Of what does not lie with the file the time is not recorded either.
            unread = self._unread(found, verdict.reason)
            return replace(unread, mtime=None) if verdict.may_pass else unread
        if look.fingerprint is None:
            return self._unread(found, str(problem))
        assert verdict is not None, "it was judged"
        try:
            described = self._metadata_of(found, look.head, verdict.mime_type, is_known)
        except OSError as error:  # it was there a moment ago
            return replace(self._unread(found, why_unread(error)), mtime=None)
        metadata, sidecar_mtime = described
        return FileFacts(
            found.path,
            size_bytes=look.fingerprint.size_bytes,
            mtime=look.fingerprint.mtime,
            inode=found.inode,
            ctime=look.fingerprint.ctime,
            device=found.device,
            content_hash=look.fingerprint.sha256_hex,
            mime_type=verdict.mime_type,
            metadata=metadata,
            sidecar_mtime=sidecar_mtime,
        )

    def _unread(self, found: FoundFile, reason: str) -> FileFacts:
        """Facts about a file that are known without opening it."""
        return FileFacts(
            found.path,
            size_bytes=found.size_bytes,
            mtime=found.mtime,
            inode=found.inode,
            ctime=found.ctime,
            device=found.device,
            metadata=extract_metadata(file_of(found.path), self.templates),
            skip_reason=reason,
            sidecar_mtime=found.sidecar_mtime,
        )

    def _metadata_of(
        self, found: FoundFile, head: bytes, mime_type: str, is_known: bool
    ) -> tuple[dict[str, MetadataValue] | None, float | None]:
        """Return the metadata of a file and the time of its sidecar; None for what is not known."""
        try:
            beside = found.sidecar and self.root / found.sidecar
            sidecar = read_sidecar(beside, self.opener) if beside else None
        except BadSidecar as problem:
            self.bad_sidecars[str(found.sidecar)] = str(problem)
            # Its time is not recorded, so that the next scan tries again.
            path = file_of(found.path)
            return None if is_known else extract_metadata(path, self.templates), None
        path = file_of(found.path)
        said = front_matter_of(head, mime_type, lambda: beginning_of(self.root / path, self.opener))
        if said.bad_lines:
            self.bad_lines[path] = [str(line) for line in said.bad_lines]
        described = describe(
            path,
            templates=self.templates,
            front_matter=said.entries,
            sidecar=sidecar,
            book=book_of(self.root / path, mime_type, self.opener),
        )
        return described.metadata, found.sidecar_mtime


def book_of(path: Path, mime_type: str, opener: Opener) -> dict[str, str | list[str]]:
    """Return what a book says of itself; nothing for other files. Raises `OSError`."""
    if mime_type not in BOOK_TYPES:
        return {}
    from objlib.formats.about import about  # with it comes lxml, of no use to most libraries

    with open_regular(path, opener) as file:
        return about(file, mime_type)


def beginning_of(path: Path, opener: Opener) -> bytes:
    """Read as much of a file as its front matter may take. Raises `OSError`."""
    with open_regular(path, opener) as file:
        return file.read(FRONT_MATTER_BYTES_MAX)


def _stretch(found: FoundFile) -> Stretch | None:
    part = found.part
    return None if part is None else Stretch(part.offset, part.size_bytes, found.mtime)
