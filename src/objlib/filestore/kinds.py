"""The kinds of faults, and the description of one fault."""

from __future__ import annotations

import fnmatch
import math
from dataclasses import dataclass
from enum import StrEnum

from objlib.filestore.schedules import Schedule, is_ascending, value_at

#: Documents that the service was seen to index well at once; of 100, 84 failed.
TAKEN_WELL = 50


class Kind(StrEnum):
    """The kind of a fault."""

    # Before the effect
    LATENCY = "latency"
    DROP_BEFORE = "drop_before"
    # Instead of the effect
    QUOTA = "quota"
    RATE_LIMIT = "rate_limit"
    ERROR = "error"
    EMPTY_ERROR = "empty_error"
    HTML_ERROR = "html_error"
    WRAPPED_ERROR = "wrapped_error"
    STORAGE_FULL = "storage_full"
    UPLOAD_OUTAGE = "upload_outage"
    LIST_REGRESSION = "list_regression"
    EMPTY_PAGE = "empty_page"
    EMPTY_LIST = "empty_list"
    FILE_EXPIRED = "file_expired"
    # After the effect
    DROP_AFTER = "drop_after"
    TRUNCATED_BODY = "truncated_body"
    EMPTY_ANSWER = "empty_answer"
    SLOW_DRIP = "slow_drip"
    UPLOAD_HEADERS_LOST = "upload_headers_lost"
    # In what becomes of a document
    SILENT_IMPORT = "silent_import"
    DOCUMENT_FAILED = "document_failed"
    DOCUMENT_STUCK = "document_stuck"
    OPERATION_STUCK = "operation_stuck"
    OPERATION_FAILED = "operation_failed"
    INDEXING_DELAY = "indexing_delay"
    OVERLOAD = "overload"
    SEARCH_LAG = "search_lag"


REFUSING = (
    Kind.STORAGE_FULL,
    Kind.RATE_LIMIT,
    Kind.ERROR,
    Kind.EMPTY_ERROR,
    Kind.HTML_ERROR,
    Kind.WRAPPED_ERROR,
    Kind.UPLOAD_OUTAGE,
    Kind.LIST_REGRESSION,
)
FATEFUL = (
    Kind.SILENT_IMPORT,
    Kind.DOCUMENT_FAILED,
    Kind.DOCUMENT_STUCK,
    Kind.OPERATION_STUCK,
    Kind.OPERATION_FAILED,
    Kind.INDEXING_DELAY,
    Kind.OVERLOAD,
    Kind.SEARCH_LAG,
)

_LISTS = ("GET /{version}/files", "GET /{version}/fileSearchStores", "GET */documents")
_UPLOADS = ("POST /upload/*",)
#: Where a kind can strike at all, whatever the route of the fault.
_PLACES = {
    Kind.EMPTY_PAGE: _LISTS,
    Kind.EMPTY_LIST: _LISTS,
    Kind.LIST_REGRESSION: ("GET */documents",),
    Kind.UPLOAD_OUTAGE: _UPLOADS,
    Kind.UPLOAD_HEADERS_LOST: _UPLOADS,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Args:
        route: glob over "METHOD template".
        probability: of each request (or import) that matches.
        times: at most so many hits; None for no end.
        after: the first so many matching requests pass.
        from_s: seconds of the plan's time from which the fault is at work …
        until_s: … and until which; None for no end.
        seconds: of latency, over which a body drips, of a wait asked for by a rate limit, of
            indexing, of search lag, until a failed document recovers. It may follow a schedule.
        status: of an error; `message` with it.
        above: how many requests a slow server serves at once, or documents an overloaded store
            indexes at once, without taking longer; None means no limit for a server and 50 for a
            store, which is what the service was seen to take.
        growth: how much longer it takes with n at once: (n / above) to this power. At 1 as much
            is done as before, at 2 half as much at twice the load.
        share: of the documents being indexed at once that fail when they are twice `above`. In
            between it grows in proportion, beyond up to 1.
        per_minute: requests that a quota allows; may follow a schedule.
        burst: requests that a quota allows at once after a rest.
        hint: whether a quota says when to come again.

    Raises:
        ValueError: a value is out of its range.
    """

    kind: Kind
    route: str = "*"
    probability: float = 1.0
    times: int | None = None
    after: int = 0
    from_s: float = 0.0
    until_s: float | None = None
    seconds: Schedule | None = None
    status: int = 503
    message: str = "The service is currently unavailable."
    above: int | None = None
    growth: float = 1.0
    share: float = 0.84
    per_minute: Schedule = 60.0
    burst: float = 10.0
    hint: bool = True

    def __post_init__(self) -> None:
        _require(0 <= self.probability <= 1, "probability", "between 0 and 1")
        _require(self.times is None or self.times >= 0, "times", "not negative")
        _require(self.after >= 0, "after", "not negative")
        _require(self.until_s is None or self.until_s > self.from_s, "until_s", "after from_s")
        _require(400 <= self.status <= 599, "status", "between 400 and 599")
        _require(self.above is None or self.above >= 1, "above", "at least 1")
        _require(0 <= self.growth <= 10, "growth", "between 0 and 10")
        _require(0 <= self.share < math.inf, "share", "not negative")
        _require(1 <= self.burst < math.inf, "burst", "at least 1")
        for name, schedule in (("seconds", self.seconds), ("per_minute", self.per_minute)):
            _require(
                schedule is None or is_ascending(schedule),
                name,
                "a number that is not negative, or pairs [from second, number] in ascending order",
            )

    def may_strike(self, route: str, at_s: float) -> bool:
        """Return True if the fault is at work on a route at a moment of the plan's time."""
        if at_s < self.from_s or (self.until_s is not None and at_s >= self.until_s):
            return False
        if not fnmatch.fnmatchcase(route, self.route):
            return False
        places = _PLACES.get(self.kind)
        return places is None or any(fnmatch.fnmatchcase(route, place) for place in places)

    def seconds_at(self, at_s: float) -> float | None:
        """`seconds` at a moment of the plan's time."""
        return None if self.seconds is None else value_at(self.seconds, at_s)

    def slowdown(self, at_once: int) -> float:
        """Return the factor by which a request or a document takes longer with `at_once` others."""
        if self.above is None or at_once <= self.above:
            return 1.0
        return float((at_once / self.above) ** self.growth)


def _require(holds: bool, name: str, expected: str) -> None:
    if not holds:
        raise ValueError(f"{name} must be {expected}")
