"""An extractive answer: the sentences that answer best, quoted, with their grounding.

Segment indices count bytes of UTF-8, as in the API.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from objlib.filestore.chunking import sentences
from objlib.filestore.retrieval import Hit
from objlib.filestore.wire import compact
from objlib.filestore.words import question_terms, terms

QUOTED_HITS = 3
QUOTE_CHARS_MAX = 400
NOTHING_FOUND = "Nothing in the file search stores matches this question."
NO_TOOL = (
    "This server answers from file search stores only; give the fileSearch tool to search one."
)

_BETWEEN = "\n\n"
_SENTENCE_END = re.compile(r"[.!?…。！？।॥።][\"'”’»)\]]*$")
#: Markdown's two ways to write one.
_HEADING = re.compile(r"\s*(?:#{1,6}\s[^\n]*|[^\n]+\n[ \t]*(?:=+|-+)[ \t]*)(?:\n|$)")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the answer and the hit that supports it."""

    text: str
    hit: int


def quote(question: str, hits: Sequence[Hit]) -> list[Part]:
    """Return for each of the best hits the sentence with most of the question's terms."""
    wanted = set(question_terms(question))
    parts: list[Part] = []
    for index, hit in enumerate(hits[:QUOTED_HITS]):
        said = [_HEADING.sub("", part, count=1) or part for part in sentences(hit.text)]
        sentence = max(said, key=lambda text: _score(text, wanted), default="")
        flat = " ".join(sentence.split())
        if len(flat) > QUOTE_CHARS_MAX:
            flat = flat[: QUOTE_CHARS_MAX - 1].rstrip() + "…"
        if flat and all(flat != part.text for part in parts):
            parts.append(Part(flat, index))
    return parts


def _score(sentence: str, wanted: set[str]) -> tuple[bool, int, int]:
    # A heading names the subject and says nothing of it, so whole sentences come first.
    stripped = sentence.strip()
    found = len(wanted.intersection(terms(sentence)))
    is_whole = _SENTENCE_END.search(stripped) is not None
    return (found > 0 and is_whole, found, -len(stripped))


def response(question: str, model: str, response_id: str, hits: Sequence[Hit]) -> dict[str, Any]:
    """A GenerateContentResponse that quotes the hits."""
    parts = quote(question, hits)
    text = text_of(parts)
    candidate: dict[str, Any] = {
        "content": {"parts": [{"text": text}], "role": "model"},
        "finishReason": "STOP",
        "index": 0,
    }
    if hits:
        candidate["groundingMetadata"] = {
            "groundingChunks": [_grounding_chunk(hit) for hit in hits],
            "groundingSupports": _supports(parts),
        }
    return _envelope(question, model, response_id, candidate, hits)


def plain_response(question: str, model: str, response_id: str) -> dict[str, Any]:
    """Return the answer to a request without the fileSearch tool."""
    candidate = {
        "content": {"parts": [{"text": NO_TOOL}], "role": "model"},
        "finishReason": "STOP",
        "index": 0,
    }
    return _envelope(question, model, response_id, candidate, [])


def _grounding_chunk(hit: Hit) -> dict[str, Any]:
    context = {
        "title": hit.title,
        "text": hit.text,
        "fileSearchStore": hit.store_name,
        "customMetadata": hit.metadata,
        "pageNumber": hit.page,
    }
    return {"retrievedContext": compact(context)}


def text_of(parts: Sequence[Part]) -> str:
    """The whole answer."""
    return _BETWEEN.join(part.text for part in parts) or NOTHING_FOUND


def segments(parts: Sequence[Part]) -> Iterator[tuple[int, int, Part]]:
    """Yield the place of each part in the answer: (first byte, byte after the last, part)."""
    start = 0
    for part in parts:
        end = start + len(part.text.encode("utf-8"))
        yield (start, end, part)
        start = end + len(_BETWEEN)


def _supports(parts: Sequence[Part]) -> list[dict[str, Any]]:
    return [
        {
            "segment": compact({"startIndex": start, "endIndex": end, "text": part.text}),
            "groundingChunkIndices": [part.hit],
        }
        for start, end, part in segments(parts)
    ]


def _envelope(
    question: str, model: str, response_id: str, candidate: dict[str, Any], hits: Sequence[Hit]
) -> dict[str, Any]:
    counts = usage(question, candidate["content"]["parts"][0]["text"], hits)
    return {
        "candidates": [candidate],
        "usageMetadata": {name: count for name, count in counts.items() if count},
        "modelVersion": model,
        "responseId": response_id,
    }


def usage(question: str, text: str, hits: Sequence[Hit]) -> dict[str, int]:
    """Return the usage: the terms of the question, of the answer and of the passages."""
    prompt, said = len(terms(question)), len(terms(text))
    read = sum(len(terms(hit.text)) for hit in hits)
    return {
        "promptTokenCount": prompt,
        "candidatesTokenCount": said,
        "toolUsePromptTokenCount": read,
        "totalTokenCount": prompt + said + read,
    }
