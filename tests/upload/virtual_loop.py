"""An asyncio event loop with virtual time: no test waits for real.

When nothing is ready, time jumps to the next timer. When there is no timer either, nothing can ever
happen again; a real loop would hang there, this one raises `RuntimeError("deadlock")`.
"""

from __future__ import annotations

import asyncio
import gc
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from objlib.reactive.bridge import LoopScheduler

T = TypeVar("T")

#: Not zero, so that loop time is never mistaken for elapsed time.
START_S = 1000.0


class _Clock(selectors.SelectSelector):
    """Waits for nothing: moves its time on by as much as it was told to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = START_S

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("deadlock")
            self.now_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """The standard loop, on a clock that jumps."""

    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now_s

    def freeze(self, seconds: float) -> None:
        """Let time pass in which nothing runs, as while a laptop sleeps or under SIGSTOP."""
        self._clock.now_s += seconds

    def elapsed_s(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.time() - START_S


def run(main: Callable[[VirtualLoop, LoopScheduler], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on a loop of its own; whatever the loop complains about fails the test."""
    complaints: list[dict[str, Any]] = []
    loop = VirtualLoop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    try:
        result = loop.run_until_complete(main(loop, LoopScheduler(loop)))
        gc.collect()  # what was never retrieved is reported when it is collected
        assert complaints == []
        return result
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
