"""Two signals: the first drains, the second cancels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reactivex import Observable
from reactivex.subject import ReplaySubject

from objlib.congestion.gate import RequestGate
from objlib.reactive.bridge import TRAMPOLINE, on_trampoline

#: Seconds: whoever has been asked to stop does not sit through a longer pause of the backend.
STOPPING_PAUSE_MAX_S = 60.0


class Shutdown:
    """The two signals that signal handlers send and the shutdown gates obey.

    Both streams replay, so a pass that starts after a signal sees it.
    """

    def __init__(self) -> None:
        self._stop: ReplaySubject[str] = ReplaySubject(1, scheduler=TRAMPOLINE)
        self._kill: ReplaySubject[str] = ReplaySubject(1, scheduler=TRAMPOLINE)
        self.is_stopping = False
        self.is_killed = False

    @property
    def stop_accepting(self) -> Observable[Any]:
        """Emits the reason once no new files are to be taken."""
        return self._stop

    @property
    def force_kill(self) -> Observable[Any]:
        """Emits the reason once what is in flight is to be cancelled."""
        return self._kill

    def stop(self, reason: str) -> None:
        """Take no new files; let what is in flight finish."""
        if not self.is_stopping:
            self.is_stopping = True
            self._stop.on_next(reason)

    def signal(self) -> None:
        """A Ctrl-C or SIGTERM: the first one stops, the second one kills."""
        if not self.is_stopping:
            self.stop("interrupted")
        elif not self.is_killed:
            self.is_killed = True
            self._kill.on_next("interrupted twice")


@contextmanager
def impatient(gate: RequestGate, shutdown: Shutdown) -> Iterator[None]:
    """Let a drain end although the backend asks for a long wait, while the context lasts."""

    def hurry(_reason: str) -> None:
        gate.wait_at_most(STOPPING_PAUSE_MAX_S)

    subscription = on_trampoline(lambda: shutdown.stop_accepting.subscribe(hurry))
    try:
        yield
    finally:
        subscription.dispose()
        gate.wait_at_most(math.inf)
