"""A check at the last moment before a request is sent, behind every wait for its turn.

A request may wait for its turn for minutes, and what allowed it may have ended meanwhile. So its
sender's check is made when nothing is left but to send it; when the check raises, nothing is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

import httpx2


@dataclass(frozen=True, slots=True)
class LastMoment:
    """A check before a request, and a bound on the time of the request after it."""

    check: Callable[[], Awaitable[None]]
    #: Seconds from the check until the answer begins; then the answer counts as lost.
    limit_s: float


#: With the task it is for: a task that is started meanwhile, for another file, inherits the value.
_asked: ContextVar[tuple[LastMoment, object] | None] = ContextVar("last moment", default=None)


@contextlib.contextmanager
def checked(moment: LastMoment | None) -> Iterator[None]:
    """Make the requests of this task within the context pass a check."""
    token = _asked.set(None if moment is None else (moment, asyncio.current_task()))
    try:
        yield
    finally:
        _asked.reset(token)


@dataclass(frozen=True, eq=False)
class Checked(httpx2.AsyncBaseTransport):
    """Makes the check of a request, where it has one, and sends it if that does not raise."""

    inner: httpx2.AsyncBaseTransport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = _asked.get()
        if asked is None or asked[1] is not asyncio.current_task():
            return await self.inner.handle_async_request(request)
        moment = asked[0]
        await moment.check()
        try:
            async with asyncio.timeout(moment.limit_s):
                return await self.inner.handle_async_request(request)
        except TimeoutError as error:
            waited = f"no answer within {moment.limit_s:g} s"
            raise httpx2.ReadTimeout(waited, request=request) from error

    async def aclose(self) -> None:
        await self.inner.aclose()
