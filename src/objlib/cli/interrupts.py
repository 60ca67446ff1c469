"""Ctrl-C and SIGTERM, for commands that finish what they are at before they stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

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

    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, on_signal)
                stack.callback(loop.remove_signal_handler, number)
            except NotImplementedError:  # the loop of Windows has none
                before = signal.signal(number, lambda *_: loop.call_soon_threadsafe(on_signal))
                stack.callback(signal.signal, number, before)
        yield
