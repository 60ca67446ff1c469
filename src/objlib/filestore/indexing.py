"""Turns bytes into text, chunks and their terms, before the document is there.

Text is cut up on the event loop's thread, in short turns, so that other requests are answered
meanwhile and a simulation replays. An embedder works on a thread, and what is more than text is
read in a process of its own.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from objlib.filestore import passages
from objlib.filestore.chunking import Chunking, chunks
from objlib.filestore.passages import BATCH, Chunk
from objlib.filestore.semantic import packed
from objlib.filestore.storage import FileStore
from objlib.formats import NoText, Reading, Unreadable, is_plain, kind_of
from objlib.formats.pictures import PICTURES, SIDE_PIXELS_MAX, picture_in
from objlib.formats.text import extracted
from objlib.language.words import closed_up, terms

T = TypeVar("T")

#: Seconds between two signs that a document is still being read.
RENEWED_EVERY_S = 10.0
#: Chunks between two looks at what else there is to do: some milliseconds.
TURN_CHUNKS = 32


@dataclass(slots=True)
class Indexed:
    """A document ready to be kept.

    Args:
        chunks: what is not written yet.
        written: how many chunks are, under the reserved `position`.
        renew: called in each transaction that writes chunks, where the document is there already.
        missing: parts of it that were not read, in words for its owner.
        picture: its bytes, where it is one, to be kept beside it.
        error: a google.rpc.Status for the operation, where there is something to say.
    """

    mime_type: str
    size_bytes: int
    chunks: list[Chunk]
    written: int = 0
    position: int | None = None
    missing: tuple[str, ...] = ()
    picture: bytes | None = None
    error: dict[str, Any] | None = None
    renew: Callable[[], None] | None = None

    @property
    def has_text(self) -> bool:
        """True if there is text to be found; a document without text fails."""
        return bool(self.chunks) or self.written > 0


@dataclass(frozen=True, slots=True)
class Announced:
    """A document that is there before its text is: its row, and what keeps it pending."""

    position: int
    renew: Callable[[], None]


async def index(
    store: FileStore,
    content: Iterable[bytes],
    size_bytes: int,
    mime_type: str,
    chunking: Chunking,
    caption: str | None = None,
    *,
    announced: Announced | None = None,
) -> Indexed:
    """Cut a document up. One whose text cannot be had has no chunks.

    Args:
        content: the document, which is gone through several times.
        caption: what is said of it besides; of a picture it is all that can be found. None in a
            store that takes no pictures.
        announced: the document, where it is there already.
    """
    indexed = Indexed(mime_type, size_bytes, [])
    if announced is not None:
        indexed.position, indexed.renew = announced.position, announced.renew
    try:
        if caption is not None and kind_of(mime_type) in PICTURES:
            indexed.picture = b"".join(content)
            _check_picture(indexed.picture)
            await _cut_up(store, [caption], None, chunking, indexed)
        elif is_plain(mime_type):
            text = await _after_turns(extracted(content, mime_type))
            await _cut_up(store, text, None, chunking, indexed)
        else:
            reading = await _read(store, b"".join(content), mime_type, indexed)
            indexed.missing = reading.missing
            for page in reading.pages:
                await _cut_up(store, [page.text], page.number, chunking, indexed)
        await _embed(store, indexed)
    except BaseException as problem:
        _drop(store, indexed)
        if not isinstance(problem, NoText):
            raise
        indexed.error = {"code": problem.code, "message": str(problem)}
    if not indexed.has_text and indexed.error is None:
        indexed.error = {"code": NoText.code, "message": "The document has no text in it."}
    return indexed


async def _read(store: FileStore, content: bytes, mime_type: str, indexed: Indexed) -> Reading:
    """Read a document, and keep it pending meanwhile where it is there already."""
    reading = asyncio.ensure_future(store.readings.of(content, mime_type))
    try:
        while indexed.renew is not None and not reading.done():
            await asyncio.wait([reading], timeout=RENEWED_EVERY_S)
            with store.transaction():
                indexed.renew()
        return await reading
    finally:
        reading.cancel()


def _check_picture(content: bytes) -> None:
    picture = picture_in(io.BytesIO(content))
    if picture is None:
        raise Unreadable("The image is damaged.")
    if picture.is_too_large:
        raise Unreadable(f"The image is larger than {SIDE_PIXELS_MAX} x {SIDE_PIXELS_MAX} pixels.")


async def _cut_up(
    store: FileStore, text: Iterable[str], page: int | None, chunking: Chunking, indexed: Indexed
) -> None:
    for chunk in chunks(text, chunking):
        indexed.chunks.append(Chunk(chunk, " ".join(terms(closed_up(chunk))), page))
        if len(indexed.chunks) == BATCH:
            await _embed(store, indexed)
            _write(store, indexed)
        if len(indexed.chunks) % TURN_CHUNKS == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(0)


async def _after_turns(work: Generator[None, None, T]) -> T:
    """Do a piece of work, and let others have the turns that it gives them."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
        await asyncio.sleep(0)


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
        if indexed.renew is not None:
            indexed.renew()
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
    indexed.written = 0
    if indexed.renew is None:
        indexed.position = None
