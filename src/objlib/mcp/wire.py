"""Standard input and output as the protocol has them: whole lines, and nothing of anybody else's.

While it lasts, descriptor 0 is empty and descriptor 1 leads to standard error, so a library that
prints, or a child that reads, does not meet the protocol. Reading and writing happen on two daemon
threads: one that waits for a client holds up neither the event loop nor the end of the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from io import FileIO
from typing import Any

#: Bytes of one message; a client that sends more without a new line has lost the protocol.
LINE_BYTES_MAX = 32 * 1024 * 1024
_READ_BYTES = 64 * 1024
#: Messages that have been read and not taken yet.
_AHEAD = 64
#: Seconds for what is still to be written once the client says nothing more.
_LAST_WORDS_S = 2.0


class Wire:
    """Lines to read (`async for`) and text to write, as the SDK wants its two files."""

    def __init__(self, source: FileIO, sink: FileIO) -> None:
        self._loop = asyncio.get_running_loop()
        self._source = source
        self._sink = sink
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._room = threading.Semaphore(_AHEAD)
        self._texts: queue.SimpleQueue[tuple[bytes, Future[None]]] = queue.SimpleQueue()
        self._ended = asyncio.Event()
        for work in (self._reading, self._writing):
            threading.Thread(target=work, daemon=True, name="objlib mcp").start()

    def end(self) -> None:
        """Read nothing more, as if the client had closed its side."""
        if not self._ended.is_set():
            self._ended.set()
            self._lines.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None and not self._ended.is_set():
            self._room.release()
            yield line
        self.end()

    async def write(self, text: str) -> None:
        """Write a text. Once the client has gone, nobody waits for it to read."""
        done: Future[None] = Future()
        self._texts.put((text.encode(errors="replace"), done))
        written = asyncio.wrap_future(done)
        ended = asyncio.ensure_future(self._ended.wait())
        either: set[asyncio.Future[Any]] = {written, ended}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        await asyncio.wait({written}, timeout=_LAST_WORDS_S)
        if not written.done():
            written.cancel()
        elif written.exception() is not None:
            self.end()

    async def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def _reading(self) -> None:
        held = b""
        with contextlib.suppress(OSError, RuntimeError):  # the loop may be closed by then
            while chunk := self._source.read(_READ_BYTES):
                *whole, held = (held + chunk).split(b"\n") if b"\n" in chunk else (held + chunk,)
                for line in whole:
                    self._room.acquire()
                    text = line.decode(errors="replace")
                    self._loop.call_soon_threadsafe(self._lines.put_nowait, text)
                if len(held) > LINE_BYTES_MAX:
                    break
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._lines.put_nowait, None)

    def _writing(self) -> None:
        while True:
            content, done = self._texts.get()
            try:
                left = memoryview(content)
                while left:
                    left = left[self._sink.write(left) or 0 :]
            except (OSError, ValueError) as error:
                with contextlib.suppress(Exception):  # nobody waits any more
                    done.set_exception(error)
            else:
                with contextlib.suppress(Exception):
                    done.set_result(None)


@asynccontextmanager
async def standard_wire() -> AsyncIterator[Wire]:
    """Take standard input and output for the protocol, and give them back at the end."""
    source, sink = os.dup(0), os.dup(1)
    with _diverted():
        # Never closed: a thread may be waiting on them until the process ends.
        yield Wire(FileIO(source, "r", closefd=False), FileIO(sink, "w", closefd=False))


@contextmanager
def _diverted() -> Iterator[None]:
    before = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        os.dup2(nothing, 0)
        try:
            os.dup2(2, 1)
        except OSError:  # standard error is closed
            os.dup2(nothing, 1)
        yield
    finally:
        os.dup2(before[0], 0)
        os.dup2(before[1], 1)
        for descriptor in (nothing, *before):
            os.close(descriptor)
