"""From bytes to what is searched: text, chunks and their terms, before any transaction begins.

The work is done on the event loop's thread, in short turns, so that other requests are answered
while a large document is cut up, and a simulation replays.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, NamedTuple

from objlib.filestore.chunking import Chunking, chunks
from objlib.filestore.formats import LibraryMissing, Unreadable, read
from objlib.filestore.text import NoText
from objlib.filestore.words import closed_up, terms

#: Chunks between two looks at what else there is to do: some milliseconds.
TURN_CHUNKS = 32


class Chunk(NamedTuple):
    """A passage, what it is found by, and the page on which it begins, if there are pages."""

    text: str
    terms: str
    page: int | None


@dataclass(frozen=True, slots=True)
class Indexed:
    """A document ready to be kept. Without chunks it will fail.

    Args:
        error: a google.rpc.Status for the operation, where there is something to say.
    """

    mime_type: str
    size_bytes: int
    chunks: list[Chunk]
    error: dict[str, Any] | None = None


async def index(content: bytes, mime_type: str, chunking: Chunking) -> Indexed:
    """Cut a document up. One whose text cannot be had has no chunks."""
    found: list[Chunk] = []
    error: dict[str, Any] | None = None
    try:
        for page in read(content, mime_type):
            for number, text in enumerate(chunks(page.text, chunking), start=1):
                found.append(Chunk(text, " ".join(terms(closed_up(text))), page.number))
                if number % TURN_CHUNKS == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)
    except (Unreadable, LibraryMissing) as problem:
        found, error = [], {"code": problem.code, "message": str(problem)}
    except NoText:
        found = []
    return Indexed(mime_type, len(content), found, error)
