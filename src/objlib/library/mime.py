"""The MIME type a file is sent as, or the reason why it is not sent.

The extension decides, the content may object. Where the extension says nothing (`talk.pdf_old`,
`report`), the content decides. Text of every kind that has no better home goes as `text/plain`: of
the many types the API lists, its validation accepts few, and text under a rare name is refused with
a 400 (github.com/googleapis/python-genai/issues/1900). What the API does not take but can be read
is accepted under its own type and converted on the way up (`objlib.library.conversion`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import puremagic

from objlib.formats.declared import decoded
from objlib.formats.decoding import decode_text, is_text
from objlib.formats.pictures import SIDE_PIXELS_MAX, Picture, picture_in, picture_type
from objlib.library.containers import ARCHIVE, COMPOUND, DAMAGED, ENCRYPTED, ZIP, kind_inside
from objlib.library.reach import Opener, open_regular, without_waiting

#: Raise it when a verdict changes: files that could not be sent are then looked at again.
VERDICTS_VERSION = 4

#: One document in File Search, https://ai.google.dev/gemini-api/docs/file-search
MAX_DOCUMENT_BYTES = 100 * 1024 * 1024

#: Enough of a file's beginning for `mime_type_of` to judge by.
HEAD_BYTES = 8192

#: The type of a file that a command of the user makes text of, whatever it is.
HOOKED_TYPE = "application/x-objlib-convert"

#: Types whose bytes are text that people read: decoded, given a header, sent as UTF-8, in parts
#: where it is too long for one document.
HEADED_TYPES = frozenset({"text/plain", "text/markdown"})

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
#: Extensions that promise plain text, so that other content under them is a lie.
PLAIN_EXTENSIONS = frozenset(
    f".{name}"
    for name in (
        "txt text asc log rst tex bib org adoc yaml yml toml ini cfg conf css js ts py rb pl sh "
        "bat c h cpp hpp cs java go rs swift kt sql r lua php srt vtt ics vcf"
    ).split()
)

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPENDOCUMENT = "application/vnd.oasis.opendocument."
_PDF, _RTF = b"%PDF-", b"{\\rtf"
#: A PDF by its beginning: a header, then bytes that are no ASCII in a comment, or an object.
_IS_PDF = re.compile(
    rb"%PDF-\d\.\d\s*(?:\Z|%[^\r\n]*[\x80-\xff]|(?:%[^\r\n]*\s+)*\d+\s+\d+\s+obj\b)"
)
_PDF_END_BYTES = 2048
#: What `mime_type_of` is told of a PDF that its beginning does not tell.
PDF = "pdf"
#: Extension -> type, and how such a file begins.
DOCUMENT_TYPES: dict[str, tuple[str, bytes]] = {
    ".pdf": ("application/pdf", _PDF),
    ".docx": (_OFFICE + "wordprocessingml.document", ZIP),
    ".dotx": (_OFFICE + "wordprocessingml.template", ZIP),
    ".pptx": (_OFFICE + "presentationml.presentation", ZIP),
    ".xlsx": (_OFFICE + "spreadsheetml.sheet", ZIP),
    ".odt": (_OPENDOCUMENT + "text", ZIP),
    ".doc": ("application/msword", COMPOUND),
    ".xls": ("application/vnd.ms-excel", COMPOUND),
    ".hwp": ("application/x-hwp-v5", COMPOUND),
    # Converted on the way up:
    ".epub": ("application/epub+zip", ZIP),
    ".fb2.zip": ("application/x-zip-compressed-fb2", ZIP),
    ".fbz": ("application/x-zip-compressed-fb2", ZIP),
    ".ott": (_OPENDOCUMENT + "text-template", ZIP),
    ".odp": (_OPENDOCUMENT + "presentation", ZIP),
    ".ods": (_OPENDOCUMENT + "spreadsheet", ZIP),
    ".docm": ("application/vnd.ms-word.document.macroenabled.12", ZIP),
    ".dotm": ("application/vnd.ms-word.template.macroenabled.12", ZIP),
    ".pptm": ("application/vnd.ms-powerpoint.presentation.macroenabled.12", ZIP),
    ".ppsx": (_OFFICE + "presentationml.slideshow", ZIP),
    ".potx": (_OFFICE + "presentationml.template", ZIP),
    ".xlsm": ("application/vnd.ms-excel.sheet.macroenabled.12", ZIP),
    ".xltx": (_OFFICE + "spreadsheetml.template", ZIP),
    ".msg": ("application/vnd.ms-outlook", COMPOUND),
    ".oft": ("application/vnd.ms-outlook", COMPOUND),
}
#: Old texts are called .doc, and pages that were exported for Office .doc and .xls.
_NAMES_FROM_BEFORE = frozenset({".doc", ".xls"})
_PAGE = re.compile(r"\s*<(?:!doctype html|html)\b", re.IGNORECASE)
_HEADERS = re.compile(r"(?:\d+\s*\n)?(?:From [^\n]*\n)?[!-9;-~]+[ \t]*:")
_MAILBOX = re.compile(r"From \S[^\n]*\d{4}[^\n]*\n[!-9;-~]+[ \t]*:")
#: Extension -> type, and how such a text begins. One that begins otherwise goes up as it stands.
MARKED_UP_TYPES: dict[str, tuple[str, re.Pattern[str]]] = {
    ".fb2": ("application/x-fictionbook+xml", re.compile(r"<\?xml|<(\w+:)?FictionBook|<!--")),
    ".ipynb": ("application/x-ipynb+json", re.compile(r"\{")),
    ".eml": ("message/rfc822", _HEADERS),
    ".emlx": ("message/rfc822", _HEADERS),
    ".mbox": ("application/mbox", _MAILBOX),
    ".mht": ("multipart/related", _HEADERS),
    ".mhtml": ("multipart/related", _HEADERS),
}
#: Extensions whose archives look alike inside.
_ALIKE = (
    {".docx", ".dotx", ".docm", ".dotm"},
    {".pptx", ".pptm", ".ppsx", ".potx"},
    {".xlsx", ".xlsm", ".xltx"},
    {".odt", ".ott"},
    {".msg", ".oft"},
    {".fb2.zip", ".fbz", ARCHIVE},
)

_KINDS = {
    "a sound recording": "mp3 wav flac ogg oga opus m4a aac wma aif aiff mid midi",
    "a video": "mp4 m4v mov avi mkv webm wmv mpg mpeg flv 3gp",
    "an image": "png jpg jpeg gif bmp tif tiff webp heic heif avif ico psd svg raw cr2 nef",
    "an archive": "zip gz tgz bz2 xz zst 7z rar tar lz4 iso dmg jar",
    "a program": "exe dll so dylib o a lib class pyc wasm bin msi app deb rpm apk",
    "a database": "db sqlite sqlite3 mdb accdb",
    "an e-book for Kindle": "mobi azw azw3 kfx",
    "a scanned book": "djvu djv",
    "an older PowerPoint document": "ppt pps",
    "a binary Excel document": "xlsb",
    "a font": "ttf otf woff woff2",
}
REFUSED_EXTENSIONS = {f".{ext}": kind for kind, exts in _KINDS.items() for ext in exts.split()}

#: Of those the ones that texts have, too: "Section 3.a", "Notes v1.o", "data.bin".
_TEXTS_TOO = frozenset({".a", ".o", ".app", ".bin", ".class", ".db", ".lib", ".raw"})

_ADVICE = {
    "a sound recording": "add a transcript instead",
    "a video": "add a transcript instead",
    "an archive": "unpack it here",
    "an e-book for Kindle": "convert it to EPUB",
    "a scanned book": "convert it to PDF",
    "an older PowerPoint document": "save it as .pptx or PDF",
    "a binary Excel document": "save it as .xlsx",
}


#: Extensions that say something else than a picture, which is a mistake to be told.
_TELLING = frozenset({*TEXT_TYPES, *PLAIN_EXTENSIONS, *DOCUMENT_TYPES, *MARKED_UP_TYPES})
_PICTURE = "an image, not a text; only a store that is made for pictures takes it"


@dataclass(frozen=True, slots=True)
class Accepted:
    mime_type: str


@dataclass(frozen=True, slots=True)
class Unsupported:
    #: One line for people.
    reason: str
    #: It is not the file's fault.
    may_pass: bool = False


def look_at(
    path: Path, opener: Opener = without_waiting, *, pictures: bool = False
) -> tuple[bytes, Accepted | Unsupported]:
    """The first bytes of a file on disk, and the verdict on it. Raises `OSError`."""
    with open_regular(path, opener) as file:
        head = file.read(HEAD_BYTES)
    return head, judged(path, head, opener, pictures=pictures)


def judged(
    path: Path | str, head: bytes, opener: Opener = without_waiting, *, pictures: bool = False
) -> Accepted | Unsupported:
    """The verdict on a file on disk; of an archive its directory is read.

    Args:
        head: its first `HEAD_BYTES` bytes.
        pictures: the store takes some.

    Raises:
        OSError: it cannot be read.
    """
    inside = None
    if head.startswith(_PDF) and is_text(head) and not _IS_PDF.match(head):
        with open_regular(path, opener) as file:
            inside = PDF if _ends_as_pdf(file) else None
    if (kind := picture_type(head)) and _suffix_of(str(path)) not in _TELLING:
        if not pictures:
            return Unsupported(_PICTURE)
        with open_regular(path, opener) as file:
            return _judged_picture(kind, picture_in(file))
    if head.startswith((ZIP, COMPOUND)):
        with open_regular(path, opener) as file:
            inside = kind_inside(file, head)
    return mime_type_of(str(path), head, inside)


def mime_type_of(name: str, head: bytes, inside: str | None = None) -> Accepted | Unsupported:
    """The type to send a file under, judged by its name and its content.

    Args:
        head: its first `HEAD_BYTES` bytes.
        inside: what `kind_inside` says of it; or `PDF`.
    """
    suffix = _suffix_of(name)
    if (kind := REFUSED_EXTENSIONS.get(suffix)) and not (suffix in _TEXTS_TOO and is_text(head)):
        return _unsupported(kind)
    if suffix in DOCUMENT_TYPES:
        return _promised(suffix, head, inside)
    is_known = suffix in TEXT_TYPES or suffix in PLAIN_EXTENSIONS or suffix in MARKED_UP_TYPES
    if not is_known and (shown := _shown_by(head, inside)) is not None:
        return _type_of(shown)
    if (marked_up := _marked_up(suffix, head)) is not None:
        return Accepted(marked_up)
    if kind := _kind_by_content(head, inside):
        return _unsupported(kind, f", whatever its name {suffix} says" if suffix else "")
    return Accepted(TEXT_TYPES.get(suffix, "text/plain"))


def _ends_as_pdf(file: BinaryIO) -> bool:
    """Return True for a PDF by its end: a text that begins with `%PDF-` has another one."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - _PDF_END_BYTES))
    end = file.read(_PDF_END_BYTES)
    return b"startxref" in end or b"%%EOF" in end


def _judged_picture(kind: str, picture: Picture | None) -> Accepted | Unsupported:
    if picture is None:
        return Unsupported("the image is damaged; get it again")
    if picture.is_too_large:
        most = f"{SIDE_PIXELS_MAX:,}"
        return Unsupported(
            f"the image has {picture.width:,} x {picture.height:,} pixels, and the store takes"
            f" {most} x {most}; scale it down"
        )
    return Accepted(kind)


def size_problem(size_bytes: int) -> str | None:
    """Why a file of this size is not sent, or None."""
    if size_bytes == 0:
        return "the file is empty"
    if size_bytes > MAX_DOCUMENT_BYTES:
        size_mb = size_bytes / 1024 / 1024
        return f"{size_mb:,.1f} MB is more than the 100 MB a document may have; split it"
    return None


def _suffix_of(name: str) -> str:
    lower = PurePosixPath(name).name.lower()
    return ".fb2.zip" if lower.endswith(".fb2.zip") else PurePosixPath(lower).suffix


def _marked_up(suffix: str, head: bytes) -> str | None:
    """The type of a text that is converted; None for one that goes up as it stands."""
    if suffix not in MARKED_UP_TYPES:
        # A mailbox has no extension in most mail programs.
        is_mailbox = head.startswith(b"From ") and _MAILBOX.match(decode_text(head))
        return MARKED_UP_TYPES[".mbox"][0] if is_mailbox and suffix not in TEXT_TYPES else None
    mime_type, beginning = MARKED_UP_TYPES[suffix]
    return mime_type if beginning.match(decoded(head).lstrip()) else None


def _promised(suffix: str, head: bytes, inside: str | None) -> Accepted | Unsupported:
    """The verdict on a file whose extension says what must be in it."""
    mime_type, beginning = DOCUMENT_TYPES[suffix]
    if inside == ENCRYPTED:
        return Unsupported("it is encrypted; save it without a password")
    if suffix == ".doc" and head.startswith(_RTF):  # as Word saves it, too
        return Accepted(TEXT_TYPES[".rtf"])
    if suffix in _NAMES_FROM_BEFORE and is_text(head):
        is_page = _PAGE.match(decoded(head)) is not None
        return Accepted("text/html" if is_page else "text/plain")
    if beginning not in head[:1024]:
        return Unsupported(f"it is called {suffix} but does not begin like one; open it and check")
    if inside == DAMAGED:  # or it is still being copied
        reason = "it is damaged or not complete, its end is missing; get it again"
        return Unsupported(reason, may_pass=True)
    if inside is None or inside == suffix or any({inside, suffix} <= alike for alike in _ALIKE):
        return Accepted(mime_type)
    if inside == ARCHIVE:
        return Unsupported(f"it is called {suffix} but is another kind of archive; unpack it here")
    return Unsupported(f"it is called {suffix} but holds what a {inside} does; rename it")


def _shown_by(head: bytes, inside: str | None) -> str | None:
    """The extension that a content deserves, of those that can be told for certain."""
    if inside not in (None, ARCHIVE, DAMAGED, PDF):
        return inside
    if inside == PDF or _IS_PDF.match(head) or (head.startswith(_PDF) and not is_text(head)):
        return ".pdf"
    return ".rtf" if head.startswith(_RTF) else None


def _type_of(suffix: str) -> Accepted | Unsupported:
    if suffix == ENCRYPTED:
        return Unsupported("it is encrypted; save it without a password")
    if kind := REFUSED_EXTENSIONS.get(suffix):
        return _unsupported(kind)
    known = DOCUMENT_TYPES.get(suffix)
    return Accepted(known[0] if known else TEXT_TYPES[suffix])


def _unsupported(kind: str, addition: str = "") -> Unsupported:
    advice = _ADVICE.get(kind)
    return Unsupported(f"{kind}{addition}, not a text" + (f"; {advice}" if advice else ""))


def _kind_by_content(head: bytes, inside: str | None) -> str | None:
    """Return the kind of bytes that are no text; None for text."""
    if inside == PDF or _IS_PDF.match(head):
        return "a PDF"  # its beginning may be all text
    if is_text(head):
        return None
    if head.startswith(_PDF):
        return "a PDF"
    if not head.strip(b"\0"):
        return "nothing but empty bytes"
    if head.startswith(ZIP):
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
