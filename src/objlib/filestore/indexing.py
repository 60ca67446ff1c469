"""Turns bytes into text, chunks and their terms, before the document is there.

Text is cut up on the event loop's thread, in short turns, so that other requests are answered
meanwhile and a simulation replays. An embedder works on a thread, and what is more than text is
read in a process of its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from objlib.filestore import passages
from objlib.filestore.chunking import Chunking, chunks
from objlib.filestore.passages import BATCH, Chunk
from objlib.filestore.semantic import packed
from objlib.filestore.storage import FileStore
from objlib.formats import NoText, Reading, is_plain, read
from objlib.formats.isolated import read_isolated
from objlib.language.words import closed_up, terms

#: Chunks between two looks at what else there is to do: some milliseconds.
TURN_CHUNKS = 32


@dataclass(slots=True)
class Indexed:
    """A document ready to be kept.

    Args:
        chunks: what is not written yet.
        written: how many chunks are, under the reserved `position`.
        error: a google.rpc.Status for the operation, where there is something to say.
    """

    mime_type: str
    size_bytes: int
    chunks: list[Chunk]
    written: int = 0
    position: int | None = None
    error: dict[str, Any] | None = None

    @property
    def has_text(self) -> bool:
        """True if there is text to be found; a document without text fails."""
        return bool(self.chunks) or self.written > 0


async def index(store: FileStore, content: bytes, mime_type: str, chunking: Chunking) -> Indexed:
    """Cut a document up. One whose text cannot be had has no chunks."""
    indexed = Indexed(mime_type, len(content), [])
    try:
        await _cut_up(store, content, chunking, indexed)
    except BaseException as problem:
        _drop(store, indexed)
        if not isinstance(problem, NoText):
            raise
        indexed.error = {"code": problem.code, "message": str(problem)}
    if not indexed.has_text and indexed.error is None:
        indexed.error = {"code": NoText.code, "message": "The document has no text in it."}
    return indexed


async def _cut_up(store: FileStore, content: bytes, chunking: Chunking, indexed: Indexed) -> None:
    for page in (await _reading(content, indexed.mime_type)).pages:
        for text in chunks(page.text, chunking):
            indexed.chunks.append(Chunk(text, " ".join(terms(closed_up(text))), page.number))
            if len(indexed.chunks) == BATCH:
                await _embed(store, indexed)
                _write(store, indexed)
            if len(indexed.chunks) % TURN_CHUNKS == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0)
    await _embed(store, indexed)


async def _reading(content: bytes, mime_type: str) -> Reading:
    if is_plain(mime_type):
        return read(content, mime_type)
    return await read_isolated(content, mime_type)


async def _embed(store: FileStore, indexed: Indexed) -> None:
    """Give the chunks that are not written yet their vectors, on a thread."""
    if store.embedder is None or not indexed.chunks:
        return
    texts = [chunk.text for chunk in indexed.chunks]
    vectors = packed(await asyncio.to_thread(store.embedder.embed, texts))
    indexed.chunks = [
        chunk._replace(vector=vector) for chunk, vector in zip(indexed.chunks, vectors, strict=True)
    ]


def _write(store: FileStore, indexed: Indexed) -> None:
    """Write the chunks that there are, to make room for more."""
    with store.transaction():
        position = passages.reserve(store) if indexed.position is None else indexed.position
        passages.add(store, position, indexed.written, indexed.chunks)
    indexed.position = position
    indexed.written += len(indexed.chunks)
    indexed.chunks.clear()


def _drop(store: FileStore, indexed: Indexed) -> None:
    if indexed.position is not None:
        with store.transaction():
            passages.remove(store, indexed.position)
    indexed.chunks.clear()
    indexed.position, indexed.written = None, 0
