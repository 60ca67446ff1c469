"""Numbers that change with time, in steps, and the token bucket that is filled by one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

#: A number, or steps (from second, number) in ascending order. Before the first step it is zero.
Schedule = float | Sequence[Sequence[float]]

#: What rounding may take from a token.
_TOLERANCE = 1e-9


def value_at(schedule: Schedule, at_s: float) -> float:
    """The number that holds at a moment."""
    if isinstance(schedule, int | float):
        return float(schedule)
    return next((value for start, value in reversed(schedule) if start <= at_s), 0.0)


def is_ascending(schedule: Schedule) -> bool:
    """Return True for a schedule: numbers that are not negative, steps one after the other."""
    if isinstance(schedule, int | float):
        return 0 <= schedule < math.inf
    if not schedule or any(len(step) != 2 for step in schedule):
        return False
    starts = [start for start, _ in schedule]
    is_finite = all(0 <= number < math.inf for step in schedule for number in step)
    return is_finite and all(one < other for one, other in itertools.pairwise(starts))


def area(schedule: Schedule, from_s: float, until_s: float) -> float:
    """The sum of number times seconds between two moments."""
    return sum(
        value * (min(end, until_s) - max(start, from_s))
        for start, end, value in _segments(schedule)
        if start < until_s and end > from_s
    )


def time_to_gather(schedule: Schedule, from_s: float, amount: float) -> float:
    """Seconds after a moment until the area has reached an amount; infinite when it never does."""
    for start, end, value in _segments(schedule):
        begin = max(start, from_s)
        if end <= from_s or value <= 0:
            continue
        if value * (end - begin) >= amount:
            return begin + amount / value - from_s
        amount -= value * (end - begin)
    return math.inf


def _segments(schedule: Schedule) -> Iterator[tuple[float, float, float]]:
    """(start, end, number), without gaps, the last one without an end."""
    if isinstance(schedule, int | float):
        yield (-math.inf, math.inf, float(schedule))
        return
    for (start, value), (end, _) in itertools.pairwise([*schedule, (math.inf, 0.0)]):
        yield (start, end, value)


class TokenBucket:
    """A quota: so many tokens a minute flow in, the bucket holds at most a burst, and begins full.

    Args:
        per_minute: the flow; it may change with time.
        burst: what the bucket holds; at least 1.
    """

    def __init__(self, per_minute: Schedule, burst: float) -> None:
        self._per_minute = per_minute
        self._burst = max(1.0, burst)
        self._tokens = self._burst
        self._filled_s: float | None = None

    def take(self, now_s: float) -> float:
        """Take a token. 0.0 when there was one, else the seconds until there will be."""
        if self._filled_s is not None:
            gained = area(self._per_minute, self._filled_s, now_s) / 60
            self._tokens = min(self._burst, self._tokens + gained)
        self._filled_s = now_s
        if self._tokens >= 1.0 - _TOLERANCE:
            self._tokens = max(0.0, self._tokens - 1.0)
            return 0.0
        return time_to_gather(self._per_minute, now_s, (1.0 - self._tokens) * 60)
