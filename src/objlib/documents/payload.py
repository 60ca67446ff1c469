"""The payload of one file: the bytes that are sent, their type, checksum and metadata.

Text goes up as UTF-8 whatever its encoding on disk, with an identity header, because names and
metadata are not searchable at the API; and so does what has to be converted to text. Everything
else goes up as it is. The file on disk is never touched.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from objlib.catalog.part_names import split
from objlib.catalog.readings import Made
from objlib.catalog.records import FileRecord
from objlib.documents.hooked import hooked_text
from objlib.documents.sending import Sending
from objlib.errors import NotConvertible
from objlib.formats.decoding import Decoding, after_all_turns, examined
from objlib.formats.hook import NO_HOOKS, Hooks
from objlib.library.content import Content, Span, fingerprinted, opened, read_content
from objlib.library.conversion import CONVERTERS, READERS, Converter, convert
from objlib.library.hashing import Fingerprint, sha256_file
from objlib.library.identity import HEADER_VERSION, identity_header, upload_key
from objlib.library.mime import HEADED_TYPES, HOOKED_TYPE, MAX_DOCUMENT_BYTES
from objlib.library.reach import Opener, Reach, open_regular, without_waiting
from objlib.library.root import library_gone
from objlib.threads import LIGHT_BYTES, Offload, in_place

_TEXT_VERSION = 1
_PIECE_CHARS = 512 * 1024
#: Longer texts are not held in memory.
_HELD_BYTES_MAX = 1024 * 1024

#: The entries of a document's metadata that are ours.
KEY = "objlib_key"
PATH = "objlib_path"
SHA256 = "objlib_sha256"
LIBRARY = "objlib_library"


@dataclass(frozen=True, slots=True)
class Source:
    """The library that files come from."""

    #: Its folder.
    root: Path
    #: Its id, which travels with each document.
    library_id: str
    #: Texts get an identity header on their way up.
    identity_header: bool = True
    #: Folders outside of the library that links to files may lead into.
    links_to: tuple[Path, ...] = ()
    #: Where large files are read, decoded and hashed.
    offload: Offload = in_place
    #: The store is the embedded one, so what is sent as it is, is read by readers of ours, too.
    is_read_here: bool = False
    #: Commands that make text of files that nothing here reads.
    hooks: Hooks = NO_HOOKS

    def check(self) -> None:
        """Make sure that the folder is there: without it, a missing file means nothing.

        Raises:
            LibraryGone: the folder is missing, unreadable or empty.
        """
        with contextlib.suppress(OSError), os.scandir(self.root) as entries:
            if next(entries, None) is not None:
                return
        raise library_gone(self.root)


@dataclass(frozen=True, slots=True)
class LongText:
    """The way to make the bytes to send from a text that is not held in memory."""

    header: bytes
    decoding: Decoding
    #: The place of the text in its file.
    offset: int
    size_bytes: int
    #: The byte order mark of the file, where the text begins further on in it.
    mark: bytes

    def pieces(self, span: Iterable[bytes]) -> Iterator[bytes]:
        """The bytes to send."""
        yield self.header
        yield from self.decoding.as_utf_8(span)


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes for one version of one file."""

    #: The file on disk.
    path: Path
    #: The bytes to send; None for those that are read once more when they are sent.
    body: bytes | None
    #: The number of the bytes to send.
    size_bytes: int
    #: Hex digest of the bytes to send.
    sha256: str
    #: The type to send them as.
    mime_type: str
    #: Of the file as it was read.
    fingerprint: Fingerprint
    opener: Opener = without_waiting
    #: None for a file that is sent as it is.
    text: LongText | None = None
    #: How the text in the body was made, where it was.
    made: Made | None = None

    def open(self) -> io.IOBase:
        """Open the content for one attempt; the caller closes it.

        Reading raises `IntegrityError` where it is no longer what was hashed.
        """
        if self.body is not None:
            return io.BytesIO(self.body)
        file = open_regular(self.path, self.opener)
        return Sending(
            file,
            lambda: self._pieces(file),
            size_bytes=self.size_bytes,
            sha256=self.sha256,
            path=self.path,
        )

    def _pieces(self, file: BinaryIO) -> Iterator[bytes]:
        status = os.fstat(file.fileno())
        if (text := self.text) is None:
            return iter(Span(file, status, 0, self.size_bytes))
        return text.pieces(Span(file, status, text.offset, text.size_bytes, text.mark))


class NoPayload(NotConvertible):
    """There is nothing that could be sent of a file as it is now.

    Args:
        fingerprint: of what was read.
    """

    def __init__(self, path: str, fingerprint: Fingerprint, problem: NotConvertible) -> None:
        super().__init__(f"{path}: {problem}", may_pass=problem.may_pass)
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
    offload = source.offload if (record.file_size or 0) > LIGHT_BYTES else in_place
    opener = Reach(source.root, source.links_to).opener
    if _is_hooked(record, source):
        return await _made_by_a_command(record, source, opener)
    if mime_type not in HEADED_TYPES and mime_type not in CONVERTERS:
        seen = await offload(lambda: sha256_file(path, opener))
        reader = READERS.get(mime_type) if source.is_read_here else None
        made = Made(reader.treatment, (), seen.size_bytes) if reader is not None else None
        sent = (path, None, seen.size_bytes, seen.sha256_hex)
        return Payload(*sent, mime_type, seen, opener, made=made)
    header = identity_header(name, record.metadata, part) if source.identity_header else ""
    if mime_type in HEADED_TYPES:
        return await offload(lambda: _of_text(record, source, path, header, mime_type))
    content = await offload(lambda: read_content(source.root, record.file_path, source.links_to))
    try:
        converted = await convert(content.raw, mime_type)
        body, digest = await offload(lambda: _encoded(header, converted.text))
    except NotConvertible as problem:
        raise NoPayload(record.file_path, content.fingerprint, problem) from problem
    made = Made(CONVERTERS[mime_type].treatment, converted.missing, len(body))
    return Payload(
        path,
        body,
        len(body),
        digest,
        "text/plain",
        content.fingerprint,
        made=made,
    )


def _of_text(
    record: FileRecord, source: Source, path: Path, header: str, mime_type: str
) -> Payload:
    """Read a text. A long one is not held: it is read and decoded once more when it is sent."""
    opener = Reach(source.root, source.links_to).opener
    with opened(source.root, record.file_path, source.links_to) as span:
        if span.size_bytes <= _HELD_BYTES_MAX:
            raw, seen = fingerprinted(span, path, b"".join)
            try:
                body, digest = _encoded(header, Content(raw, seen, span.mark).text)
            except NotConvertible as problem:
                raise NoPayload(record.file_path, seen, problem) from problem
            return Payload(path, body, len(body), digest, mime_type, seen)
        decoding = after_all_turns(examined(span))
        text = LongText(header.encode(), decoding, span.offset, span.size_bytes, span.mark)
        (digest, size_bytes), seen = fingerprinted(
            span, path, lambda pieces: _hashed(text.pieces(chain((span.mark,), pieces)))
        )
    try:
        _check_size(size_bytes)
    except NotConvertible as problem:
        raise NoPayload(record.file_path, seen, problem) from problem
    return Payload(path, None, size_bytes, digest, mime_type, seen, opener, text)


def _hashed(pieces: Iterable[bytes]) -> tuple[str, int]:
    digest, size_bytes = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size_bytes += len(piece)
    return digest.hexdigest(), size_bytes


def _is_hooked(record: FileRecord, source: Source) -> bool:
    name, part = split(record.file_path)
    is_wanted = source.hooks.hook_for(name) is not None and part is None
    return is_wanted or record.mime_type == HOOKED_TYPE


async def _made_by_a_command(record: FileRecord, source: Source, opener: Opener) -> Payload:
    name, path = record.file_path, source.root / record.file_path
    seen = await source.offload(lambda: sha256_file(path, opener))
    header = identity_header(name, record.metadata) if source.identity_header else ""
    try:
        text = await hooked_text(source.hooks, source.hooks.hook_for(name), path, opener, seen)
        body, digest = await source.offload(lambda: _encoded(header, text))
    except NotConvertible as problem:
        raise NoPayload(record.file_path, seen, problem) from problem
    return Payload(path, body, len(body), digest, "text/plain", seen)


def _encoded(header: str, text: str) -> tuple[bytes, str]:
    """Header and text in UTF-8, and their SHA-256. Encoded piece by piece: an interpreter that is
    encoding fifty megabytes in one go lets no other thread run."""
    pieces = [header.encode("utf-8")]
    for begin in range(0, len(text), _PIECE_CHARS):
        pieces.append(text[begin : begin + _PIECE_CHARS].encode("utf-8"))
    body = b"".join(pieces)
    _check_size(len(body))
    return body, hashlib.sha256(body).hexdigest()


def _check_size(size_bytes: int) -> None:
    if size_bytes > MAX_DOCUMENT_BYTES:
        size_mb = size_bytes / 1024 / 1024
        raise NotConvertible(f"its text is {size_mb:,.1f} MB, and a document may have 100 MB")


def reader_of(record: FileRecord, source: Source) -> str:
    """Return which version of its reader has made the document of an indexed row.

    Empty where that cannot be told: it was made under another path, or with other metadata.
    """
    newest = _reader_for(_mime_type(record), source)
    assert newest is not None, "it is asked of what has a reader"
    for version in range(newest.version, 0, -1):
        reader = replace(newest, version=version)
        if key_of(record, source, record.content_hash or "", reader) == record.upload_key:
            return reader.treatment
    return ""


def key_of(
    record: FileRecord, source: Source, content_hash: str, reader: Converter | None = None
) -> str:
    """Return the upload key of a file with this content.

    Args:
        reader: another one than that of its type.
    """
    mime_type = _mime_type(record)
    reader = reader or _reader_for(mime_type, source)
    is_hooked, is_converted = _is_hooked(record, source), mime_type in CONVERTERS
    headed = source.identity_header and (is_hooked or is_converted or mime_type in HEADED_TYPES)
    treatment = f"text:{_TEXT_VERSION} header:{HEADER_VERSION if headed else 0}"
    if is_hooked:
        hook = source.hooks.hook_for(record.file_path)
        treatment += f" {hook.treatment if hook else 'hook'}"
    elif reader is not None and (is_converted or reader.version > 1):
        treatment += f" {reader.treatment}"
    return upload_key(source.library_id, record.file_path, content_hash, record.metadata, treatment)


def _reader_for(mime_type: str, source: Source) -> Converter | None:
    return CONVERTERS.get(mime_type) or (READERS.get(mime_type) if source.is_read_here else None)


def is_current(record: FileRecord, source: Source) -> bool:
    """Return True if the document of an indexed row is what would be sent today."""
    return record.upload_key == key_of(record, source, record.content_hash or "")


def document_metadata(
    record: FileRecord, source: Source
) -> dict[str, str | int | float | list[str]]:
    """Return the metadata of a document; from it alone one can tell file, version and library."""
    own = {key: value for key, value in record.metadata.items() if value != ""}
    return {
        **own,
        KEY: record.upload_key or "",
        PATH: record.file_path,
        SHA256: record.content_hash or "",
        LIBRARY: source.library_id,
    }


def _mime_type(record: FileRecord) -> str:
    return record.mime_type or "text/plain"  # the earlier generation did not record it
