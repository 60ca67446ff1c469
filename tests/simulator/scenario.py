"""What happens in one simulated run, drawn from a seed: actions, trouble, sudden deaths."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

from objlib.filestore import Fault, Kind
from objlib.waits import Waits

HOUR_S = 3600.0
_PAUSES_S = [30.0, 400.0, 3 * HOUR_S, 49 * HOUR_S, 200 * HOUR_S]

IMPORT, UPLOAD, LISTING = "POST *:importFile", "POST /upload/*", "GET *documents"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that happens. Which fields count depends on the kind."""

    kind: str
    #: Which file, by its number among those that are there.
    file: int = 0
    #: Seconds: how long to wait, how far a clock jumps, when a signal comes.
    seconds: float = 0.0
    #: Options of an upload.
    options: tuple[tuple[str, Any], ...] = ()
    #: The step at which the process is killed.
    dies_at_step: int | None = None
    #: What happens meanwhile: (seconds after the start, action).
    meanwhile: tuple[tuple[float, Action], ...] = ()

    def __str__(self) -> str:
        said = [self.kind]
        said += [f"file {self.file}"] if self.kind in _ABOUT_A_FILE else []
        said += [f"{self.seconds:g} s"] if self.seconds else []
        said += [f"{name}={value}" for name, value in self.options]
        said += [f"killed at step {self.dies_at_step}"] if self.dies_at_step else []
        said += [f"(after {after:g} s: {action})" for after, action in self.meanwhile]
        return " ".join(said)


_ABOUT_A_FILE = ("edit", "touch", "delete", "move", "lose document")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run of the simulation. The seed also decides latencies and where faults strike."""

    seed: int
    files: int
    actions: tuple[Action, ...]
    faults: tuple[Fault, ...]
    waits: Waits = field(default_factory=Waits)
    #: Seconds that a request is on its way, at most, and that a document takes to be indexed.
    distance_s: float = 0.2
    indexing_s: float = 5.0
    #: Whether processes see each other die, as on one host; else leases run out by the clock.
    same_host: bool = True

    def lines(self) -> list[str]:
        """For people: what is about to happen."""
        hosts = "one host" if self.same_host else "two hosts"
        head = (
            f"seed {self.seed}: {self.files} files, {hosts}, distance {self.distance_s:.2f} s, "
            f"indexing {self.indexing_s:.0f} s"
        )
        return [head, *map(_fault_line, self.faults), *(f"  {action}" for action in self.actions)]


def _fault_line(fault: Fault) -> str:
    said = f"  trouble: {fault.kind.value} at {fault.route}, p={fault.probability:.2f}"
    return said + (f", {fault.times} times" if fault.times is not None else "")


def generate(seed: int) -> Scenario:
    """The scenario of a seed."""
    rng = random.Random(f"scenario {seed}")
    waits = Waits()
    if rng.random() < 0.2:  # the edges of what can be set
        waits = replace(waits, settle_s=rng.choice([0.0, 10.0]), poll_s=rng.choice([0.1, 30.0]))
    return Scenario(
        seed=seed,
        files=rng.choice([1, 2, 3, 4, 6, 8]),
        actions=_actions(rng),
        faults=_faults(rng),
        waits=waits,
        distance_s=rng.choice([0.001, 0.2, 1.0, 5.0]),
        indexing_s=rng.choice([0.0, 1.0, 5.0, 60.0, 200.0]),
        same_host=rng.random() < 0.7,
    )


def _actions(rng: random.Random) -> tuple[Action, ...]:
    actions = [Action("scan"), _upload(rng)]
    for _ in range(rng.randint(2, 8)):
        actions.append(_action(rng))
        if rng.random() < 0.5:
            actions.append(Action("scan", dies_at_step=_step(rng, 0.1, 60)))
        if rng.random() < 0.7:
            actions.append(_upload(rng))
    return tuple(actions)


def _action(rng: random.Random) -> Action:
    kind = rng.choices(
        [*_DISK, "store-sync", "wait", "lose document", "foreign document", "recover"],
        [4, 1, 2, 2, 2, 4, 4, 1, 1, 1],
    )[0]
    if kind in _DISK:
        return Action(kind, file=rng.randrange(8))
    if kind == "wait":
        return Action(kind, seconds=rng.choice(_PAUSES_S))
    if kind == "lose document":
        return Action(kind, file=rng.randrange(8))
    if kind == "recover":
        return Action(kind, options=(("limit", 0),), dies_at_step=_step(rng, 0.3, 400))
    return Action(kind, dies_at_step=_step(rng, 0.3, 400))


_DISK = ("edit", "touch", "add", "delete", "move")


def _upload(rng: random.Random) -> Action:
    options: dict[str, Any] = {"concurrency": rng.choice([1, 2, 4, 8])}
    if rng.random() < 0.2:
        options["limit"] = rng.randint(1, 4)
    if rng.random() < 0.3:
        options["retry_failed"] = True
    if rng.random() < 0.15:
        options["reset_existing"] = True
    meanwhile: list[tuple[float, Action]] = []
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        after = round(rng.expovariate(1 / 3.0), 2)
        kind = rng.choice([*_DISK, "signal", "second upload", "store-sync", "scan"])
        if kind == "second upload":
            meanwhile.append((after, replace(_plain_upload(rng), kind="upload")))
        else:
            meanwhile.append((after, Action(kind, file=rng.randrange(8))))
    return Action(
        "upload",
        options=tuple(options.items()),
        dies_at_step=_step(rng, 0.4, 1500),
        meanwhile=tuple(meanwhile),
    )


def _plain_upload(rng: random.Random) -> Action:
    options = (("concurrency", rng.choice([1, 4])), ("retry_failed", rng.random() < 0.3))
    return Action("upload", options=options, dies_at_step=_step(rng, 0.3, 1500))


def _step(rng: random.Random, share: float, most: int) -> int | None:
    return int(most ** rng.random()) + 1 if rng.random() < share else None


def _faults(rng: random.Random) -> tuple[Fault, ...]:
    rare, often = 0.05, 0.25
    possible = [
        Fault(Kind.DROP_BEFORE, probability=rare),
        Fault(Kind.DROP_AFTER, probability=rare),
        Fault(Kind.DROP_AFTER, IMPORT, probability=often),
        Fault(Kind.DROP_AFTER, UPLOAD, probability=often),
        Fault(Kind.TRUNCATED_BODY, probability=rare),
        Fault(Kind.ERROR, probability=rare),
        Fault(Kind.ERROR, IMPORT, probability=often),
        Fault(Kind.ERROR, from_s=5.0, until_s=rng.choice([60.0, 900.0])),
        Fault(Kind.RATE_LIMIT, probability=rare, seconds=rng.choice([None, 3.0, 40.0])),
        Fault(Kind.QUOTA, per_minute=rng.choice([20.0, 120.0]), burst=10.0),
        Fault(Kind.LATENCY, probability=rare, seconds=rng.choice([2.0, 30.0, 90.0])),
        Fault(Kind.SILENT_IMPORT, probability=often),
        Fault(Kind.DOCUMENT_FAILED, probability=often, seconds=rng.choice([20.0, 120.0, 600.0])),
        Fault(Kind.DOCUMENT_FAILED, probability=often),
        Fault(Kind.DOCUMENT_STUCK, probability=rare),
        Fault(Kind.OPERATION_STUCK, probability=often),
        Fault(Kind.OPERATION_FAILED, probability=rare),
        Fault(Kind.UPLOAD_OUTAGE, UPLOAD, probability=rare),
        Fault(Kind.UPLOAD_HEADERS_LOST, UPLOAD, probability=rare),
        Fault(Kind.EMPTY_LIST, LISTING, probability=often),
        Fault(Kind.FILE_EXPIRED, probability=rare),
        Fault(Kind.HTML_ERROR, probability=rare),
    ]
    return tuple(rng.sample(possible, rng.choice([0, 1, 2, 3, 4])))
