"""Operations on library, catalog and store in any order, against a model of a few dictionaries.

The world is that of the simulator, without trouble: whatever is done in whatever order, an upload
and a repair later the store holds exactly what is on disk, and the documents of others.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from objlib.documents.payload import LIBRARY, PATH, SHA256
from objlib.sync.apply import Repair
from objlib.sync.plan import Consent, MaxDelete, Step, steps
from tests.simulator import commands
from tests.simulator.processes import Process, ProcessLoop, funeral
from tests.simulator.scenario import Action, Scenario
from tests.simulator.world import SimulatedWorld

NUMBERS = st.integers(0, 7)
UPLOADS = st.fixed_dictionaries(
    {"concurrency": st.sampled_from([1, 4])},
    optional={
        "limit": st.integers(1, 3),
        "retry_failed": st.just(True),
        "reset_existing": st.just(True),
    },
)


class LibraryMachine(RuleBasedStateMachine):
    """The world, and beside it what should be in the store once all is in step."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="stateful"))
        self.loop = ProcessLoop()
        scenario = Scenario(0, files=2, actions=(), faults=(), distance_s=0.01, indexing_s=1.0)
        self.world = SimulatedWorld(scenario, self.folder, self.loop)
        self.foreign = 0
        self.run(self.world.begin())

    def run(self, what: Coroutine[Any, Any, Any]) -> Any:
        """Let the world do something."""
        return self.loop.run_until_complete(what)

    def act(self, kind: str, **details: Any) -> Any:
        """Let one thing happen; the simulator checks its invariants meanwhile."""
        return self.run(self.world.act(Action(kind, **details)))

    def teardown(self) -> None:
        with funeral():
            self.world.bury()
        shutil.rmtree(self.folder, ignore_errors=True)

    # What people do

    @rule(kind=st.sampled_from(["add", "edit", "touch", "delete", "move"]), file=NUMBERS)
    def change_the_disk(self, kind: str, file: int) -> None:
        self.act(kind, file=file)

    @rule()
    def scan(self) -> None:
        self.act("scan")

    @rule(options=UPLOADS)
    def upload(self, options: dict[str, Any]) -> None:
        self.act("upload", options=tuple(options.items()))

    @rule(include_foreign=st.booleans())
    def repair_as_planned(self, include_foreign: bool) -> None:
        """The plan that is printed is what is then done, no more and no less."""
        self.world.allow_deletion_of_foreign(include_foreign)
        planned, done = self.run(_plan_and_repair(self.world, include_foreign))
        assert done == planned
        if include_foreign:
            self.foreign = 0

    @rule(seconds=st.sampled_from([1.0, 500.0, 50 * 3600.0]))
    def wait(self, seconds: float) -> None:
        self.act("wait", seconds=seconds)

    # What happens behind its back

    @rule(file=NUMBERS)
    def a_document_is_lost(self, file: int) -> None:
        documents = sorted(self.world.documents())
        if documents and "foreign" in documents[file % len(documents)]:
            self.foreign -= 1
        self.act("lose document", file=file)

    @rule()
    def somebody_else_adds_a_document(self) -> None:
        self.foreign += 1
        self.act("foreign document")

    @rule()
    @precondition(lambda self: bool(self.ours()))
    def somebody_copies_a_document(self) -> None:
        self.world.copy_document(sorted(self.ours())[0])

    # What must hold

    def ours(self) -> dict[str, str]:
        """Name -> path, of the documents of this library."""
        return {
            name: document.metadata[PATH]
            for name, document in self.world.documents().items()
            if LIBRARY in document.metadata
        }

    @invariant()
    def documents_of_others_are_left_alone(self) -> None:
        others = [name for name in self.world.documents() if "foreign" in name]
        assert len(others) == self.foreign

    @rule()
    def all_is_in_step_after_an_upload_and_a_repair(self) -> None:
        for _ in range(2):
            self.act("scan")
            self.act("upload", options=(("retry_failed", True),))
            self.act("store-sync")
        on_disk = sorted(
            hashlib.sha256(path.read_bytes()).hexdigest() for path in self.world.root.rglob("*.txt")
        )
        stored = sorted(
            document.metadata[SHA256]
            for document in self.world.documents().values()
            if LIBRARY in document.metadata
        )
        assert stored == on_disk
        assert self.act("survey").is_clean


async def _plan_and_repair(
    world: SimulatedWorld, include_foreign: bool
) -> tuple[list[str], list[str]]:
    process = Process("host/repair/0.0/run")
    taken: list[Step] = []
    async with (
        commands.opened(world, process) as catalog,
        commands.connected(world, 8) as (
            client,
            _,
        ),
    ):
        report = await commands.survey_store(world, catalog, client)
        planned = [step.line async for step in steps(report.verdicts, Consent(include_foreign))]
        repair = Repair(
            catalog,
            client,
            report,
            root=world.root,
            waits=world.scenario.waits,
            consent=Consent(include_foreign),
            on_step=taken.append,
        )
        await repair.check(MaxDelete.parse("100%"))
        done = await repair.carry_out()
    assert not done.failed
    await asyncio.sleep(0)
    return sorted(planned), sorted(step.line for step in taken)


TestLibrary = LibraryMachine.TestCase
TestLibrary.settings = settings(
    max_examples=15,
    stateful_step_count=15,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
