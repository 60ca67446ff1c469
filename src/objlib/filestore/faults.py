"""Trouble on purpose, for tests: off unless a plan is given, seeded, per route.

A plan is a list of faults. Each names a route (a glob over "METHOD template", for instance
`POST *:importFile`), how likely it is, how many hits it may have and how many it lets pass first.
"""

from __future__ import annotations

import fnmatch
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from objlib.filestore.storage import Fate
from objlib.filestore.wire import ApiError


class ConnectionDropped(ConnectionError):
    """The answer is lost: the transport closes the connection instead of answering."""


class Kind(StrEnum):
    """What goes wrong."""

    LATENCY = "latency"
    RATE_LIMIT = "rate_limit"
    ERROR = "error"
    EMPTY_ERROR = "empty_error"
    HTML_ERROR = "html_error"
    WRAPPED_ERROR = "wrapped_error"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    UPLOAD_HEADERS_LOST = "upload_headers_lost"
    EMPTY_PAGE = "empty_page"
    STORAGE_FULL = "storage_full"
    SILENT_IMPORT = "silent_import"
    DOCUMENT_FAILED = "document_failed"
    DOCUMENT_STUCK = "document_stuck"
    OPERATION_STUCK = "operation_stuck"
    OPERATION_FAILED = "operation_failed"
    OVERLOAD = "overload"
    SEARCH_LAG = "search_lag"


_NEVER_S = 10.0 * 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Args:
        route: glob over "METHOD template".
        probability: of each request (or import) that matches.
        times: at most so many hits; None for no end.
        after: the first so many matching requests pass.
        seconds: of latency, of a wait asked for by a rate limit, until a failed document recovers,
            of search lag.
        status: of an error; `message` with it.
        above: documents pending at once that an overloaded store takes well.
    """

    kind: Kind
    route: str = "*"
    probability: float = 1.0
    times: int | None = None
    after: int = 0
    seconds: float | None = None
    status: int = 503
    message: str = "The service is currently unavailable."
    above: int = 50


@dataclass(slots=True)
class FaultPlan:
    """Faults and the chance behind them. The same seed and requests give the same trouble."""

    faults: Sequence[Fault]
    seed: int = 0
    #: How often each fault has struck, by its place in the list.
    hits: dict[int, int] = field(default_factory=dict)
    _seen: dict[int, int] = field(default_factory=dict)
    _rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def striking(self, route: str, *kinds: Kind) -> list[Fault]:
        """The faults of these kinds that strike this request."""
        return [
            fault
            for index, fault in enumerate(self.faults)
            if fault.kind in kinds
            and fnmatch.fnmatchcase(route, fault.route)
            and self._strikes(index, fault)
        ]

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

    def fate(self, route: str, pending: int) -> Fate:
        """What becomes of a document that is imported now, with `pending` others being indexed."""
        changes: dict[str, Any] = {}
        for fault in self.striking(
            route,
            Kind.SILENT_IMPORT,
            Kind.DOCUMENT_FAILED,
            Kind.DOCUMENT_STUCK,
            Kind.OPERATION_STUCK,
            Kind.OPERATION_FAILED,
            Kind.OVERLOAD,
            Kind.SEARCH_LAG,
        ):
            match fault.kind:
                case Kind.SILENT_IMPORT:
                    changes["makes_document"] = False
                case Kind.DOCUMENT_STUCK:
                    changes |= {"delay_s": _NEVER_S, "operation_finishes": False}
                case Kind.OPERATION_STUCK:
                    changes["operation_finishes"] = False
                case Kind.OPERATION_FAILED:
                    error = {"code": 13, "message": "Failed to process the document."}
                    changes |= {"makes_document": False, "operation_error": error}
                case Kind.SEARCH_LAG:
                    changes["search_lag_s"] = fault.seconds or 0.0
                case Kind.OVERLOAD if pending < fault.above:
                    pass
                case _:
                    changes |= {"fails": True, "recovers_after_s": fault.seconds}
        return Fate(**changes)


class OddlyShaped(ApiError):
    """An error whose body is not the usual one."""

    def __init__(self, fault: Fault, content: str, media_type: str) -> None:
        super().__init__(fault.status, fault.message)
        self.content = content
        self.media_type = media_type


REFUSING = (
    Kind.STORAGE_FULL,
    Kind.RATE_LIMIT,
    Kind.ERROR,
    Kind.EMPTY_ERROR,
    Kind.HTML_ERROR,
    Kind.WRAPPED_ERROR,
)


def refusal(fault: Fault) -> ApiError:
    """The answer of a fault that refuses a request: one of those in `REFUSING`."""
    plain = ApiError(fault.status, fault.message)
    match fault.kind:
        case Kind.EMPTY_ERROR:
            return OddlyShaped(fault, "", "text/plain")
        case Kind.HTML_ERROR:
            page = f"<html><title>Error {fault.status}</title><p>{fault.message}</html>"
            return OddlyShaped(fault, page, "text/html")
        case Kind.WRAPPED_ERROR:  # seen now and then: a list of one error
            return OddlyShaped(fault, json.dumps([plain.body()]), "application/json")
        case Kind.STORAGE_FULL:
            return ApiError(429, "Corpus has reached the storage limit of 1000000000 bytes.")
        case Kind.RATE_LIMIT:
            return rate_limited(fault.seconds)
        case _:
            return plain


def rate_limited(seconds: float | None) -> ApiError:
    """429 with `RetryInfo` and `Retry-After` where a wait is known."""
    message = "Resource has been exhausted (e.g. check quota)."
    if seconds is None:
        return ApiError(429, message)
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds:g}s"}
    return ApiError(429, message, details=[info], headers={"Retry-After": f"{seconds:g}"})
