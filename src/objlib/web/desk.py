"""The things that the pages of one running `objlib web` share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from objlib import Library
from objlib.service import servers
from objlib.service.hits import Answers
from objlib.service.pilot import Pilot
from objlib.web.door import Door


@dataclass(slots=True)
class Desk:
    """The library, the run in hand, the answers that were given, and the door."""

    library: Library
    door: Door
    pilot: Pilot
    answers: Answers
    #: Set when the page is being closed: open streams end.
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, library: Library, door: Door) -> Desk:
        """Return the desk of a library."""
        return cls(library, door, Pilot(library), Answers(library))

    @property
    def is_billed(self) -> bool:
        """True if the store is at Google, where answers and uploads cost money."""
        return servers.is_at_google(self.library.settings)

    @property
    def is_here(self) -> bool:
        """True for the embedded store."""
        return servers.is_embedded(self.library.settings)

    @property
    def backend(self) -> str:
        """The backend, as people read it."""
        return servers.description(self.library.settings)

    @property
    def name(self) -> str:
        """The name of the store."""
        return self.library.settings.store
