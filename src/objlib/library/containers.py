"""Tells the kind of an archive or of an older Office document by its directory alone.

Nothing is unpacked, and no more is read than a few megabytes, so an archive that would blow up does
no harm here.

The standard library's `zipfile` is not used: it builds an object for each member of a directory of
any size and refuses a directory that is damaged in one entry, while this module reads at most four
megabytes and keeps the names before the damage. `olefile` would be one more dependency for a few
lines: the names that tell the kind of a compound file stand in one sector.

Sources: APPNOTE.TXT, PKWARE, sections 4.3.7, 4.3.12, 4.3.15, 4.3.16 (ZIP); [MS-CFB], Microsoft,
sections 2.2 and 2.6 (compound files); OpenDocument 1.3, part 2, section 3.3, and EPUB OCF 3.3 (the
first member, `mimetype`, says what the archive is).
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

#: Of a ZIP archive; that of an honest document has some thousand members.
DIRECTORY_BYTES_MAX = 4 * 1024 * 1024

#: An older Office document under a password, or a newer one: those hide in one of these.
ENCRYPTED = "encrypted"
#: A ZIP archive that is no document we know.
ARCHIVE = "archive"
#: A ZIP archive without a directory, as half a download is.
DAMAGED = "damaged"

ZIP, COMPOUND = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_OPENDOCUMENT = b"application/vnd.oasis.opendocument."
#: Content of the member `mimetype` -> extension. Longer ones first: some begin like others.
_DECLARED = {
    b"application/epub+zip": ".epub",
    _OPENDOCUMENT + b"text-template": ".ott",
    _OPENDOCUMENT + b"text": ".odt",
    _OPENDOCUMENT + b"presentation": ".odp",
    _OPENDOCUMENT + b"spreadsheet": ".ods",
}
#: A folder that only one kind of Office document has -> extension, and that with macros.
_OFFICE = {
    b"word/": (".docx", ".docm"),
    b"ppt/": (".pptx", ".pptm"),
    b"xl/": (".xlsx", ".xlsm"),
}
#: Name of a stream in a compound file -> extension.
_STREAMS = {
    "__properties_version1.0": ".msg",  # first: what is attached may be any of the others
    "EncryptedPackage": ENCRYPTED,
    "WordDocument": ".doc",
    "Workbook": ".xls",
    "Book": ".xls",
    "PowerPoint Document": ".ppt",
    "HwpSummaryInformation": ".hwp",
}

_END_OF_DIRECTORY, _ZIP64_LOCATOR = b"PK\x05\x06", b"PK\x06\x07"
#: The end record, and the longest comment there may be behind it.
_END_BYTES = 22 + 0xFFFF
_ENTRY_BYTES = 128
#: Entries that are looked at; what tells the kind is among the first.
_ENTRIES_BYTES = 128 * _ENTRY_BYTES


def kind_inside(file: BinaryIO, head: bytes) -> str | None:
    """The extension that a container's content deserves, such as `.docx`; or `ENCRYPTED`,
    `ARCHIVE` or `DAMAGED`. None: it is no container, or one that does not tell.

    Args:
        file: seekable; where it stands afterwards is left open.
        head: its first bytes.
    """
    if head.startswith(COMPOUND):
        return _of_compound(file, head)
    if not head.startswith(ZIP):
        return None
    names = _member_names(file)
    return DAMAGED if names is None else _declared(head) or _of_members(names)


def _declared(head: bytes) -> str | None:
    if head[30:38] != b"mimetype" or len(head) < 38:
        return None
    (extra_bytes,) = struct.unpack_from("<H", head, 28)
    content = head[38 + extra_bytes :]
    return next((kind for text, kind in _DECLARED.items() if content.startswith(text)), None)


def _of_members(names: list[bytes]) -> str | None:
    if not names:
        return None
    if b"[Content_Types].xml" in names:
        for folder, (plain, with_macros) in _OFFICE.items():
            if any(name.startswith(folder) for name in names):
                return with_macros if folder + b"vbaProject.bin" in names else plain
        return None  # of the same family, at least
    if b"META-INF/container.xml" in names:
        return ".epub"
    return None if b"content.xml" in names else ARCHIVE


def _member_names(file: BinaryIO) -> list[bytes] | None:
    """The names in a ZIP archive's directory; none where it is too large or of the 64-bit form.

    None: there is no directory.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END_BYTES))
    tail = file.read(_END_BYTES)
    end = tail.rfind(_END_OF_DIRECTORY)
    if end < 0 or len(tail) - end < 22:
        return None
    (directory_bytes,) = struct.unpack_from("<I", tail, end + 12)
    start = size - len(tail) + end - directory_bytes
    is_zip64 = tail[max(0, end - 20) : end].startswith(_ZIP64_LOCATOR)
    if directory_bytes > DIRECTORY_BYTES_MAX or is_zip64:
        return []
    if start < 0:
        return None
    file.seek(start)
    return _names_in(file.read(directory_bytes)) or None


def _names_in(directory: bytes) -> list[bytes]:
    names, place = [], 0
    while directory[place : place + 4] == b"PK\x01\x02" and place + 46 <= len(directory):
        name_bytes, extra_bytes, comment_bytes = struct.unpack_from("<HHH", directory, place + 28)
        names.append(directory[place + 46 : place + 46 + name_bytes])
        place += 46 + name_bytes + extra_bytes + comment_bytes
    return names


def _of_compound(file: BinaryIO, head: bytes) -> str | None:
    if len(head) < 52:
        return None
    (shift,) = struct.unpack_from("<H", head, 30)
    (sector,) = struct.unpack_from("<I", head, 48)
    if shift not in (9, 12):
        return None
    file.seek((sector + 1) << shift)
    entries = file.read(_ENTRIES_BYTES)
    found = {_entry_name(entries[at : at + 66]) for at in range(0, len(entries), _ENTRY_BYTES)}
    return next((kind for name, kind in _STREAMS.items() if name in found), None)


def _entry_name(entry: bytes) -> str:
    if len(entry) < 66:
        return ""
    (name_bytes,) = struct.unpack_from("<H", entry, 64)
    name = entry[: max(0, min(name_bytes, 64) - 2)].decode("utf-16-le", "replace")
    return name.lstrip("\x05")
