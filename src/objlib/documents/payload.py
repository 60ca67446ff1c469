"""What is sent for one file: its bytes, its type, its checksum and its metadata.

Text goes up as UTF-8 whatever its encoding on disk, with an identity header, because names and
metadata are not searchable at the API; and so does what has to be converted to text. Everything
else goes up as it is. The file on disk is never touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from objlib.catalog.part_names import split
from objlib.catalog.records import FileRecord
from objlib.errors import LibraryGone, NotConvertible
from objlib.library.content import read_content
from objlib.library.conversion import CONVERTERS, Converted, convert
from objlib.library.hashing import Fingerprint, sha256_file
from objlib.library.identity import HEADER_VERSION, identity_header, upload_key
from objlib.library.mime import HEADED_TYPES, MAX_DOCUMENT_BYTES
from objlib.library.reach import Opener, Reach, open_regular, without_waiting

_TEXT_VERSION = 1

KEY, PATH, SHA256, LIBRARY = "objlib_key", "objlib_path", "objlib_sha256", "objlib_library"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the files are, whose they are, and whether their texts get an identity header."""

    root: Path
    library_id: str
    identity_header: bool = True
    #: Folders outside of the library that links to files may lead into.
    links_to: tuple[Path, ...] = ()

    def check(self) -> None:
        """A file that is not there says little while nothing is.

        Raises:
            LibraryGone: the folder is missing, unreadable or empty.
        """
        with contextlib.suppress(OSError), os.scandir(self.root) as entries:
            if next(entries, None) is not None:
                return
        raise LibraryGone(
            f"the library at {self.root} is gone; is its disk mounted? Nothing was lost: what was "
            "not sent waits for the next run"
        )


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes for one version of one file: `body`, or the file itself where that is None."""

    path: Path
    body: bytes | None
    sha256: str
    mime_type: str
    fingerprint: Fingerprint
    opener: Opener = without_waiting
    #: What of the file is not in the body, in words for its owner.
    missing: tuple[str, ...] = ()

    def open(self) -> io.IOBase:
        """The content from its beginning, for one attempt; the caller closes it."""
        if self.body is not None:
            return io.BytesIO(self.body)
        return cast(io.IOBase, open_regular(self.path, self.opener))


class NoPayload(NotConvertible):
    """There is nothing that could be sent of a file as it is now.

    Args:
        fingerprint: of what was read.
    """

    def __init__(self, path: str, fingerprint: Fingerprint, problem: NotConvertible) -> None:
        super().__init__(f"{path}: {problem}")
        self.fingerprint = fingerprint


async def prepare(record: FileRecord, source: Source) -> Payload:
    """Read a file as it is now, and convert it where that must be.

    Raises:
        OSError: it is gone or cannot be read.
        FileChanged: it was written to while it was being read.
        NoPayload: it cannot be converted to text, or its text is too long for a document.
    """
    mime_type = _mime_type(record)
    name, part = split(record.file_path)
    path = source.root / name
    if mime_type not in HEADED_TYPES and mime_type not in CONVERTERS:
        opener = Reach(source.root, source.links_to).opener
        fingerprint = sha256_file(path, opener)
        return Payload(path, None, fingerprint.sha256_hex, mime_type, fingerprint, opener)
    content = read_content(source.root, record.file_path, source.links_to)
    header = identity_header(name, record.metadata, part) if source.identity_header else ""
    sent_as = mime_type if mime_type in HEADED_TYPES else "text/plain"
    try:
        if mime_type == sent_as:
            converted = Converted(content.text)
        else:
            converted = await convert(content.raw, mime_type)
        body = (header + converted.text).encode("utf-8")
        if len(body) > MAX_DOCUMENT_BYTES:
            size_mb = len(body) / 1024 / 1024
            raise NotConvertible(f"its text is {size_mb:,.1f} MB, and a document may have 100 MB")
    except NotConvertible as problem:
        raise NoPayload(record.file_path, content.fingerprint, problem) from problem
    return Payload(
        *(path, body, hashlib.sha256(body).hexdigest(), sent_as, content.fingerprint),
        missing=converted.missing,
    )


def key_of(record: FileRecord, source: Source, content_hash: str) -> str:
    """The upload key of a file with this content."""
    mime_type = _mime_type(record)
    converter = CONVERTERS.get(mime_type)
    headed = source.identity_header and (converter or mime_type in HEADED_TYPES)
    treatment = f"text:{_TEXT_VERSION} header:{HEADER_VERSION if headed else 0}"
    if converter is not None:
        treatment += f" {converter.treatment}"
    return upload_key(source.library_id, record.file_path, content_hash, record.metadata, treatment)


def is_current(record: FileRecord, source: Source) -> bool:
    """Whether the document of an indexed row is what would be sent today."""
    return record.upload_key == key_of(record, source, record.content_hash or "")


def document_metadata(
    record: FileRecord, source: Source
) -> dict[str, str | int | float | list[str]]:
    """What travels with the document: from it alone one can tell file, version and library."""
    own = {key: value for key, value in record.metadata.items() if value != ""}
    return {
        **own,
        KEY: record.upload_key or "",
        PATH: record.file_path,
        SHA256: record.content_hash or "",
        LIBRARY: source.library_id,
    }


def _mime_type(record: FileRecord) -> str:
    """Catalogs of the earlier generation did not record it."""
    return record.mime_type or "text/plain"
