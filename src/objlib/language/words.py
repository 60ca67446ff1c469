"""Cuts text into terms, for scripts with and without spaces.

Words are runs of letters, digits and combining marks (which Indic scripts need), compatibility-
normalised and case-folded. Scripts that write no spaces (Chinese, Japanese, Thai, Lao, Khmer,
Burmese, Tibetan) are cut into overlapping pairs of characters, the usual stand-in for a dictionary.
Characters without width do not count.
Diacritics are left to FTS5, which folds them for letters that have a plain form.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from objlib.language.stop_words import stop_words

_MARKS = "".join(
    chr(code) for code in range(0x300, 0x20000) if unicodedata.category(chr(code)).startswith("M")
)
#: No mark is below U+0300, and a look at that is cheaper than one into the set of all marks.
_WORD = re.compile(rf"[^\W_]+(?:(?![\x00-\u02ff])[{re.escape(_MARKS)}]+[^\W_]*)*")
_ASCII_WORD = re.compile(r"[a-z0-9]+")

SPACELESS = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u3040-\u30ff"  # Hiragana, Katakana
    "\u3400-\u9fff"  # Chinese
    "\uf900-\ufaff"
    "\U00020000-\U0003ffff"
    "]+"
)

_EAST_ASIAN = "[\u3040-\u30ff\u3400-\u9fff]"
_SPACED_OUT = re.compile(rf"(?<={_EAST_ASIAN})[ \t\u3000]+(?={_EAST_ASIAN})")

#: Soft hyphen, zero-width space and (non-)joiners, byte order mark.
_WIDTHLESS = re.compile("[\u00ad\u200b\u200c\u200d\ufeff]+")


def terms(text: str) -> list[str]:
    """The terms of a text, in order."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    folded = unicodedata.normalize("NFKC", _WIDTHLESS.sub("", text)).casefold()
    words = _WORD.findall(folded)
    if SPACELESS.search(folded) is None:
        return words
    return [term for word in words for term in _cut(word)]


def closed_up(text: str) -> str:
    """Text without the spaces that layout put between East Asian characters: for searching."""
    return text if text.isascii() else _SPACED_OUT.sub("", text)


def _cut(word: str) -> Iterator[str]:
    """The runs of a word in scripts with spaces whole, the others in pairs."""
    position = 0
    for run in SPACELESS.finditer(word):
        if run.start() > position:
            yield word[position : run.start()]
        yield from _pairs(run.group())
        position = run.end()
    if position < len(word):
        yield word[position:]


def _pairs(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
    for index in range(len(run) - 1):
        yield run[index : index + 2]


def question_terms(question: str) -> list[str]:
    """Return the distinct terms of a question that say something; all of them if none does."""
    return telling_terms(question) or list(dict.fromkeys(terms(question)))


def telling_terms(question: str) -> list[str]:
    """Return the distinct terms of a question but for those that say nothing in its language."""
    distinct = list(dict.fromkeys(terms(question)))
    silent = stop_words(distinct)
    return [
        term for term in distinct if term not in silent and (len(term) > 1 or SPACELESS.match(term))
    ]
