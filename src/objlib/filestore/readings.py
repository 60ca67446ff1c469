"""Readings that outlive the request which asked for them.

A long PDF takes longer to read than a client waits for an answer. Whoever asks again for the same
bytes joins the reading that has begun, or gets its result, and does not begin anew for ever.
"""

from __future__ import annotations

import asyncio
import hashlib
import os

from objlib.formats import Reading
from objlib.formats.isolated import read_isolated as read_isolated

#: Results that nobody has fetched, at most: one who has gone may not come back.
KEPT_MAX = 8


class Readings:
    """The readings of one server, each in a process of its own, as many as there are cores."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Reading]] = {}
        self._turns = asyncio.Semaphore(os.cpu_count() or 1)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def of(self, content: bytes, mime_type: str) -> Reading:
        """Return what is read in a document. Raises what `read_isolated` does."""
        if self._loop is not (loop := asyncio.get_running_loop()):  # one that went before is over
            self._loop, self._tasks = loop, {}
            self._turns = asyncio.Semaphore(os.cpu_count() or 1)
        key = f"{hashlib.sha256(content).hexdigest()} {mime_type}"
        task = self._tasks.get(key)
        if task is None:
            task = asyncio.ensure_future(self._read(content, mime_type))
            self._tasks[key] = task
            self._forget_old()
        try:
            # Whoever gives up takes nothing along.
            return await asyncio.shield(task)
        finally:
            if task.done():
                self._tasks.pop(key, None)

    def close(self) -> None:
        """End all that goes on."""
        for task in self._tasks.values():
            if not task.get_loop().is_closed():
                task.cancel()

    async def _read(self, content: bytes, mime_type: str) -> Reading:
        async with self._turns:
            return await read_isolated(content, mime_type)

    def _forget_old(self) -> None:
        done = [key for key, task in self._tasks.items() if task.done()]
        for key in done[: max(0, len(done) - KEPT_MAX)]:
            task = self._tasks.pop(key)
            if not task.cancelled():
                task.exception()  # nobody asks for it any more
