"""One simulated world: a library on disk, a catalog, a store, processes that come and go.

Everything is the real thing but time, distance and death: the orchestrator, the SDK, the server and
SQLite run as they do for a user, in one thread, on a loop with virtual time.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeAlias, TypeVar

from objlib.backend import in_process
from objlib.catalog import lease
from objlib.catalog.binding import LIBRARY_ID, LIBRARY_ROOT
from objlib.catalog.opening import open_catalog
from objlib.catalog.queries import set_info
from objlib.errors import ObjlibError
from objlib.filestore import FaultPlan, FileStore, create_app
from tests.simulator import commands, invariants
from tests.simulator.commands import LIBRARY
from tests.simulator.invariants import Facts, Moment, Row, StoredDocument
from tests.simulator.processes import (
    Killed,
    Process,
    ProcessLoop,
    funeral,
    outside_of_any_process,
)
from tests.simulator.scenario import Action, Scenario
from tests.simulator.wire import Exchange, Wire

#: How long one command may take, virtual seconds.
COMMAND_S = 6 * 3600.0
#: How long the last scan, upload and repair may take once the trouble has passed, virtual seconds.
REST_S = 6 * 3600.0
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)

#: Host, boot and namespace of the process table that everybody reads.
HERE = "host/boot/here"

Command: TypeAlias = Callable[[Any, Process, Action], Coroutine[Any, Any, Any]]

COMMANDS: Mapping[str, Command] = {
    "scan": commands.scan,
    "upload": commands.upload,
    "recover": commands.upload,
    "store-sync": commands.store_sync,
    "survey": commands.survey_only,
}

SCAN, SYNC = Action("scan"), Action("store-sync")
RETRY = Action("upload", options=(("retry_failed", True),))

World = TypeVar("World", bound="SimulatedWorld")


class Violated(AssertionError):
    """An invariant does not hold."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scenario came to."""

    scenario: Scenario
    violations: list[str]
    trace: list[str]
    steps: int
    virtual_s: float
    requests: int
    kills: int

    @property
    def digest(self) -> str:
        """Equal for equal runs."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


def play(scenario: Scenario) -> Outcome:
    """Run a scenario to its end, or to the first violation."""
    return lived(lambda folder: SimulatedWorld(scenario, folder, ProcessLoop())).outcome()


def lived(
    make: Callable[[Path], World],
    within: Callable[[World], AbstractContextManager[None]] = lambda _world: nullcontext(),
) -> World:
    """Let a world live to its end, or to the first violation, and bury it.

    Args:
        make: builds the world in a folder that goes with it.
        within: the circumstances it lives in.
    """
    ram = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="sim", dir=ram if ram.is_dir() else None))
    world = make(folder)
    world.loop.set_exception_handler(lambda _loop, context: world.complain(context))
    try:
        with within(world):
            world.loop.run_until_complete(world.live())
    except Violated as violation:
        world.violations.append(str(violation))
    except Exception as error:  # a bug, or a loop without hope
        world.violations.append(f"{type(error).__name__}: {error}")
    finally:
        with funeral():
            world.bury()
        shutil.rmtree(folder, ignore_errors=True)
    return world


class SimulatedWorld:
    """The state of one world, and the things that can happen in it."""

    #: What a process does for an action of each kind.
    commands: ClassVar[Mapping[str, Command]] = COMMANDS
    #: What people do once the trouble has passed, once more because of what the first repair has
    #: sent round again.
    at_last: ClassVar[tuple[Action, ...]] = (SCAN, RETRY, SYNC) * 2

    def __init__(self, scenario: Scenario, folder: Path, loop: ProcessLoop) -> None:
        self.scenario = scenario
        self.root = folder / "library"
        self.catalog_path = folder / "library.db"
        self.violations: list[str] = []
        self.trace: list[str] = []
        self.loop = loop
        self._facts = Facts(LIBRARY)
        self._processes: list[Process] = []
        self._others: list[asyncio.Task[None]] = []
        self._clock_offset_s = 0.0
        self._files_made = 0
        self._plan = FaultPlan((), seed=scenario.seed)
        self._store = FileStore.open(
            folder / "filestore.db",
            clock=lambda: self._wall(0.0).timestamp(),
            rng=random.Random(f"ids {scenario.seed}"),
            indexing_delay_s=scenario.indexing_s,
        )
        self._store_id = self._store.create_store("a-store", "models/gemini-embedding-001")
        self.store_name = f"fileSearchStores/{self._store_id}"
        self.wire = Wire(
            in_process(create_app(self._store, faults=self._plan)),
            random.Random(f"wire {scenario.seed}"),
            scenario.distance_s,
            self._on_sent,
            self._on_arrival,
            self._on_effect,
        )
        self._catalog_eye: sqlite3.Connection | None = None
        self._store_eye = sqlite3.connect(folder / "filestore.db", isolation_level=None)
        self._looked_at: tuple[int, int] = (-1, -1)
        self._indexed_now: set[str] = set()

    def _wall(self, offset_s: float) -> datetime:
        return FIRST_DAY + timedelta(seconds=self.loop.elapsed_s() + offset_s)

    def client_clock(self) -> datetime:
        """The wall clock of the host that the processes run on."""
        return self._wall(self._clock_offset_s)

    def note(self, what: str) -> None:
        """A line of the trace."""
        self.trace.append(f"{self.loop.elapsed_s():12.3f} {what}")

    def complain(self, context: dict[str, Any]) -> None:
        """The event loop has something to say: an exception that nobody has retrieved."""
        self.violations.append(f"the loop: {context.get('exception') or context.get('message')!r}")

    def outcome(self) -> Outcome:
        """What it came to."""
        return Outcome(
            self.scenario,
            self.violations,
            self.trace,
            steps=sum(process.steps for process in self._processes),
            virtual_s=self.loop.elapsed_s(),
            requests=len(self.wire.exchanges),
            kills=sum(process.is_dead for process in self._processes),
        )

    def bury(self) -> None:
        """Close everything, without a word from the tasks of those that were killed."""
        self.loop.after_turn = lambda: None
        self.loop.set_exception_handler(lambda _loop, _context: None)
        for process in self._processes:
            process.kill()
            process.bury()
        self._store.close()
        self._store_eye.close()
        if self._catalog_eye is not None:
            self._catalog_eye.close()
        self.loop.close()

    # The story

    async def live(self) -> None:
        """Trouble first, then rest."""
        await self.begin()
        self._plan.replace(self.scenario.faults, self.scenario.seed)
        for action in self.scenario.actions:
            await self.act(action)
        await self._come_to_rest()

    async def begin(self) -> None:
        """A library, a catalog and an empty store, and an eye on all three."""
        self.root.mkdir()
        for _ in range(self.scenario.files):
            self._add_file()
        async with await open_catalog(
            self.catalog_path, create=True, clock=self.client_clock, readers=False
        ) as catalog:
            await set_info(catalog, **{LIBRARY_ROOT: str(self.root), LIBRARY_ID: LIBRARY})
        self._catalog_eye = sqlite3.connect(self.catalog_path, isolation_level=None)
        self.loop.after_turn = self._look

    async def act(self, action: Action) -> Any:
        """Let one thing happen, and check."""
        self.note(f"> {action}")
        result = None
        match action.kind:
            case "wait":
                await asyncio.sleep(action.seconds)
            case "clock":
                self._clock_offset_s += action.seconds
            case "lose document":
                self._lose_document(action.file)
            case "foreign document":
                self._add_foreign_document()
            case "signal":
                pass  # by now the run that it was for is over
            case "edit" | "touch" | "add" | "delete" | "move":
                self._change_disk(action)
            case _:
                result = await self._run(action)
        if self.violations:
            raise Violated(self.violations.pop())
        return result

    async def _run(self, action: Action) -> Any:
        number = len(self._processes) + 1
        place = HERE if self.scenario.same_host else f"host/boot/container {number}"
        process = Process(f"{place}/{number}/{number}/run", action.dies_at_step)
        self._processes.append(process)
        patience = self.loop.call_later(
            COMMAND_S, self._extend, [f"L4 {action.kind} is not over after {COMMAND_S:.0f} s"]
        )
        try:
            result = await process.run(self.commands[action.kind](self, process, action))
            self.note(f"< {process.owner} done")
            return result
        except Killed:
            self.note(f"< {process.owner} killed at step {process.steps}")
        except ObjlibError as error:
            self.note(f"< {process.owner} {type(error).__name__}: {error}")
            self.failed_with(error)
        finally:
            patience.cancel()
        return None

    def new_library(self) -> str:
        """Return the id of a catalog that is made anew."""
        return LIBRARY

    def failed_with(self, error: ObjlibError) -> None:
        """Take note of an error that has ended a command."""

    def later(self, after_s: float, action: Action, signal: Callable[[], None]) -> None:
        """Let something happen while a run is under way."""
        if action.kind == "signal":
            self.loop.call_later(after_s, signal)
            return

        async def happen() -> None:
            await asyncio.sleep(after_s)
            await self.act(action)

        other = self.loop.create_task(happen(), context=outside_of_any_process())
        self._others.append(other)

    def is_dead(self, owner: str) -> bool:
        """Ask the process table of one place; in another place the number is somebody else's."""

        def start_of(number: int) -> int | None:
            process = self._processes[number - 1]
            return None if process.has_ended or not self.scenario.same_host else number

        return lease.owner_is_dead(owner, lambda: lease.Place(*HERE.split("/")), start_of)

    async def _come_to_rest(self) -> None:
        """Faults off: a scan, an upload and a repair must put everything right."""
        others, self._others = self._others, []
        for other in others:
            await other
        self.note("> the trouble has passed")
        self._plan.replace((), 0)
        await asyncio.sleep(self.scenario.waits.lease_s)  # of the dead on another host
        began_s = self.loop.elapsed_s()
        for action in self.at_last:
            await self.act(action)
        self._require(invariants.at_rest(self._moment()))
        if self.loop.elapsed_s() - began_s > REST_S:
            raise Violated(f"L4 not at rest after {REST_S:.0f} s")
        await self._nothing_left_to_do()
        self._audit()

    async def _nothing_left_to_do(self) -> None:
        before = self._rows_in_full()
        report = await self.act(Action("survey"))
        if not report.is_clean:
            raise Violated(f"L3 the store is not clean: {report}")
        sent = len(self.wire.exchanges)
        await self.act(Action("upload"))
        if self._rows_in_full() != before:
            raise Violated("L5 an upload with nothing to do has changed rows")
        if new := self.wire.exchanges[sent:]:
            raise Violated(f"L5 an upload with nothing to do has sent {new[0].path}")

    def _audit(self) -> None:
        assert self._catalog_eye is not None
        (verdict,) = self._catalog_eye.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            raise Violated(f"S10 {verdict}")
        transitions = self._catalog_eye.execute(
            "SELECT file_path, from_state, to_state, version, reason FROM transitions ORDER BY id"
        ).fetchall()
        self.trace.extend(str(transition) for transition in transitions)
        rows = self._moment().rows
        self._require(invariants.audit_trail_replays(transitions, rows))
        on_disk = {path.relative_to(self.root).as_posix() for path in self.root.rglob("*.txt")}
        indexed = {path for path, row in rows.items() if row.is_searchable}
        if on_disk != indexed:
            raise Violated(f"L2 on disk {sorted(on_disk)}, indexed {sorted(indexed)}")

    # The disk

    def _add_file(self) -> None:
        self._files_made += 1
        self._write(self.root / f"File {self._files_made:02d}.txt")

    def _write(self, path: Path) -> None:
        stamp = self.loop.elapsed_s()
        path.write_text(f"{path.stem}, as it was written after {stamp:.3f} seconds.\n")
        self._set_time(path)

    def _set_time(self, path: Path) -> None:
        now_s = self.client_clock().timestamp()
        os.utime(path, (now_s, now_s))

    def _change_disk(self, action: Action) -> None:
        paths = sorted(self.root.rglob("*.txt"))
        if action.kind == "add" or not paths:
            return self._add_file()
        path = paths[action.file % len(paths)]
        match action.kind:
            case "edit":
                self._write(path)
            case "touch":
                self._set_time(path)
            case "move":
                folder = self.root / f"Folder {action.file}"
                folder.mkdir(exist_ok=True)
                if not (folder / path.name).exists():
                    path.rename(folder / path.name)
            case "delete" if len(paths) > 1:  # an empty library is a case of its own
                path.unlink()
        return None

    # Behind objlib's back

    def _lose_document(self, number: int) -> None:
        documents = sorted(self.documents())
        if documents:
            name = documents[number % len(documents)]
            self._facts.lost_documents.add(name)
            self._facts.follow(self._moment())
            with self._store.transaction():
                self._store.all("DELETE FROM documents WHERE id = :id", id=name.rpartition("/")[2])

    def allow_deletion_of_foreign(self, allowed: bool) -> None:
        """Somebody says --include-foreign."""
        self._facts.include_foreign = allowed

    def copy_document(self, name: str) -> None:
        """Somebody imports the raw file of a document once more: a second one with its key."""
        self._facts.late_keys.add(str(self.documents()[name].key))
        self._facts.copies += 1
        with self._store.transaction():
            self._store.all(
                "INSERT INTO documents (store_id, id, display_name, mime_type, size_bytes,"
                " metadata_json, created_at, ready_at, visible_at)"
                " SELECT store_id, :copy, display_name, mime_type, size_bytes, metadata_json,"
                " created_at, ready_at, visible_at FROM documents WHERE id = :id",
                id=name.rpartition("/")[2],
                copy=f"copy-{self._facts.copies}",
            )

    def _add_foreign_document(self) -> None:
        self._facts.foreign += 1
        with self._store.transaction():
            self._store.all(
                "INSERT INTO documents (store_id, id, display_name, mime_type, size_bytes,"
                " metadata_json, created_at, ready_at, visible_at)"
                " VALUES (:store, :id, 'foreign', 'text/plain', 1, '[]', :now, :now, :now)",
                store=self._store_id,
                id=f"foreign-{self._facts.foreign}",
                now=self._store.clock(),
            )

    # Watching

    def _on_sent(self, exchange: Exchange) -> None:
        """See a request leave its process."""

    def _on_arrival(self, exchange: Exchange) -> None:
        """S6, S8: who imports holds the lease; nobody deletes what an indexed row needs."""
        moment = self._moment()
        if exchange.path.endswith(":importFile") and not exchange.is_late:
            self._extend(invariants.imports_under_its_lease(exchange, moment))
        if exchange.method == "DELETE" and "/documents/" in exchange.path:
            self._extend(invariants.deletes_what_nobody_needs(exchange, moment, self._facts))

    def _on_effect(self, exchange: Exchange) -> None:
        self.note(
            f"  {exchange.sender} {exchange.method} {exchange.path} -> {exchange.status}"
            f"{' (late)' if exchange.is_late else ''}"
        )
        if exchange.is_late and exchange.path.endswith(":importFile"):
            self._facts.late_keys.add(invariants.imported_key(exchange))

    def _look(self) -> None:
        """Check everything whenever catalog or store have changed."""
        assert self._catalog_eye is not None
        catalog = self._catalog_eye.execute("PRAGMA data_version").fetchone()[0]
        store = self._store_eye.execute("PRAGMA data_version").fetchone()[0]
        if (catalog, store) == self._looked_at:
            return
        self._looked_at = (catalog, store)
        moment = self._moment()
        self._facts.follow(moment)
        self._extend(invariants.violations(moment, self._facts))

    def _extend(self, found: Iterable[str]) -> None:
        for violation in found:
            self.note(f"! {violation}")
            self.violations.append(violation)
            self.loop.stop()  # with a RuntimeError out of `run_until_complete`

    def _require(self, found: Iterable[str]) -> None:
        for violation in found:
            raise Violated(violation)

    def _moment(self) -> Moment:
        assert self._catalog_eye is not None
        rows = [Row.of(row) for row in self._catalog_eye.execute(Row.QUERY)]
        leftovers = self._catalog_eye.execute("SELECT document_name FROM leftovers")
        return Moment(
            {row.path: row for row in rows}, self.documents(), frozenset(n for (n,) in leftovers)
        )

    def documents(self) -> dict[str, StoredDocument]:
        now = self._store.clock()
        found = {}
        for row in self._store_eye.execute(
            "SELECT id, metadata_json, ready_at <= ?1, ready_at <= ?1 AND is_failed"
            " AND (recovers_at IS NULL OR recovers_at > ?1) FROM documents ORDER BY position",
            (now,),
        ):
            document = StoredDocument.of(self.store_name, *row)
            found[document.name] = document
        return found

    def _rows_in_full(self) -> list[tuple[Any, ...]]:
        assert self._catalog_eye is not None
        return self._catalog_eye.execute("SELECT * FROM files ORDER BY file_path").fetchall()
