"""Temporary tables of a reader's session, each set of them somebody's own.

A survey or a listing of a large store must not be held in memory. Its tables have a number, so
that several of one catalog can be read at a time, each as it was written; they are dropped by the
next that begins after whoever held them has gone. Nobody else's session sees them.
"""

from __future__ import annotations

import itertools
import weakref
from typing import Self

from objlib.catalog.protocol import Catalog, Session

_numbers = itertools.count(1)
#: Session -> tables that nobody holds any more.
_given_up: weakref.WeakKeyDictionary[Session, list[str]] = weakref.WeakKeyDictionary()


class Scratch:
    """Names of temporary tables that are still to be made, and that go with this object."""

    def __init__(self, session: Session, *stems: str) -> None:
        number = next(_numbers)
        self.session = session
        self.tables = tuple(f"{stem}_{number}" for stem in stems)
        given_up = _given_up.setdefault(session, [])
        weakref.finalize(self, given_up.extend, self.tables).atexit = False

    @classmethod
    async def begun(cls, catalog: Catalog, *stems: str) -> Self:
        """Return fresh names in the session for large reads, and drop what nobody holds."""
        session = catalog.reader
        given_up = _given_up.get(session, [])
        while given_up:
            await session.execute(f"DROP TABLE IF EXISTS {given_up.pop()}")
        return cls(session, *stems)
