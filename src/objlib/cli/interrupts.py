"""Ctrl-C and SIGTERM, for commands that finish what they are at before they stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from objlib.upload.shutdown import Shutdown


@contextmanager
def interruptible(shutdown: Shutdown, on_first: Callable[[], None]) -> Iterator[None]:
    """Let the first signal stop what is running, and the second cancel it.

    Args:
        on_first: told once that it is stopping.
    """
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if not shutdown.is_stopping:
            on_first()
        shutdown.signal()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
