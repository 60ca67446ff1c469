"""What is sent for one file: its bytes, its type, its checksum and its metadata.

Text goes up as UTF-8 whatever its encoding on disk, with an identity header, because names and
metadata are not searchable at the API. Everything else goes up as it is. The file on disk is never
touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from objlib.catalog.records import FileRecord
from objlib.errors import LibraryGone
from objlib.library.hashing import FileChanged, Fingerprint, sha256_file
from objlib.library.identity import HEADER_VERSION, decode_text, identity_header, upload_key

#: Types whose bytes are text that people read: decoded, given a header, sent as UTF-8.
HEADED_TYPES = frozenset({"text/plain", "text/markdown"})

_TEXT_VERSION = 1

KEY, PATH, SHA256, LIBRARY = "objlib_key", "objlib_path", "objlib_sha256", "objlib_library"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the files are, whose they are, and whether their texts get an identity header."""

    root: Path
    library_id: str
    identity_header: bool = True

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

    def open(self) -> io.IOBase:
        """The content from its beginning, for one attempt; the caller closes it."""
        return self.path.open("rb") if self.body is None else io.BytesIO(self.body)


def prepare(record: FileRecord, source: Source) -> Payload:
    """Read a file as it is now.

    Raises:
        OSError: it is gone or cannot be read.
        FileChanged: it was written to while it was being read.
    """
    path = source.root / record.file_path
    mime_type = _mime_type(record)
    if mime_type not in HEADED_TYPES:
        fingerprint = sha256_file(path)
        return Payload(path, None, fingerprint.sha256_hex, mime_type, fingerprint)
    content, fingerprint = _read(path)
    header = identity_header(record.file_path, record.metadata) if source.identity_header else ""
    body = (header + decode_text(content)).encode("utf-8")
    return Payload(path, body, hashlib.sha256(body).hexdigest(), mime_type, fingerprint)


def key_of(record: FileRecord, source: Source, content_hash: str) -> str:
    """The upload key of a file with this content."""
    headed = source.identity_header and _mime_type(record) in HEADED_TYPES
    treatment = f"text:{_TEXT_VERSION} header:{HEADER_VERSION if headed else 0}"
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


def _read(path: Path) -> tuple[bytes, Fingerprint]:
    before = path.stat()
    if not stat.S_ISREG(before.st_mode):  # a named pipe would be read for ever
        raise OSError(f"{path}: not a regular file any more; scan again")
    content = path.read_bytes()
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise FileChanged(path)
    digest = hashlib.sha256(content).hexdigest()
    return content, Fingerprint(digest, len(content), after.st_mtime)
