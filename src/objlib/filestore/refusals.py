"""The refusals of faults: errors of the service, in the shapes in which they were seen."""

from __future__ import annotations

import json
import math
from typing import Any

from objlib.filestore.kinds import Fault, Kind
from objlib.filestore.wire import ApiError


class OddlyShaped(ApiError):
    """An error whose body is not the usual one."""

    def __init__(self, code: int, content: str, media_type: str) -> None:
        super().__init__(code, content)
        self.content = content
        self.media_type = media_type


def refusal(fault: Fault, wait_s: float | None) -> ApiError:
    """The answer of a fault that refuses a request: one of those in `REFUSING`.

    Args:
        wait_s: what a rate limit asks for; None when it does not say.
    """
    plain = ApiError(fault.status, fault.message)
    match fault.kind:
        case Kind.EMPTY_ERROR:
            return OddlyShaped(fault.status, "", "text/plain")
        case Kind.HTML_ERROR:
            page = f"<html><title>Error {fault.status}</title><p>{fault.message}</html>"
            return OddlyShaped(fault.status, page, "text/html")
        case Kind.WRAPPED_ERROR:  # seen now and then: a list of one error
            return _json_of(fault.status, [plain.body()])
        case Kind.UPLOAD_OUTAGE:  # from the front end of uploads, for hours; no status of proto's
            error = {"message": "", "code": 503, "status": "Service Unavailable"}
            return _json_of(503, {"error": error})
        case Kind.LIST_REGRESSION:
            return ApiError(400, "Document name must be of the format corpora/*/documents/*")
        case Kind.STORAGE_FULL:
            return ApiError(429, "Corpus has reached the storage limit of 1000000000 bytes.")
        case Kind.RATE_LIMIT:
            return rate_limited(wait_s)
        case _:
            return plain


def rate_limited(wait_s: float | None) -> ApiError:
    """429 with `RetryInfo` and `Retry-After` where a wait is known, in whole milliseconds."""
    message = "Resource has been exhausted (e.g. check quota)."
    if wait_s is None:
        return ApiError(429, message)
    shown = f"{math.ceil(wait_s * 1000 - 1e-6) / 1000:.12g}"
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{shown}s"}
    return ApiError(429, message, details=[info], headers={"Retry-After": shown})


def _json_of(code: int, body: Any) -> OddlyShaped:
    return OddlyShaped(code, json.dumps(body), "application/json")
