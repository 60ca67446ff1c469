"""Work beside the event loop: in a thread, or in place where there must be no thread.

A simulated run replays only without threads. So whoever has long work to do is handed an `Offload`,
and does not choose.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

T = TypeVar("T")

#: Up to here a file is read and hashed in less time than it takes to hand it to another thread.
LIGHT_BYTES = 64 * 1024


class Offload(Protocol):
    """Does a piece of work while the loop goes on, and returns what it returns."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


async def in_place(work: Callable[[], T], /) -> T:
    """Do the work here and now; the loop waits."""
    return work()


async def in_thread(work: Callable[[], T], /) -> T:
    """Do the work in some thread. Whoever is cancelled leaves it to end by itself."""
    return await asyncio.to_thread(work)


@asynccontextmanager
async def one_thread() -> AsyncIterator[Offload]:
    """Yield an offload that does all work in one thread of its own, piece after piece.

    What only the thread that opened it may use, such as a connection of SQLite, is at home there.
    Work that has begun is waited for, also by whoever is cancelled: nothing runs on behind it.
    """
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="objlib") as pool:

        async def offload(work: Callable[[], T], /) -> T:
            running = loop.run_in_executor(pool, work)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                await asyncio.wait([running])
                if not running.cancelled():
                    running.exception()
                raise

        yield offload
