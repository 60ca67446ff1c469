"""Reads a generated answer: its text, what it rests on, and how it ended.

Segments count bytes of UTF-8 within their part. Here they are moved to the text of all parts that
are shown; the model's thoughts are not, and what they rest on is of no interest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from objlib.gemini.resources import Answer, AnswerOutcome, Passage, Support

#: Reasons to stop that leave a whole answer; an unknown one is taken for a refusal.
_WHOLE = {"", "STOP", "FINISH_REASON_UNSPECIFIED"}
_CUT = {"MAX_TOKENS"}


def answer_of(response: Any) -> Answer:
    """Return an answer, however much of it is missing.

    Args:
        response: a `GenerateContentResponse` of the SDK.
    """
    candidate = response.candidates[0] if response.candidates else None
    grounding = candidate.grounding_metadata if candidate else None
    chunks = (grounding.grounding_chunks if grounding else None) or []
    supports = (grounding.grounding_supports if grounding else None) or []
    parts = (candidate.content.parts if candidate and candidate.content else None) or []
    text = "".join(map(_shown, parts))
    passages = [_passage(chunk.retrieved_context) for chunk in chunks]
    refused = response.prompt_feedback.block_reason if response.prompt_feedback else None
    reason = enum_text(refused or (candidate.finish_reason if candidate else None))
    return Answer(
        text=text,
        passages=passages,
        supports=[found for one in supports if (found := _support(one, parts)) is not None],
        outcome=_outcome(reason, text, passages),
        reason=reason,
    )


def _outcome(reason: str, text: str, passages: Sequence[Passage]) -> AnswerOutcome:
    if reason in _CUT:
        return AnswerOutcome.CUT
    if reason not in _WHOLE:
        return AnswerOutcome.BLOCKED
    if not text.strip():
        return AnswerOutcome.EMPTY
    return AnswerOutcome.ANSWERED if passages else AnswerOutcome.UNGROUNDED


def _shown(part: Any) -> str:
    return "" if part.thought else part.text or ""


def _support(support: Any, parts: Sequence[Any]) -> Support | None:
    segment = support.segment
    indices = list(support.grounding_chunk_indices or [])
    if segment is None:
        return None
    index = segment.part_index or 0
    if not 0 <= index < max(len(parts), 1) or (parts and parts[index].thought):
        return None
    before = sum(len(_shown(part).encode()) for part in parts[:index])
    start, end = segment.start_index, segment.end_index
    return Support(
        text=segment.text or "",
        start=None if end is None else before + (start or 0),
        end=None if end is None else before + end,
        passages=indices,
    )


def _passage(context: Any) -> Passage:
    if context is None:
        return Passage(title="", text="", store_name=None, metadata={})
    return Passage(
        title=context.title or "",
        text=context.text or "",
        store_name=context.file_search_store,
        metadata=metadata_values(context.custom_metadata),
        page=context.page_number,
    )


def metadata_values(entries: Sequence[Any] | None) -> dict[str, str | float | list[str]]:
    """Return custom metadata as a mapping."""
    values: dict[str, str | float | list[str]] = {}
    for entry in entries or []:
        if entry.key is None:
            continue
        if entry.string_value is not None:
            values[entry.key] = entry.string_value
        elif entry.numeric_value is not None:
            values[entry.key] = entry.numeric_value
        elif entry.string_list_value is not None:
            values[entry.key] = list(entry.string_list_value.values or [])
    return values


def enum_text(value: Any) -> str:
    """Return an enum's value; an unknown one makes the SDK invent a member."""
    return str(getattr(value, "value", value) or "")
