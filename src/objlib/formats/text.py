"""Bytes and a MIME type to text, for the types that are text as they stand."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator

from objlib.formats.decoding import after_all_turns, beginning, examined, is_text
from objlib.formats.reading import NoText

_JSON = "application/json"
_TEXTUAL_APPLICATIONS = frozenset(
    f"application/{name}"
    for name in (
        "json xml sql typescript ecmascript javascript dart ms-java x-csh x-latex x-php "
        "x-powershell x-sh x-shellscript x-tex x-zsh vnd.curl vnd.dart "
        "octet-stream"
    ).split()
)
#: Types that people have and nobody reads here, in their words.
_OLDER = {
    "application/msword": "An older Word document (.doc)",
    "application/vnd.ms-excel": "An older Excel document (.xls)",
    "application/x-hwp-v5": "A Hangul document (.hwp)",
}
#: Characters beyond ASCII as JSON may write them; not where a backslash before takes it away. The
#: two halves of a pair are taken together.
_ESCAPES = re.compile(r"(?<!\\)((?:\\\\)*)((?:\\u[0-9a-fA-F]{4})+)")


#: So much of a document tells whether it is text.
_TELLING_BYTES = 1024 * 1024
#: The end of a piece of JSON in which an escape may go on: a first half of a pair, or a beginning.
_BEGUN = re.compile(r"(?:\\u[dD][89abAB][0-9a-fA-F]{2})?(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z")
_BEGUN_CHARS_MAX = 12


def extract(content: bytes, mime_type: str) -> str:
    """Return the text in a document; of JSON with characters for its escapes, or none is found.

    Raises:
        NoText: the type is not one of text, or the bytes are none.
    """
    return "".join(after_all_turns(extracted([content], mime_type)))


def extracted(pieces: Iterable[bytes], mime_type: str) -> Generator[None, None, Iterator[str]]:
    """Return what `extract` does, in pieces. What is yielded are turns for others to take.

    Args:
        pieces: the document, which is gone through several times.

    Raises:
        NoText: as `extract`.
    """
    kind = mime_type.partition(";")[0].strip().lower()
    if not (kind.startswith("text/") or kind in _TEXTUAL_APPLICATIONS):
        if kind in _OLDER:
            raise NoText(
                f"{_OLDER[kind]} cannot be read here; save it in a newer format or as PDF."
            )
        raise NoText(
            f"Documents of the type {kind} cannot be read; save it in a newer format or as PDF."
        )
    if (yield from _has_nul(pieces)) and not is_text(beginning(pieces, _TELLING_BYTES)):
        raise NoText("The document is damaged: it is no text.")
    decoding = yield from examined(pieces)
    text = decoding.decoded(pieces)
    return _without_escapes(text) if kind == _JSON else text


def _has_nul(pieces: Iterable[bytes]) -> Generator[None, None, bool]:
    for piece in pieces:
        if b"\0" in piece:
            return True
        yield
    return False


def _without_escapes(pieces: Iterable[str]) -> Iterator[str]:
    begun = ""
    for piece in pieces:
        text = begun + piece
        found = _BEGUN.search(text, max(0, len(text) - _BEGUN_CHARS_MAX))
        end = len(text) if found is None else found.start()
        end -= len(text[:end]) - len(text[:end].rstrip("\\"))  # whether it is one, all of them say
        begun = text[end:]
        yield _ESCAPES.sub(_unescaped, text[:end])
    yield _ESCAPES.sub(_unescaped, begun)


def _unescaped(found: re.Match[str]) -> str:
    units = bytes.fromhex(found.group(2).replace("\\u", ""))
    return found.group(1) + units.decode("utf-16-be", "replace")
