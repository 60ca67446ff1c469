"""Crash at every point of an upload, a replacement, a recovery, a repair, a scan, a migration, a
recovery from the store, a round of `sync --watch`.

    python -m tests.simulator.sweep [--jobs 2] [--every N] [NAME ...]

Points are the steps of the event loop, the statements sent to the catalog, its commits and the
requests. After each crash comes one `fsm-upload` and one `store-sync --apply`, and then everything
must be at rest: that is the promise. A recovery is swept once for every different state that a
crash of its upload has left behind.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sqlite3
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from objlib.filestore import Fault, Kind
from tests.simulator import invariants
from tests.simulator.edge_world import CONSENT, EdgeWorld
from tests.simulator.edges import ALL_PAGES
from tests.simulator.harder import SuspendingLoop, small_pages
from tests.simulator.instants import dense
from tests.simulator.processes import ProcessLoop
from tests.simulator.scenario import IMPORT, Action, Scenario
from tests.simulator.story import Edges
from tests.simulator.terminal import hush, say
from tests.simulator.world import SimulatedWorld, lived

#: Points that one process of the pool takes at a time.
CHUNK = 25

SCAN, UPLOAD, SYNC, EDIT = Action("scan"), Action("upload"), Action("store-sync"), Action("edit")
INDEXED = (SCAN, UPLOAD)
CHANGED = (*INDEXED, EDIT, SCAN)
FROM_STORE, ROUND = Action("from store"), Action("round")
BACKUP = Action("back up catalog")
LOST = (*INDEXED, Action("lose catalog"))
LOST_ANSWER = Fault(Kind.DROP_AFTER, IMPORT, times=1)
SHOWN_FAILED = Fault(Kind.DOCUMENT_FAILED, times=1, seconds=100.0)


@dataclass(frozen=True, slots=True)
class Sweep:
    """What comes before, and the action that is killed at every point."""

    before: tuple[Action, ...]
    swept: Action
    files: int = 1
    faults: tuple[Fault, ...] = ()
    #: What the promise needs before the upload, where the crash itself was in a scan.
    rescue: tuple[Action, ...] = ()
    #: In a world where catalogs change, people follow advice, and uploads look at the store first.
    is_edge: bool = False
    #: Rows and documents on a page; None for as many as in life.
    page: int | None = None

    def scenario(self, dies_at: int | None) -> Scenario:
        """The scenario of one point; None lets the action live."""
        killed = replace(self.swept, dies_at_step=dies_at)
        return Scenario(0, self.files, (*self.before, killed), self.faults, distance_s=0.05)


def _moved(*kinds: str) -> tuple[Action, ...]:
    return tuple(Action(kind, file=number) for number, kind in enumerate(kinds))


SWEEPS = {
    "upload": Sweep((SCAN,), UPLOAD),
    "upload, answer of the import lost": Sweep((SCAN,), UPLOAD, faults=(LOST_ANSWER,)),
    "upload, document shown as failed": Sweep((SCAN,), UPLOAD, faults=(SHOWN_FAILED,)),
    "replacement": Sweep(CHANGED, UPLOAD),
    "replacement, answer of the import lost": Sweep(CHANGED, UPLOAD, faults=(LOST_ANSWER,)),
    "upload of three": Sweep((SCAN,), UPLOAD, files=3),
    "forced upload": Sweep(INDEXED, replace(UPLOAD, options=(("reset_existing", True),))),
    "scan": Sweep((*INDEXED, *_moved("edit", "delete", "move", "add")), SCAN, 3, rescue=(SCAN,)),
    "repair of orphans and ghosts": Sweep(
        (*INDEXED, Action("delete"), Action("lose document", file=1), SCAN), SYNC, 4
    ),
    "first scan": Sweep((), SCAN, 2, rescue=(SCAN,), is_edge=True, page=1),
    "recovery from the store": Sweep(LOST, FROM_STORE, 3, rescue=(SCAN,), is_edge=True, page=1),
    "recovery from the store, a file changed": Sweep(
        (*INDEXED, EDIT, Action("lose catalog")), FROM_STORE, 3, rescue=(SCAN,), is_edge=True
    ),
    "upload with an old catalog": Sweep(
        (*INDEXED, BACKUP, EDIT, Action("add"), SCAN, UPLOAD, Action("restore catalog"), SCAN),
        UPLOAD,
        2,
        is_edge=True,
    ),
    "repair with consent": Sweep(
        (*INDEXED, Action("delete"), Action("lose catalog"), FROM_STORE),
        CONSENT,
        3,
        rescue=(CONSENT,),
        is_edge=True,
    ),
    "migration": Sweep(
        (*CHANGED, Action("older schema", file=24)), SCAN, 2, rescue=(SCAN,), is_edge=True
    ),
    "migration over two versions": Sweep(
        (*INDEXED, Action("older schema", file=23)), SCAN, 2, rescue=(SCAN,), is_edge=True
    ),
    "round of a watch": Sweep(
        (*INDEXED, *_moved("edit", "delete", "add")), ROUND, 3, rescue=(SCAN,), is_edge=True
    ),
}


#: Whose recovery is swept, too.
RECOVERED = ("upload", "replacement", "upload, answer of the import lost")


@dataclass(frozen=True, slots=True)
class Point:
    """One crash and what it led to.

    Args:
        left: what catalog and store held when the process was dead.
        steps: of the swept process.
    """

    dies_at: int | None
    steps: int
    left: tuple[str, ...]
    violations: tuple[str, ...]


class _Swept(SimulatedWorld):
    """A world that comes to rest by what the promise names, and nothing more."""

    rescue: tuple[Action, ...] = ()
    left: tuple[str, ...] = ()
    steps: int = 0

    async def _come_to_rest(self) -> None:
        self.left = self._what_is_left()
        self.steps = self._processes[-1].steps
        if not self.scenario.faults:
            self._plan.replace((), 0)
        for action in (*self.rescue, UPLOAD, SYNC):
            await self.act(action)
        ghosts = self._ghosts()
        self._require(
            found
            for found in invariants.at_rest(self._moment())
            if found not in {f"L2 {path} is untracked" for path in ghosts}
        )
        if ghosts:  # a repair only says that these are to be uploaded again
            await self.act(UPLOAD)
        await self._nothing_left_to_do()
        self._audit()

    def _ghosts(self) -> frozenset[str]:
        assert self._catalog_eye is not None
        rows = self._catalog_eye.execute(
            "SELECT file_path FROM files WHERE transition_reason = 'ghost'"
            " AND gemini_state = 'untracked'"
        )
        return frozenset(path for (path,) in rows)

    def _what_is_left(self) -> tuple[str, ...]:
        """Rows, documents and raw files, without names that chance has made."""
        queries: list[tuple[sqlite3.Connection | None, str]] = [
            (
                self._catalog_eye,
                "SELECT file_path, gemini_state, upload_key IS NULL, import_intent_at IS NULL,"
                " gemini_file_id IS NULL, operation_name IS NULL, gemini_store_doc_id IS NULL,"
                " superseded_doc_id IS NULL, lease_owner IS NULL FROM files ORDER BY 1",
            ),
            (self._store_eye, "SELECT display_name FROM documents ORDER BY 1"),
            (self._store_eye, "SELECT id FROM files ORDER BY 1"),
        ]
        rows = [str(row) for eye, query in queries if eye for row in eye.execute(query)]
        under_way = [one.path.rpartition("/")[2] for one in self.wire.exchanges if one.is_late]
        return (*rows, *under_way)


class _SweptEdges(_Swept, EdgeWorld):
    """The same where catalogs change."""


def crash(sweep: Sweep, dies_at: int | None) -> Point:
    """Play one point."""

    def make(folder: Path) -> _Swept:
        scenario = sweep.scenario(dies_at)
        world: _Swept
        if sweep.is_edge:
            world = _SweptEdges(Edges(scenario), folder, SuspendingLoop())
        else:
            world = _Swept(scenario, folder, ProcessLoop())
        world.rescue = sweep.rescue
        return world

    with small_pages(sweep.page, ALL_PAGES):
        world = lived(make, lambda _world: dense())
    return Point(dies_at, world.steps, world.left, tuple(world.violations))


def crash_at(sweep: Sweep, points: Sequence[int]) -> list[Point]:
    """Play some points, one after the other."""
    return [crash(sweep, point) for point in points]


def points_of(sweep: Sweep, every: int) -> range:
    """The points of a sweep, or every so manieth of them."""
    lived = crash(sweep, None)
    if lived.violations:
        raise SystemExit(f"without a crash: {lived.violations[0]}")
    return range(1, lived.steps + 1, every)


def different(points: Iterable[Point]) -> list[int]:
    """One point of each group that has left the same behind."""
    first = {point.left: point.dies_at for point in reversed(list(points))}
    return sorted(at for at in first.values() if at is not None)


def recoveries(name: str, sweep: Sweep, points: Iterable[Point]) -> dict[str, Sweep]:
    """The sweeps of the recovery from each different state a sweep has led to."""
    return {
        f"recovery of: {name}, killed at {at}": replace(
            sweep, before=(*sweep.before, replace(sweep.swept, dies_at_step=at)), swept=UPLOAD
        )
        for at in different(points)
    }


class Sweeper:
    """Plays sweeps on a pool, prints a line for each, and keeps what went wrong."""

    def __init__(self, pool: ProcessPoolExecutor, every: int) -> None:
        self._pool = pool
        self._every = every
        self.points = 0
        self.violations: list[str] = []

    def play(self, name: str, sweep: Sweep) -> list[Point]:
        """All points of a sweep."""
        points = list(points_of(sweep, self._every))
        chunks = [points[start : start + CHUNK] for start in range(0, len(points), CHUNK)]
        played = [
            point
            for chunk in self._pool.map(crash_at, [sweep] * len(chunks), chunks)
            for point in chunk
        ]
        wrong = [point for point in played if point.violations]
        self.points += len(played)
        self.violations += [f"{name}, point {one.dies_at}: {one.violations[0]}" for one in wrong]
        states = len(different(played))
        say(f"{len(played):6,} points, {states:3} states, {len(wrong):3} wrong: {name}")
        return played


def main(arguments: Sequence[str] | None = None) -> int:
    """Sweep and print; 1 when anything did not come to rest."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator.sweep")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only sweeps that begin so")
    parser.add_argument("--every", type=int, default=1, help="only every so manieth point [1]")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time [2]")
    options = parser.parse_args(arguments)
    chosen = {
        name: sweep
        for name, sweep in SWEEPS.items()
        if not options.names or name.startswith(tuple(options.names))
    }
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context, initializer=hush) as pool:
        sweeper = Sweeper(pool, options.every)
        for name, sweep in chosen.items():
            points = sweeper.play(name, sweep)
            if name in RECOVERED:
                for again, second in recoveries(name, sweep, points).items():
                    sweeper.play(again, second)
    say(f"{sweeper.points:,} crashes, {len(sweeper.violations)} of them with a violation")
    for line in sweeper.violations[:50]:
        say(line)
    return 1 if sweeper.violations else 0


if __name__ == "__main__":
    raise SystemExit(main())
