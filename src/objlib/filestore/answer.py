"""An extractive answer: the sentences that answer best, quoted, with their grounding.

Segment indices count bytes of UTF-8, as in the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from objlib.filestore.quoting import best_sentences
from objlib.filestore.retrieval import Found, Hit, values_of
from objlib.filestore.wire import compact
from objlib.language.words import terms

#: The guide shows a list of entries in a citation, the SDK's type of an interaction's is a map.
MetadataForm = Literal["list", "map"]

QUOTED_HITS = 3
NOTHING_FOUND = "Nothing in the file search stores matches this question."
NOTHING_QUOTED = "No sentence holds enough of the question's words. Nearest are the files below."
NO_TOOL = (
    "This server answers from file search stores only; give the fileSearch tool to search one."
)

_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the answer and the hit that supports it."""

    text: str
    hit: int


def quote(found: Found) -> list[Part]:
    """Return for each of the best hits the sentence that answers best, if there is one."""
    parts: list[Part] = []
    passages = [hit.text if hit.is_near else "" for hit in found.hits[:QUOTED_HITS]]
    for index, sentence in enumerate(best_sentences(found.asked, passages, found.weights)):
        if sentence is not None and all(sentence != part.text for part in parts):
            parts.append(Part(sentence, index))
    return parts


def response(
    question: str, model: str, response_id: str, found: Found, *, form: MetadataForm = "list"
) -> dict[str, Any]:
    """A GenerateContentResponse that quotes the hits.

    Args:
        form: of the metadata of citations.
    """
    hits = found.hits
    parts = quote(found)
    text = text_of(parts, hits)
    candidate: dict[str, Any] = {
        "content": {"parts": [{"text": text}], "role": "model"},
        "finishReason": "STOP",
        "index": 0,
    }
    if hits:
        candidate["groundingMetadata"] = {
            "groundingChunks": [_grounding_chunk(hit, form) for hit in hits],
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


def in_form(metadata: Sequence[dict[str, Any]], form: MetadataForm) -> Any:
    """Return custom metadata as a list of entries, or as a map of key to value."""
    return values_of(metadata) if form == "map" else list(metadata)


def _grounding_chunk(hit: Hit, form: MetadataForm) -> dict[str, Any]:
    context = {
        "title": hit.title,
        "text": hit.text,
        "fileSearchStore": hit.store_name,
        "customMetadata": in_form(hit.metadata, form),
        "pageNumber": hit.page,
        "mediaId": hit.media_id,
    }
    return {"retrievedContext": compact(context)}


def text_of(parts: Sequence[Part], hits: Sequence[Hit]) -> str:
    """Return the whole answer."""
    if not parts:
        return NOTHING_QUOTED if hits else NOTHING_FOUND
    return _BETWEEN.join(part.text for part in parts)


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
