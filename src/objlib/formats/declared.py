"""The encoding that a web page or an XML document declares for itself."""

from __future__ import annotations

import codecs
import re
from contextlib import suppress

from objlib.formats.decoding import NO_MARK, decode_text, form_of

#: A declaration stands in the first kilobyte of a page, says HTML; pages are not that strict.
_HEAD_BYTES = 4096
_DECLARED = re.compile(
    rb"""<\?xml\b[^>]*?\bencoding\s*=\s*["']\s*([-\w.:]+)"""
    rb"""|<meta\b[^>]*?\bcharset\s*=\s*["']?\s*([-\w.:]+)""",
    re.IGNORECASE,
)
#: A label of the Encoding Standard -> the encoding that browsers take it for.
#: Source: encoding.spec.whatwg.org, "Names and labels".
_MEANT = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
#: Encodings in which every byte is ASCII, so that a text passes for UTF-8.
_SEVEN_BITS = ("iso2022", "hz", "utf-7")


def decoded(content: bytes) -> str:
    """Return the text of a page or an XML document; never raise.

    A byte order mark decides, then UTF-8 if the bytes are UTF-8, then the declaration if the bytes
    agree, then what `decode_text` finds.
    """
    if form_of(content) is not NO_MARK:
        return decode_text(content)
    if content.startswith((b"<\0", b"\0<")):  # UTF-16 without its mark
        wide = "utf-16-le" if content[1] == 0 else "utf-16-be"
        return content.decode(wide, errors="replace")
    encoding = declared_encoding(content)
    if encoding is None:
        return decode_text(content)
    if not encoding.startswith(_SEVEN_BITS):
        with suppress(UnicodeDecodeError):
            return content.decode("utf-8")
    with suppress(UnicodeError, LookupError):
        return content.decode(encoding)
    return decode_text(content)


def declared_encoding(content: bytes) -> str | None:
    """Return Python's name of the encoding that a document declares, or None."""
    found = _DECLARED.search(content[:_HEAD_BYTES])
    if found is None:
        return None
    try:
        encoding = codecs.lookup((found.group(1) or found.group(2)).decode("ascii")).name
    except LookupError:
        return None
    if encoding.startswith(("utf-16", "utf-32")):
        return None  # the declaration itself would not have been found in such a text
    return _MEANT.get(encoding, encoding)
