"""Scenarios about the edges of a run: what it finds when it begins, and what it is told.

Between two runs the catalog is lost, emptied, restored from a backup, or taken to another machine.
Listings repeat pages, shift them and loop. Answers are HTML, numbers, other types and redirects.
The service refuses everything for a while. Clocks step and processes are suspended just where an
import is about to be sent. Files are rewritten with the size and the time that they had.

They are drawn apart from the other two kinds, whose seeds keep their meaning.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
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

#: Every size of a page that a command has.
ALL_PAGES = (*PAGES, (scan, "BATCH"), (first_look, "_PAGE"), (rebuild, "_PAGE"))

#: How often each is drawn, in comparison.
THEMES = {"catalog": 4, "listing": 2, "ambush": 3, "refusal": 1, "answers": 2, "sly edit": 1}
#: An ordinary scenario is cut off here.
_ACTIONS_MAX = 8
HOUR_S = 3600.0


def generate_edges(seed: int) -> Edges:
    """Return the edge scenario of a seed: what is done, the trouble and the edges in it."""
    rng = random.Random(f"edges {seed}")
    easy = generate(2_000_000 + seed)
    themes = _themes(rng)
    if "ambush" in themes:  # whose lease it is matters most where nobody can see who is dead
        easy = replace(easy, same_host=rng.random() < 0.3)
    actions = list(easy.actions[:_ACTIONS_MAX])
    if "catalog" in themes:
        actions = list(_catalog_story(rng))
    elif "listing" in themes:
        easy = replace(easy, files=rng.choice([4, 6, 8]), indexing_s=rng.choice([0.0, 1.0, 5.0]))
        actions = list(_listing_story(rng))
    if "sly edit" in themes:
        actions = list(_with_sly_edits(rng, actions))
    if rng.random() < 0.5:
        actions = [_as_round(rng, action) for action in actions]
    faults = tuple(rng.sample(easy.faults, rng.randint(0, min(2, len(easy.faults)))))
    if "ambush" in themes and rng.random() < 0.6:  # so that imports wait for their turn
        slow = Fault(Kind.QUOTA, per_minute=rng.choice([6.0, 20.0]), burst=rng.choice([1.0, 5.0]))
        faults = (*faults, slow)
    if "listing" in themes:  # so that imports are in doubt, and listings decide
        lost = Fault(Kind.DROP_AFTER, IMPORT, probability=rng.choice([0.2, 0.5]))
        faults = (*faults, lost)
    if "refusal" in themes:
        faults = (*faults, _refusal(rng))
    return Edges(
        replace(easy, seed=seed, actions=tuple(actions), faults=faults),
        themes,
        page=rng.choice([None, 1, 2, 3]) if "listing" not in themes else rng.choice([1, 2, 3]),
        lies=tuple(_lies(rng, themes)),
        ambushes=tuple(_ambushes(rng)) if "ambush" in themes else (),
        recovery_dies_at=rng.choice([None, int(300 ** rng.random()) + 1]),
    )


def _themes(rng: random.Random) -> frozenset[str]:
    """One or two of them."""
    return frozenset(rng.choices(list(THEMES), list(THEMES.values()), k=rng.choice([1, 2, 2])))


def _catalog_story(rng: random.Random) -> Iterator[Action]:
    """What is uploaded, and uploaded after a backup; then the catalog is another one."""
    yield Action("scan")
    yield _upload(rng, 0.1)
    for _ in range(rng.choice([1, 2])):
        if rng.random() < 0.7:
            yield Action("back up catalog")
        yield from _disk_changes(rng, [0, 1, 1, 2])
        yield Action("scan")
        yield _upload(rng, 0.3)
        yield from _catalog_trouble(rng)
        yield _upload(rng, 0.3)
        if rng.random() < 0.4:
            yield Action("store-sync", dies_at_step=_step(rng, 0.3))


def _listing_story(rng: random.Random) -> Iterator[Action]:
    """Many files are replaced at once, so that documents go while others are looked for."""
    for _ in range(rng.choice([2, 2, 3])):
        yield Action("scan")
        yield _upload(rng, 0.2)
        yield Action(rng.choice(["store-sync", "upload"]))
        for number in range(rng.choice([2, 4, 8])):
            yield Action("edit", file=number)


def _upload(rng: random.Random, dies: float) -> Action:
    options = (("concurrency", rng.choice([1, 4, 8])),)
    return Action("upload", options=options, dies_at_step=_step(rng, dies))


def _step(rng: random.Random, share: float) -> int | None:
    return int(400 ** rng.random()) + 1 if rng.random() < share else None


def _disk_changes(rng: random.Random, numbers: Sequence[int]) -> Iterator[Action]:
    for _ in range(rng.choice(numbers)):
        kind = rng.choice(["edit", "edit", "add", "delete", "move"])
        yield Action(kind, file=rng.randrange(8))


def _catalog_trouble(rng: random.Random) -> Iterator[Action]:
    kind = rng.choices(
        ["lose catalog", "empty catalog", "restore catalog", "go to the other machine"],
        [3, 1, 3, 2],
    )[0]
    yield Action(kind, file=rng.randrange(8))
    if kind == "go to the other machine":
        yield from _disk_changes(rng, [0, 1, 2])
    if rng.random() < 0.3:
        yield Action("wait", seconds=rng.choice([400.0, 49 * HOUR_S]))
    following = rng.choice(["scan", "scan", "from store", "round", "store-sync", "nothing"])
    if following != "nothing":
        yield Action(following, dies_at_step=_step(rng, 0.4))


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
    from_s = rng.choice([0.0, 0.0, 5.0, 60.0])
    until_s = from_s + rng.choice([60.0, HOUR_S, 30 * HOUR_S, 30 * HOUR_S])
    kind, route, status = rng.choice(
        [
            (Kind.ERROR, IMPORT, 403),
            (Kind.ERROR, UPLOAD, 500),
            (Kind.ERROR, UPLOAD, 500),
            (Kind.ERROR, UPLOAD, 403),
            (Kind.ERROR, "*", 502),
            (Kind.RATE_LIMIT, "POST *", 429),
            (Kind.RATE_LIMIT, "POST *", 429),
        ]
    )
    seconds = rng.choice([None, 300.0]) if kind is Kind.RATE_LIMIT else None
    return Fault(kind, route, status=status, from_s=from_s, until_s=until_s, seconds=seconds)


def _lies(rng: random.Random, themes: frozenset[str]) -> Iterator[Lie]:
    if "listing" in themes:
        yield Lie(rng.choice(OF_PAGES), LISTING, rng.choice([0.3, 1.0]), rng.choice([None, 10, 40]))
    if "answers" in themes:
        for kind in rng.sample([*INSTEAD, *AFTERWARDS], rng.choice([1, 2])):
            route = rng.choice(["*", "DELETE *", "POST *:importFile", "POST /upload/*", "GET *"])
            if kind == "upload elsewhere":
                route = "POST /upload/*"
            yield Lie(kind, route, rng.choice([0.02, 0.1, 0.5]), rng.choice([None, 1, 3]))
        if rng.random() < 0.5:  # a portal that lets all but deletions pass
            yield Lie("html", "DELETE *", rng.choice([0.3, 1.0]))


def _ambushes(rng: random.Random) -> Iterator[Ambush]:
    numbers = sorted(rng.sample(range(1, 8), rng.choice([2, 3])))
    for number in numbers:
        kind = rng.choice(["suspend", "suspend", "clock"])
        seconds = rng.choice([70.0, 130.0, 400.0] if kind == "suspend" else [90.0, 600.0, 86400.0])
        yield Ambush(
            number,
            rng.choice(["upload", "upload", "import"]),
            kind,
            seconds,
            rival_after_s=rng.choice([0.0, 1.0, 20.0] if kind == "clock" else [61.0, 65.0, 90.0]),
            after_s=rng.choice([0.0, 0.0, 0.3, 2.0, 10.0]),
        )


def play_edges(edges: Edges) -> Outcome:
    """Run a scenario to its end, or to the first violation."""
    return lived(
        lambda folder: EdgeWorld(edges, folder, SuspendingLoop()),
        lambda _world: small_pages(edges.page, ALL_PAGES),
    ).outcome()
