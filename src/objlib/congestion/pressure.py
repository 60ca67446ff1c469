"""Congestion control: a pure reducer from outcomes to how much may be asked of the backend.

    respond(state, outcome, now) -> state

Four controllers share the outcomes (see `objlib.congestion.controllers`):

- `Breaker`   closed, open, half-open: whether anything may be sent at all;
- `Rate`      requests a second: the tier's budget, and less where the backend allows less;
- `Sending`   files being sent at a time: additive increase, multiplicative decrease;
- `Indexing`  documents being indexed at a time: the same, on how documents fare, because an
  overloaded store answers 200 to every request and shows its documents as failed.

What follows from a state is asked with `wait_s`, `uploads_allowed` and `reopens_in_s`, which are
pure too. Times are seconds of one monotonic clock; a `now` that runs backwards delays and breaks
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from objlib.congestion.controllers import Breaker, Circuit, Indexing, Rate, Sending
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

#: Requests a minute to start from. Google publishes none for File Search (AI Studio shows those of
#: a project): these are ours and cautious, and a backend that allows less is found out.
TIERS = {"free": 60.0, "1": 600.0, "2": 2_000.0, "3": 6_000.0}

#: Seconds: a backend that asks for a longer wait is looked at again after this.
LONGEST_WAIT_S = 3600.0
#: So many probes in vain, and nothing accepted in between, are an outage. With the usual cool-down
#: that is after 40 minutes, with hours asked for after as many looks.
PROBES_IN_VAIN_MAX = 8
#: So many files given up, and none accepted in between, are not the files' fault.
FILES_IN_VAIN_MAX = 3


@dataclass(frozen=True, slots=True)
class Pressure:
    """The state of congestion control: what may be asked of the backend now."""

    breaker: Breaker
    rate: Rate
    sending: Sending
    indexing: Indexing
    #: Nothing is sent before this moment: the latest that any answer has asked for.
    not_before: float = 0.0
    #: Seconds: the wait that was asked for, which may be longer than the one that is kept.
    asked_s: float | None = None
    #: Files given up since one was accepted.
    in_vain: int = 0


INDEXING_START, INDEXING_MAX = 50, 200


def starting(
    *,
    now: float,
    concurrency: int = 8,
    requests_per_minute: float | None = None,
    cool_down_s: float = 30.0,
    indexing_start: int = INDEXING_START,
    indexing_max: int = INDEXING_MAX,
) -> Pressure:
    """The state before the first outcome.

    Args:
        concurrency: at most this many files being sent at a time.
        requests_per_minute: the budget; None for none.
        cool_down_s: how long an open circuit waits when the backend names no time.
        indexing_start: documents being indexed at a time. At 50 a store was fine, at 100 it showed
            84 of 100 documents as failed while it answered 200 to everything.
        indexing_max: the ceiling of that.
    """
    return Pressure(
        Breaker(cool_down_s),
        Rate.starting(requests_per_minute, now),
        sending_at_most(concurrency),
        Indexing(indexing_max, float(min(indexing_start, indexing_max))),
        not_before=now,
    )


def sending_at_most(ceiling: int) -> Sending:
    """Start at the ceiling: without a sign of trouble there is no reason for less."""
    return Sending(ceiling, float(ceiling))


def respond(state: Pressure, outcome: Outcome, now: float) -> Pressure:
    """The state after one more outcome."""
    match outcome:
        case Answered(took_s=took_s, is_small=is_small):
            return replace(
                state,
                breaker=state.breaker.answered(now, now - took_s),
                rate=state.rate.answered(now),
                sending=state.sending.answered(took_s if is_small else None),
            )
        case Sent():
            return replace(state, breaker=state.breaker.sent(), rate=state.rate.sent(now))
        case Refused(took_s=took_s, retry_after_s=asked_s):
            sent_at = now - took_s
            state, asked_s = _told_to_wait(state, asked_s, now)
            breaker = state.breaker.answered(now, sent_at, refused=True, retry_after_s=asked_s)
            opened = breaker.circuit is Circuit.OPEN is not state.breaker.circuit
            return replace(
                state,
                breaker=breaker,
                rate=state.rate.rejected(now, sent_at, is_serious=opened),
                sending=state.sending.refused(now, sent_at),
            )
        case Broken(took_s=took_s, retry_after_s=asked_s):
            sent_at = now - took_s
            state, asked_s = _told_to_wait(state, asked_s, now)
            return replace(
                state,
                breaker=state.breaker.answered(now, sent_at, broken=True, retry_after_s=asked_s),
                sending=state.sending.broken(now, sent_at),
            )
        case Accepted():
            return replace(state, in_vain=0)
        case GivenUp():
            return replace(state, in_vain=state.in_vain + 1)
        case Abandoned(took_s=took_s):
            return replace(state, breaker=state.breaker.abandoned(now - took_s))
        case CooledDown():
            return replace(state, breaker=state.breaker.cooled_down(now))
        case Watched():
            return replace(state, indexing=state.indexing.watched(+1))
        case Unwatched():
            return replace(state, indexing=state.indexing.watched(-1))
        case DocumentActive(took_s=took_s):
            return replace(state, indexing=state.indexing.succeeded(took_s, now))
        case DocumentFailed(took_s=took_s):
            return replace(state, indexing=state.indexing.struck(took_s, now))
        case _:
            raise TypeError(f"not an outcome: {outcome!r}")


def _told_to_wait(
    state: Pressure, asked_s: float | None, now: float
) -> tuple[Pressure, float | None]:
    """Return the state after a wait was asked for, and the seconds of it that are kept."""
    if asked_s is None:
        return replace(state, not_before=max(state.not_before, now)), None
    kept_s = min(asked_s, LONGEST_WAIT_S)
    if now + kept_s <= state.not_before:
        return state, kept_s
    return replace(state, not_before=now + kept_s, asked_s=asked_s), kept_s


def permission(state: Pressure) -> tuple[object, ...]:
    """All that a state allows: two states with the same permission need not be told apart."""
    breaker, sending, indexing = state.breaker, state.sending, state.indexing
    return (
        breaker.circuit,
        breaker.reopens_at,
        breaker.admits_probe,
        int(sending.limit),
        int(indexing.limit),
        indexing.at_once,
        state.rate.limit,
        state.not_before,
    )


def pace(state: Pressure) -> tuple[object, ...]:
    """Return the basis of `wait_s`, without the last request's moment: requests alone move it."""
    breaker, rate = state.breaker, state.rate
    return breaker.circuit, breaker.admits_probe, rate.limit, rate.changed_at, state.not_before


def wait_s(state: Pressure, now: float) -> float | None:
    """Seconds until the next request may leave; None: not before the state changes."""
    breaker = state.breaker
    if breaker.circuit is Circuit.OPEN:
        return None
    if breaker.circuit is Circuit.HALF_OPEN and not breaker.admits_probe:
        return None
    return max(0.0, state.not_before - now, state.rate.wait_s(now))


def reopens_in_s(state: Pressure, now: float) -> float | None:
    """Seconds until an open circuit becomes half-open; None when it is not open."""
    if state.breaker.circuit is not Circuit.OPEN:
        return None
    return max(0.0, state.breaker.reopens_at - now)


def pause_s(state: Pressure, now: float) -> float:
    """Seconds until the backend is looked at again; 0 when requests pass."""
    return max(0.0, reopens_in_s(state, now) or 0.0, state.not_before - now)


def is_down(state: Pressure) -> bool:
    """Return True if probe after probe was in vain, and the time of the next has not come."""
    breaker = state.breaker
    return breaker.circuit is Circuit.OPEN and breaker.failed_probes >= PROBES_IN_VAIN_MAX


def accepts_nothing(state: Pressure) -> bool:
    """Return True if file after file was given up, and none accepted in between."""
    return state.in_vain >= FILES_IN_VAIN_MAX


def uploads_allowed(state: Pressure) -> int:
    """Return how many files may be on their way up, beside documents that are being indexed."""
    match state.breaker.circuit:
        case Circuit.OPEN:
            return 0
        case Circuit.HALF_OPEN:
            return 1
        case _:
            free = int(state.indexing.limit) - state.indexing.at_once
            return max(0, min(int(state.sending.limit), free))
