"""Numbers that change in steps, and the token bucket."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.filestore.schedules import TokenBucket, area, time_to_gather, value_at

DAY = [(0.0, 600.0), (120.0, 300.0), (300.0, 600.0)]

numbers = st.floats(0, 1000)
schedules = numbers | st.lists(st.tuples(st.floats(0, 500), numbers), min_size=1, max_size=5).map(
    lambda steps: sorted(dict(steps).items())
)


def test_a_step_holds_until_the_next_one() -> None:
    """From its second on; before the first there is nothing, and a number holds for ever."""
    assert [value_at(DAY, at) for at in (-1, 0, 119.9, 120, 299.9, 300, 9e9)] == [
        *(0, 600, 600, 300, 300, 600, 600)
    ]
    assert value_at(7, -1) == value_at(7, 9e9) == 7


def test_the_area_is_that_below_the_steps() -> None:
    """Over step after step, and nothing before the first."""
    assert area(DAY, 0, 120) == 600 * 120
    assert area(DAY, 60, 360) == 600 * 60 + 300 * 180 + 600 * 60
    assert area(DAY, -60, 10) == 600 * 10
    assert area(5, 10, 12) == 10


@pytest.mark.parametrize(
    ("schedule", "from_s", "amount", "expected"),
    [
        (10.0, 3.0, 5.0, 0.5),
        (DAY, 0.0, 600.0, 1.0),
        (DAY, 119.0, 900.0, 2.0),
        ([(0, 0), (30, 2)], 10.0, 4.0, 22.0),
        ([(0, 5), (10, 0)], 9.0, 6.0, math.inf),
        (0.0, 0.0, 1.0, math.inf),
    ],
)
def test_gathering_takes_as_long_as_the_steps_make_it(
    schedule: object, from_s: float, amount: float, expected: float
) -> None:
    """Also across a step, through a time without anything, and never."""
    assert time_to_gather(schedule, from_s, amount) == expected  # type: ignore[arg-type]


@given(schedule=schedules, from_s=st.floats(0, 600), amount=st.floats(0.01, 1000))
def test_what_was_waited_for_is_there(schedule: object, from_s: float, amount: float) -> None:
    """The area over the time that gathering takes is the amount."""
    wait_s = time_to_gather(schedule, from_s, amount)  # type: ignore[arg-type]
    if wait_s < 1e6:
        gathered = area(schedule, from_s, from_s + wait_s)  # type: ignore[arg-type]
        assert gathered == pytest.approx(amount, rel=1e-6)


@given(
    per_minute=st.floats(1, 6000),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=80),
)
def test_no_window_has_more_than_the_flow_and_one_burst(
    per_minute: float, burst: int, gaps: list[float]
) -> None:
    """Whenever requests come, whichever window is looked at."""
    bucket = TokenBucket(per_minute, burst)
    taken = [at for at in itertools.accumulate(gaps) if bucket.take(at) == 0]
    for first, start in enumerate(taken):
        for last in range(first, len(taken)):
            allowed = burst + per_minute / 60 * (taken[last] - start)
            assert last - first + 1 <= allowed + 1e-6


@given(schedule=schedules, burst=st.integers(1, 5), tries=st.integers(1, 30))
def test_who_waits_as_told_is_let_in(schedule: object, burst: int, tries: int) -> None:
    """A refusal says to the second when there is a token again."""
    bucket = TokenBucket(schedule, burst)  # type: ignore[arg-type]
    now_s = 0.0
    for _ in range(tries):
        wait_s = bucket.take(now_s)
        if wait_s > 1e6:
            return
        if wait_s > 0:
            now_s += wait_s
            assert bucket.take(now_s) == 0


def test_a_bucket_begins_full_and_is_never_fuller() -> None:
    """A burst at once, whenever the first request comes and however long the rest was."""
    bucket = TokenBucket(60.0, 3)
    assert [bucket.take(1000.0) > 0 for _ in range(5)] == [False, False, False, True, True]
    assert [bucket.take(9000.0) > 0 for _ in range(5)] == [False, False, False, True, True]
