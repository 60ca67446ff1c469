"""The four controllers: each rule by example, and what holds whatever happens by property."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objlib.congestion.controllers import Breaker, Circuit, Indexing, Rate, Sending, Trend

# Trend


def test_a_trend_begins_as_a_plain_average() -> None:
    """The first durations weigh the same; nothing of the initial zero is left."""
    trend = Trend().after(4.0)
    assert (trend.short_s, trend.long_s, trend.seen) == (4.0, 4.0, 1)

    trend = trend.after(2.0)
    assert (trend.short_s, trend.long_s) == (3.0, 3.0)


def test_a_trend_follows_fast_and_slowly() -> None:
    """After a hundred of 1 s, one of 11 s moves the averages by a fifth and by a hundredth."""
    trend = Trend()
    for _ in range(100):
        trend = trend.after(1.0)

    trend = trend.after(11.0)

    assert trend.short_s == pytest.approx(3.0)
    assert trend.long_s == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("short_s", "seen", "is_lengthening"), [(2.0, 20, True), (1.99, 20, False), (9.0, 19, False)]
)
def test_lengthening_is_twice_the_usual_of_at_least_twenty(
    short_s: float, seen: int, is_lengthening: bool
) -> None:
    """Both bounds count from exactly there on."""
    assert Trend(short_s, 1.0, seen).is_lengthening is is_lengthening


# Breaker


def answered(breaker: Breaker, signs: str, now: float = 10.0) -> Breaker:
    """The breaker after answers: `.` good, `x` refused, `!` broken."""
    for sign in signs:
        breaker = breaker.answered(now, now, refused=sign == "x", broken=sign == "!")
    return breaker


@pytest.mark.parametrize(
    ("signs", "circuit"),
    [
        ("xx", Circuit.CLOSED),
        ("xxx", Circuit.OPEN),
        ("xx.x", Circuit.CLOSED),
        ("!!!!", Circuit.CLOSED),
        ("!!!!!", Circuit.OPEN),
        ("!!!!.!", Circuit.CLOSED),
        # More than 5 % of at least twenty: one of twenty is not, two of twenty are.
        ("x" + "." * 17 + "x", Circuit.CLOSED),
        ("." * 19 + "x", Circuit.CLOSED),
        ("x" + "." * 18 + "x", Circuit.OPEN),
        ("." * 40 + "xx", Circuit.CLOSED),
        # A good answer never opens it.
        ("xx" + "." * 18, Circuit.CLOSED),
        ("!!" * 2 + "." + "!!" * 2 + "." + "!!" + "." * 10, Circuit.CLOSED),
        ("." * 20 + "x." + "x", Circuit.OPEN),
        # Half of at least twenty broken.
        ("!." * 9 + "!", Circuit.CLOSED),
        (".!" * 10, Circuit.OPEN),
        ("!.." * 20, Circuit.CLOSED),
    ],
)
def test_what_opens_the_circuit(signs: str, circuit: Circuit) -> None:
    """Three refusals or five breakdowns in a row, or too large a share of enough answers."""
    assert answered(Breaker(30.0), signs).circuit is circuit


def test_only_the_last_hundred_answers_count() -> None:
    """Five refusals of a hundred pass; the sixth opens, unless the first has moved out of sight."""
    five = answered(Breaker(30.0), ("." * 19 + "x") * 5)
    assert five.seen == 100
    assert answered(five, "." * 18 + "x").circuit is Circuit.OPEN
    assert answered(five, "." * 19 + "x").circuit is Circuit.CLOSED
    assert answered(five, "." * 100).refused == 0


def test_an_open_circuit_waits_for_the_cool_down_or_as_long_as_it_is_told() -> None:
    """`RetryInfo` wins over our own time."""
    assert answered(Breaker(30.0), "xxx", now=100.0).reopens_at == 130.0

    told = answered(Breaker(30.0), "xx").answered(100.0, 100.0, refused=True, retry_after_s=7.0)
    assert told.reopens_at == 107.0


def test_each_probe_in_vain_doubles_the_cool_down_up_to_sixteen_times() -> None:
    """30, 60, 120, 240, 480, 480 …"""
    breaker, waits = answered(Breaker(30.0), "xxx", now=0.0), []
    for _ in range(7):
        waits.append(breaker.reopens_at)
        breaker = answered(breaker.cooled_down(0.0).sent(), "!", now=0.0)
    assert waits == [30, 60, 120, 240, 480, 480, 480]


def half_open(at: float = 10.0) -> Breaker:
    """A breaker that has cooled down at that moment."""
    return answered(Breaker(30.0), "xxx", now=0.0).cooled_down(at)


def test_half_open_lets_one_probe_through_then_three_then_closes() -> None:
    """One at a time, three at a time, and after four answers everything."""
    breaker = half_open()
    assert breaker.circuit is Circuit.HALF_OPEN
    assert breaker.admits_probe
    breaker = breaker.sent()
    assert not breaker.admits_probe

    breaker = answered(breaker, ".")
    for _ in range(3):
        assert breaker.circuit is Circuit.HALF_OPEN
        assert breaker.admits_probe
        breaker = breaker.sent()
    assert not breaker.admits_probe

    assert answered(breaker, "..").circuit is Circuit.HALF_OPEN
    closed = answered(breaker, "...", now=20.0)
    assert closed == Breaker(30.0, changed_at=20.0)


@pytest.mark.parametrize("sign", ["x", "!"])
def test_a_probe_in_vain_opens_the_circuit_again(sign: str) -> None:
    """Even after probes that passed, and all of them are forgotten."""
    breaker = answered(answered(half_open().sent(), ".").sent(), sign)
    assert breaker.circuit is Circuit.OPEN
    assert breaker.failed_probes == 1
    again = breaker.cooled_down(200.0)
    assert (again.probes_out, again.probes_passed, again.failed_probes) == (0, 0, 1)


def test_an_abandoned_probe_makes_room_for_another() -> None:
    """Otherwise a cancelled probe would hold the circuit half-open for ever."""
    breaker = half_open().sent().abandoned(sent_at=11.0)
    assert breaker.admits_probe
    assert breaker.abandoned(sent_at=11.0).probes_out == 0


def test_what_was_sent_before_the_circuit_changed_says_nothing() -> None:
    """Late answers to early requests neither open, close nor count as probes."""
    breaker = half_open(at=10.0).sent()
    assert breaker.answered(12.0, 9.9, refused=True) == breaker
    assert breaker.answered(12.0, 9.9) == breaker
    assert breaker.abandoned(9.9) == breaker
    opened = answered(Breaker(30.0), "xxx", now=10.0)
    assert answered(opened, "x.!", now=10.0) == opened


def test_only_an_open_circuit_cools_down() -> None:
    """A late `CooledDown` changes nothing."""
    assert Breaker(30.0).cooled_down(5.0) == Breaker(30.0)
    assert half_open().cooled_down(99.0) == half_open()


def test_a_closed_circuit_counts_no_probes() -> None:
    """They are a matter of the half-open one."""
    assert Breaker(30.0).sent() == Breaker(30.0)


@given(st.text(alphabet=".x!sat", max_size=200))
def test_the_window_is_bounded_and_an_open_circuit_can_always_recover(story: str) -> None:
    """Whatever happened, cooling down and four good probes close the circuit."""
    breaker = Breaker(30.0)
    for number, sign in enumerate(story):
        now = float(number)
        match sign:
            case "s":
                breaker = breaker.sent()
            case "a":
                breaker = breaker.abandoned(now)
            case "t":
                breaker = breaker.cooled_down(now)
            case _:
                breaker = answered(breaker, sign, now)
        assert breaker.refused < 1 << 100
        assert breaker.broken < 1 << 100
        assert breaker.seen <= 100
    if breaker.circuit is not Circuit.CLOSED:
        breaker = replace(breaker, circuit=Circuit.OPEN).cooled_down(500.0)
        assert breaker.admits_probe
        assert answered(breaker.sent(), "....", now=501.0).circuit is Circuit.CLOSED


# Rate


def test_without_a_budget_there_is_no_wait() -> None:
    """Until the backend refuses, the rate is nobody's business."""
    rate = Rate.starting(None, now=5.0)
    for _ in range(100):
        assert rate.wait_s(5.0) == 0.0
        rate = rate.sent(5.0)
    assert rate.answered(5.0).limit is None


def test_a_budget_spaces_requests_after_a_small_burst() -> None:
    """Sixty a minute: four at once, then one a second; a second of rest gives back one."""
    rate, now, waits = Rate.starting(60.0, now=100.0), 100.0, []
    for _ in range(8):
        waits.append(rate.wait_s(now))
        now += waits[-1]
        rate = rate.sent(now)
    assert waits == [0, 0, 0, 0, 1, 1, 1, 1]
    assert rate.wait_s(now + 0.25) == pytest.approx(0.75)

    assert rate.wait_s(now + 1000) == 0
    for _ in range(4):
        assert rate.wait_s(now + 1000) == 0
        rate = rate.sent(now + 1000)
    assert rate.wait_s(now + 1000) == pytest.approx(1.0)


def sampled(limit: float | None, accepted: int, budget: float | None = None) -> Rate:
    """A rate that has had some answers since second 0."""
    return Rate(
        budget, limit, changed_at=0.0, sampled_from=0.0, accepted=accepted, target=limit or 0.0
    )


def test_the_first_refusal_sets_the_rate_to_nine_tenths_of_what_was_accepted() -> None:
    """100 in 10 s: 9 a second, the first one in a ninth of a second."""
    rate = sampled(None, accepted=100).rejected(10.0, 9.9, is_serious=False)
    assert rate.limit == pytest.approx(9.0)
    assert rate.target == pytest.approx(10.0)
    assert (rate.changed_at, rate.sampled_from, rate.accepted, rate.refused) == (10.0, 10.0, 0, 0)
    assert rate.wait_s(10.0) == pytest.approx(1 / 9)


@pytest.mark.parametrize(
    ("accepted", "is_serious", "is_judged"),
    [(8, False, False), (9, False, True), (0, False, False), (0, True, True)],
)
def test_a_refusal_is_judged_with_ten_answers_or_at_once_when_serious(
    accepted: int, is_serious: bool, is_judged: bool
) -> None:
    """Few answers say little about a rate."""
    rate = sampled(100.0, accepted).rejected(1.0, 0.5, is_serious=is_serious)
    assert (rate.changed_at == 1.0) is is_judged
    assert rate.refused == (0 if is_judged else 1)


@pytest.mark.parametrize(
    ("accepted", "target"),
    [(95, 9.5), (200, 10.0), (10, 5.0)],
    ids=["as accepted", "never above what it was", "at most halved"],
)
def test_a_refusal_lowers_a_known_rate(accepted: int, target: float) -> None:
    """To nine tenths of what was accepted, of the limit, or of half the limit."""
    rate = sampled(10.0, accepted).rejected(10.0, 9.0, is_serious=False)
    assert rate.target == pytest.approx(target)
    assert rate.limit == pytest.approx(0.9 * target)


def test_a_rate_that_had_risen_far_is_not_judged_by_its_average() -> None:
    """From 5 to 10 a second since the last refusal: the quota has grown, ten is what is known."""
    risen = replace(sampled(10.0, 300), target=5.0)
    assert risen.rejected(60.0, 59.0, is_serious=False).target == pytest.approx(10.0)
    hardly = replace(sampled(10.0, 300), target=8.0)
    assert hardly.rejected(60.0, 59.0, is_serious=False).target == pytest.approx(5.0)


def test_a_refusal_of_an_earlier_request_or_without_time_in_between_changes_little() -> None:
    """One cut for a flight of requests, and no division by zero."""
    rate = replace(sampled(10.0, 50), changed_at=20.0, sampled_from=20.0)
    assert rate.rejected(21.0, 19.9, is_serious=True) == rate
    assert rate.rejected(20.0, 20.0, is_serious=True) == replace(rate, refused=1)
    assert rate.rejected(19.0, 20.0, is_serious=True) == replace(rate, refused=1)


def test_the_rate_never_leaves_its_bounds() -> None:
    """Three a minute at least, the budget at most."""
    rate = sampled(0.06, 0).rejected(1000.0, 999.0, is_serious=True)
    assert rate.limit == 0.05

    rate = replace(sampled(1.0, 10, budget=1.0), target=0.99, climbed=10_000, limit=0.9, due_at=1e9)
    assert rate.answered(1.0).limit == 1.0


def climbing(requests: int) -> list[float]:
    """The limits while a rate of 9 a second, known to be 10, is used to the full."""
    rate = replace(sampled(9.0, 0), target=10.0)
    limits = []
    for number in range(requests):
        rate = rate.sent(number / 9).answered(number / 9)
        assert rate.limit is not None
        limits.append(rate.limit)
    return limits


def test_a_rate_rises_along_a_cubic_around_what_was_known() -> None:
    """Nine tenths at once, the known rate after 150 requests, eleven tenths after 300, and on."""
    limits = climbing(600)
    assert limits[0] == pytest.approx(10 * (1 - 0.1 * (149 / 150) ** 3))
    assert limits[149] == pytest.approx(10.0)
    assert limits[299] == pytest.approx(11.0)
    assert limits[599] == pytest.approx(10 * (1 + 0.1 * 27))
    assert limits == sorted(limits)


def test_an_idle_rate_does_not_grow() -> None:
    """One request a minute says nothing about ten a second."""
    rate = replace(sampled(9.0, 0), target=10.0)
    for minute in range(1, 50):
        rate = rate.sent(60.0 * minute).answered(60.0 * minute + 10)
    assert rate.limit == 9.0
    assert rate.climbed == 0


def test_a_rate_is_in_use_as_long_as_requests_come_within_a_burst() -> None:
    """Four spaces after the last one was due it is idle."""
    rate = replace(sampled(1.0, 0), target=2.0, due_at=10.0)
    assert rate.answered(14.0).climbed == 1
    assert rate.answered(14.1).climbed == 0


def test_a_budget_that_is_reached_stays() -> None:
    """At the budget there is nothing to climb."""
    rate = Rate.starting(600.0, now=0.0).sent(0.0).answered(0.1)
    assert rate.limit == 10.0
    assert (rate.climbed, rate.accepted) == (150, 1)


def test_a_rest_begins_a_new_sample() -> None:
    """What was accepted before a pause of more than ten seconds tells nothing about now."""
    rate = replace(sampled(None, 50), refused=2, due_at=100.0)
    assert rate.sent(110.0).accepted == 50
    assert rate.sent(110.0).due_at == 110.0
    rested = rate.sent(110.1)
    assert (rested.accepted, rested.refused, rested.sampled_from) == (0, 0, 110.1)
    assert sampled(2.0, 5).sent(0.0).due_at == 0.5


@given(
    st.one_of(st.none(), st.floats(1, 10_000)),
    st.lists(st.tuples(st.sampled_from("sar!"), st.floats(-1.0, 30.0)), max_size=150),
)
def test_a_rate_stays_in_bounds_whatever_happens(
    per_minute: float | None, story: list[tuple[str, float]]
) -> None:
    """Also when the clock runs backwards: no wait is negative, infinite or undefined."""
    rate, now = Rate.starting(per_minute, 0.0), 0.0
    for sign, step in story:
        now += step
        match sign:
            case "s":
                rate = rate.sent(now)
            case "a":
                rate = rate.answered(now)
            case _:
                rate = rate.rejected(now, now, is_serious=sign == "!")
        if rate.limit is not None:
            assert rate.limit >= min(0.05, rate.budget or 0.05)
            assert rate.budget is None or rate.limit <= rate.budget
        assert 0.0 <= rate.wait_s(now) < math.inf


# Sending


def good(sending: Sending, number: int, latency_s: float | None = None) -> Sending:
    """After so many good answers."""
    for _ in range(number):
        sending = sending.answered(latency_s)
    return sending


def test_sending_halves_and_rises_by_one_in_ten() -> None:
    """8, refusal, 4; nine good answers leave it there, the tenth makes it 5."""
    sending = Sending(8, 8.0).refused(1.0, 0.5)
    assert sending.limit == 4.0
    assert good(sending, 9).limit == 4.0
    assert good(sending, 10).limit == 5.0
    assert good(sending, 20).limit == 6.0
    assert good(sending, 100).limit == 8.0


def test_a_breakdown_costs_a_tenth() -> None:
    """One in twenty answers is broken without any load: halving for it would end at two."""
    sending = Sending(8, 8.0).broken(10.0, 9.0)
    assert sending.limit == pytest.approx(7.2)
    assert sending.broken(10.1, 9.9) == sending
    assert Sending(8, 1.0).broken(1.0, 1.0).limit == 1.0


def test_a_refusal_begins_the_ten_anew() -> None:
    """Nine good ones before it do not count."""
    assert good(good(Sending(8, 4.0), 9).refused(1.0, 1.0), 9).limit == 2.0


def test_sending_is_cut_once_for_what_was_sent_before_the_cut() -> None:
    """A flight of refusals is one event."""
    sending = Sending(8, 8.0).refused(10.0, 9.0)
    assert sending.refused(10.1, 9.9) == sending
    assert sending.refused(10.1, 10.0).limit == 2.0


def test_sending_never_falls_below_one() -> None:
    """Somebody has to find out."""
    sending = Sending(8, 1.2)
    assert sending.refused(1.0, 1.0).limit == 1.0
    slow = replace(sending, limit=1.0, latency=Trend(9.0, 1.0, 50), good=9)
    assert slow.answered(9.0).limit == 1.0


def test_sending_eases_off_when_answers_take_twice_as_long() -> None:
    """Nine tenths for ten answers; ordinary ones raise it as ever."""
    usual = good(Sending(8, 8.0), 100, 1.0)
    assert good(usual, 10, 1.0).limit == 8.0
    assert good(usual, 10, 9.0).limit == pytest.approx(7.2)
    assert good(replace(usual, limit=5.0), 10, None).latency == usual.latency


# Indexing


def test_indexing_rises_by_one_in_a_limit_of_documents_while_it_is_used() -> None:
    """Ten documents that come alive make it eleven, unless more than half the slots are free."""
    assert Indexing(200, 10.0, at_once=5).succeeded(1.0, 100.0).limit == 10.1
    used = Indexing(200, 10.0, at_once=10)
    for _ in range(10):
        used = used.succeeded(1.0, 100.0)
    assert used.limit == pytest.approx(11.0, abs=0.1)
    assert Indexing(200, 10.0, at_once=4).succeeded(1.0, 100.0).limit == 10.0
    assert Indexing(10, 10.0, at_once=9).succeeded(1.0, 100.0).limit == 10.0


def test_three_failed_documents_in_a_row_lower_the_limit() -> None:
    """Two do not, and one that came alive in between begins the count anew."""
    indexing = Indexing(200, 50.0)
    two = indexing.struck(1.0, 10.0).struck(1.0, 10.0)
    assert two.limit == 50.0
    assert two.succeeded(1.0, 10.0).struck(1.0, 10.0).limit == 50.0

    three = two.struck(1.0, 10.0)
    assert three.limit == pytest.approx(35.0)
    assert (three.active, three.failed, three.failed_run, three.cut_at) == (0, 0, 0, 10.0)


@pytest.mark.parametrize(
    ("active", "failed", "limit"), [(8, 1, 50.0), (9, 1, 50.0), (18, 1, 50.0), (8, 2, 35.0)]
)
def test_more_than_a_tenth_of_ten_documents_lower_the_limit(
    active: int, failed: int, limit: float
) -> None:
    """One of ten may fail by itself."""
    indexing = Indexing(200, 50.0, active=active, failed=failed - 1)
    assert indexing.struck(1.0, 10.0).limit == pytest.approx(limit)


def test_documents_imported_before_a_cut_say_nothing_about_the_limit_after_it() -> None:
    """Neither those that fail nor those that come alive."""
    indexing = Indexing(200, 35.0, at_once=35, cut_at=10.0)
    assert indexing.struck(2.0, 11.9) == indexing
    assert indexing.struck(2.0, 12.0).failed == 1
    early = indexing.succeeded(2.0, 11.9)
    assert (early.limit, early.active) == (35.0, 0)
    assert early.trend.seen == 1
    assert indexing.succeeded(2.0, 12.0).active == 1


def test_documents_that_take_twice_as_long_lower_the_limit_a_little() -> None:
    """Once for ten documents at most."""
    slow = Trend(9.0, 1.0, 50)
    assert Indexing(200, 50.0, active=10, trend=slow).succeeded(9.0, 99.0).limit == 45.0
    assert Indexing(200, 50.0, active=8, failed=2, trend=slow).succeeded(9.0, 99.0).limit == 45.0
    assert Indexing(200, 50.0, active=9, trend=slow).succeeded(9.0, 99.0).limit == 50.0


def test_the_limit_of_indexing_never_falls_below_four() -> None:
    """Else a folder of broken files would stop everything."""
    indexing = Indexing(200, 5.0)
    for _ in range(9):
        indexing = indexing.struck(0.0, 10.0)
    assert indexing.limit == 4.0


def test_documents_at_once_are_never_fewer_than_none() -> None:
    """Counted up and down."""
    indexing = Indexing(200, 50.0).watched(1).watched(1).watched(-1)
    assert indexing.at_once == 1
    assert indexing.watched(-1).watched(-1).at_once == 0
