"""A neighbour dies while this run works: its rows are taken, and those of the living are not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from objlib.catalog.lease import Lease
from objlib.catalog.reservations import reserve_page
from objlib.filestore import Fault, Kind
from objlib.states import State
from objlib.upload import events as ev
from objlib.upload.run import Identity
from tests.catalog.catalogs import bring_to
from tests.upload.world import IMPORT, World, make_world

#: The clock of the world comes nowhere near the end of these leases.
FAR = 1e12
KILLED, ALIVE = Lease("here/1/1.00/killed", FAR), Lease("here/2/1.00/alive", FAR)


async def paths_of(world: World) -> list[str]:
    rows = await world.catalog.fetch_all("SELECT file_path FROM files ORDER BY file_path")
    return [str(path) for (path,) in rows]


async def beside_one_that_is_killed(world: World, **options: object) -> None:
    """A run; the neighbour is killed when the first file of the run has come to its end."""

    def is_dead(owner: str) -> bool:
        return owner == KILLED.owner and bool(world.events(ev.FileIndexed, ev.FileFailed))

    await world.new_run(
        identity=Identity("survivor", "here/3/1.00/survivor", is_dead), **options
    ).until_done()


def story(folder: Path, tell: Callable[[World], Awaitable[None]], *faults: Fault) -> None:
    """A world of twelve files: four are the neighbour's, two somebody else's who is alive."""

    async def scenes() -> None:
        async with make_world(folder, files=12, faults=faults) as world:
            await reserve_page(world.catalog, "untracked", KILLED, None, 4)
            await reserve_page(world.catalog, "untracked", ALIVE, None, 2)
            await tell(world)

    asyncio.run(scenes())


def test_the_rows_of_a_neighbour_that_was_killed_are_taken_and_no_others(tmp_path: Path) -> None:
    """Its reserved rows and the one it had in flight are indexed before its lease has run out."""

    async def tell(world: World) -> None:
        first, *_ = await paths_of(world)
        await bring_to(world.catalog, first, State.UPLOADING, lease=KILLED)
        await beside_one_that_is_killed(world)
        assert await world.states() == {"indexed": 10, "untracked": 2}
        held = await world.catalog.fetch_all(
            "SELECT reserved_by, COUNT(*) FROM files WHERE reserved_by IS NOT NULL GROUP BY 1"
        )
        assert held == [(ALIVE.owner, 2)]

    story(tmp_path, tell)


def test_a_limit_holds_for_what_is_taken_from_the_dead_too(tmp_path: Path) -> None:
    """Six rows are free and four more come free: of eight, two are of the dead."""

    async def tell(world: World) -> None:
        await beside_one_that_is_killed(world, limit=8)
        assert await world.states() == {"indexed": 8, "untracked": 4}

    story(tmp_path, tell)


def test_another_pass_tries_no_file_twice(tmp_path: Path) -> None:
    """What this run could not do is left to its retry pass, also when it retries what failed."""

    async def tell(world: World) -> None:
        await beside_one_that_is_killed(world, retry_failed=True)
        started = Counter(event.path for event in world.seen if isinstance(event, ev.FileStarted))
        assert set(started.values()) == {1}
        assert await world.states() == {"failed": 1, "indexed": 9, "untracked": 2}

    story(tmp_path, tell, Fault(Kind.ERROR, route=IMPORT, status=400, times=1))
