"""Runs that listen to wishes in the catalog, and runs elsewhere that are shown and asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from objlib.catalog import steering
from objlib.catalog.lease import owner_of_this_process
from objlib.catalog.protocol import Catalog
from objlib.errors import CatalogError, ConfigurationError
from objlib.service.runs import Work
from objlib.upload.reports import UNDER_WAY, LastRun, last_run
from objlib.upload.shutdown import Shutdown

T = TypeVar("T")
R = TypeVar("R")

#: Seconds between two looks for a wish.
LOOK_S = 1.0
#: The reason that a run tells, and its log.
ASKED = "asked to stop from elsewhere"


def steered(catalog: Catalog, work: Work[T, R]) -> Work[T, R]:
    """Return a piece of work that can be paused and stopped through the catalog as well."""

    async def until_done() -> None:
        owner = owner_of_this_process("")
        with contextlib.suppress(CatalogError):  # a wish is not worth a run
            await steering.forget_wish(catalog, owner)  # meant for an earlier run
        listening = asyncio.ensure_future(_listen(catalog, owner, work.shutdown))
        try:
            await work.until_done()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    return replace(work, until_done=until_done)


async def _listen(catalog: Catalog, owner: str, shutdown: Shutdown) -> None:
    while not shutdown.is_killed:
        await asyncio.sleep(LOOK_S)
        with contextlib.suppress(CatalogError):
            wish = await steering.wish_for(catalog, owner)
            if wish is not None:
                shutdown.stop(ASKED)
            if wish == steering.STOP:
                shutdown.signal()


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A run of another process, as far as the catalog knows it."""

    run: LastRun
    #: State -> files that it has taken.
    states: Mapping[str, int]
    #: What it was asked for: `drain`, `stop` or nothing.
    wish: str | None

    @property
    def run_id(self) -> str:
        """The name of the run in the catalog."""
        return self.run.owner.rpartition("/")[2]


async def run_elsewhere(catalog: Catalog) -> Elsewhere | None:
    """Return the run of another process that is under way, or None."""
    run = await last_run(catalog)
    here = steering.process_of(owner_of_this_process(""))
    if run is None or run.ended != UNDER_WAY or steering.process_of(run.owner) == here:
        return None
    found = Elsewhere(run, {}, await steering.wish_for(catalog, run.owner))
    return replace(found, states=await steering.states_of_run(catalog, found.run_id))


async def steer(catalog: Catalog, wish: str) -> None:
    """Ask the run of another process to drain or to stop.

    Raises:
        ConfigurationError: there is none.
    """
    found = await run_elsewhere(catalog)
    if found is None:
        raise ConfigurationError("no run is under way any more")
    await steering.ask_for(catalog, found.run.owner, wish)
