"""Ctrl-C and SIGTERM, for commands that finish what they are at before they stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stoppable(Protocol):
    """A receiver of signals, such as the shutdown of a run."""

    is_stopping: bool

    def signal(self) -> None:
        """Stop at the first call, and at once at the second."""


@contextmanager
def interruptible(
    shutdown: Stoppable, on_first: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Let the first signal stop what is running, and the second cancel it.

    Args:
        on_first: told once that it is stopping.
    """
    loop = asyncio.get_running_loop()
    received = obeyed = 0

    def obey() -> None:
        nonlocal obeyed
        obeyed += 1
        if not shutdown.is_stopping:
            on_first()
        shutdown.signal()

    # Not `add_signal_handler`: what comes while its handler is being removed is lost, and the loop
    # of Windows has none.
    def receive(*_: object) -> None:
        nonlocal received
        received += 1
        loop.call_soon_threadsafe(obey)

    # What was ignored from the beginning, as in the background, stays so.
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, receive) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received > obeyed:  # the work was over just then
        raise KeyboardInterrupt
