"""The resources of File Search as small frozen records: the rest of objlib knows no others.

Source: the Gemini API reference, "File Search Stores", "Documents", "Files" (v1beta).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

Metadata = Mapping[str, str | int | float | list[str]]


@dataclass(frozen=True, slots=True)
class Store:
    """A File Search store and its own counters."""

    name: str
    display_name: str
    active_documents: int
    pending_documents: int
    failed_documents: int
    size_bytes: int
    #: `models/…`; empty where the service does not say.
    embedding_model: str = ""


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file in the Files API: lives 48 hours, needed only to import."""

    name: str
    state: str
    size_bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Document:
    """A document in a store. `state` is STATE_PENDING, STATE_ACTIVE or STATE_FAILED."""

    name: str
    display_name: str
    state: str
    size_bytes: int
    created_at: datetime | None
    metadata: dict[str, str | float | list[str]]

    @property
    def is_active(self) -> bool:
        """True if search answers with it."""
        return self.state == "STATE_ACTIVE"

    @property
    def is_failed(self) -> bool:
        """True if it shows as failed; it may still come alive minutes later."""
        return self.state == "STATE_FAILED"


@dataclass(frozen=True, slots=True)
class ImportOperation:
    """The long-running import. `done` is a hint; the document is the truth."""

    name: str
    done: bool
    error: str | None
    document_name: str | None
    #: The error is about the document itself, so it will not pass.
    is_final: bool = False
    #: Parts of the document that were not read, where the backend says so; the service does not.
    not_read: tuple[str, ...] = ()


class AnswerOutcome(StrEnum):
    """The end of a generated answer."""

    ANSWERED = "answered"
    #: Whole, and no passage stands behind it.
    UNGROUNDED = "not from your library"
    #: It ends where the model had to stop.
    CUT = "cut short"
    #: The model, or what watches over it, refused.
    BLOCKED = "blocked"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Passage:
    """One grounding chunk. `page` counts from 1, for formats that have pages."""

    title: str
    text: str
    store_name: str | None
    metadata: dict[str, str | float | list[str]]
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Support:
    """A segment of an answer and the indices of the passages behind it.

    `start` and `end` count bytes of UTF-8 in the answer's text; both are None where only the
    segment's `text` is known. They are as the backend says: nobody has checked them.
    """

    text: str
    start: int | None
    end: int | None
    passages: list[int]


@dataclass(frozen=True, slots=True)
class Answer:
    """A generated answer. `reason` is the backend's own word for why it ended."""

    text: str
    passages: list[Passage]
    supports: list[Support]
    outcome: AnswerOutcome = AnswerOutcome.ANSWERED
    reason: str = "STOP"
