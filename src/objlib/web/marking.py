"""Marks words and citations in texts of others: what comes in is text, what goes out is markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

from markupsafe import Markup, escape

from objlib.service.words import matched

#: The end of a line that goes on in the next one: the text was broken to fit a page.
_BROKEN = re.compile(r"(?<=\S)[ \t]*\n[ \t]*(?=[^\W\dA-Z_])")
_CITATION = re.compile(r"\[(\d{1,3})\]")


def unwrapped(text: str) -> str:
    """Return an excerpt with its broken lines joined; paragraphs, lists and verses stay."""
    return _BROKEN.sub(" ", text)


def marked_words(text: str, question: str) -> Markup:
    """Return a text with the words of a question in `<mark>`, as the index folds them."""
    pieces, last = [Markup("")], 0
    for start, end in matched(text, question):
        pieces += [escape(text[last:start]), Markup("<mark>"), escape(text[start:end])]
        pieces.append(Markup("</mark>"))
        last = end
    return Markup("").join([*pieces, escape(text[last:])])


def marked_answer(text: str, hits: Sequence[object]) -> Markup:
    """Return an answer whose `[n]` lead to the passages below."""
    pieces, last = [Markup("")], 0
    for match in _CITATION.finditer(text):
        number = int(match[1])
        if not 1 <= number <= len(hits):
            continue
        pieces.append(escape(text[last : match.start()]))
        pieces.append(Markup('<a class="cite" href="#hit-{0}">[{0}]</a>').format(number))
        last = match.end()
    return Markup("").join([*pieces, escape(text[last:])])
