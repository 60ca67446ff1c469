"""The things that the pages of one running `objlib web` share."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from starlette.requests import Request

from objlib import Library, Settings
from objlib.errors import CatalogError, ConfigurationError, Hint
from objlib.service import servers
from objlib.service.counts import Counts
from objlib.service.hits import Answers
from objlib.service.homes import question_about
from objlib.service.pilot import Pilot
from objlib.service.prover import Prover
from objlib.service.texts import Readings
from objlib.service.view import open_view
from objlib.web.door import Door


class NoFolderYet(ConfigurationError):
    """Nobody has chosen the library's folder yet; the page asks for it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An open library, and all that is held of it for the pages."""

    library: Library
    pilot: Pilot
    prover: Prover
    answers: Answers
    counts: Counts
    readings: Readings = field(default_factory=Readings)


@dataclass(slots=True)
class Desk:
    """The settings, the door, and the library once there is one."""

    settings: Settings
    door: Door
    #: Set when the page is being closed: open streams end.
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    _opened: Opened | None = None
    _resources: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    _choosing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def open(self) -> None:
        """Open the library of the settings, if its folder has been chosen.

        Raises:
            CatalogError: there is a catalog, and it cannot be opened.
        """
        try:
            await self._open(None)
        except CatalogError as error:
            if error.hint is not Hint.SCAN_OR_RECOVER:  # there is none yet
                raise
            return
        try:
            await self.library.bound()
        except ConfigurationError:  # nothing was ever scanned
            await self.close()

    async def choose(self, said: str, *, is_home_meant: bool) -> None:
        """Open a folder as the library, and make its catalog.

        Args:
            said: the path of the folder, as somebody has typed it.
            is_home_meant: a home directory or a whole disk is what they want.

        Raises:
            ConfigurationError: it is no folder, a doubtful one, or one is chosen already.
        """
        async with self._choosing:
            if self._opened is not None:
                raise ConfigurationError(
                    "this page shows a library already; another one needs a catalog of its own"
                )
            folder = folder_of(said)
            settings = replace(self.settings, library=folder)
            question = None if is_home_meant else await question_about(settings)
            if question is not None:
                raise question
            await self._open(folder)

    async def _open(self, folder: Path | None) -> None:
        async with contextlib.AsyncExitStack() as opening:
            enter = opening.enter_async_context
            library = await enter(Library.open(folder, settings=self.settings))
            pilot, prover = Pilot(library), Prover(library)
            view = await enter(open_view(self.settings))
            counts = Counts.of(view, lambda: pilot.ended + prover.ended)
            for closed in (counts, prover, pilot):
                opening.push_async_callback(closed.close)
            self._opened = Opened(library, pilot, prover, Answers(library), counts)
            self._resources = opening.pop_all()

    async def close(self) -> None:
        """End what is under way, and let go of the library."""
        self._opened = None
        await self._resources.aclose()

    @property
    def opened(self) -> Opened:
        """The open library. Raises `NoFolderYet`."""
        if self._opened is None:
            raise NoFolderYet("choose the folder of your library first")
        return self._opened

    @property
    def has_library(self) -> bool:
        """True once the folder has been chosen."""
        return self._opened is not None

    @property
    def library(self) -> Library:
        """The open library. Raises `NoFolderYet`."""
        return self.opened.library

    @property
    def is_billed(self) -> bool:
        """True if the store is at Google, where answers and uploads cost money."""
        return servers.is_at_google(self.settings)

    @property
    def is_here(self) -> bool:
        """True for the embedded store."""
        return servers.is_embedded(self.settings)

    @property
    def backend(self) -> str:
        """The backend, as people read it."""
        return servers.description(self.settings)

    @property
    def name(self) -> str:
        """The name of the store."""
        return self.settings.store


def folder_of(said: str) -> Path:
    """Return the path that somebody typed.

    Raises:
        ConfigurationError: it is none.
    """
    said = said.strip()
    if not said or "\0" in said:
        raise ConfigurationError("write the path of a folder, for instance ~/Lectures")
    try:
        folder = Path(said).expanduser()
    except RuntimeError as error:  # ~somebody that there is not
        raise ConfigurationError(f"{said} is not a folder") from error
    if not folder.is_absolute():
        raise ConfigurationError(f"write the whole path of the folder, for instance ~/{said}")
    return folder


def desk_of(request: Request) -> Desk:
    """Return what the pages share."""
    desk: Desk = request.app.state.desk
    return desk
