"""The audit trail of one file."""

from __future__ import annotations

from dataclasses import dataclass

from objlib.catalog.part_names import part_number
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import audit_trail, get_file, parts_of_file
from objlib.catalog.readings import parts_not_read
from objlib.catalog.records import FileRecord, TransitionRecord
from objlib.service.files import find_file


@dataclass(frozen=True, slots=True)
class Trail:
    """The moves of one row of the catalog, and the row as it is now."""

    record: FileRecord
    #: Oldest first, those under earlier paths too.
    moves: tuple[TransitionRecord, ...]
    #: Parts of the file that its document lacks, because they could not be read.
    not_read: tuple[str, ...] = ()

    @property
    def part(self) -> int | None:
        """Number of the part, counted from 1; None for a file that goes up as a whole."""
        return part_number(self.record.file_path)


@dataclass(frozen=True, slots=True)
class History:
    """All that the catalog has written down about one file."""

    #: Path in the library.
    file: str
    #: None for a file that only ever went up in parts.
    whole: Trail | None
    #: A trail for each part of a text that is too long for one document.
    parts: tuple[Trail, ...]

    @property
    def trails(self) -> tuple[Trail, ...]:
        """The trail of the file, and those of its parts."""
        return (*((self.whole,) if self.whole is not None else ()), *self.parts)


async def history_of(catalog: Catalog, said: str) -> History:
    """Return the history of a file that is named by its path in the library, or on disk.

    Raises:
        ConfigurationError: the catalog has no such file; the message names near ones.
    """
    file = await find_file(catalog, said)
    whole = await get_file(catalog, file)
    return History(
        file,
        await _trail(catalog, whole) if whole is not None else None,
        tuple([await _trail(catalog, part) for part in await parts_of_file(catalog, file)]),
    )


async def _trail(catalog: Catalog, record: FileRecord) -> Trail:
    path = record.file_path
    moves = await audit_trail(catalog, path)
    return Trail(record, tuple(moves), await parts_not_read(catalog, path))
