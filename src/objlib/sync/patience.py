"""Calls to the backend that are made again after a refusal or a passing failure."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from reactivex import operators as ops

from objlib.reactive.bridge import LoopScheduler, completion
from objlib.upload._operators import upload_with_retry
from objlib.waits import Waits

T = TypeVar("T")

CALL_ATTEMPTS = 5


async def patiently(
    call: Callable[[], Awaitable[T]], waits: Waits, rng: random.Random | None = None
) -> T:
    """The value of a call that is safe to repeat; backs off as an upload does.

    Raises: what the last attempt raised.
    """
    values: list[T] = []
    tried = upload_with_retry(
        None,
        lambda _nothing: call(),
        CALL_ATTEMPTS,
        base_s=waits.backoff_base_s,
        cap_s=waits.backoff_cap_s,
        rng=rng,
    )
    scheduler = LoopScheduler.running()
    try:
        await completion(tried.pipe(ops.do_action(values.append)), scheduler)
    finally:
        await scheduler.drained()
    return values[0]
