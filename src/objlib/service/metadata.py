"""The metadata of one file as it would be sent today, and the origin of each entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from objlib.catalog.binding import bound_library
from objlib.catalog.protocol import Catalog
from objlib.config import Settings
from objlib.errors import ConfigurationError
from objlib.library.conversion import CONVERTERS
from objlib.library.described import (
    SIDECAR_SUFFIXES,
    BadSidecar,
    Description,
    describe,
    read_sidecar,
)
from objlib.library.front_matter import FrontMatter, front_matter_of
from objlib.library.looks import beginning_of, book_of
from objlib.library.metadata import MetadataValue
from objlib.library.mime import HOOKED_TYPE, Accepted, Unsupported, look_at
from objlib.library.parts import count_parts
from objlib.library.reach import Reach
from objlib.service.files import find_on_disk
from objlib.service.stores import takes_pictures
from objlib.threads import Offload


@dataclass(frozen=True, slots=True)
class MetadataEntry:
    """One entry of the metadata of a file."""

    key: str
    value: MetadataValue
    #: The place that it was found in: sidecar, front matter, path.
    origin: str


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """All that is sent about one file besides its text."""

    #: Path in the library.
    file: str
    #: Media type of the file on disk.
    mime_type: str
    #: Media type of what is sent: that of a text for a file that is converted.
    sent_as: str
    #: Documents that the file becomes.
    parts: int
    entries: tuple[MetadataEntry, ...]
    #: Key -> reason why that entry is not sent.
    left_out: Mapping[str, str]
    #: Lines of the front matter that are not used, with the reasons.
    bad_lines: tuple[str, ...] = ()

    @property
    def is_converted(self) -> bool:
        """True if the text of the file is sent, and not the file itself."""
        return self.sent_as != self.mime_type


async def metadata_of(
    catalog: Catalog, settings: Settings, said: str, offload: Offload
) -> FileMetadata:
    """Return the metadata of a file that is named by its path in the library, or on disk.

    Raises:
        ConfigurationError: there is no such file, it cannot be read, or it is not sent at all.
    """
    root = (await bound_library(catalog)).root
    pictures = await takes_pictures(catalog, settings)
    relative = await find_on_disk(catalog, root, said)
    try:
        return await offload(partial(_read, root, relative, settings, pictures))
    except OSError as error:
        raise ConfigurationError(f"cannot read {relative}: {error.strerror}") from error


def _read(root: Path, relative: str, settings: Settings, pictures: bool) -> FileMetadata:
    description, front_matter, mime_type = _described(root, relative, settings, pictures)
    opener = Reach(root, settings.follow_links_to).opener
    return FileMetadata(
        relative,
        mime_type,
        "text/plain" if mime_type in {*CONVERTERS, HOOKED_TYPE} else mime_type,
        count_parts(root / relative, mime_type, opener),
        tuple(
            MetadataEntry(key, value, description.origins[key])
            for key, value in description.metadata.items()
        ),
        description.left_out,
        tuple(map(str, front_matter.bad_lines)),
    )


def _described(
    root: Path, relative: str, settings: Settings, pictures: bool
) -> tuple[Description, FrontMatter, str]:
    opener = Reach(root, settings.follow_links_to).opener
    head, verdict = look_at(root / relative, opener, pictures=pictures)
    if settings.hooks().hook_for(relative) is not None:
        verdict = Accepted(HOOKED_TYPE)
    if isinstance(verdict, Unsupported):
        raise ConfigurationError(f"{relative} is not sent at all: {verdict.reason}")
    sidecar = None
    for suffix in sorted(SIDECAR_SUFFIXES):
        path = root / f"{relative}{suffix}"
        if path.is_file():
            try:
                sidecar = read_sidecar(path, opener)
            except BadSidecar as problem:
                raise ConfigurationError(f"{path}: {problem}") from problem
            break
    front_matter = front_matter_of(
        head, verdict.mime_type, lambda: beginning_of(root / relative, opener)
    )
    description = describe(
        relative,
        templates=settings.path_templates,
        front_matter=front_matter.entries,
        sidecar=sidecar,
        book=book_of(root / relative, verdict.mime_type, opener),
    )
    return description, front_matter, verdict.mime_type
