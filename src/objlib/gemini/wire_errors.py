"""From what the SDK and the HTTP library raise to our own few errors, in one place.

What a failure means depends on the effect of the call. A lost answer to a call that may be repeated
(a list, a get, a delete by name, an upload under a name of our own) is `Transient`; after a call
that is not idempotent (an import) it is `InDoubt`.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

import httpx2

from objlib.congestion.pressure import LONGEST_WAIT_S
from objlib.errors import (
    AccessRefused,
    AlreadyExists,
    BackendUnavailable,
    InDoubt,
    NotFound,
    ObjlibError,
    RateLimited,
    Rejected,
    StorageFull,
    Transient,
    Unreachable,
)
from objlib.gemini.answers import Unusable
from objlib.redaction import redacted

if TYPE_CHECKING:
    from google.genai import errors as genai_errors


class Effect(Enum):
    """The effect that a lost answer leaves behind."""

    REPEATABLE = "may be sent again"
    UNKEYED = "must be looked up before it is sent again"


#: Answers that say nothing about the call: the same one may succeed later.
PASSING_CODES = frozenset({408, 500, 502, 503, 504})
#: Seconds: more than this is no answer that anybody waits for.
_SAID_MAX_S = 30 * 86_400.0

#: Raised in the SDK they are about an answer with other kinds of values than it should hold.
_ODD = (TypeError, AttributeError, RecursionError)
_OURS_TO_TRANSLATE = (httpx2.HTTPError, ValueError, KeyError, *_ODD)

_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


@contextlib.contextmanager
def translated(
    what: str,
    effect: Effect = Effect.REPEATABLE,
    *,
    secrets: tuple[str, ...] = (),
    gone_is_403: bool = False,
) -> Iterator[None]:
    """Raise our errors instead of the SDK's.

    Args:
        what: the call in words, for messages ("upload files/x").
        secrets: the API key and the like, kept out of every message.
        gone_is_403: the call names a raw file, which the API answers with 403 once it has expired.
    """
    from google.genai import errors as genai_errors  # whoever calls it has loaded the SDK

    try:
        yield
    except (*_OURS_TO_TRANSLATE, genai_errors.APIError) as error:
        if isinstance(error, _ODD) and not _is_the_sdks(error):
            raise
        ours = _translate(error, what, effect, secrets)
        is_refusal = isinstance(error, genai_errors.APIError) and error.code == 403
        if gone_is_403 and is_refusal and _is_googles(error):
            ours = NotFound(f"{what}: {_said(error, secrets)}")
        # A traceback shows the cause as it was, so one that repeats the key is left out.
        raise ours from None if redacted(repr(error), secrets) != repr(error) else error


#: Insufficient Storage: a server's disk is full, and waiting does not help.
_NO_ROOM = 507
#: Unrecoverable loss or corruption, google.rpc.Code 15: asking again does not help either.
_DATA_LOSS = "DATA_LOSS"
#: Ours alone: the embedded store lies on a disk or in a folder that is read-only.
_UNWRITABLE = "UNWRITABLE"


def _translate(
    error: Exception, what: str, effect: Effect, secrets: tuple[str, ...]
) -> ObjlibError:
    from google.genai import errors as genai_errors

    if isinstance(error, genai_errors.APIError):
        return _from_answer(error, what, effect, secrets)
    reason = redacted(f"{type(error).__name__}: {error}".rstrip(": "), secrets)
    if isinstance(error, _NEVER_SENT):
        return Unreachable(f"{what}: the backend cannot be reached ({reason})")
    if isinstance(error, Unusable):
        unusable = f"{what}: the backend cannot be used: {redacted(str(error), secrets)}"
        return InDoubt(unusable) if effect is Effect.UNKEYED else BackendUnavailable(unusable)
    if _is_of_wrong_types(error):
        wrong = f"{what}: the answer is not what File Search says (it holds other kinds of values)"
        return InDoubt(wrong) if effect is Effect.UNKEYED else Rejected(wrong)
    # What is left had an answer that was lost, cut short or made no sense.
    lost = f"{what}: no usable answer ({reason})"
    return InDoubt(lost) if effect is Effect.UNKEYED else Transient(lost)


def _is_the_sdks(error: Exception) -> bool:
    """Return whether an error was raised in what reads answers, and is no mistake of ours."""
    trace = error.__traceback__
    modules = []
    while trace is not None:
        modules.append(str(trace.tb_frame.f_globals.get("__name__")))
        trace = trace.tb_next
    return modules[-1].partition(".")[0] in ("google", "pydantic", "json", "httpx2")


def _is_of_wrong_types(error: Exception) -> bool:
    from pydantic import ValidationError  # the SDK has loaded it

    return isinstance(error, (ValidationError, *_ODD))


def _said(error: Exception, secrets: tuple[str, ...]) -> str:
    return redacted(str(getattr(error, "message", None) or error), secrets)


def _is_googles(error: Exception) -> bool:
    """Return whether an error has Google's shape; a gateway's own page says nothing of the call."""
    body = getattr(error, "details", None)
    if isinstance(body, list) and body:
        body = body[0]
    return isinstance(body, dict) and isinstance(body.get("error"), dict)


def _from_answer(
    error: genai_errors.APIError, what: str, effect: Effect, secrets: tuple[str, ...]
) -> ObjlibError:
    code = error.code
    said = redacted(str(error.message or error.status or "no message"), secrets)
    message = f"{what}: {code} {said}"
    if code == 429:
        if "storage limit" in said.lower():
            return StorageFull(
                f"{message}; delete documents or move to a higher tier, then run this again"
            )
        return _rate_limited(error, message)
    if error.status == _DATA_LOSS:
        return BackendUnavailable(f"{what}: {said}; restore a copy of the server's data")
    if error.status == _UNWRITABLE:
        return BackendUnavailable(f"{what}: {said}; make them and their folder writable")
    if code == _NO_ROOM:
        return StorageFull(f"{what}: {said}; make room there, then run this again")
    if code == 401 or _reason(error) == "API_KEY_INVALID":
        return AccessRefused(f"the API key was refused ({code} {said}); check GEMINI_API_KEY")
    if code == 403:
        return AccessRefused(
            f"access was refused ({code} {said}); check GEMINI_API_KEY, its project and its billing"
        )
    if code in (404, 409) and not _is_googles(error):
        strange = f"{what}: the backend cannot be used: what answers is no File Search ({code})"
        return InDoubt(strange) if effect is Effect.UNKEYED else BackendUnavailable(strange)
    if code == 404:
        return NotFound(message)
    if code == 409:
        return AlreadyExists(message)
    if code in PASSING_CODES:
        if effect is Effect.UNKEYED:
            return InDoubt(message)
        return Transient(message, _retry_after_s(error))
    return Rejected(message)


def _rate_limited(error: genai_errors.APIError, message: str) -> RateLimited:
    """Return the refusal in words: a quota of a day reads otherwise than one of a minute.

    Source: `google.rpc.QuotaFailure`; ids like `GenerateRequestsPerDayPerProjectPerModel-FreeTier`.
    """
    quotas = [
        str(violation.get("quotaId", ""))
        for item in _details(error.details)
        for violation in _listed(item.get("violations"))
    ]
    if any("PerDay" in quota for quota in quotas):
        used_up = f"{message}; the quota of the day is used up: it begins anew at midnight, Pacific"
        return RateLimited(f"{used_up} time", _retry_after_s(error), is_of_the_day=True)
    if any("PerMinute" in quota for quota in quotas):
        message = f"{message}; the quota of the minute is used up: wait a minute"
    return RateLimited(message, _retry_after_s(error))


def _listed(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _details(body: object) -> list[dict[str, Any]]:
    """The `details` of an error's body."""
    if isinstance(body, list) and body:  # seen now and then: a list of one error
        body = body[0]
    body = body if isinstance(body, dict) else {}
    inner = body.get("error", body)
    details = inner.get("details") if isinstance(inner, dict) else None
    return [item for item in details if isinstance(item, dict)] if isinstance(details, list) else []


def _reason(error: genai_errors.APIError) -> str | None:
    return next((item["reason"] for item in _details(error.details) if "reason" in item), None)


def _retry_after_s(error: genai_errors.APIError) -> float | None:
    headers = getattr(error.response, "headers", None) or {}
    asked_s = _longest_wait_s(headers, error.details)
    return None if asked_s is None else min(asked_s, LONGEST_WAIT_S)


def requested_wait_s(headers: Mapping[str, str], body: bytes) -> float | None:
    """Return the seconds that an answer asks us to wait before the next request; None for none."""
    try:
        return _longest_wait_s(headers, json.loads(body))
    except ValueError:
        return _longest_wait_s(headers, None)


def _longest_wait_s(headers: Mapping[str, str], body: object) -> float | None:
    """Return the larger of `RetryInfo.retryDelay` ("28s", "2.5s") and `Retry-After`."""
    stated = [str(item["retryDelay"]) for item in _details(body) if "retryDelay" in item]
    retry_after = str(headers.get("retry-after", ""))
    stated.append(retry_after)
    until_date_s = _seconds_between(str(headers.get("date", "")), retry_after)
    delays = [] if until_date_s is None else [max(0.0, until_date_s)]
    for text in stated:
        with contextlib.suppress(ValueError):
            delays.append(float(text.removesuffix("s")))
    usable = [delay for delay in delays if math.isfinite(delay) and delay >= 0]
    return min(max(usable), _SAID_MAX_S) if usable else None


def _seconds_between(earlier: str, later: str) -> float | None:
    """Return the seconds between two HTTP dates (RFC 9110, 5.6.7); None where one is not a date.

    The server's own `Date` is the reference: our clock may be wrong.
    """
    try:
        start, end = parsedate_to_datetime(earlier), parsedate_to_datetime(later)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # The old form of `asctime` names no zone. All HTTP dates are in UTC.
    return (end.replace(tzinfo=UTC) - start.replace(tzinfo=UTC)).total_seconds()
