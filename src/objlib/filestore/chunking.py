"""Text into chunks: at most so many tokens, cut at sentence ends, the last sentences said again.

A token is a term (see `words`), so that scripts without spaces are cut sensibly too. Limits are
those found at the service: 21 to 512 tokens a chunk, an overlap smaller than the chunk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from objlib.language.words import terms

TOKENS_MIN, TOKENS_MAX = 21, 512

#: Full stops that end no sentence: titles and initials ("Mr. Speaker", "John F. Kennedy").
_ABBREVIATED = "".join(rf"(?<!\b{word}\.)" for word in ("Mr", "Mrs", "Ms", "Dr", "St", "[A-Z]"))
_CLOSERS = "\"'”’)]"
_BOUNDARY = re.compile(
    rf"(?<=[.!?…]){_ABBREVIATED}[{re.escape(_CLOSERS)}]*\s+|(?<=[。！？।॥။།])|\n\s*\n"
)
#: As far before its place as a boundary looks.
_BEFORE_CHARS = 8
#: A longer sentence is cut between words before anything else is done with it.
_SENTENCE_CHARS_MAX = 32 * 1024
_COMMAS = "，、；："

#: Words with the white space after them; in scripts without spaces, clauses with their comma.
_WORDS = re.compile(rf"[^\s{_COMMAS}]+(?:[{_COMMAS}]+\s*|\s*)|[\s{_COMMAS}]+")
#: What is longer is no word but data, and may be cut.
_WORD_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class Chunking:
    """The size of chunks, and the size of the overlap with the next one; both in tokens."""

    max_tokens: int = 200
    overlap_tokens: int = 20

    def __post_init__(self) -> None:
        if not TOKENS_MIN <= self.max_tokens <= TOKENS_MAX:
            raise ValueError(
                f"maxTokensPerChunk must be between {TOKENS_MIN} and {TOKENS_MAX}, "
                f"not {self.max_tokens}"
            )
        if not 0 <= self.overlap_tokens < self.max_tokens:
            raise ValueError(
                f"maxOverlapTokens must be at least 0 and less than {self.max_tokens}, "
                f"not {self.overlap_tokens}"
            )


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    tokens: int


def chunks(text: str | Iterable[str], chunking: Chunking) -> Iterator[str]:
    """The chunks of a text, in order. A text without words has none.

    Args:
        text: whole or in pieces, of which no more is held than the sentence that is not over.
    """
    current: list[_Piece] = []
    size = 0
    fresh = False  # whether `current` holds more than what the last chunk ended with
    for whole in _pieces(text, chunking.max_tokens):
        piece = whole
        room = chunking.max_tokens - size
        if fresh and piece.tokens > room and size * 2 < chunking.max_tokens:
            # A heading alone says little and, being short, would outrank what it is the heading of.
            head, *rest = _cut(piece.text, room)
            current.append(head)
            size += head.tokens
            text_left = "".join(part.text for part in rest)
            piece = _Piece(text_left, _count(text_left))
        if fresh and size + piece.tokens > chunking.max_tokens:
            yield "".join(part.text for part in current).strip()
            room = min(chunking.overlap_tokens, chunking.max_tokens - piece.tokens)
            current = _tail(current, room)
            size = sum(part.tokens for part in current)
            fresh = False
        current.append(piece)
        size += piece.tokens
        fresh = fresh or piece.tokens > 0
    if fresh:
        yield "".join(part.text for part in current).strip()


def sentences(text: str | Iterable[str]) -> Iterator[str]:
    """A text cut after each sentence and paragraph; the parts together are the text."""
    read, start = "", 0
    for piece in [text] if isinstance(text, str) else text:
        begins = max(0, start - _BEFORE_CHARS)
        read, start = read[begins:] + piece, start - begins
        decided = _decided(read, start)
        for end in _ends(read, start, decided):
            yield read[start:end]
            start = end
        if decided - start > _SENTENCE_CHARS_MAX:
            for end in _cuts(read, start, decided):
                yield read[start:end]
                start = end
    for end in (*_ends(read, start, len(read)), len(read)):
        if end > start:
            yield read[start:end]
        start = end


def _ends(text: str, start: int, decided: int) -> Iterator[int]:
    """The ends of the sentences that are over before the place `decided`."""
    for match in _BOUNDARY.finditer(text, start):
        if match.end() > decided:
            return
        if match.end() > start:
            yield match.end()


def _decided(text: str, start: int) -> int:
    """The place up to which all boundaries are known, whatever follows on a text."""
    end = len(text)
    first = max(start, end - _SENTENCE_CHARS_MAX)
    while end > first and (text[end - 1] in _CLOSERS or text[end - 1].isspace()):
        end -= 1
    return end if len(text) - end < _SENTENCE_CHARS_MAX else len(text)


def _pieces(text: str | Iterable[str], max_tokens: int) -> Iterator[_Piece]:
    chars_max = min(max_tokens * _WORD_CHARS_MAX, _SENTENCE_CHARS_MAX // 2)
    for whole in sentences(text):
        start = 0
        for end in (*_cuts(whole, 0, len(whole)), len(whole)):
            sentence, start = whole[start:end], end
            tokens = _count(sentence)
            if tokens <= max_tokens and len(sentence) <= chars_max:
                yield _Piece(sentence, tokens)
            else:
                yield from _cut(sentence, max_tokens)


def _cuts(text: str, start: int, end: int) -> Iterator[int]:
    """The places at which a sentence is cut that is far too long; a word that is too long, too."""
    while end - start > _SENTENCE_CHARS_MAX:
        longest = start + _SENTENCE_CHARS_MAX
        between = range(longest, max(start, longest - 5 * _WORD_CHARS_MAX), -1)
        start = next(
            (place for place in between if text[place - 1].isspace() or text[place - 1] in _COMMAS),
            longest,
        )
        yield start


def _cut(sentence: str, max_tokens: int) -> list[_Piece]:
    """A sentence that is too long, cut between words, or where there are none, anywhere."""
    pieces: list[_Piece] = []
    text, size = "", 0
    for word in _WORDS.findall(sentence):
        for part in _parts(word, max_tokens):
            if text and size + part.tokens > max_tokens:
                pieces.append(_Piece(text, size))
                text, size = "", 0
            text, size = text + part.text, size + part.tokens
    return [*pieces, _Piece(text, size)] if text else pieces


def _parts(word: str, max_tokens: int) -> list[_Piece]:
    """A word whole, or halved until no part is too long."""
    tokens = _count(word)
    if tokens == 0 or (tokens <= max_tokens and len(word) <= _WORD_CHARS_MAX):
        return [_Piece(word, tokens)]
    return _halves(word, max_tokens)


def _halves(word: str, max_tokens: int) -> list[_Piece]:
    # Put together again, two parts may have a pair of characters more than each for itself.
    tokens = _count(word) + 1
    if len(word) == 1 or (tokens <= max_tokens and len(word) <= _WORD_CHARS_MAX):
        return [_Piece(word, tokens)]
    middle = len(word) // 2
    return _halves(word[:middle], max_tokens) + _halves(word[middle:], max_tokens)


def _tail(pieces: list[_Piece], tokens: int) -> list[_Piece]:
    kept: list[_Piece] = []
    for piece in reversed(pieces):
        tokens -= piece.tokens
        if tokens < 0:
            break
        kept.insert(0, piece)
    return kept


def _count(text: str) -> int:
    return len(terms(text))
