"""Opening what is a ZIP archive inside, without being blown up by it."""

from __future__ import annotations

import io
import zipfile

from objlib.formats.errors import Unreadable

#: More than any honest document has: 100 MB as sent, text compressed five to one.
UNPACKED_BYTES_MAX = 500 * 1024 * 1024
#: Beyond a first megabyte; XML of office documents is compressed ten to fifty to one.
RATIO_MAX = 200
MEMBERS_MAX = 20_000


def opened(content: bytes) -> zipfile.ZipFile:
    """The archive, once its directory has been found harmless.

    No more than the size in the directory is ever unpacked of a member, so the directory can be
    believed.

    Raises:
        Unreadable: it is no archive, it is encrypted, or it would grow beyond all bounds.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except zipfile.BadZipFile as error:
        raise Unreadable("The document is damaged: it is no ZIP archive.") from error
    members = archive.infolist()
    if any(member.flag_bits & 0x1 for member in members):
        raise Unreadable("The document is encrypted.")
    size = sum(member.file_size for member in members)
    too_dense = size > 1024 * 1024 and size > RATIO_MAX * max(1, len(content))
    if size > UNPACKED_BYTES_MAX or len(members) > MEMBERS_MAX or too_dense:
        raise Unreadable("The document is too large once it is unpacked.")
    return archive


def guarded(content: bytes) -> io.BytesIO:
    """The bytes of an archive that was found harmless, for a library that opens it itself."""
    opened(content).close()
    return io.BytesIO(content)
