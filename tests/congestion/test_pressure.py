"""The reducer as a whole: what each outcome does to each part, and what a state allows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from objlib.congestion.controllers import Circuit
from objlib.congestion.outcomes import (
    Abandoned,
    Accepted,
    Answered,
    Broken,
    CooledDown,
    DocumentActive,
    DocumentFailed,
    GivenUp,
    Outcome,
    Refused,
    Sent,
    Unwatched,
    Watched,
)
from objlib.congestion.pressure import (
    PROBES_IN_VAIN_MAX,
    TIERS,
    Pressure,
    accepts_nothing,
    is_down,
    pace,
    pause_s,
    permission,
    reopens_in_s,
    respond,
    sending_at_most,
    starting,
    uploads_allowed,
    wait_s,
)


def after(state: Pressure, *outcomes: Outcome, now: float = 100.0) -> Pressure:
    """The state after some outcomes at one moment."""
    for outcome in outcomes:
        state = respond(state, outcome, now)
    return state


def opened(now: float = 100.0, retry_after_s: float | None = None) -> Pressure:
    """Three refusals in a row."""
    return after(starting(now=0.0), *[Refused(0.1, retry_after_s)] * 3, now=now)


def test_a_run_starts_at_the_ceilings_without_a_wait() -> None:
    """Eight files, fifty documents, no limit on the rate."""
    state = starting(now=7.0)
    assert wait_s(state, 7.0) == 0.0
    assert uploads_allowed(state) == 8
    assert state.indexing.limit == 50.0
    assert state.indexing.ceiling == 200
    assert state.breaker.cool_down_s == 30.0
    assert reopens_in_s(state, 7.0) is None


def test_what_a_run_starts_with_can_be_said() -> None:
    """Each argument ends up in its place."""
    state = starting(
        now=7.0,
        concurrency=3,
        requests_per_minute=120.0,
        cool_down_s=5.0,
        indexing_start=20,
        indexing_max=10,
    )
    assert (state.sending.ceiling, state.sending.limit) == (3, 3.0)
    assert state.rate.limit == 2.0
    assert (state.indexing.limit, state.indexing.ceiling) == (10.0, 10)
    assert state.breaker.cool_down_s == 5.0
    assert sending_at_most(5).limit == 5.0


def test_tiers_rise() -> None:
    """A higher tier never allows less."""
    assert list(TIERS) == ["free", "1", "2", "3"]
    assert list(TIERS.values()) == sorted(TIERS.values())


def test_a_refusal_reaches_breaker_rate_and_sending_and_holds_everything_back() -> None:
    """One outcome, four consequences."""
    state = after(starting(now=0.0), *[Sent()] * 10, now=99.0)
    state = after(state, *[Answered(0.1)] * 10, Refused(0.5, retry_after_s=20.0))
    assert state.breaker.refused.bit_count() == 1
    assert state.rate.limit is not None
    assert state.sending.limit == 4.0
    assert wait_s(state, 101.0) == 19.0


def test_an_earlier_and_longer_wait_stands() -> None:
    """The latest moment that any answer has asked for counts."""
    state = after(starting(now=0.0), Refused(0.1, 20.0), Refused(0.1, 5.0), Broken(0.1, 1.0))
    assert state.not_before == 120.0
    assert after(starting(now=0.0), Broken(0.1, 3.0)).not_before == 103.0
    assert after(starting(now=0.0), Refused(), Broken()).not_before == 100.0


def test_a_breakdown_reaches_breaker_and_sending_but_not_the_rate() -> None:
    """A 503 says nothing about a quota."""
    before = after(starting(now=0.0, requests_per_minute=60.0), *[Answered(0.1)] * 20)
    state = after(before, Broken(0.1))
    assert state.breaker.broken.bit_count() == 1
    assert state.sending.limit == pytest.approx(7.2)
    assert state.rate == before.rate


def test_answers_that_opened_a_circuit_judge_the_rate_at_once() -> None:
    """Three refusals in a row are serious, however few came before them."""
    state = starting(now=0.0, requests_per_minute=600.0)
    state = after(state, Refused(0.1), Refused(0.1))
    assert state.rate.limit == 10.0
    assert after(state, Refused(0.1)).rate.limit == pytest.approx(4.5)


def test_a_good_answer_counts_for_breaker_rate_and_sending() -> None:
    """And its time only where it tells of the backend."""
    state = after(starting(now=0.0), Answered(0.3, is_small=True), Answered(9.0))
    assert state.breaker.seen == 2
    assert state.rate.accepted == 2
    assert state.sending.good == 2
    assert state.sending.latency.seen == 1
    assert state.sending.latency.short_s == 0.3


def test_the_age_of_an_outcome_is_what_it_took() -> None:
    """What was sent before a cut is judged by when it was sent."""
    state = replace(starting(now=0.0), sending=replace(sending_at_most(8), cut_at=95.0))
    assert after(state, Refused(5.1)).sending.limit == 8.0
    assert after(state, Refused(4.9)).sending.limit == 4.0
    assert after(state, Broken(5.1)).sending.limit == 8.0
    assert after(state, Broken(4.9)).sending.limit == pytest.approx(7.2)


def test_an_open_circuit_stops_everything_until_it_has_cooled_down() -> None:
    """No request, no new file; then one of each."""
    state = opened()
    assert wait_s(state, 100.0) is None
    assert uploads_allowed(state) == 0
    assert reopens_in_s(state, 110.0) == 20.0
    assert reopens_in_s(state, 999.0) == 0.0

    state = respond(state, CooledDown(), 130.0)
    assert state.breaker.circuit is Circuit.HALF_OPEN
    assert wait_s(state, 200.0) == 0.0
    assert uploads_allowed(state) == 1
    state = respond(state, Sent(), 200.0)
    assert wait_s(state, 200.0) is None
    assert wait_s(respond(state, Abandoned(0.0), 201.0), 201.0) == 0.0
    assert wait_s(respond(state, Abandoned(80.0), 201.0), 201.0) is None


def test_a_circuit_that_was_told_when_to_come_back_waits_for_that() -> None:
    """For breakdowns as for refusals."""
    assert reopens_in_s(opened(retry_after_s=4.0), 100.0) == 4.0
    broken = after(starting(now=0.0), *[Broken(0.1, 6.0)] * 5)
    assert reopens_in_s(broken, 100.0) == 6.0


def test_a_half_open_circuit_still_heeds_the_wait_that_was_asked_for() -> None:
    """`not_before` stands above all."""
    state = replace(opened(), not_before=150.0)
    assert wait_s(respond(state, CooledDown(), 130.0), 130.0) == 20.0


def test_a_request_counts_for_rate_and_breaker() -> None:
    """It is due after the one before it, and a probe where probes are counted."""
    state = after(starting(now=100.0, requests_per_minute=60.0), *[Sent()] * 4)
    assert wait_s(state, 100.0) == 1.0
    probing = respond(respond(opened(), CooledDown(), 130.0), Sent(), 130.0)
    assert probing.breaker.probes_out == 1


def test_uploads_and_documents_share_what_may_be_indexed() -> None:
    """Fifty in all: with 45 being indexed five files may be on their way, with 60 none."""
    state = after(starting(now=0.0), *[Watched()] * 45)
    assert uploads_allowed(state) == 5
    assert uploads_allowed(after(state, *[Watched()] * 15)) == 0
    assert uploads_allowed(after(state, *[Unwatched()] * 3)) == 8


def test_documents_steer_how_many_are_indexed_at_once() -> None:
    """Three that fail lower the limit; one that comes alive in use raises it."""
    state = after(starting(now=0.0), *[Watched()] * 50)
    assert after(state, *[DocumentFailed(1.0)] * 3).indexing.limit == pytest.approx(35.0)
    assert after(state, DocumentActive(1.0)).indexing.limit == pytest.approx(50.02)


def test_a_permission_changes_when_something_else_is_allowed_and_only_then() -> None:
    """Counting alone is no news."""
    state = after(starting(now=0.0), *[Sent(), Answered(0.1)] * 3)
    assert permission(state) == permission(starting(now=0.0))
    for news in (
        after(state, Refused(0.1)),
        after(state, Refused(0.1, 3.0)),
        after(state, Watched()),
        after(state, *[DocumentFailed(0.1)] * 3),
        opened(),
        respond(opened(), CooledDown(), 130.0),
        respond(respond(opened(), CooledDown(), 130.0), Sent(), 130.0),
        after(state, *[Answered(0.1)] * 10, Refused(0.1)),
    ):
        assert permission(news) != permission(state)
    assert permission(opened(now=100.0)) != permission(opened(now=101.0))
    limited = starting(now=0.0, requests_per_minute=60.0)
    assert permission(limited) != permission(starting(now=0.0, requests_per_minute=61.0))


def test_what_is_no_outcome_is_a_mistake() -> None:
    """A new kind of outcome has to be handled."""

    @dataclass(frozen=True, slots=True)
    class Other(Outcome):
        pass

    with pytest.raises(TypeError, match="not an outcome"):
        respond(starting(now=0.0), Other(), 0.0)


took = st.floats(0.0, 120.0)
asked = st.one_of(st.none(), st.floats(0.0, 3600.0))
outcomes = st.one_of(
    st.builds(Sent),
    st.builds(Answered, took, st.booleans()),
    st.builds(Refused, took, asked),
    st.builds(Broken, took, asked),
    st.builds(Abandoned, took),
    st.builds(CooledDown),
    st.builds(Watched),
    st.builds(Unwatched),
    st.builds(DocumentActive, took),
    st.builds(DocumentFailed, took),
)


@given(st.lists(st.tuples(outcomes, st.floats(-5.0, 60.0)), max_size=120))
def test_limits_stay_in_bounds_whatever_happens(story: list[tuple[Outcome, float]]) -> None:
    """Also when the clock runs backwards. And good answers bring everything back."""
    state, now = starting(now=0.0, requests_per_minute=600.0), 0.0
    for outcome, step in story:
        now += step
        state = respond(state, outcome, now)
        assert 1.0 <= state.sending.limit <= 8.0
        assert 4.0 <= state.indexing.limit <= 200.0
        assert 0 <= uploads_allowed(state) <= 8
        wait = wait_s(state, now)
        assert wait is None or 0.0 <= wait < math.inf
        assert (wait is None) <= (state.breaker.circuit is not Circuit.CLOSED)

    now = max(now, state.not_before) + 10_000
    state = respond(state, CooledDown(), now)
    for _ in range(1_000):
        now += wait_s(state, now) or 0.0
        state = respond(respond(state, Sent(), now), Answered(0.0), now)
    assert state.breaker.circuit is Circuit.CLOSED
    assert state.sending.limit == 8.0


@given(st.lists(st.tuples(outcomes, st.floats(-5.0, 60.0)), max_size=60), st.floats(0.0, 60.0))
@example(  # refused at the lowest rate there is, within a longer pause that was asked for
    [*[(Answered(), 1.0)] * 8, (Refused(0.0, 50.0), 1.0), (Refused(), 40.0)], 0.0
)
def test_at_the_same_pace_the_wait_is_the_same(
    story: list[tuple[Outcome, float]], later_s: float
) -> None:
    """So whoever waits need not ask again before the pace changes, or a request has left."""
    state, now = starting(now=0.0, requests_per_minute=3.0), 0.0
    for outcome, step in story:
        now += step
        before, state = state, respond(state, outcome, now)
        if pace(before) == pace(state) and not isinstance(outcome, Sent):
            assert wait_s(before, now + later_s) == wait_s(state, now + later_s)


def served(state: Pressure, capacity: int, rounds: int) -> list[float]:
    """The limits while a store indexes `capacity` documents at once well and fails the rest."""
    limits, now = [], 0.0
    for _ in range(rounds):
        now += 10.0
        at_once = int(state.indexing.limit)
        state = replace(state, indexing=replace(state.indexing, at_once=at_once))
        failing = max(0, at_once - capacity)
        for number in range(at_once):
            kind = DocumentFailed if number < failing else DocumentActive
            state = respond(state, kind(10.0), now)
        limits.append(state.indexing.limit)
    return limits


@pytest.mark.parametrize("capacity", [10, 25, 50, 80, 150])
def test_the_limit_of_indexing_settles_near_the_knee(capacity: int) -> None:
    """Wherever it is: never far above, and on average above half of it."""
    limits = served(starting(now=0.0), capacity, rounds=400)[200:]
    assert max(limits) <= 1.3 * capacity + 2
    assert sum(limits) / len(limits) >= 0.6 * capacity


def test_a_wait_of_ten_hours_is_told_in_full_and_kept_for_one() -> None:
    """People hear what was asked for; the backend is looked at again after an hour."""
    state = after(starting(now=0.0), Refused(0.1, 36_000.0))
    assert (state.asked_s, state.not_before) == (36_000.0, 100.0 + 3600.0)
    assert pause_s(state, 100.0) == 3600.0
    assert after(state, Refused(0.1, 5.0)).asked_s == 36_000.0


def test_probes_in_vain_are_counted_until_something_is_accepted() -> None:
    """The eighth tells of an outage; an answer to all probes begins anew."""
    state = starting(now=0.0, cool_down_s=1.0)
    state = after(state, *[Broken()] * 5)
    assert state.breaker.circuit is Circuit.OPEN
    for _ in range(PROBES_IN_VAIN_MAX):
        assert not is_down(state)
        state = after(state, CooledDown(), Sent(), Broken())
    assert is_down(state)
    probing = after(state, CooledDown())
    assert not is_down(probing)  # whoever comes now makes the next probe
    assert is_down(after(probing, Sent(), Broken()))
    healed = after(probing, *[Sent(), Answered()] * 4)
    assert healed.breaker.failed_probes == 0


def test_files_given_up_in_a_row_tell_of_a_refusal() -> None:
    """The third, unless one was accepted in between."""
    state = after(starting(now=0.0), GivenUp(), GivenUp(), Accepted(), GivenUp(), GivenUp())
    assert not accepts_nothing(state)
    assert accepts_nothing(after(state, GivenUp()))
