"""The wire between the processes and the server: distance, time-outs, and a log of what passed.

The server serves a request in a task of its own, which goes on when the process that sent it is
dead or has lost patience: that is how an effect comes about whose sender never learns of it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2

from tests.simulator.processes import current_process, outside_of_any_process


@dataclass(eq=False, slots=True)
class Exchange:
    """A request and what became of it. `is_late`: its sender was gone before its effect."""

    number: int
    sender: str
    method: str
    path: str
    body: bytes
    status: int | None = None
    is_late: bool = False


@dataclass(slots=True)
class Wire:
    """Carries requests to the app; `on_sent` sees them leave, the other two see them there."""

    app: httpx2.AsyncBaseTransport
    rng: random.Random
    distance_s: float
    on_sent: Callable[[Exchange], None]
    on_arrival: Callable[[Exchange], None]
    on_effect: Callable[[Exchange], None]
    exchanges: list[Exchange] = field(default_factory=list)

    def transport(self) -> httpx2.AsyncBaseTransport:
        """One for a client."""
        return _Transport(self)

    async def carry(self, request: httpx2.Request, exchange: Exchange) -> httpx2.Response:
        """The server's side of a request: there, its effect, and back."""
        await asyncio.sleep(self.rng.uniform(0.0, self.distance_s))
        self.on_arrival(exchange)
        try:
            response = await self.app.handle_async_request(request)
            await response.aread()
            exchange.status = response.status_code
        finally:
            self.on_effect(exchange)
        await asyncio.sleep(self.rng.uniform(0.0, self.distance_s))
        return response


class _Transport(httpx2.AsyncBaseTransport):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        process = current_process()
        body = await request.aread()
        exchange = Exchange(
            len(self._wire.exchanges),
            process.owner if process is not None else "world",
            request.method,
            request.url.path,
            body,
        )
        self._wire.exchanges.append(exchange)
        self._wire.on_sent(exchange)
        sent = httpx2.Request(request.method, request.url, headers=request.headers, content=body)
        serving = asyncio.get_running_loop().create_task(
            self._wire.carry(sent, exchange), context=outside_of_any_process()
        )
        serving.add_done_callback(_retrieve, context=outside_of_any_process())
        if process is not None:
            process.on_death.append(lambda: _gone(exchange))
        timeout_s = request.extensions.get("timeout", {}).get("read")
        try:
            done, _ = await asyncio.wait({serving}, timeout=timeout_s)
        except asyncio.CancelledError:
            _gone(exchange)
            raise
        if not done:
            _gone(exchange)
            raise httpx2.ReadTimeout("no answer in time")
        return serving.result()


def _gone(exchange: Exchange) -> None:
    if exchange.status is None:
        exchange.is_late = True


def _retrieve(serving: asyncio.Task[httpx2.Response]) -> None:
    if not serving.cancelled():
        serving.exception()
