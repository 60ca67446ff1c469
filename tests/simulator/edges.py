"""Scenarios about the edges of a run: what it finds when it begins, and what it is told.

Between two runs the catalog is lost, emptied, restored from a backup, or taken to another machine.
Listings repeat pages, shift them and loop. Answers are HTML, numbers, other types and redirects.
The service refuses everything for a while. Clocks step and processes are suspended just where an
import is about to be sent. Files are rewritten with the size and the time that they had.

Drawn apart from the other two kinds, whose seeds keep their meaning.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from objlib.filestore import Fault, Kind
from objlib.library import scan
from objlib.sync import first_look, rebuild
from tests.simulator.edge_world import EdgeWorld
from tests.simulator.harder import PAGES, SuspendingLoop, small_pages
from tests.simulator.lies import AFTERWARDS, INSTEAD, LISTING, Lie
from tests.simulator.lies import PAGES as OF_PAGES
from tests.simulator.scenario import IMPORT, UPLOAD, Action, generate
from tests.simulator.story import Ambush, Edges
from tests.simulator.world import Outcome, lived

_ALL_PAGES = (*PAGES, (scan, "BATCH"), (first_look, "_PAGE"), (rebuild, "_PAGE"))

THEMES = ("catalog", "listing", "ambush", "refusal", "answers", "sly edit")
HOUR_S = 3600.0


def generate_edges(seed: int) -> Edges:
    """Return the edge scenario of a seed: an ordinary one of another seed, with edges in it."""
    rng = random.Random(f"edges {seed}")
    easy = generate(2_000_000 + seed)
    themes = rng.sample(THEMES, rng.choice([1, 1, 2]))
    if "ambush" in themes:  # whose lease it is matters most where nobody can see who is dead
        easy = replace(easy, same_host=rng.random() < 0.3)
    actions = list(easy.actions)
    if "catalog" in themes:
        actions = list(_with_catalogs(rng, actions))
    if "sly edit" in themes:
        actions = list(_with_sly_edits(rng, actions))
    if rng.random() < 0.5:
        actions = [_as_round(rng, action) for action in actions]
    faults = tuple(rng.sample(easy.faults, rng.randint(0, len(easy.faults))))
    if "refusal" in themes:
        faults = (*faults, _refusal(rng))
    return Edges(
        replace(easy, seed=seed, actions=tuple(actions), faults=faults),
        page=rng.choice([None, 1, 2, 3]) if "listing" not in themes else rng.choice([1, 2, 3]),
        lies=tuple(_lies(rng, themes)),
        ambushes=tuple(_ambushes(rng)) if "ambush" in themes else (),
        recovery_dies_at=rng.choice([None, int(300 ** rng.random()) + 1]),
    )


def _with_catalogs(rng: random.Random, actions: list[Action]) -> Iterator[Action]:
    """Something happens to the catalog after every third action; before that a backup is made."""
    yield from actions[:2]
    if rng.random() < 0.5:
        yield Action("back up catalog")
    for action in actions[2:]:
        if rng.random() < 0.35:
            yield from _catalog_trouble(rng)
        yield action
        if rng.random() < 0.15:
            yield Action("back up catalog")
    yield from _catalog_trouble(rng)


def _catalog_trouble(rng: random.Random) -> Iterator[Action]:
    kind = rng.choices(
        ["lose catalog", "empty catalog", "restore catalog", "go to the other machine"],
        [3, 1, 3, 2],
    )[0]
    yield Action(kind, file=rng.randrange(8))
    if kind == "go to the other machine":
        for _ in range(rng.choice([0, 1, 2])):
            yield Action(rng.choice(["edit", "add", "delete", "move"]), file=rng.randrange(8))
    if rng.random() < 0.3:
        yield Action("wait", seconds=rng.choice([400.0, 49 * HOUR_S]))
    dies_at = int(300 ** rng.random()) + 1 if rng.random() < 0.4 else None
    following = rng.choice(["scan", "scan", "from store", "round", "store-sync", "nothing"])
    if following != "nothing":
        yield Action(following, dies_at_step=dies_at)


def _with_sly_edits(rng: random.Random, actions: list[Action]) -> Iterator[Action]:
    yield from actions[:2]
    for action in actions[2:]:
        yield action
        if rng.random() < 0.4:
            yield Action("sly edit", file=rng.randrange(8))
            if rng.random() < 0.5:
                yield Action("scan")


def _as_round(rng: random.Random, action: Action) -> Action:
    if action.kind != "upload" or rng.random() < 0.6:
        return action
    return Action("round", dies_at_step=action.dies_at_step)


def _refusal(rng: random.Random) -> Fault:
    from_s = rng.choice([0.0, 5.0, 60.0])
    until_s = from_s + rng.choice([60.0, HOUR_S, 30 * HOUR_S])
    kind, route, status = rng.choice(
        [
            (Kind.ERROR, IMPORT, 403),
            (Kind.ERROR, UPLOAD, 500),
            (Kind.ERROR, UPLOAD, 403),
            (Kind.ERROR, "*", 502),
            (Kind.RATE_LIMIT, "*", 429),
        ]
    )
    seconds = rng.choice([None, 36_000.0]) if kind is Kind.RATE_LIMIT else None
    return Fault(kind, route, status=status, from_s=from_s, until_s=until_s, seconds=seconds)


def _lies(rng: random.Random, themes: list[str]) -> Iterator[Lie]:
    if "listing" in themes:
        yield Lie(rng.choice(OF_PAGES), LISTING, rng.choice([0.3, 1.0]), rng.choice([None, 10, 40]))
    if "answers" in themes:
        for kind in rng.sample([*INSTEAD, *AFTERWARDS], rng.choice([1, 2])):
            route = rng.choice(["*", "DELETE *", "POST *:importFile", "POST /upload/*", "GET *"])
            if kind == "upload elsewhere":
                route = "POST /upload/*"
            yield Lie(kind, route, rng.choice([0.02, 0.1, 0.5]), rng.choice([None, 1, 3]))


def _ambushes(rng: random.Random) -> Iterator[Ambush]:
    numbers = sorted(rng.sample(range(1, 13), rng.choice([1, 2, 3])))
    for number in numbers:
        kind = rng.choice(["suspend", "suspend", "clock"])
        seconds = rng.choice([70.0, 130.0, 400.0] if kind == "suspend" else [90.0, 600.0, 86400.0])
        yield Ambush(
            number,
            rng.choice(["upload", "upload", "import"]),
            kind,
            seconds,
            rival_after_s=rng.choice([0.0, 1.0, 20.0] if kind == "clock" else [61.0, 65.0, 90.0]),
        )


def play_edges(edges: Edges) -> Outcome:
    """Run a scenario to its end, or to the first violation."""
    return lived(
        lambda folder: EdgeWorld(edges, folder, SuspendingLoop()),
        lambda _world: small_pages(edges.page, _ALL_PAGES),
    ).outcome()
