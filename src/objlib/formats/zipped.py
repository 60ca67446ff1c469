"""Opening what is a ZIP archive inside, without being blown up by it."""

from __future__ import annotations

import io
import os
import posixpath
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO, Self
from urllib.parse import unquote

from objlib.formats.reading import Unreadable

#: More than any honest document has: 100 MB as sent, text compressed five to one.
UNPACKED_BYTES_MAX = 500 * 1024 * 1024
#: Beyond a first megabyte; XML of office documents is compressed ten to fifty to one.
RATIO_MAX = 200
MEMBERS_MAX = 20_000
#: Of a directory: some thousand members have less.
DIRECTORY_BYTES_MAX = 2 * 1024 * 1024
#: The end of an archive, with the longest comment there may be; and what stands before it where
#: another, larger directory counts.
_END_BYTES, _ZIP64 = 22 + 0xFFFF, b"PK\x06\x07"
#: How a document under a password begins: Office puts it into a compound file.
_COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(frozen=True)
class Archive:
    """The members of an archive, found by names that need not be quite right."""

    file: zipfile.ZipFile

    @cached_property
    def names(self) -> dict[str, str]:
        """Each member's name by the name in lower case, without escapes."""
        return {_simple(name): name for name in reversed(self.file.namelist())}

    def find(self, path: str, base: str = "") -> str | None:
        """Return the member that a reference leads to; None where it leads nowhere.

        Args:
            path: may be absolute, escaped, in another case, with a fragment.
            base: the member that the reference stands in.
        """
        path = path.partition("#")[0].replace("\\", "/")
        joined = posixpath.normpath(posixpath.join("/", posixpath.dirname(base), path))
        exact = joined.lstrip("/")
        if exact in self.file.NameToInfo:
            return exact
        return self.names.get(_simple(exact))

    def read(self, name: str) -> bytes:
        """Return the content of a member. Raise `Unreadable` if it is damaged."""
        try:
            return self.file.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise Unreadable(f"The document is damaged: {name} cannot be unpacked.") from error

    def beginning(self, name: str, size_bytes: int) -> bytes:
        """Return no more than the first bytes of a member. Raise `Unreadable` if it is damaged."""
        try:
            with self.file.open(name) as member:
                return member.read(size_bytes)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise Unreadable(f"The document is damaged: {name} cannot be unpacked.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def opened(content: bytes) -> Archive:
    """Return the archive, once its directory has been found harmless.

    No more than the size in the directory is ever unpacked of a member, so the directory can be
    believed.

    Raises:
        Unreadable: it is no archive, it is encrypted, or it would grow beyond all bounds.
    """
    if content.startswith(_COMPOUND) and "EncryptedPackage".encode("utf-16-le") in content:
        raise Unreadable("The document is encrypted; save it without a password.")
    return _harmless(io.BytesIO(content), len(content))


def opened_on_disk(file: BinaryIO) -> Archive:
    """Return the archive in an open file, of which not even the directory is read if it is large.

    Raises:
        Unreadable: as `opened`.
    """
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(max(0, size_bytes - _END_BYTES))
    tail = file.read(_END_BYTES)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) - end < 22:
        raise Unreadable("The document is damaged: it is no ZIP archive.")
    (directory_bytes,) = struct.unpack_from("<I", tail, end + 12)
    if directory_bytes > DIRECTORY_BYTES_MAX or tail[max(0, end - 20) : end].startswith(_ZIP64):
        raise Unreadable("The document has too many parts.")
    return _harmless(file, size_bytes)


def _harmless(file: BinaryIO, size_bytes: int) -> Archive:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise Unreadable("The document is damaged: it is no ZIP archive.") from error
    members = archive.infolist()
    if any(member.flag_bits & 0x1 for member in members):
        raise Unreadable("The document is encrypted; save it without a password.")
    size = sum(member.file_size for member in members)
    too_dense = size > 1024 * 1024 and size > RATIO_MAX * max(1, size_bytes)
    if size > UNPACKED_BYTES_MAX or len(members) > MEMBERS_MAX or too_dense:
        raise Unreadable("The document is too large once it is unpacked.")
    return Archive(archive)


def _simple(name: str) -> str:
    return unquote(name).lstrip("/").casefold()
