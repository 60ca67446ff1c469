"""What a document is called, in its text and by its key.

Names and metadata are not embedded by the API, so what must be findable is written into the text:

    [objlib:1]
    title: Why Arches Stand
    course: The Craft of Bridges
    path: The Craft of Bridges/Year 1/Q1/Week 1 - Why Arches Stand.txt
    [/objlib]

    The text itself.

The markers hold no white space, so a chunker that cuts between words leaves them whole.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress

from charset_normalizer import from_bytes

from objlib.library.metadata import MetadataValue

#: Part of the treatment in the upload key: raise it when the form of the header changes.
HEADER_VERSION = 1

UPLOAD_KEY_CHARS = 26

_BEGIN = f"[objlib:{HEADER_VERSION}]"
_BEGIN_OF_ANY_VERSION = "[objlib:"
_END = "[/objlib]"
_AFTER_HEADER = "\n\n"

#: The UTF-32 marks come first, because one of them begins like UTF-16's.
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

#: What files without a mark were written in before UTF-8. DOS code pages other than the Russian one
#: are left out: they make sense of any Western text, and wrongly.
_LEGACY_ENCODINGS = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("iso8859_2", "iso8859_5", "koi8_r", "koi8_u", "cp866", "mac_cyrillic"),
    *("gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp874"),
)
_TIE = 0.1
_PIECE_BYTES = 1024 * 1024

_ASCII = bytes(range(0x80))
#: At most one damaged place in twenty bytes beyond ASCII: it was UTF-8 once.
_DAMAGE_DIVISOR = 20


def identity_header(
    path: str, metadata: Mapping[str, MetadataValue], part: int | None = None
) -> str:
    """The block that goes before a text: title first, the other fields by name, the path last.

    Args:
        part: which part of the file this is. Of how many is not said, or what is appended to a file
            would change them all.
    """
    names = sorted(metadata, key=lambda name: (name != "title", name))
    fields = [(name, _one_line(metadata[name])) for name in names]
    place = [("path", _one_line(path)), ("part", str(part or ""))]
    lines = [f"{name}: {value}" for name, value in (*fields, *place) if value]
    return "\n".join((_BEGIN, *lines, _END)) + _AFTER_HEADER


def strip_identity_header(passage: str) -> str:
    """A retrieved passage without the header, whole or cut off at either end.

    Chunks may begin or end inside the header. A text that holds neither marker is left as it is,
    and so is a marker in the midst of a text: a header holds no empty line.
    """
    while (rest := _without_one_header(passage)) != passage:
        passage = rest
    return passage


def decode_text(content: bytes) -> str:
    """The text in a file's bytes; never raises.

    A byte order mark decides (UTF-8, UTF-16, UTF-32), then strict UTF-8, then UTF-8 with a few
    damaged places, then what charset-normalizer finds most plausible. The last resort is
    Windows-1252 with U+FFFD for the five bytes it leaves undefined: most old Western texts are in
    it, and ASCII survives.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    with suppress(UnicodeDecodeError):
        return "".join(_pieces(content))
    text = content.decode("utf-8", errors="replace")
    beyond_ascii = len(content.translate(None, _ASCII))
    if text.count("\ufffd") * _DAMAGE_DIVISOR <= beyond_ascii:
        return text
    matches = from_bytes(content, cp_isolation=list(_LEGACY_ENCODINGS))
    best = matches.best()
    if best is None:
        return content.decode("cp1252", errors="replace")
    # Several encodings often read as plausibly; of those the Western one is by far the likeliest.
    for match in matches:
        as_plausible = match.chaos <= best.chaos + _TIE and match.coherence >= best.coherence - _TIE
        if as_plausible and "cp1252" in match.could_be_from_charset:
            return str(match)
    return str(best)


def _pieces(content: bytes) -> Iterator[str]:
    """UTF-8, strictly, piece by piece: decoding fifty megabytes in one go lets no thread run."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for begin in range(0, len(content), _PIECE_BYTES):
        yield decoder.decode(content[begin : begin + _PIECE_BYTES])
    yield decoder.decode(b"", final=True)


def upload_key(
    library_id: str,
    path: str,
    content_hash: str,
    metadata: Mapping[str, MetadataValue],
    treatment: str,
) -> str:
    """The identity of one version of one file: 26 characters of `[a-z2-7]`, fit for `files/<key>`.

    Args:
        library_id: tells apart two libraries that share a store.
        path: relative to the library's root.
        content_hash: SHA-256 of the file on disk, in hex.
        metadata: what is sent along; its order does not matter.
        treatment: what is done to the content on the way up (converter, header version).
    """
    identity = [library_id, path, content_hash, dict(metadata), treatment]
    canonical = json.dumps(
        identity, ensure_ascii=True, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    digest = hashlib.sha256(canonical.encode("ascii")).digest()
    return base64.b32encode(digest).decode("ascii").lower()[:UPLOAD_KEY_CHARS]


def _one_line(value: MetadataValue) -> str:
    """A value that can neither break the line nor pass for a marker."""
    plain = ", ".join(value) if isinstance(value, list) else str(value)
    text = " ".join(plain.split())
    return text.replace(_BEGIN_OF_ANY_VERSION, "(objlib:").replace(_END, "(/objlib)")


def _without_one_header(passage: str) -> str:
    before, end, rest = passage.partition(_END)
    is_header = before.startswith(_BEGIN_OF_ANY_VERSION)
    if "\n\n" in before or (not is_header and _BEGIN_OF_ANY_VERSION in before):
        return passage
    if end:
        return rest.removeprefix(_AFTER_HEADER) if rest.startswith(_AFTER_HEADER) else rest.lstrip()
    return "" if is_header else passage
