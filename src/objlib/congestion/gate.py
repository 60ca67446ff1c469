"""The gate that every API request passes: one for a backend, shared by all who call it.

It holds the pressure (a value) and listens to one feed, `outcomes`. Whoever wants to know what may
be asked of the backend now listens to `states`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Self

import reactivex as rx
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import CompositeDisposable
from reactivex.subject import BehaviorSubject, Subject

from objlib.congestion import pressure
from objlib.congestion.feed import Outcomes
from objlib.congestion.outcomes import Abandoned, CooledDown, Outcome, Sent
from objlib.congestion.pressure import Pressure
from objlib.errors import BackendUnavailable, StoppedWaiting
from objlib.reactive.bridge import LoopScheduler, Operator, on_trampoline
from objlib.reactive.latch import Latch
from objlib.reactive.pacing import held_back


@dataclass(eq=False, slots=True)
class _Ticket:
    """A request in line."""

    passed: Latch[None] = field(default_factory=Latch)
    is_abandoned: bool = False


class RequestGate:
    """Lets requests pass at the rate and in the number that the outcomes so far allow."""

    def __init__(self, start: Pressure, scheduler: LoopScheduler) -> None:
        #: Where every outcome is told.
        self.outcomes = Outcomes()
        self._scheduler = scheduler
        self._state = start
        self._permitted = pressure.permission(start)
        # Tells its value at the very moment of a subscription: one step of the loop later it might
        # be an old one, and whoever waits on an open circuit would wait for ever.
        self._changes: BehaviorSubject[Pressure] = BehaviorSubject(start)
        self._line: Subject[_Ticket] = Subject()
        self._in_line: dict[_Ticket, None] = {}
        self._patience_s = math.inf
        waiting: Operator[_Ticket, _Ticket] = held_back(
            lambda: pressure.wait_s(self._state, self.now()),
            # Nearly every change is of the documents at once, and says nothing to who waits here.
            self._changes.pipe(ops.distinct_until_changed(pressure.pace)),
        )

        def listen() -> abc.DisposableBase:
            return CompositeDisposable(
                self._line.pipe(waiting).subscribe(self._let_pass, scheduler=scheduler),
                self.outcomes.stream.subscribe(self._take, scheduler=scheduler),
                self._cool_downs().subscribe(self.outcomes.tell, scheduler=scheduler),
            )

        self._subscriptions = on_trampoline(listen)

    @classmethod
    def open(
        cls, *, concurrency: int, requests_per_minute: float | None, cool_down_s: float
    ) -> Self:
        """A gate on the running event loop; see `pressure.starting`."""
        scheduler = LoopScheduler.running()
        start = pressure.starting(
            now=scheduler.time_s,
            concurrency=concurrency,
            requests_per_minute=requests_per_minute,
            cool_down_s=cool_down_s,
        )
        return cls(start, scheduler)

    def close(self) -> None:
        """Nothing passes any more."""
        self._subscriptions.dispose()

    def now(self) -> float:
        """Seconds of the clock that outcomes are judged by."""
        return self._scheduler.time_s

    @property
    def state(self) -> Pressure:
        """The pressure now."""
        return self._state

    @property
    def states(self) -> Observable[Pressure]:
        """The pressure now, and whenever it allows something else."""
        return self._changes

    def _take(self, outcome: Outcome) -> None:
        """Take one outcome into account."""
        self._state = pressure.respond(self._state, outcome, self.now())
        if pressure.is_down(self._state):
            self._send_away(_down(self._state))
        elif self._is_out_of_patience(self._state):
            self._send_away(self._stopped_waiting())
        permitted = pressure.permission(self._state)
        if permitted != self._permitted:
            self._permitted = permitted
            self._tell_of_change()

    @property
    def impatience(self) -> Observable[Any]:
        """Emits while nobody is to wait as long as the backend asks for: at once, or from then on.

        Whoever waits elsewhere before coming here need not do so.
        """
        return self._changes.pipe(ops.filter(self._is_out_of_patience))

    def wait_at_most(self, patience_s: float) -> None:
        """Let nobody wait for a backend that asks for a longer pause; with `inf` all wait."""
        self._patience_s = patience_s
        if self._is_out_of_patience(self._state):
            self._send_away(self._stopped_waiting())
            self._tell_of_change()

    def _is_out_of_patience(self, state: Pressure) -> bool:
        return pressure.pause_s(state, self.now()) > self._patience_s

    def _stopped_waiting(self) -> StoppedWaiting:
        pause_s = pressure.pause_s(self._state, self.now())
        return StoppedWaiting(f"the backend is not asked again for {pause_s:.0f} s")

    def _send_away(self, error: Exception) -> None:
        for ticket in list(self._in_line):
            ticket.is_abandoned = True
            ticket.passed.fail(error)

    def limit_sending(self, ceiling: int) -> None:
        """Start over with at most `ceiling` files being sent at a time."""
        self._state = replace(self._state, sending=pressure.sending_at_most(ceiling), in_vain=0)
        self._permitted = pressure.permission(self._state)
        self._tell_of_change()

    def _tell_of_change(self) -> None:
        on_trampoline(lambda: self._changes.on_next(self._state))

    async def admitted(self) -> None:
        """Wait until a request may be sent, behind those who came before, and count it as sent.

        One outcome must follow, `Abandoned` at least.

        Raises:
            BackendUnavailable: probe after probe was in vain. Whoever comes when the time of the
                next one has come makes it.
            StoppedWaiting: the pause is longer than `wait_at_most` allows.
        """
        if pressure.is_down(self._state):
            raise _down(self._state)
        if self._is_out_of_patience(self._state):
            raise self._stopped_waiting()
        if not self._in_line and pressure.wait_s(self._state, self.now()) == 0.0:
            self.outcomes.tell(Sent())
            return
        ticket = _Ticket()
        self._in_line[ticket] = None
        on_trampoline(lambda: self._line.on_next(ticket))
        try:
            await ticket.passed.opened()
        except BaseException:
            if ticket.passed.is_open and not ticket.is_abandoned:
                self.outcomes.tell(Abandoned())
            ticket.is_abandoned = True
            raise
        finally:
            del self._in_line[ticket]

    def _let_pass(self, ticket: _Ticket) -> None:
        if not ticket.is_abandoned:
            self.outcomes.tell(Sent())
            ticket.passed.open(None)

    def _cool_downs(self) -> Observable[Outcome]:
        """`CooledDown` whenever the time of an open circuit has passed."""

        def after_the_wait(state: Pressure) -> Observable[Outcome]:
            delay_s = pressure.reopens_in_s(state, self.now())
            if delay_s is None:
                return rx.never()
            return rx.timer(delay_s).pipe(ops.map(lambda _tick: CooledDown()))

        def opening(state: Pressure) -> tuple[object, float]:
            return state.breaker.circuit, state.breaker.reopens_at

        return self._changes.pipe(
            ops.distinct_until_changed(opening), ops.map(after_the_wait), ops.switch_latest()
        )


def _down(state: Pressure) -> BackendUnavailable:
    asked = ""
    if state.asked_s is not None and state.asked_s >= pressure.LONGEST_WAIT_S:
        asked = f" (it asked to wait {state.asked_s / 3600:.3g} h)"
    return BackendUnavailable(
        f"the backend refused or failed {state.breaker.failed_probes} looks in a row{asked} and "
        "accepted nothing in between; what was not sent waits as it was"
    )
