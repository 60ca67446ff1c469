"""Text of others as a terminal may have it: what could steer or deceive is shown as what it is.

File names, documents and servers say what they like. A control character, an escape sequence, a
mark that turns the direction of writing, a character without a width, a separator of lines or half
a character becomes `\\x1b`, `\\u202e` and so on: it is seen, and it does nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

#: Unseen, though Python calls them printable: fillers, a joiner, and variation selectors.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
#: Spaces of some width, which Python does not call printable: of French, Chinese, Ogham.
_SPACES = frozenset("\u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))))

#: Without these, words of some scripts are spelt wrongly. Behind a character of such a script they
#: change its shape or end a word; anywhere else they are a trick.
_AT_HOME = re.compile(
    # Joiners: Persian, Indic, emoji.
    "(?<=[\u0530-\u1fff\u2190-\ud7ff\uf900-\U0001ffff])[\u200c\u200d]"
    "|(?<=[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b"  # ends of words: Thai, Burmese, Khmer
    "|(?<=[\u1800-\u18af])[\u180b-\u180f]"  # Mongolian
    "|(?<=[^A-Za-z\\s])[\ufe00-\ufe0f]"  # as an emoji, or as a text
    "|(?<=[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])[\U000e0100-\U000e01ef]"  # Chinese
)


def one_line(text: str) -> str:
    """Return a text on one line that moves no cursor; a path, a reason, a message."""
    return _cleaned(text, _as_python)


def text_lines(text: str) -> str:
    """Return a text that moves no cursor; its lines and tabs stay."""
    lines = text.replace("\r\n", "\n").split("\n") if "\n" in text else [text]
    return "\n".join("\t".join(map(one_line, line.split("\t"))) for line in lines)


def as_json(document: Any, *, indent: int | None = None, in_ascii: bool = False) -> str:
    """Return a JSON document that says the same, with escapes for what a text may not have."""
    text = json.dumps(document, ensure_ascii=in_ascii, indent=indent)
    return "\n".join(_cleaned(line, _as_in_json) for line in text.split("\n"))


def _cleaned(text: str, escape: Callable[[str], str]) -> str:
    if text.isprintable() and _UNSEEN.search(text) is None:
        return text
    at_home = {match.start() for match in _AT_HOME.finditer(text)}
    return "".join(
        character if place in at_home or _is_seen(character) else escape(character)
        for place, character in enumerate(text)
    )


def _is_seen(character: str) -> bool:
    return character in _SPACES or (
        character.isprintable() and _UNSEEN.fullmatch(character) is None
    )


def _as_python(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _as_in_json(character: str) -> str:
    return json.dumps(character)[1:-1]
