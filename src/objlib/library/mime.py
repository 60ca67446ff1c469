"""What a file is sent as, or why it is not sent.

The extension decides, the first bytes may object. Text of every kind that has no better home
goes as `text/plain`: of the many types the API lists, its validation accepts few, and text under
a rare name is refused with a 400 (github.com/googleapis/python-genai/issues/1900).
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import PurePosixPath

import puremagic

#: One document in File Search, https://ai.google.dev/gemini-api/docs/file-search
MAX_DOCUMENT_BYTES = 100 * 1024 * 1024

#: Enough of a file's beginning for `mime_type_of` to judge by.
HEAD_BYTES = 8192

TEXT_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".mkd": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "text/html",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".xml": "text/xml",
    ".rtf": "text/rtf",
}

_ZIP = (b"PK\x03\x04",)
_OLE = (b"\xd0\xcf\x11\xe0",)
_OFFICE = "application/vnd.openxmlformats-officedocument."

#: Extension -> type, and how such a file begins.
DOCUMENT_TYPES: dict[str, tuple[str, tuple[bytes, ...]]] = {
    ".pdf": ("application/pdf", (b"%PDF-",)),
    ".docx": (_OFFICE + "wordprocessingml.document", _ZIP),
    ".dotx": (_OFFICE + "wordprocessingml.template", _ZIP),
    ".pptx": (_OFFICE + "presentationml.presentation", _ZIP),
    ".xlsx": (_OFFICE + "spreadsheetml.sheet", _ZIP),
    ".odt": ("application/vnd.oasis.opendocument.text", _ZIP),
    ".doc": ("application/msword", (*_OLE, b"{\\rtf")),
    ".xls": ("application/vnd.ms-excel", _OLE),
}

_KINDS = {
    "a sound recording": "mp3 wav flac ogg oga opus m4a aac wma aif aiff mid midi",
    "a video": "mp4 m4v mov avi mkv webm wmv mpg mpeg flv 3gp",
    "an image": "png jpg jpeg gif bmp tif tiff webp heic heif avif ico psd svg raw cr2 nef",
    "an archive": "zip gz tgz bz2 xz zst 7z rar tar lz4 iso dmg jar",
    "a program": "exe dll so dylib o a lib class pyc wasm bin msi app deb rpm apk",
    "a database": "db sqlite sqlite3 mdb accdb",
    "an e-book": "epub mobi azw azw3",
    "a font": "ttf otf woff woff2",
}
REFUSED_EXTENSIONS = {f".{ext}": kind for kind, exts in _KINDS.items() for ext in exts.split()}

_ADVICE = {
    "a sound recording": "add a transcript instead",
    "a video": "add a transcript instead",
    "an archive": "unpack it here",
    "an e-book": "convert it to text or PDF",
}

_TEXT_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Control characters other than those texts use: tab, newline, form feed, backspace, escape, EOF.
_CONTROLS = bytes(byte for byte in range(0x20) if byte not in b"\t\n\r\f\x08\x1b\x1a")
#: Old encodings have no NULs and hardly a control character; compressed bytes have one in ten.
_CONTROL_SHARE_MAX = 0.02


@dataclass(frozen=True, slots=True)
class Accepted:
    mime_type: str


@dataclass(frozen=True, slots=True)
class Unsupported:
    #: One line for people.
    reason: str


def mime_type_of(name: str, head: bytes) -> Accepted | Unsupported:
    """The type to send a file under, judged by its name and its first `HEAD_BYTES` bytes."""
    suffix = PurePosixPath(name).suffix.lower()
    if kind := REFUSED_EXTENSIONS.get(suffix):
        return _unsupported(kind)
    if suffix in DOCUMENT_TYPES:
        mime_type, beginnings = DOCUMENT_TYPES[suffix]
        if any(beginning in head[:1024] for beginning in beginnings):
            return Accepted(mime_type)
        return Unsupported(f"it is called {suffix} but does not begin like one; open it and check")
    if kind := _kind_by_content(head):
        return _unsupported(kind, f", whatever its name {suffix} says" if suffix else "")
    return Accepted(TEXT_TYPES.get(suffix, "text/plain"))


def size_problem(size_bytes: int) -> str | None:
    """Why a file of this size is not sent, or None."""
    if size_bytes == 0:
        return "the file is empty"
    if size_bytes > MAX_DOCUMENT_BYTES:
        size_mb = size_bytes / 1024 / 1024
        return f"{size_mb:,.1f} MB is more than the 100 MB a document may have; split it"
    return None


def _unsupported(kind: str, addition: str = "") -> Unsupported:
    advice = _ADVICE.get(kind)
    return Unsupported(f"{kind}{addition}, not a text" + (f"; {advice}" if advice else ""))


def _kind_by_content(head: bytes) -> str | None:
    """What the bytes are when they are no text; None for text."""
    if head.startswith(b"%PDF-"):
        return "a PDF"  # its beginning may be all text
    if head.startswith(_TEXT_BOMS) or _looks_like_text(head):
        return None
    if head.startswith(_ZIP):
        return "a ZIP archive or an office document"
    return _kind_by_signature(head)


def _kind_by_signature(head: bytes) -> str:
    """puremagic's word. It is asked only about what is no text: "BM" also opens "BM is short"."""
    try:
        match = puremagic.magic_string(head)[0]
    except (puremagic.PureError, ValueError, IndexError):
        return "binary data of an unknown kind"
    if kind := REFUSED_EXTENSIONS.get(match.extension.lower()):
        return kind
    by_top = {"image": "an image", "audio": "a sound recording", "video": "a video"}
    return by_top.get(match.mime_type.partition("/")[0], f"binary data ({match.name})")


def _looks_like_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return controls <= len(head) * _CONTROL_SHARE_MAX
