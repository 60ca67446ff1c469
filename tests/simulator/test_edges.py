"""The scenarios about the edges of a run, their breaks and their sweeps, each in small."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.catalog.catalogs import frozen_schema, new_catalog
from tests.simulator import catalogs
from tests.simulator.breaks import hunt
from tests.simulator.edges import generate_edges, play_edges
from tests.simulator.elsewhere import digest_elsewhere
from tests.simulator.lies import LISTING, PAGES, Lie
from tests.simulator.scenario import Action, Scenario
from tests.simulator.story import Ambush, Edges
from tests.simulator.sweep import BACKUP, EDIT, SCAN, SWEEPS, SYNC, UPLOAD, crash, points_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("first", [40_000, 40_004, 40_008])
def test_fresh_edge_seeds(first: int) -> None:
    """Four at a time."""
    for seed in range(first, first + 4):
        outcome = play_edges(generate_edges(seed))
        assert outcome.violations == [], f"python -m tests.simulator --edges --seed {seed}"


def test_the_same_seed_is_the_same_run() -> None:
    """Also in another process, whose sets of strings come in another order."""
    here = [play_edges(generate_edges(seed)).digest for seed in (34, 34)]
    assert here[0] == here[1]
    assert here[0][:16] == digest_elsewhere("--edges", "--seed", "34")


@pytest.mark.parametrize(
    ("name", "seeds", "invariant"),
    [
        ("lost-catalog-is-not-refused", range(16, 17), "S9"),
        ("counters-are-not-compared", range(42, 43), "S1"),
        ("unknown-key-is-an-orphan", range(31, 32), "S8"),
        ("redirect-is-followed", range(11, 12), "S11"),
        ("ctime-is-ignored", range(18, 19), "L2"),
    ],
)
def test_a_broken_rule_is_found(name: str, seeds: range, invariant: str) -> None:
    """At the seed that `python -m tests.simulator.breaks` found first."""
    catch = hunt(name, seeds)
    assert catch.seed is not None
    assert catch.violation.startswith(invariant)


@pytest.mark.parametrize(
    ("name", "every"),
    [
        ("recovery from the store", 60),
        ("upload with an old catalog", 24),  # at 49 a catalog half adopted looked complete
        ("migration", 20),
        ("round of a watch", 90),
    ],
)
def test_a_crash_is_healed(name: str, every: int) -> None:
    """At a sample of the points of `python -m tests.simulator.sweep`."""
    played = [crash(SWEEPS[name], point) for point in points_of(SWEEPS[name], every)]
    assert [point.violations for point in played if point.violations] == []


def test_a_lost_catalog_is_given_back_and_nothing_is_sent_again() -> None:
    """The run stops and names the command; people type it, and the next run has nothing to do."""
    lost = (SCAN, UPLOAD, Action("lose catalog"), SCAN, UPLOAD)
    outcome = play_edges(Edges(Scenario(1, 3, lost, ())))
    assert outcome.violations == []
    trace = "\n".join(outcome.trace)
    assert "CatalogLost: 3 of 3 documents" in trace
    assert trace.count(":importFile") == 3


RESTORE, ADD, AWAY = Action("restore catalog"), Action("add"), Action("wait", seconds=176_400.0)


@pytest.mark.parametrize(
    "after_a_backup",
    [
        (EDIT, SCAN, UPLOAD, RESTORE, UPLOAD),
        (EDIT, SCAN, UPLOAD, RESTORE, SYNC, AWAY, UPLOAD),
        (ADD, SCAN, UPLOAD, RESTORE, SYNC, SCAN, UPLOAD),
        (ADD, SCAN, UPLOAD, RESTORE, SCAN, Action("survey"), UPLOAD),
        (ADD, Action("delete"), SCAN, UPLOAD, SYNC, RESTORE, SYNC, SCAN, UPLOAD),
    ],
    ids=str,
)
def test_an_old_catalog_sends_nothing_again(after_a_backup: tuple[Action, ...]) -> None:
    """Not even when a repair has listed the store before its scan found the newer files."""
    actions = (SCAN, UPLOAD, BACKUP, *after_a_backup)
    assert play_edges(Edges(Scenario(1, 3, actions, ()))).violations == []


@pytest.mark.parametrize("kind", PAGES)
def test_listings_lie_about_pages(kind: str) -> None:
    """An import in doubt is not repeated for a listing that is not coherent."""
    lies = (Lie(kind, LISTING),)
    actions = (SCAN, UPLOAD, Action("lose document"), SYNC)
    outcome = play_edges(Edges(Scenario(1, 8, actions, ()), page=2, lies=lies))
    assert outcome.violations == []
    is_seen = any("twice" in line or "does not advance" in line for line in outcome.trace)
    assert is_seen == (kind != "shifted pages")  # nothing was deleted between two pages


def test_an_ambush_takes_the_lease_away() -> None:
    """The sender sleeps before its import, a rival sends the file, and the sender gives way."""
    ambush = Ambush(1, "upload", "suspend", 400.0, rival_after_s=65.0)
    scenario = Scenario(1, 1, (SCAN, UPLOAD), (), same_host=False)
    outcome = play_edges(Edges(scenario, ambushes=(ambush,)))
    assert outcome.violations == []
    assert any("FileTaken" in line for line in outcome.trace)
    assert sum(":importFile" in line for line in outcome.trace) == 1


def _shape(connection: sqlite3.Connection) -> dict[str, set[tuple[str, str]]]:
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    return {
        table: {(row[1], row[2]) for row in connection.execute(f"PRAGMA table_info({table})")}
        for (table,) in connection.execute(names).fetchall()
    }


@pytest.mark.parametrize("version", [23, 24])
def test_an_older_catalog_is_like_one_of_that_version(tmp_path: Path, version: int) -> None:
    """Its tables have the columns that were frozen with that version."""
    path = new_catalog(tmp_path)
    catalogs.make_older(path, version)
    with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(":memory:")) as frozen:
        frozen.executescript(frozen_schema(f"v{version}"))
        assert _shape(old) == _shape(frozen)
        assert old.execute("PRAGMA user_version").fetchone() == (version,)
