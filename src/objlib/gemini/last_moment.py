"""A check at the last moment before a request is sent, behind every wait for its turn.

A request may wait for its turn for minutes, and what allowed it may have ended meanwhile. So its
sender's check is made when nothing is left but to send it; when the check raises, nothing is sent.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import cast

import httpx2
import reactivex as rx
from reactivex import operators as ops

from objlib.reactive.bridge import LoopScheduler, completion, from_coroutine


@dataclass(frozen=True, slots=True)
class LastMoment:
    """A check before a request, and a bound on the time of the request after it."""

    check: Callable[[], Awaitable[None]]
    #: Seconds from the check until the answer is there; then it counts as lost.
    limit_s: float


#: Names the check of a request on its way down; it never reaches the wire. A context variable would
#: be inherited by whatever another file begins while this request goes on.
_HEADER = "x-objlib-last-moment"


@dataclass(frozen=True, eq=False)
class Checked(httpx2.AsyncBaseTransport):
    """Makes the check of a request, where it has one, and sends it if that does not raise."""

    inner: httpx2.AsyncBaseTransport
    _moments: dict[str, LastMoment] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @contextlib.contextmanager
    def asked(self, moment: LastMoment | None) -> Iterator[dict[str, str]]:
        """Keep a check for the time of a request; the request has to bear these headers."""
        if moment is None:
            yield {}
            return
        name = str(next(self._numbers))
        self._moments[name] = moment
        try:
            yield {_HEADER: name}
        finally:
            del self._moments[name]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        moment = self._moments.get(request.headers.pop(_HEADER, ""))
        if moment is None:
            return await self.inner.handle_async_request(request)
        await moment.check()
        waited = f"no answer within {moment.limit_s:g} s"
        lost = rx.throw(httpx2.ReadTimeout(waited, request=request))
        answer = from_coroutine(lambda: self.inner.handle_async_request(request))
        scheduler = LoopScheduler.running()
        try:
            timed = answer.pipe(ops.timeout(moment.limit_s, lost))
            return cast(httpx2.Response, await completion(timed, scheduler))
        finally:
            await scheduler.drained()

    async def aclose(self) -> None:
        await self.inner.aclose()
