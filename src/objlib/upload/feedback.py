"""The changes of the gate, told to a run's listeners."""

from __future__ import annotations

from collections.abc import Callable

from reactivex import abc
from reactivex import operators as ops

from objlib.congestion.gate import RequestGate
from objlib.congestion.pressure import Pressure, reopens_in_s
from objlib.reactive.bridge import on_trampoline
from objlib.upload import events as ev


def announce_pressure(gate: RequestGate, emit: Callable[[ev.Event], None]) -> abc.DisposableBase:
    """Emit what the gate allows now and whatever people want to hear of it, until disposed."""

    def describe(state: Pressure) -> ev.PressureChanged:
        limit = state.rate.limit
        return ev.PressureChanged(
            circuit=state.breaker.circuit.value,
            pause_s=round(reopens_in_s(state, gate.now()) or 0.0, 3),
            sending=int(state.sending.limit),
            indexing=int(state.indexing.limit),
            requests_per_minute=None if limit is None else round(limit * 60, 1),
        )

    changes = gate.states.pipe(ops.distinct_until_changed(_visible), ops.map(describe))
    return on_trampoline(lambda: changes.subscribe(emit))


def _visible(state: Pressure) -> tuple[object, ...]:
    """The parts that people want to hear of: not every step of a rate that climbs."""
    return (
        state.breaker.circuit,
        int(state.sending.limit),
        int(state.indexing.limit),
        state.rate.target,
    )
