"""The plug in use: one client, on standard input and output, until it says nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, cast

from mcp.server.stdio import stdio_server

from objlib import Settings
from objlib.mcp.desk import Desk
from objlib.mcp.server import create_server
from objlib.mcp.wire import Wire, standard_wire


class Ending(Protocol):
    """Lets signals end the plug while the context lasts."""

    def __call__(self, stop: Stop, /) -> AbstractContextManager[None]: ...


class Stop:
    """The end of the plug, as signals ask for it: the same as if the client went."""

    def __init__(self, wire: Wire) -> None:
        self.is_stopping = False
        self._wire = wire

    def signal(self) -> None:
        """Read nothing more."""
        self.is_stopping = True
        self._wire.end()


@contextmanager
def unheard(_stop: Stop) -> Iterator[None]:
    """Leave signals as they are."""
    yield


async def serve(
    settings: Settings, page: str, *, may_write: bool, ending: Ending = unheard
) -> None:
    """Serve one client over standard input and output.

    When it closes its side, calls that are under way are cancelled, a sync lets go of its files,
    and the function returns.
    """
    desk = Desk(settings, page.rstrip("/"), may_write)
    server = create_server(desk)
    async with standard_wire() as wire:
        try:
            with ending(Stop(wire)):
                async with stdio_server(cast(Any, wire), cast(Any, wire)) as (read, write):
                    await server.run(read, write, server.create_initialization_options())
        finally:
            await desk.close()
