"""How long a connection may take to ask: whoever holds one and asks nothing is let go."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

#: Seconds from the opening of a connection, or from the first byte of a request, to its last line.
ASKING_S = 10.0


class Impatient(H11Protocol):
    """HTTP that closes a connection on which no request was finished in time.

    Bytes that trickle in do not help: the time runs from the first one.
    """

    _until: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait on, unless the request is whole now."""
        if self._until is None and self._is_asked_nothing:
            self._wait()
        super().data_received(data)
        if not self._is_asked_nothing:
            self._wait_no_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    @property
    def _is_asked_nothing(self) -> bool:
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)

    def _wait(self) -> None:
        self._until = self.loop.call_later(ASKING_S, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._until is not None:
            self._until.cancel()
            self._until = None
