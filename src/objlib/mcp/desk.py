"""The library that the tools of one connection share, opened when it is first asked for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from objlib import Library, Settings
from objlib.errors import CatalogError, ConfigurationError, ObjlibError, RunEnded
from objlib.mcp.quoting import one_line
from objlib.service import servers
from objlib.service.hits import Answers
from objlib.service.pilot import Pilot
from objlib.service.texts import Readings

_log = logging.getLogger(__name__)
URI = "objlib://file/"
MESSAGE_CHARS_MAX = 500
#: Characters of a passage that an address carries: enough to find it.
PASSAGE_CHARS = 300


class Unanswerable(ConfigurationError):
    """A call cannot be answered; whoever asked is told why, and nothing ends."""


@dataclass(frozen=True, slots=True)
class Open:
    """An open library, its answers and its rounds."""

    library: Library
    answers: Answers
    pilot: Pilot
    readings: Readings = field(default_factory=Readings)


@dataclass(slots=True)
class Desk:
    """The settings, and the library once something has asked for it.

    A catalog that is missing or locked is no reason to end: the next call tries again.
    """

    settings: Settings
    #: The address of the page, without a closing slash.
    page: str
    may_write: bool = False
    _open: Open | None = None
    _resources: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def at(self) -> Open:
        """Return the open library.

        Raises:
            ObjlibError: it cannot be opened now.
        """
        async with self._opening:
            if self._open is None:
                library = await self._resources.enter_async_context(
                    Library.open(settings=self.settings)
                )
                self._open = Open(library, Answers(library), Pilot(library))
            return self._open

    async def close(self) -> None:
        """End a round at once, and let go of the library."""
        async with self._opening:
            held, self._open = self._open, None
            if held is not None:
                await held.pilot.abandon()
            await self._resources.aclose()

    async def forget_after(self, error: ObjlibError) -> None:
        """Begin afresh at the next call, where what went wrong may be over by then."""
        held = self._open
        if held is None or not isinstance(error, CatalogError | RunEnded):
            return
        if await held.pilot.settled(0.0):
            await self.close()

    def sentence(self, error: BaseException) -> str:
        """Return one line for whoever asked: what is wrong and what helps, without secrets."""
        if isinstance(error, ObjlibError):
            said = str(error)
            if error.hint is not None:
                said += f"; what helps: {error.hint.value}"
        else:
            _log.error("a bug in objlib: %s", type(error).__name__)
            _log.debug("the call that failed", exc_info=error)
            said = f"a bug in objlib: {type(error).__name__}; the log has more"
        try:
            return one_line(servers.redactor(self.settings)(said), MESSAGE_CHARS_MAX)
        except ConfigurationError:  # the settings name no backend, so there is no secret
            return one_line(said, MESSAGE_CHARS_MAX)

    def address(self, key: str, text: str = "", page: int | None = None) -> str:
        """Return the address of a file's text in a browser, at a passage of it."""
        query = {"text": text[:PASSAGE_CHARS]} if text else {}
        if page is not None:
            query["page"] = str(page)
        ending = f"?{urlencode(query, errors='replace')}" if query else ""
        return f"{self.page}/passage/{quote(key, safe='')}{ending}"


def uri_of(key: str) -> str:
    """Return the name of a file as a resource."""
    return f"{URI}{quote(key, safe='')}"
