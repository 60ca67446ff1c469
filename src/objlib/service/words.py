"""Where the words of a question stand in a text, by the folding of the index."""

from __future__ import annotations

import re
from collections.abc import Iterator

from objlib.language.words import telling_terms, terms

#: Shorter words have no endings to speak of.
_STEM_CHARS_MIN = 4
_WORD = re.compile(r"[^\W_]+")


def matched(text: str, question: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each word of a text that is one of the question's."""
    wanted = telling_terms(question) or terms(question)
    for word in _WORD.finditer(text):
        if any(_is_form_of(term, asked) for term in terms(word[0]) for asked in wanted):
            yield word.span()


def _is_form_of(term: str, asked: str) -> bool:
    """Return True for the word itself, and for one that only an ending tells from it."""
    if term == asked:
        return True
    short, long = sorted((term, asked), key=len)
    return len(short) >= _STEM_CHARS_MIN and long.startswith(short)
