"""Finds the words of a question in a text, by the folding of the index."""

from __future__ import annotations

import re
from collections.abc import Iterator

from objlib.language.words import SPACELESS, question_terms, terms

#: Shorter words have no endings to speak of.
_STEM_CHARS_MIN = 4
_WORD = re.compile(rf"{SPACELESS.pattern}|(?:(?!{SPACELESS.pattern})[^\W_])+")


def matched(text: str, question: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each word of a text that is one of the question's.

    Of a script without spaces, where a word is a pair of characters, the runs of such pairs.
    """
    wanted = question_terms(question)
    for word in _WORD.finditer(text):
        if SPACELESS.match(word[0]):
            for start, end in _runs(word[0], set(wanted)):
                yield word.start() + start, word.start() + end
        elif any(_is_form_of(term, asked) for term in terms(word[0]) for asked in wanted):
            yield word.span()


def _runs(run: str, wanted: set[str]) -> Iterator[tuple[int, int]]:
    pairs = [at for at in range(len(run)) if run[at : at + 2] in wanted or run[at] in wanted]
    start = end = 0
    for at in pairs:
        if at > end or not end:
            if end:
                yield start, end
            start = at
        end = at + (2 if run[at : at + 2] in wanted and at + 1 < len(run) else 1)
    if end:
        yield start, end


def _is_form_of(term: str, asked: str) -> bool:
    """Return True for the word itself, and for one that only an ending tells from it."""
    if term == asked:
        return True
    short, long = sorted((term, asked), key=len)
    return len(short) >= _STEM_CHARS_MIN and long.startswith(short)
