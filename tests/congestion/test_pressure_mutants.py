"""Bounds of the controllers that only a mutant crosses: each test fails for one changed number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from objlib.congestion import outcomes
from objlib.congestion.controllers import Breaker, Circuit, Indexing, Rate, Sending, Trend
from objlib.congestion.outcomes import (
    Abandoned,
    Answered,
    Broken,
    Outcome,
    Refused,
    Unwatched,
    Watched,
)
from objlib.congestion.pressure import Pressure, respond, starting

#: By name: a dataclass with slots is made twice, and its first version is a subclass as well.
OUTCOMES = [vars(outcomes)[name] for name in sorted({k.__name__ for k in Outcome.__subclasses__()})]


@pytest.mark.parametrize(
    "kind", [Trend, Breaker, Rate, Sending, Indexing, Pressure, Outcome, *OUTCOMES]
)
def test_states_and_outcomes_are_frozen_and_small(kind: Any) -> None:
    """Whoever holds one holds it for good; a run makes millions of them."""
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)


@pytest.mark.parametrize("kind", [Answered, Refused, Broken, Abandoned])
def test_an_outcome_of_which_no_time_is_told_took_none(
    kind: type[Answered | Refused | Broken | Abandoned],
) -> None:
    """It then counts as sent when it came back."""
    assert kind().took_s == 0.0


def test_circuits_have_the_names_that_people_read() -> None:
    """They stand in events and in the progress line."""
    assert [circuit.value for circuit in Circuit] == ["closed", "open", "half-open"]


def test_a_new_breaker_has_no_trouble_behind_it() -> None:
    """It is what one is after a hundred good answers, but for their number; the third refusal and
    the fifth breakdown in a row open it, whenever they were sent."""
    proven = new = Breaker(30.0)
    for _ in range(100):
        proven = proven.answered(10.0, 9.0)
    assert replace(proven, seen=0) == new
    for sign, run in (("x", 3), ("!", 5)):
        breaker, circuits = new, []
        for _ in range(run):
            breaker = breaker.answered(10.0, -1e9, refused=sign == "x", broken=sign == "!")
            circuits.append(breaker.circuit)
        assert circuits == [*[Circuit.CLOSED] * (run - 1), Circuit.OPEN]


def test_a_new_trend_knows_its_first_duration_and_no_other() -> None:
    """Both averages are that duration, and one was seen."""
    assert Trend().after(4.0) == Trend(4.0, 4.0, 1)


def test_a_new_rate_lets_the_first_request_pass_at_once() -> None:
    """Whatever it is: it has sent nothing, and nothing was refused."""
    for per_minute in (None, 1.0, 60.0):
        assert Rate.starting(per_minute, 5.0).wait_s(5.0) == 0.0


def test_a_rate_that_rises_aims_at_nothing_before_it_was_refused() -> None:
    """A budget is not climbed towards: it is there from the beginning."""
    assert Rate.starting(None, 5.0).target == 0.0
    rate = Rate.starting(60.0, 0.0)
    for _ in range(10):
        rate = rate.sent(1.0).answered(1.0)
    assert rate.limit == Rate.starting(60.0, 0.0).limit


def test_a_run_begins_below_its_ceiling_and_never_above() -> None:
    """However low the ceiling is set."""
    indexing = starting(now=0.0).indexing
    assert 0 < indexing.limit < indexing.ceiling
    assert starting(now=0.0, indexing_max=10).indexing.limit == 10.0


@pytest.mark.parametrize("signs", ["xx!", "!!!!x"])
def test_a_run_is_broken_by_trouble_of_the_other_kind(signs: str) -> None:
    """Three refusals, or five breakdowns, are three and five of the same."""
    breaker = Breaker(30.0)
    for sign in signs:
        breaker = breaker.answered(10.0, 9.0, refused=sign == "x", broken=sign == "!")
    assert breaker.circuit is Circuit.CLOSED


def half_open(*, sent: int, passed: int) -> Breaker:
    """A breaker that has sent probes, some of which were answered."""
    breaker = Breaker(30.0, circuit=Circuit.OPEN).cooled_down(100.0)
    return replace(breaker, probes_out=sent, probes_passed=passed)


def test_one_abandoned_probe_makes_room_for_one() -> None:
    """Of three that are out; and the first, of which there is one."""
    breaker = half_open(sent=3, passed=1)
    assert not breaker.admits_probe
    breaker = breaker.abandoned(101.0)
    assert breaker.admits_probe
    assert not breaker.sent().admits_probe


def test_a_refused_probe_waits_for_as_long_as_it_is_told() -> None:
    """Like any other refusal."""
    refused = half_open(sent=1, passed=0).answered(110.0, 105.0, refused=True, retry_after_s=7.0)
    assert (refused.circuit, refused.reopens_at) == (Circuit.OPEN, 117.0)


def test_the_first_sample_of_a_rate_begins_with_the_rate() -> None:
    """A first request five seconds after the start comes after no rest."""
    assert Rate.starting(60.0, 100.0).sent(105.0).sampled_from == 100.0


def test_a_rate_counts_what_is_accepted_while_it_rises() -> None:
    """The next refusal is judged by it."""
    rate = Rate(None, 9.0, changed_at=0.0, sampled_from=0.0, target=10.0, due_at=5.0)
    assert rate.answered(5.0).accepted == 1


@pytest.mark.parametrize("accepted", [0, 1])
def test_a_rate_of_which_next_to_nothing_is_known_is_one_request_in_that_time(
    accepted: int,
) -> None:
    """None accepted in five seconds counts as one: zero would say too much."""
    rate = Rate(None, None, changed_at=0.0, sampled_from=0.0, accepted=accepted)
    assert rate.rejected(5.0, 4.0, is_serious=True).limit == pytest.approx(0.18)


def decisions(sending: Sending, answers: int, latency_s: float | None) -> list[float]:
    """The limits after each of the answers."""
    limits = []
    for _ in range(answers):
        sending = sending.answered(latency_s)
        limits.append(sending.limit)
    return limits


def test_sending_decides_at_every_tenth_answer() -> None:
    """After a rise, and after an easing, ten more are needed."""
    assert decisions(Sending(9, 1.0), 20, None) == [*[1.0] * 9, *[2.0] * 10, 3.0]
    slow = Trend(short_s=4.0, long_s=1.0, seen=100)
    lengthening = decisions(Sending(100, 100.0, latency=slow), 20, None)
    assert lengthening == pytest.approx([*[100.0] * 9, *[90.0] * 10, 81.0])


def indexing(story: str, state: Indexing, now: float = 100.0) -> Indexing:
    """After documents that came alive (`.`) or failed (`x`), each within a second."""
    for sign in story:
        state = state.succeeded(1.0, now) if sign == "." else state.struck(1.0, now)
    return state


def test_a_document_that_comes_alive_begins_the_run_of_failures_anew() -> None:
    """Two more are nothing, three are a run."""
    start = Indexing(200, 100.0)
    assert indexing("xx.xx", start).limit == 100.0
    assert indexing("xx.xxx", start).limit == 70.0


def test_a_cut_begins_the_sample_anew() -> None:
    """Documents from before it make up no share after it."""
    cut = indexing("." * 20 + "xxx", Indexing(200, 100.0))
    assert (cut.limit, cut.active, cut.failed, cut.failed_run) == (70.0, 0, 0, 0)
    assert cut.cut_at == 100.0


def test_an_easing_is_a_cut_as_well() -> None:
    """What was imported before it says nothing about the limit after it."""
    slow = Trend(short_s=4.0, long_s=1.0, seen=100)
    eased = Indexing(200, 100.0, active=10, trend=slow).succeeded(4.0, 50.0)
    assert (eased.limit, eased.cut_at) == (90.0, 50.0)
    assert eased.struck(10.0, 51.0) == eased


def test_nothing_holds_a_run_back_before_it_begins() -> None:
    """The earliest moment of a request is that of the start."""
    assert starting(now=7.0).not_before == 7.0
    parts = (Breaker(30.0), Rate.starting(None, 0.0), Sending(1, 1.0), Indexing(1, 1.0))
    assert Pressure(*parts).not_before == 0.0


@pytest.mark.parametrize("outcome", [Refused(), Broken()])
def test_trouble_of_which_no_wait_is_asked_holds_back_until_now(outcome: Outcome) -> None:
    """And not until a moment before."""
    assert respond(starting(now=0.0), outcome, 100.0).not_before == 100.0


def test_a_good_answer_counts_from_when_its_request_was_sent() -> None:
    """One sent before the circuit became half-open is no probe; the fourth probe closes it now."""
    state = replace(starting(now=0.0), breaker=half_open(sent=1, passed=3))
    assert respond(state, Answered(took_s=11.0), 110.0).breaker == state.breaker
    closed = respond(state, Answered(took_s=9.0), 110.0).breaker
    assert (closed.circuit, closed.changed_at) == (Circuit.CLOSED, 110.0)


def test_a_good_answer_raises_a_rate_that_is_in_use() -> None:
    """Through the reducer, with the time of the answer."""
    rate = Rate(None, 9.0, changed_at=0.0, sampled_from=0.0, target=10.0, due_at=5.0)
    state = replace(starting(now=0.0), rate=rate)
    assert respond(state, Answered(), 5.0).rate == rate.answered(5.0)
    assert respond(state, Answered(), 500.0).rate == rate.answered(500.0)


def test_each_document_is_counted_up_and_down_by_one() -> None:
    """Three that are watched, one that no longer is."""
    state = starting(now=0.0)
    for outcome in (Watched(), Watched(), Watched(), Unwatched()):
        state = respond(state, outcome, 1.0)
    assert state.indexing.at_once == 2


def test_what_is_no_outcome_is_named() -> None:
    """A new kind that the reducer does not know must not pass in silence."""
    with pytest.raises(TypeError, match=r"^not an outcome: Outcome\(\)$"):
        respond(starting(now=0.0), Outcome(), 1.0)
