"""The four controllers of `objlib.congestion.pressure`: frozen values, none of which knows another.

Each method takes what happened (and when) and returns the value after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

# Averages


@dataclass(frozen=True, slots=True)
class Trend:
    """A short and a long moving average of the same durations.

    Source: the gradient limit of Netflix's concurrency-limits compares the two in this way.
    """

    short_s: float = 0.0
    long_s: float = 0.0
    seen: int = 0

    SHORT, LONG, TOLERANCE, SEEN_MIN = 0.2, 0.01, 2.0, 20

    def after(self, duration_s: float) -> Trend:
        """With one more duration. The first few are averaged evenly."""
        seen = self.seen + 1
        short, long = max(self.SHORT, 1 / seen), max(self.LONG, 1 / seen)
        return Trend(
            self.short_s + short * (duration_s - self.short_s),
            self.long_s + long * (duration_s - self.long_s),
            seen,
        )

    @property
    def is_lengthening(self) -> bool:
        """True if the latest durations are at least twice the usual ones."""
        return self.seen >= self.SEEN_MIN and self.short_s >= self.TOLERANCE * self.long_s


# The breaker


class Circuit(Enum):
    """The state of the circuit: it says if requests pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """A circuit breaker over a rolling window of the last 100 answers.

    Opens on three refusals or five breakdowns in a row, on more than 5 % refusals, or on half the
    answers broken; a share counts from 20 answers on. Stays open for as long as the backend asks
    for, else for the cool-down, doubled with each probe in vain. Half-open lets one probe through,
    then three more, and closes when all four were answered.
    What was sent before the circuit last changed says nothing about it since.

    Source: "CircuitBreaker", M. Fowler, 2014; window, minimum and probes as in resilience4j.
    """

    cool_down_s: float
    circuit: Circuit = Circuit.CLOSED
    #: One bit an answer, the newest lowest.
    refused: int = 0
    broken: int = 0
    seen: int = 0
    reopens_at: float = 0.0
    failed_probes: int = 0
    probes_out: int = 0
    probes_passed: int = 0
    changed_at: float = float("-inf")

    WINDOW, SEEN_MIN = 100, 20
    REFUSED_SHARE, BROKEN_SHARE = 0.05, 0.5
    REFUSED_RUN, BROKEN_RUN = 0b111, 0b11111
    PROBES = 4
    COOL_DOWN_DOUBLINGS_MAX = 4

    def sent(self) -> Breaker:
        """A request has left."""
        if self.circuit is Circuit.HALF_OPEN:
            return replace(self, probes_out=self.probes_out + 1)
        return self

    def abandoned(self, sent_at: float) -> Breaker:
        """A request will have no outcome."""
        if sent_at < self.changed_at:
            return self
        return replace(self, probes_out=max(0, self.probes_out - 1))

    def answered(
        self,
        now: float,
        sent_at: float,
        *,
        refused: bool = False,
        broken: bool = False,
        retry_after_s: float | None = None,
    ) -> Breaker:
        """One answer more; `retry_after_s` is how long the backend asks us to wait."""
        if sent_at < self.changed_at or self.circuit is Circuit.OPEN:
            return self
        mask = (1 << self.WINDOW) - 1
        known = replace(
            self,
            refused=(self.refused << 1 | refused) & mask,
            broken=(self.broken << 1 | broken) & mask,
            seen=min(self.WINDOW, self.seen + 1),
        )
        match self.circuit:
            case Circuit.HALF_OPEN if refused or broken:
                return self._opened(now, retry_after_s, self.failed_probes + 1)
            case Circuit.HALF_OPEN if self.probes_passed + 1 < self.PROBES:
                passed = self.probes_passed + 1
                return replace(known.abandoned(sent_at), probes_passed=passed)
            case Circuit.HALF_OPEN:
                return Breaker(self.cool_down_s, changed_at=now)
            case _ if (refused or broken) and known._must_trip():
                return known._opened(now, retry_after_s, 0)
            case _:
                return known

    def cooled_down(self, now: float) -> Breaker:
        """Half-open. Whoever says so has waited: asking for the time again could miss it."""
        if self.circuit is not Circuit.OPEN:
            return self
        return replace(
            self, circuit=Circuit.HALF_OPEN, probes_out=0, probes_passed=0, changed_at=now
        )

    @property
    def admits_probe(self) -> bool:
        """True if a half-open circuit lets one more request through."""
        return self.probes_out < (self.PROBES - 1 if self.probes_passed else 1)

    def _must_trip(self) -> bool:
        if self.refused & self.REFUSED_RUN == self.REFUSED_RUN:
            return True
        if self.broken & self.BROKEN_RUN == self.BROKEN_RUN:
            return True
        return self.seen >= self.SEEN_MIN and (
            self.refused.bit_count() > self.REFUSED_SHARE * self.seen
            or self.broken.bit_count() >= self.BROKEN_SHARE * self.seen
        )

    def _opened(self, now: float, retry_after_s: float | None, failed_probes: int) -> Breaker:
        doublings = min(failed_probes, self.COOL_DOWN_DOUBLINGS_MAX)
        own_s = self.cool_down_s * 2.0**doublings
        return Breaker(
            self.cool_down_s,
            circuit=Circuit.OPEN,
            reopens_at=now + (own_s if retry_after_s is None else retry_after_s),
            failed_probes=failed_probes,
            changed_at=now,
        )


# The rate


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a second, as a generic cell rate algorithm with a limit that learns.

    Starts at the budget, or without one at no limit. A refusal takes the rate to nine tenths of
    what the backend has accepted since the last change, but to no less than half of what it was;
    from there it rises with every request that is accepted, along a cubic: fast at first, flat
    around the rate that was known to work, then faster and faster until the next refusal or the
    budget. Spare time saves up nothing beyond a small burst.

    Source: ITU-T I.371 (GCRA); the shape of the rise is that of CUBIC (RFC 9438), per request
    instead of per second, so that the share of refused requests is the same at every rate.
    """

    budget: float | None
    limit: float | None
    #: When the last change was; since when, and what, has come back that tells of it.
    changed_at: float
    sampled_from: float
    accepted: int = 0
    refused: int = 0
    #: The rate that was known to work at the last refusal, and requests accepted under load since.
    target: float = 0.0
    climbed: int = 0
    #: The theoretical arrival time of the next request.
    due_at: float = 0.0

    STEEPNESS, CLIMB = 0.1, 150
    SAMPLE_MIN = 10
    LIMIT_MIN = 0.05
    BURST = 4
    REST_S = 10.0
    GROWN = 1.25

    @classmethod
    def starting(cls, requests_per_minute: float | None, now: float) -> Rate:
        """At the budget, or unlimited."""
        per_s = None if requests_per_minute is None else requests_per_minute / 60
        return cls(
            per_s,
            per_s,
            changed_at=now,
            sampled_from=now,
            target=per_s or 0.0,
            climbed=cls.CLIMB,
            due_at=now,
        )

    def wait_s(self, now: float) -> float:
        """Seconds until the next request is due."""
        if self.limit is None:
            return 0.0
        return max(0.0, self.due_at - (self.BURST - 1) / self.limit - now)

    def sent(self, now: float) -> Rate:
        """A request has left. After a rest the sample begins anew: what was before says nothing."""
        due_at = max(self.due_at, now) + (1 / self.limit if self.limit else 0.0)
        if now - self.due_at <= self.REST_S:
            return replace(self, due_at=due_at)
        return replace(self, due_at=due_at, sampled_from=now, accepted=0, refused=0)

    def answered(self, now: float) -> Rate:
        """A request was accepted."""
        accepted = self.accepted + 1
        if self.limit is None or self.limit == self.budget or not self._is_in_use(now):
            return replace(self, accepted=accepted)
        climbed = self.climbed + 1
        above = climbed / self.CLIMB - 1
        limit = self._bounded(self.target * (1 + self.STEEPNESS * above**3))
        return replace(self, accepted=accepted, climbed=climbed, limit=limit)

    def rejected(self, now: float, sent_at: float, *, is_serious: bool) -> Rate:
        """A request was refused.

        Judged once enough has come back since the last change, or at once if it `is_serious`.
        """
        if sent_at < self.changed_at:
            return self
        refused, elapsed_s = self.refused + 1, now - self.sampled_from
        is_sample = self.accepted + refused >= self.SAMPLE_MIN or is_serious
        if not is_sample or elapsed_s <= 0:
            return replace(self, refused=refused)
        worked = max(1, self.accepted) / elapsed_s
        if self.limit is None:
            target = worked
        elif self.limit > self.GROWN * self.target:
            target = self.limit  # the quota has grown: the average since then tells nothing
        else:
            target = min(self.limit, max(worked, self.limit / 2))
        limit = self._bounded(target * (1 - self.STEEPNESS))
        return Rate(
            self.budget,
            limit,
            changed_at=now,
            sampled_from=now,
            target=self._bounded(target),
            due_at=now + self.BURST / limit,
        )

    def _is_in_use(self, now: float) -> bool:
        """True if the limit is what holds requests back: an idle rate must not grow."""
        return self.limit is not None and self.due_at + self.BURST / self.limit >= now

    def _bounded(self, per_s: float) -> float:
        at_least = max(self.LIMIT_MIN, per_s)
        return at_least if self.budget is None else min(at_least, self.budget)


# Concurrency


@dataclass(frozen=True, slots=True)
class Sending:
    """Files being sent at a time.

    One more after ten good answers, half as many after a refusal, nine tenths after a breakdown or
    where answers take twice as long as usual. One decision for ten answers; what was sent before a
    cut says nothing about the limit after it.

    Source: additive increase, multiplicative decrease, Chiu and Jain, 1989.
    """

    ceiling: int
    limit: float
    good: int = 0
    cut_at: float = float("-inf")
    latency: Trend = field(default_factory=Trend)

    WINDOW = 10
    HARD, SOFT = 0.5, 0.9

    def answered(self, latency_s: float | None) -> Sending:
        """A good answer."""
        latency = self.latency if latency_s is None else self.latency.after(latency_s)
        known = replace(self, good=self.good + 1, latency=latency)
        if known.good < self.WINDOW:
            return known
        if latency.is_lengthening:
            return replace(known, good=0, limit=max(1.0, self.limit * self.SOFT))
        return replace(known, good=0, limit=min(float(self.ceiling), self.limit + 1))

    def refused(self, now: float, sent_at: float) -> Sending:
        """A refusal."""
        return self._cut(self.HARD, now, sent_at)

    def broken(self, now: float, sent_at: float) -> Sending:
        """A breakdown. One in twenty says little of the load; more in a row open the circuit."""
        return self._cut(self.SOFT, now, sent_at)

    def _cut(self, factor: float, now: float, sent_at: float) -> Sending:
        if sent_at < self.cut_at:
            return self
        return replace(self, good=0, cut_at=now, limit=max(1.0, self.limit * factor))


@dataclass(frozen=True, slots=True)
class Indexing:
    """Documents being indexed at a time.

    Each document that becomes active raises the limit by 1/limit, so by one in the time that one
    takes, as long as the limit is what holds back. When more than a tenth of at least ten
    documents show as failed, or three in a row, the limit falls to seven tenths; when they take
    twice as long as usual, to nine tenths. Documents imported before a cut say nothing about the
    limit after it.

    A tenth, because about one import in twenty fails by itself, with no load at all.
    """

    ceiling: int
    limit: float
    at_once: int = 0
    active: int = 0
    failed: int = 0
    failed_run: int = 0
    cut_at: float = float("-inf")
    trend: Trend = field(default_factory=Trend)

    LIMIT_MIN = 4.0
    HARD, SOFT = 0.7, 0.9
    FAILED_SHARE, SAMPLE_MIN, FAILED_RUN = 0.1, 10, 3

    @property
    def usual_s(self) -> float | None:
        """Seconds that a document takes until it is seen active; None before the first one.

        The lower of two averages: a few that took forever do not make all others wait.
        """
        return min(self.trend.short_s, self.trend.long_s) if self.trend.seen else None

    def watched(self, step: int) -> Indexing:
        """One document more, or one less."""
        return replace(self, at_once=max(0, self.at_once + step))

    def succeeded(self, took_s: float, now: float) -> Indexing:
        """A document became active."""
        known = replace(self, trend=self.trend.after(took_s))
        if now - took_s < self.cut_at:
            return known
        if known.trend.is_lengthening and self.active + self.failed >= self.SAMPLE_MIN:
            return known._cut(self.SOFT, now)
        grown = self.limit + 1 / self.limit if 2 * self.at_once >= self.limit else self.limit
        return replace(
            known,
            active=self.active + 1,
            failed_run=0,
            limit=min(float(self.ceiling), grown),
        )

    def struck(self, took_s: float, now: float) -> Indexing:
        """A document shows as failed."""
        if now - took_s < self.cut_at:
            return self
        known = replace(self, failed=self.failed + 1, failed_run=self.failed_run + 1)
        sample = known.active + known.failed
        too_many = sample >= self.SAMPLE_MIN and known.failed > self.FAILED_SHARE * sample
        is_run = known.failed_run >= self.FAILED_RUN
        return known._cut(self.HARD, now) if too_many or is_run else known

    def _cut(self, factor: float, now: float) -> Indexing:
        return replace(
            self,
            limit=max(self.LIMIT_MIN, self.limit * factor),
            active=0,
            failed=0,
            failed_run=0,
            cut_at=now,
        )
