"""The harder simulation, the sweeps and the breaks, each in small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from objlib.filestore import Fault, Kind
from objlib.upload import send
from tests.simulator.breaks import hunt
from tests.simulator.elsewhere import digest_elsewhere
from tests.simulator.harder import Harder, generate_harder, play_harder
from tests.simulator.instants import Hooks, dense
from tests.simulator.scenario import Action, Scenario
from tests.simulator.shrink import shrunk
from tests.simulator.sweep import LOST_ANSWER, SCAN, SWEEPS, UPLOAD, Sweep, crash, points_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("first", [30_000, 30_003])
def test_fresh_harder_seeds(first: int) -> None:
    """Three at a time."""
    for seed in range(first, first + 3):
        outcome = play_harder(generate_harder(seed))
        assert outcome.violations == [], f"python -m tests.simulator --harder --seed {seed}"


def test_the_same_seed_is_the_same_run() -> None:
    """Also in another process, whose sets of strings come in another order."""
    here = [play_harder(generate_harder(seed)).digest for seed in (7, 7)]
    assert here[0] == here[1]
    assert here[0][:16] == digest_elsewhere("--harder", "--seed", "7")


@pytest.mark.parametrize(
    ("name", "every"),
    [("upload", 25), ("replacement", 25), ("repair of orphans and ghosts", 30), ("scan", 10)],
)
def test_a_crash_is_healed_by_one_upload_and_one_repair(name: str, every: int) -> None:
    """At a sample of the points of `python -m tests.simulator.sweep`."""
    points = points_of(SWEEPS[name], every)
    played = [crash(SWEEPS[name], point) for point in points]
    assert [point.violations for point in played if point.violations] == []
    assert len({point.left for point in played}) > 1


def test_a_recovery_that_crashes_is_healed_too() -> None:
    """The upload was killed after its import; so is the upload that recovers it."""
    again = Sweep((*SWEEPS["upload"].before, replace(UPLOAD, dies_at_step=74)), UPLOAD)
    for point in points_of(again, 20):
        assert crash(again, point).violations == ()


def test_there_are_points_between_the_statements_of_a_step() -> None:
    """Deaths one point apart leave different states behind."""
    states = [crash(SWEEPS["upload"], point).left for point in range(64, 96)]
    assert len(set(states)) >= 4


@pytest.mark.parametrize(
    ("name", "invariant"),
    [
        ("import-without-look-up", "S1"),
        ("superseded-goes-first", "S7"),
        ("import-without-intent", "S1"),
    ],
)
def test_a_broken_protocol_is_found(name: str, invariant: str) -> None:
    """By one of the first seeds; `python -m tests.simulator.breaks` has all of them."""
    catch = hunt(name, range(20))
    assert catch.seed is not None
    assert catch.violation.startswith(invariant)


def test_a_suspended_process_goes_on_where_it_stopped() -> None:
    """Its lease has run out meanwhile, and somebody else has done its work."""
    upload = replace(
        UPLOAD,
        meanwhile=(
            (0.3, Action("suspend", seconds=400.0)),
            (100.0, Action("upload")),
        ),
    )
    scenario = Scenario(1, 2, (Action("scan"), upload), (), distance_s=0.2, same_host=False)
    outcome = play_harder(Harder(scenario))
    assert outcome.violations == []
    assert any("FileTaken" in line for line in outcome.trace)


def test_a_locked_catalog_is_waited_for() -> None:
    """Every other transaction finds the lock taken at first."""
    outcome = play_harder(Harder(Scenario(1, 3, (Action("scan"), UPLOAD), ()), locked_share=0.5))
    assert outcome.violations == []


def test_a_scenario_that_goes_wrong_is_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has nothing to do with it goes: files, actions, faults, locks, pages."""

    async def looks_nowhere(_self: object, _record: object, **_given: bool) -> None:
        return None

    monkeypatch.setattr(send, "document_of_earlier_attempt", looks_nowhere)
    upload = replace(UPLOAD, meanwhile=((2.0, Action("touch")),))
    actions = (SCAN, Action("add"), Action("wait", seconds=9.0), upload)
    slow = Fault(Kind.LATENCY, probability=0.1, seconds=1.0)
    scenario = Scenario(3, 2, actions, (slow, LOST_ANSWER))
    smallest, outcome = shrunk(Harder(scenario, locked_share=0.1, page=2))
    assert outcome.violations[0].startswith("S1 2 documents carry the key")
    least = replace(scenario, files=1, actions=(SCAN, UPLOAD), faults=(LOST_ANSWER,))
    assert smallest == Harder(least)


def test_without_the_hooks_everything_is_as_before() -> None:
    """The module of the catalog gets its `sqlite3` back."""
    import sqlite3

    from objlib.catalog.sqlite import connection

    with dense(Hooks()):
        assert vars(connection)["sqlite3"] is not sqlite3
    assert vars(connection)["sqlite3"] is sqlite3
