"""The text of a file as its library has it today, for people to read."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from objlib.catalog.binding import bound_library
from objlib.catalog.part_names import file_of, part_number
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import files_by_key
from objlib.catalog.records import FileRecord
from objlib.config import Settings
from objlib.errors import ConfigurationError, NotConvertible
from objlib.formats import NoText, Reading
from objlib.formats.isolated import read_isolated
from objlib.library.content import read_content
from objlib.library.hashing import FileChanged
from objlib.library.mime import HOOKED_TYPE
from objlib.library.reach import Reach, open_regular
from objlib.states import State
from objlib.threads import in_thread

#: Types whose bytes are their text.
_PLAIN = {"text/plain", "text/markdown"}
#: Types that a browser shows by itself, and that run nothing.
SHOWN_INLINE = {"application/pdf", "image/png", "image/jpeg", "image/gif", "image/webp"}


#: Documents whose text is kept, and their characters together.
_KEPT, _KEPT_CHARS = 8, 20_000_000


@dataclass(slots=True)
class Readings:
    """The texts of the documents that were read last: a PDF is converted once for all its pages.

    They are kept by content, so a file that changed is read again.
    """

    _kept: OrderedDict[tuple[str, str], Reading] = field(default_factory=OrderedDict)
    #: One at a time: whoever asks for the same document meanwhile finds it read.
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def of(self, raw: bytes, sha256_hex: str, mime_type: str) -> Reading:
        """Return what is in a document. Raises what `read_isolated` does."""
        key = (sha256_hex, mime_type)
        if key not in self._kept:
            async with self._turn:
                if key not in self._kept:
                    self._keep(key, await read_isolated(raw, mime_type))
        self._kept.move_to_end(key)
        return self._kept[key]

    def _keep(self, key: tuple[str, str], reading: Reading) -> None:
        self._kept[key] = reading
        sizes = {one: _chars(kept) for one, kept in self._kept.items()}
        while len(sizes) > 1 and (len(sizes) > _KEPT or sum(sizes.values()) > _KEPT_CHARS):
            oldest, _ = self._kept.popitem(last=False)
            del sizes[oldest]


def _chars(reading: Reading) -> int:
    return sum(len(page.text) for page in reading.pages)


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file, or of a part of a long one."""

    record: FileRecord
    #: Path of the file in the library.
    file: str
    #: Number of the part, from 1, where the file goes up in parts.
    part: int | None
    text: str
    #: The file has changed since what the store has of it was read.
    has_changed: bool
    #: Offset in `text` -> page that begins there, where the file has pages.
    pages: tuple[tuple[int, int], ...] = ()

    #: Offset in `text` -> name of the slide or sheet that begins there.
    places: tuple[tuple[int, str | None], ...] = ()

    def place_at(self, offset: int) -> str | None:
        """Return the slide or sheet that a character is on."""
        before = [name for start, name in self.places if start <= offset]
        return before[-1] if before else None

    def page_at(self, offset: int) -> int | None:
        """Return the page that a character is on."""
        before = [page for start, page in self.pages if start <= offset]
        return before[-1] if before else None


async def row_of(catalog: Catalog, key: str) -> FileRecord:
    """Return the row of an upload key.

    Raises:
        ConfigurationError: no file has this key; it may be of an older version.
    """
    row = (await files_by_key(catalog, [key])).get(key)
    if row is None:
        raise ConfigurationError(
            "no file of this library has that key today: it changed, or it is gone"
        )
    return row


async def text_of(catalog: Catalog, settings: Settings, key: str, readings: Readings) -> FileText:
    """Read the file of an upload key as it is now.

    Args:
        readings: the documents that were read last.

    Raises:
        ConfigurationError: no file has this key, or it cannot be read.
    """
    row = await row_of(catalog, key)
    root = (await bound_library(catalog)).root
    path, mime_type = file_of(row.file_path), row.mime_type or "text/plain"
    try:
        content = await in_thread(
            lambda: read_content(root, row.file_path, settings.follow_links_to)
        )
        has_changed = (
            content.fingerprint.sha256_hex != row.content_hash
            or row.gemini_state is not State.INDEXED
        )
        number = part_number(row.file_path)
        if mime_type == HOOKED_TYPE:
            text = await _kept_text(settings, root, path, content.fingerprint.sha256_hex)
            return FileText(row, path, number, text, has_changed)
        if mime_type in _PLAIN:
            return FileText(row, path, number, content.text, has_changed)
        reading = await readings.of(content.raw, content.fingerprint.sha256_hex, mime_type)
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path} is gone from the library's folder") from error
    except (OSError, FileChanged) as error:
        raise ConfigurationError(f"{path} cannot be read now: {error}") from error
    except (NoText, NotConvertible) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    pieces, pages, places, offset = [], [], [], 0
    for page in reading.pages:
        if page.number is not None:
            pages.append((offset, page.number))
        places.append((offset, page.name))
        pieces.append(page.text)
        offset += len(page.text) + 2
    return FileText(
        row, path, number, "\n\n".join(pieces), has_changed, tuple(pages), tuple(places)
    )


async def _kept_text(settings: Settings, root: Path, path: str, sha256_hex: str) -> str:
    """Return the text that a command of the user has made of a file. Whoever reads runs nothing."""
    hooks = settings.hooks(root)
    hook = hooks.hook_for(path)
    text = None if hook is None else await hooks.kept_text(hook, path, sha256_hex)
    if text is None:
        raise ConfigurationError(
            f"{path} is read by a command, and its text is not kept here; upload it again"
        )
    return text


@dataclass(frozen=True, slots=True)
class Original:
    """A file of the library, open for reading."""

    name: str
    mime_type: str
    size_bytes: int
    content: BinaryIO

    @property
    def is_shown(self) -> bool:
        """True for what a browser shows without running anything in it."""
        return self.mime_type in SHOWN_INLINE or self.mime_type in _PLAIN


async def original_of(catalog: Catalog, settings: Settings, key: str) -> Original:
    """Open the file of an upload key: below the library's folder, through no link out of it.

    Raises:
        ConfigurationError: no file has this key, or it cannot be opened.
    """
    row = await row_of(catalog, key)
    root = (await bound_library(catalog)).root
    path = file_of(row.file_path)
    opener = Reach(root, settings.follow_links_to).opener
    try:
        content = await in_thread(lambda: open_regular(root / path, opener))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be opened: {error.strerror or error}") from error
    size = content.seek(0, 2)
    content.seek(0)
    return Original(Path(path).name, row.mime_type or "text/plain", size, content)
