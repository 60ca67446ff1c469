"""Scenarios and worlds that are harder than the ordinary ones.

On top of what an ordinary scenario does to a run: processes are killed between any two statements,
commits and requests, and everything is checked at every commit; the catalog is locked by another
program; processes are suspended for minutes and go on as if nothing had happened; the wall clock is
set forward and back; the library's disk is unmounted; all raw files vanish; pages hold one row.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from objlib.gemini import client
from objlib.sync import listing, plan
from objlib.upload import orchestrator, recovery
from tests.simulator import invariants
from tests.simulator.instants import Hooks, dense
from tests.simulator.processes import Process, ProcessLoop, current_process
from tests.simulator.scenario import Action, Scenario, generate
from tests.simulator.wire import Exchange
from tests.simulator.world import Outcome, SimulatedWorld, Violated, lived

#: What is new here; the rest are actions of the simulator.
KINDS = ("suspend", "clock", "unmount", "lose raw files")
PAGES = (
    (orchestrator, "PAGE_ROWS"),
    (recovery, "PAGE_ROWS"),
    (listing, "_PAGE"),
    (plan, "PAGE"),
    (client, "PAGE_SIZE"),
)
_JUMPS_S = [-86400.0, -600.0, -20.0, 20.0, 600.0, 86400.0]
_SUSPENSIONS_S = [5.0, 70.0, 400.0, 7200.0]


@dataclass(frozen=True, slots=True)
class Harder:
    """A scenario, and what else the machine does to it.

    Args:
        locked_share: of the transactions that find the catalog locked at the first attempt.
        page: rows and documents on a page; None for as many as in life.
    """

    scenario: Scenario
    locked_share: float = 0.0
    page: int | None = None

    def lines(self) -> list[str]:
        """For people."""
        first = f"harder: locked {self.locked_share:.0%}, {self.page or 'many'} on a page"
        return [first, *self.scenario.lines()]


def generate_harder(seed: int) -> Harder:
    """The harder scenario of a seed: an ordinary one of another seed, with more in it."""
    rng = random.Random(f"harder {seed}")
    easy = generate(1_000_000 + seed)
    actions: list[Action] = []
    for action in easy.actions:
        if action.kind == "upload" and rng.random() < 0.5:
            action = replace(action, meanwhile=(*action.meanwhile, *_meanwhile(rng)))
        if action.dies_at_step is not None:  # there are more points than steps here
            action = replace(
                action, dies_at_step=int(action.dies_at_step * rng.uniform(0.5, 2)) + 1
            )
        actions.append(action)
        if rng.random() < 0.25:
            actions.append(_drawn(rng, ("clock", "unmount", "lose raw files")))
    return Harder(
        replace(easy, seed=seed, actions=tuple(actions)),
        locked_share=rng.choice([0.0, 0.0, 0.02, 0.3]),
        page=rng.choice([None, None, 1, 2]),
    )


def _meanwhile(rng: random.Random) -> Iterator[tuple[float, Action]]:
    for _ in range(rng.choice([1, 1, 2])):
        after_s = round(rng.expovariate(1 / 3.0), 2)
        if rng.random() < 0.6:
            yield after_s, _drawn(rng, KINDS)
            continue
        second = Action("upload", options=(("concurrency", rng.choice([1, 4])),))
        yield after_s, rng.choice([second, Action("store-sync"), Action("scan")])


def _drawn(rng: random.Random, kinds: tuple[str, ...]) -> Action:
    kind = rng.choice(kinds)
    seconds = {"suspend": _SUSPENSIONS_S, "clock": _JUMPS_S}.get(kind, [0.0])
    return Action(kind, file=rng.randrange(8), seconds=rng.choice(seconds))


class SuspendingLoop(ProcessLoop):
    """A loop on which processes can be suspended: their steps wait until they are resumed."""

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[Process, list[tuple[Context, Callable[..., Any], tuple[Any, ...]]]] = {}

    def suspend(self, process: Process, seconds: float) -> None:
        """Run no step of a process for so long."""
        if process not in self._held:
            self._held[process] = []
            self.call_later(seconds, self._resume, process)

    def _resume(self, process: Process) -> None:
        for context, callback, arguments in self._held.pop(process):
            self.call_soon(callback, *arguments, context=context)

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        given = copy_context() if context is None else context
        return super().call_soon(self._unless_held, given, callback, args, context=given)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        given = copy_context() if context is None else context
        return super().call_at(when, self._unless_held, given, callback, args, context=given)

    def _unless_held(
        self, context: Context, callback: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> None:
        process = current_process()
        if process is not None and process in self._held:
            self._held[process].append((context, callback, arguments))
        else:
            callback(*arguments)


class HarderWorld(SimulatedWorld):
    """A world in which these things happen, with what they excuse, and with more checks."""

    def __init__(self, harder: Harder, folder: Path, loop: SuspendingLoop) -> None:
        super().__init__(harder.scenario, folder, loop)
        self._suspending = loop
        self._locks = random.Random(f"locks {harder.scenario.seed}")
        self._locked_share = harder.locked_share
        #: Somebody has gone on after a pause, or the wall clock was set: leases may have run out
        #: under a live owner, who learns of it at its next write, but not before its next import.
        self._leases_may_lapse = False
        self._not_before: dict[str, float] = {}
        self._transitions_seen = 0
        self._indexed_by: dict[str, str | None] = {}
        self._edited: set[str] = set()
        self.hooks = Hooks(self._is_locked, self._on_commit)

    def _is_locked(self) -> bool:
        return self._locked_share > 0 and self._locks.random() < self._locked_share

    def _on_commit(self) -> None:
        if self._catalog_eye is not None:
            self._look()

    async def act(self, action: Action) -> Any:
        match action.kind:
            case "suspend":
                self._suspend(action)
            case "clock":
                self._leases_may_lapse = True
                return await super().act(action)
            case "unmount":
                await self._unmount(action)
            case "lose raw files":
                self.note(f"> {action}")
                with self._store.transaction():
                    self._store.all("UPDATE files SET expires_at = 0")
            case _:
                return await super().act(action)
        return None

    def _suspend(self, action: Action) -> None:
        alive = [process for process in self._processes if not process.has_ended]
        if alive:
            process = alive[action.file % len(alive)]
            self.note(f"> {action}: {process.owner}")
            self._leases_may_lapse = True
            self._suspending.suspend(process, action.seconds)

    async def _unmount(self, action: Action) -> None:
        """For a minute the library is an empty folder: nothing may be concluded from it."""
        self.note(f"> {action}")
        away = self.root.with_name("unmounted")
        if away.exists():
            return
        self.root.rename(away)
        self.root.mkdir()
        before, is_alone = len(self.wire.exchanges), self._is_quiet()
        try:
            await super().act(Action("scan"))
            await super().act(Action("store-sync"))
        finally:
            self.root.rmdir()
            away.rename(self.root)
        deleted = [one for one in self.wire.exchanges[before:] if one.method == "DELETE"]
        if is_alone and deleted:
            raise Violated(f"S8 {deleted[0].path} deleted while the library was unmounted")

    def _is_quiet(self) -> bool:
        return all(process.has_ended for process in self._processes) and all(
            other.done() for other in self._others
        )

    async def _come_to_rest(self) -> None:
        await asyncio.sleep(max(_SUSPENSIONS_S))  # until all are resumed
        if self._clock_offset_s < 0:  # the dead on another host hold leases until then
            await asyncio.sleep(-self._clock_offset_s)
        await super()._come_to_rest()

    # Watching

    def _on_arrival(self, exchange: Exchange) -> None:
        if self._leases_may_lapse and exchange.path.endswith(":importFile"):
            moment = self._moment()
            if any(invariants.imports_under_its_lease(exchange, moment)):
                self._facts.late_keys.add(invariants.imported_key(exchange))
                return
        super()._on_arrival(exchange)

    def _change_disk(self, action: Action) -> None:
        if self.root.with_name("unmounted").exists():
            return
        before = {path: path.read_bytes() for path in self.root.rglob("*.txt")}
        super()._change_disk(action)
        for path in self.root.rglob("*.txt"):
            if before.get(path) != path.read_bytes():
                self._edited.add(path.relative_to(self.root).as_posix())

    def _look(self) -> None:
        super()._look()
        assert self._catalog_eye is not None
        new = self._catalog_eye.execute(
            "SELECT id, file_path, from_state, to_state, reason FROM transitions WHERE id > ?",
            (self._transitions_seen,),
        ).fetchall()
        for number, path, before, after, reason in new:
            self._transitions_seen = number
            if before == "indexed" != after:
                self._extend(self._without_reason(path, str(reason)))
        if new:
            self._indexed_by = {row.path: row.document for row in self._moment().rows.values()}

    def _without_reason(self, path: str, reason: str) -> Iterator[str]:
        """S4: a row that is indexed stays so, unless there is cause."""
        document = self._indexed_by.get(path)
        if reason == "changed on disk" and path not in self._edited:
            yield f"S4 {path} was sent round again, though it did not change"
        if reason == "ghost" and document not in self._facts.lost_documents:
            yield f"S4 {path} was sent round again, though the store has {document}"
        if reason == "file deleted" and (self.root / path).exists():
            yield f"S4 {path} lost its document, though it is on disk"


def play_harder(harder: Harder) -> Outcome:
    """Run a scenario to its end, or to the first violation."""
    return lived(
        lambda folder: HarderWorld(harder, folder, SuspendingLoop()),
        lambda world: _circumstances(world.hooks, harder.page),
    ).outcome()


@contextlib.contextmanager
def _circumstances(hooks: Hooks, page: int | None) -> Iterator[None]:
    with dense(hooks), small_pages(page, PAGES):
        yield


@contextlib.contextmanager
def small_pages(page: int | None, pages: Sequence[tuple[Any, str]]) -> Iterator[None]:
    """Let every page hold so few rows, that its end is met often.

    Args:
        pages: modules, and the names of their sizes.
    """
    usual = [getattr(module, name) for module, name in pages]
    try:
        for module, name in pages if page is not None else ():
            setattr(module, name, page)
        yield
    finally:
        for (module, name), value in zip(pages, usual, strict=True):
            setattr(module, name, value)
