"""What a run's events tell the gate, and what the gate's changes tell the run's listeners."""

from __future__ import annotations

from reactivex import Observable
from reactivex import operators as ops
from reactivex.disposable import CompositeDisposable

from objlib.congestion.gate import RequestGate
from objlib.congestion.pressure import (
    DocumentActive,
    DocumentFailed,
    Outcome,
    Pressure,
    reopens_in_s,
)
from objlib.upload import events as ev


def connect(stream: ev.EventStream, gate: RequestGate) -> CompositeDisposable:
    """Join a run's stream and a gate until the result is disposed.

    The stream is told what is allowed now, and then whatever changes.
    """

    def learn(event: ev.Event) -> None:
        outcome = outcome_of(event)
        if outcome is not None:
            gate.feed(outcome)

    def describe(state: Pressure) -> ev.PressureChanged:
        limit = state.rate.limit
        return ev.PressureChanged(
            circuit=state.breaker.circuit.value,
            pause_s=round(reopens_in_s(state, gate.now()) or 0.0, 3),
            sending=int(state.sending.limit),
            indexing=int(state.indexing.limit),
            requests_per_minute=None if limit is None else round(limit * 60, 1),
        )

    changes: Observable[ev.PressureChanged] = gate.states.pipe(
        ops.distinct_until_changed(_visible), ops.map(describe)
    )
    return CompositeDisposable(stream.events.subscribe(learn), changes.subscribe(stream.emit))


def outcome_of(event: ev.Event) -> Outcome | None:
    """What an event says about how documents fare."""
    match event:
        case ev.FileIndexed(took_s=float(took_s)):
            return DocumentActive(took_s)
        case ev.DocumentShownFailed(took_s=took_s):
            return DocumentFailed(took_s)
        case _:
            return None


def _visible(state: Pressure) -> tuple[object, ...]:
    """What people want to hear of: not every step of a rate that climbs."""
    return (
        state.breaker.circuit,
        int(state.sending.limit),
        int(state.indexing.limit),
        state.rate.target,
    )
