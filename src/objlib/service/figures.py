"""Counts that may take seconds, for a page that may not: kept, and counted anew in the background.

A count over a million files takes as long as it takes, and looking again a moment later would give
the same. So a count that was dear is shown for a while as it was, with its age; who comes after
that still sees it, and starts the next one. Nobody waits longer than they have said. One that was
cheap is made each time, and so is one of before something that is known to have changed it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: Seconds: a count that takes no longer is made each time.
CHEAP_S = 0.01
#: A dear one is kept for so many times what it took.
KEPT_TIMES = 20.0
#: Counts that are kept.
KEPT = 200


@dataclass(frozen=True, slots=True)
class Figure(Generic[V]):
    """A count, as it was some time ago."""

    value: V
    #: Seconds since it was made.
    age_s: float


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    value: V
    made_at: float
    took_s: float
    version: int


class Figures(Generic[K, V]):
    """Makes the counts of one kind, each once at a time, and keeps them."""

    def __init__(
        self,
        make: Callable[[K], Awaitable[V]],
        clock: Callable[[], float] = time.monotonic,
        version: Callable[[], int] = lambda: 0,
    ) -> None:
        """Keep counts.

        Args:
            make: makes one.
            version: another number after something that changes all of them.
        """
        self._make = make
        self._clock = clock
        self._version = version
        self._kept: OrderedDict[K, _Kept[V]] = OrderedDict()
        self._making: dict[K, asyncio.Task[None]] = {}

    async def at(self, key: K, within_s: float | None = None) -> Figure[V] | None:
        """Return a count; None where there is none yet and making it takes longer than allowed.

        Args:
            within_s: the most that is waited for a fresh one; None for as long as it takes.

        Raises: what making it raises, where it was waited for.
        """
        kept = self._kept.get(key)
        if kept is None or not self._is_fresh(kept):
            making = self._begun(key)
            is_wrong = kept is None or kept.version != self._version()
            if is_wrong or (within_s is not None and kept is not None and kept.took_s <= within_s):
                await asyncio.wait([making], timeout=within_s)
                if making.done():
                    making.result()
        if (kept := self._kept.get(key)) is None:
            return None
        self._kept.move_to_end(key)
        return Figure(kept.value, self._clock() - kept.made_at)

    async def close(self) -> None:
        """Give up what is being made."""
        making = list(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)

    def _is_fresh(self, kept: _Kept[V]) -> bool:
        age_s = self._clock() - kept.made_at
        is_dear = kept.took_s > CHEAP_S and age_s <= KEPT_TIMES * kept.took_s
        return is_dear and kept.version == self._version()

    def _begun(self, key: K) -> asyncio.Task[None]:
        if key not in self._making:
            self._making[key] = task = asyncio.ensure_future(self._made(key))
            task.add_done_callback(lambda ended: self._ended(key, ended))
        return self._making[key]

    def _ended(self, key: K, task: asyncio.Task[None]) -> None:
        del self._making[key]
        if not task.cancelled():
            task.exception()  # seen: whoever waits is told, and the next one tries again

    async def _made(self, key: K) -> None:
        began_at, version = self._clock(), self._version()
        value = await self._make(key)
        ended_at = self._clock()
        self._kept[key] = _Kept(value, ended_at, ended_at - began_at, version)
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
