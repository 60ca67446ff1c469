"""The reason why a passage was found, as far as it can be told from outside.

Backends give no scores. What a person can check is told instead: the words of the question that
stand in the passage, those of which only nearly the same stand there, and what the question named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from objlib.catalog.facets import Value
from objlib.language.spelling import Words, near
from objlib.language.words import telling_terms, terms

#: Endings differ by so many letters at most ("lynching", "lynchings"; "peace" and "peaceful" do).
_ENDING_MAX = 3
_STEM_CHARS_MIN = 3
#: Of a question and a passage that are longer, the beginning is compared.
_WORDS_MAX = 64
_PASSAGE_CHARS_MAX = 20_000

_SPACED = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Why:
    """The reason why a passage was found. With nothing in it, it was found by its meaning."""

    #: Words of the question that the passage holds, as they were asked.
    words: tuple[str, ...] = ()
    #: Word of the question that the passage does not hold -> the nearly same one that it does.
    near: Mapping[str, str] = field(default_factory=dict)
    #: Metadata of its file that the question names.
    named: Mapping[str, Value] = field(default_factory=dict)


def why(
    question: str,
    passage: str,
    metadata: Mapping[str, object],
    named: Mapping[str, Sequence[Value]],
) -> Why:
    """Return the reason why a passage was found for a question.

    Args:
        metadata: of the passage's file.
        named: values that the question names, by key.
    """
    asked = telling_terms(question)[:_WORDS_MAX]
    text = passage[:_PASSAGE_CHARS_MAX]
    held = set(terms(text))
    held_in_order = sorted(held)
    words = tuple(word for word in asked if _is_held(word, held, held_in_order))
    nearly: dict[str, str] = {}
    for word in asked:
        if word not in words and (found := near(word, word, _among(held_in_order))):
            nearly[word] = _as_written(found[0], text)
    of_file = {
        key: value
        for key, values in named.items()
        for value in values
        if (has := metadata.get(key)) == value or (isinstance(has, list) and value in has)
    }
    return Why(words, nearly, of_file)


def _among(words: Sequence[str]) -> Words:
    return lambda first, end: [(word, 1) for word in words if first <= word < end]


def _is_held(word: str, held: set[str], in_order: Sequence[str]) -> bool:
    if word in held:
        return True
    return any(_is_same_stem(word, other) for other in in_order if other[:2] == word[:2])


def _is_same_stem(one: str, other: str) -> bool:
    """Return whether two words differ by their endings only."""
    common = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        common += 1
    left = max(len(one), len(other)) - common
    shorter = min(len(one), len(other)) - common
    return common >= _STEM_CHARS_MIN and left <= _ENDING_MAX and shorter <= 1 and common >= 2 * left


def _as_written(term: str, text: str) -> str:
    return next((m[0] for m in _SPACED.finditer(text) if "".join(terms(m[0])) == term), term)
