"""Trouble on purpose, for tests: off unless a plan is given, seeded, per route.

A plan is a list of faults. Each names a route (a glob over "METHOD template", for instance
`POST *:importFile`), how likely it is, how many hits it may have, how many it lets pass first, and
the time in which it is at work. A plan's time begins with its first request, or with `start`, and
runs on the store's clock: no thread and no timer, so a plan replays on virtual time.

Congestion is of four kinds: a quota (`QUOTA`), a storm of refusals (`RATE_LIMIT` with a window), a
server that slows down (`LATENCY` with steps, or with `above`), and a store that takes so many
documents at once and no more (`OVERLOAD`).
"""

from __future__ import annotations

import dataclasses
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from objlib.filestore.documents import Fate, Load
from objlib.filestore.kinds import FATEFUL, REFUSING, TAKEN_WELL, Fault, Kind
from objlib.filestore.refusals import rate_limited, refusal
from objlib.filestore.schedules import TokenBucket
from objlib.filestore.wire import ApiError


class ConnectionDropped(ConnectionError):
    """The answer is lost: the transport closes the connection instead of answering."""


@dataclass(slots=True)
class FaultPlan:
    """Faults and the chance behind them. The same seed and requests give the same trouble."""

    faults: Sequence[Fault]
    seed: int = 0
    #: How often each fault has struck, by its place in the list.
    hits: dict[int, int] = field(default_factory=dict, init=False)
    _seen: dict[int, int] = field(default_factory=dict, init=False)
    _buckets: dict[int, TokenBucket] = field(default_factory=dict, init=False)
    _rng: random.Random = field(init=False)
    _clock: Callable[[], float] = field(default=time.time, init=False)
    _started_at: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def replace(self, faults: Sequence[Fault], seed: int) -> None:
        """Go on with other faults: their time, chance and counts begin anew."""
        self.faults, self.seed = faults, seed
        self.hits, self._seen, self._buckets = {}, {}, {}
        self._rng = random.Random(seed)
        self._started_at = None

    def use_clock(self, clock: Callable[[], float]) -> None:
        """Run on this clock. `create_app` gives the plan that of its store."""
        self._clock = clock

    def start(self) -> None:
        """Let the plan's time begin now; without this it begins with the first request."""
        self._started_at = self._clock()

    def elapsed_s(self) -> float:
        """The plan's time."""
        if self._started_at is None:
            self.start()
            return 0.0
        return self._clock() - self._started_at

    def striking(self, route: str, *kinds: Kind) -> list[Fault]:
        """The faults of these kinds that strike this request."""
        if not self.faults:
            return []
        return [
            fault for index, fault in self._at_work(route, kinds) if self._strikes(index, fault)
        ]

    def latency_s(self, route: str, at_once: int) -> float:
        """Return the seconds that a request waits while `at_once` are served, itself included."""
        now_s = self.elapsed_s()
        return sum(
            (fault.seconds_at(now_s) or 0.0) * fault.slowdown(at_once)
            for fault in self.striking(route, Kind.LATENCY)
        )

    def refusal(self, route: str) -> ApiError | None:
        """The answer that a request is refused with, if it is.

        What is refused for another reason takes no token of a quota.
        """
        now_s = self.elapsed_s()
        for fault in self.striking(route, *REFUSING):
            return refusal(fault, fault.seconds_at(now_s))
        for index, fault in self._at_work(route, (Kind.QUOTA,)):
            bucket = self._buckets.setdefault(index, TokenBucket(fault.per_minute, fault.burst))
            if (wait_s := bucket.take(now_s)) > 0:
                self.hits[index] = self.hits.get(index, 0) + 1
                return rate_limited(wait_s if fault.hint and math.isfinite(wait_s) else None)
        return None

    def fate(self, route: str, pending: Callable[[], int]) -> Fate:
        """Return the fate of a document imported now, while `pending` others are indexed."""
        now_s = self.elapsed_s()
        changes: dict[str, Any] = {}
        for fault in self.striking(route, *FATEFUL):
            match fault.kind:
                case Kind.SILENT_IMPORT:
                    changes["makes_document"] = False
                case Kind.DOCUMENT_STUCK:
                    changes |= {"is_stuck": True, "operation_finishes": False}
                case Kind.OPERATION_STUCK:
                    changes["operation_finishes"] = False
                case Kind.OPERATION_FAILED:
                    error = {"code": 13, "message": "Failed to process the document."}
                    changes |= {"makes_document": False, "operation_error": error}
                case Kind.SEARCH_LAG:
                    changes["search_lag_s"] = fault.seconds_at(now_s) or 0.0
                case Kind.INDEXING_DELAY:
                    changes["delay_s"] = fault.seconds_at(now_s) or 0.0
                case Kind.OVERLOAD:
                    changes["load"] = self._load(fault, pending() + 1, now_s)
                case _:
                    changes |= {"fails": True, "recovers_after_s": fault.seconds_at(now_s)}
        return Fate(**changes)

    def _load(self, fault: Fault, at_once: int, now_s: float) -> Load:
        above = fault.above or TAKEN_WELL
        excess = max(0.0, at_once / above - 1)
        return Load(
            endurance=self._rng.random(),
            failing=min(1.0, fault.share * excess),
            slowdown=dataclasses.replace(fault, above=above).slowdown(at_once),
            recovers_after_s=fault.seconds_at(now_s),
        )

    def _at_work(self, route: str, kinds: Sequence[Kind]) -> Iterator[tuple[int, Fault]]:
        now_s = self.elapsed_s()
        for index, fault in enumerate(self.faults):
            if fault.kind in kinds and fault.may_strike(route, now_s):
                yield index, fault

    def _strikes(self, index: int, fault: Fault) -> bool:
        self._seen[index] = self._seen.get(index, 0) + 1
        if self._seen[index] <= fault.after:
            return False
        if fault.times is not None and self.hits.get(index, 0) >= fault.times:
            return False
        if fault.probability < 1.0 and self._rng.random() >= fault.probability:
            return False
        self.hits[index] = self.hits.get(index, 0) + 1
        return True
