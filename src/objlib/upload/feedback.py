"""The changes of the gate, told to a run's listeners."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from reactivex import abc
from reactivex import operators as ops

from objlib.congestion.gate import RequestGate
from objlib.congestion.pressure import Pressure, pause_s
from objlib.reactive.bridge import on_trampoline
from objlib.upload import events as ev


def announce_pressure(
    gate: RequestGate, emit: Callable[[ev.Event], None], clock: Callable[[], datetime]
) -> abc.DisposableBase:
    """Emit what the gate allows now and whatever people want to hear of it, until disposed."""

    def describe(state: Pressure) -> ev.PressureChanged:
        limit = state.rate.limit
        waiting_s = pause_s(state, gate.now())
        next_look = clock() + timedelta(seconds=waiting_s)
        return ev.PressureChanged(
            circuit=state.breaker.circuit.value,
            pause_s=round(waiting_s, 3),
            sending=int(state.sending.limit),
            indexing=int(state.indexing.limit),
            requests_per_minute=None if limit is None else round(limit * 60, 1),
            asked_s=state.asked_s if state.not_before > gate.now() else None,
            next_look_at=next_look.isoformat(timespec="seconds") if waiting_s else None,
        )

    def visible(state: Pressure) -> tuple[object, ...]:
        """Return the parts that people want to hear of: not every step of a rate that climbs."""
        is_long = (state.asked_s or 0.0) >= ev.SAID_FROM_S
        return (
            state.breaker.circuit,
            int(state.sending.limit),
            int(state.indexing.limit),
            state.rate.target,
            state.not_before if is_long else None,
        )

    changes = gate.states.pipe(ops.distinct_until_changed(visible), ops.map(describe))
    return on_trampoline(lambda: changes.subscribe(emit))
