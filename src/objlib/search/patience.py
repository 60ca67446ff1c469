"""Asking again after a refusal that passes, for as long as a person waits for an answer."""

from __future__ import annotations

import random

from objlib.errors import RateLimited, Transient
from objlib.reactive.retry import Notifier, OnRetry, waiting
from objlib.waits import Waits

ATTEMPTS = 4
#: Seconds: a service that names a longer wait is told to the person at once.
LONGEST_WAIT_S = 20.0
#: Seconds that are added to what the service names, or waited where it names nothing.
_CAP_S = 5.0


def patient(waits: Waits, rng: random.Random, on_retry: OnRetry | None = None) -> Notifier:
    """Return the decisions whether to ask again after a 429, a 503 and their like, and how soon.

    Args:
        on_retry: told (error, attempt that failed, wait in seconds) before each wait.

    Fails with the last error: the quota of a day is used up, or the wait would be too long.
    """

    def wait_s(error: Exception, earlier: int) -> float | None:
        if not isinstance(error, (RateLimited, Transient)) or earlier + 1 >= ATTEMPTS:
            return None
        named_s = error.retry_after_s or 0.0
        is_of_the_day = isinstance(error, RateLimited) and error.is_of_the_day
        if is_of_the_day or named_s > LONGEST_WAIT_S:
            return None
        delay_s = named_s + rng.uniform(0.0, min(_CAP_S, waits.backoff_base_s * 2.0**earlier))
        if on_retry is not None:
            on_retry(error, earlier + 1, delay_s)
        return delay_s

    return waiting(wait_s)
