"""An emulator for other people's tests: a server on a free port while a block lasts."""

from __future__ import annotations

import asyncio
import queue
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from objlib.filestore.answer import MetadataForm
from objlib.filestore.faults import FaultPlan
from objlib.filestore.kinds import Fault
from objlib.filestore.server import serve


@contextmanager
def emulator(
    *,
    faults: Sequence[Fault] = (),
    seed: int = 0,
    indexing_delay_s: float = 0.0,
    key: str | None = None,
    citation_metadata: MetadataForm | None = None,
) -> Iterator[str]:
    """Run a server with a new, empty data file; yields its base URL.

    It runs on a thread of its own, so that synchronous and asynchronous clients can use it alike.

    Args:
        faults: what goes wrong; the same seed and requests give the same trouble.
        indexing_delay_s: how long a document stays pending.
        key: the only API key accepted; None accepts any.
        citation_metadata: "list" or "map" in all citations; None for the form of each endpoint.
    """
    answers: queue.SimpleQueue[str | BaseException] = queue.SimpleQueue()
    stopping: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def run(data: Path) -> None:
        stop = asyncio.Event()
        stopping.append((asyncio.get_running_loop(), stop))
        await serve(
            data=data,
            key=key,
            citation_metadata=citation_metadata,
            faults=FaultPlan(faults, seed) if faults else None,
            indexing_delay_s=indexing_delay_s,
            on_listening=answers.put,
            stop=stop,
        )

    def work(data: Path) -> None:
        try:
            asyncio.run(run(data))
        except BaseException as error:
            answers.put(error)

    with tempfile.TemporaryDirectory() as folder:
        thread = threading.Thread(target=work, args=[Path(folder) / "filestore.db"], daemon=True)
        thread.start()
        try:
            answer = answers.get()
            if isinstance(answer, BaseException):
                raise answer
            yield answer
        finally:
            for loop, stop in stopping:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(stop.set)
            thread.join()
