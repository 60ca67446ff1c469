"""The gate, on a loop with virtual time."""

from __future__ import annotations

import asyncio
import math

import pytest

from objlib.congestion.controllers import Circuit
from objlib.congestion.gate import RequestGate
from objlib.congestion.outcomes import (
    Answered,
    CooledDown,
    Refused,
    Watched,
)
from objlib.congestion.pressure import Pressure, starting
from objlib.errors import StoppedWaiting
from objlib.reactive.bridge import LoopScheduler
from tests.upload.virtual_loop import VirtualLoop, run


def new_gate(scheduler: LoopScheduler, requests_per_minute: float | None = None) -> RequestGate:
    """A gate that begins now."""
    start = starting(now=scheduler.time_s, requests_per_minute=requests_per_minute)
    return RequestGate(start, scheduler)


def open_circuit(gate: RequestGate, retry_after_s: float | None = None) -> None:
    """Three refusals in a row."""
    for _ in range(3):
        gate.outcomes.tell(Refused(0.0, retry_after_s))


def test_without_a_limit_requests_pass_at_once() -> None:
    """No suspension, no time."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate = new_gate(scheduler)
        for _ in range(100):
            await gate.admitted()
        assert loop.elapsed_s() == 0.0
        gate.close()

    run(story)


def test_requests_pass_in_order_at_the_rate() -> None:
    """Sixty a minute: four at once, then one a second, first come first served."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate, passed = new_gate(scheduler, 60.0), list[tuple[int, float]]()

        async def request(number: int) -> None:
            await gate.admitted()
            passed.append((number, round(loop.elapsed_s(), 6)))

        async with asyncio.TaskGroup() as group:
            for number in range(7):
                group.create_task(request(number))
        assert passed == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 1), (5, 2), (6, 3)]
        gate.close()

    run(story)


def test_nobody_overtakes_those_in_line() -> None:
    """A request that comes while others wait goes behind them, also when it could pass."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate, passed = new_gate(scheduler), list[str]()
        gate.outcomes.tell(Refused(0.0, 10.0))

        async def request(name: str) -> None:
            await gate.admitted()
            passed.append(name)

        early = asyncio.create_task(request("early"))
        await asyncio.sleep(10.0)  # its turn comes in this very instant
        late = asyncio.create_task(request("late"))
        await asyncio.gather(early, late)
        assert passed == ["early", "late"]
        gate.close()

    run(story)


def test_a_request_that_is_cancelled_in_line_holds_nobody_up_and_is_not_counted() -> None:
    """Those behind it pass as if it had never come."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate = new_gate(scheduler, 60.0)
        for _ in range(4):
            await gate.admitted()
        first, second = asyncio.create_task(gate.admitted()), asyncio.create_task(gate.admitted())
        await asyncio.sleep(0.5)
        first.cancel()
        await second
        assert first.cancelled()
        assert loop.elapsed_s() == pytest.approx(1.0)
        await gate.admitted()
        assert loop.elapsed_s() == pytest.approx(2.0)
        gate.close()

    run(story)


def test_a_request_cancelled_just_after_its_turn_is_given_up() -> None:
    """A probe that passed and was never sent makes room for the next one."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate = new_gate(scheduler)
        open_circuit(gate)
        probe = asyncio.create_task(gate.admitted())

        def cancel_in_passing(state: Pressure) -> None:
            if state.breaker.probes_out:
                probe.cancel()

        gate.states.subscribe(cancel_in_passing)
        await asyncio.sleep(31.0)
        assert probe.cancelled()
        assert gate.state.breaker.probes_out == 0
        await gate.admitted()
        gate.close()

    run(story)


def test_an_open_circuit_lets_one_probe_through_after_its_time() -> None:
    """The rest waits for what becomes of the probe."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate, passed = new_gate(scheduler), list[float]()
        open_circuit(gate, retry_after_s=12.0)

        async def request() -> None:
            await gate.admitted()
            passed.append(loop.elapsed_s())

        waiting = [asyncio.create_task(request()) for _ in range(6)]
        await asyncio.sleep(20.0)
        assert passed == [12.0]
        assert gate.state.breaker.circuit.value == "half-open"

        gate.outcomes.tell(Answered(8.0))
        await asyncio.sleep(5.0)
        assert passed == [12.0, 20.0, 20.0, 20.0]
        for _ in range(3):
            gate.outcomes.tell(Answered(1.0))
        await asyncio.gather(*waiting)
        assert gate.state.breaker.circuit.value == "closed"
        gate.close()

    run(story)


def test_a_wait_that_grows_while_somebody_waits_is_heeded() -> None:
    """Asked for 5 s, and after 3 s for another 10: it is 13 s in all."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate = new_gate(scheduler)
        gate.outcomes.tell(Refused(0.0, 5.0))
        request = asyncio.create_task(gate.admitted())
        await asyncio.sleep(3.0)
        gate.outcomes.tell(Refused(0.0, 10.0))
        await request
        assert loop.elapsed_s() == 13.0
        gate.close()

    run(story)


def test_states_begin_with_the_present_and_tell_what_changes() -> None:
    """Whoever comes late hears how things stand, and nothing twice."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate = new_gate(scheduler)
        gate.outcomes.tell(Watched())
        heard: list[Pressure] = []
        gate.states.subscribe(heard.append)
        assert heard == [gate.state]
        gate.outcomes.tell(Answered(0.1))  # counts, and allows nothing else
        assert len(heard) == 1
        gate.outcomes.tell(Watched())
        assert heard[1:] == [gate.state]
        gate.limit_sending(3)
        assert heard[-1].sending.limit == 3.0
        gate.close()

    run(story)


def test_a_change_in_the_step_of_a_subscription_is_not_missed() -> None:
    """Whoever begins to listen while a circuit closes again must not wait for it for ever."""

    async def scene(_loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate = new_gate(scheduler)
        open_circuit(gate)
        seen: list[Circuit] = []
        gate.states.subscribe(lambda state: seen.append(state.breaker.circuit), scheduler=scheduler)
        gate.outcomes.tell(CooledDown())
        await asyncio.sleep(0.1)
        assert seen == [Circuit.OPEN, Circuit.HALF_OPEN]
        gate.close()

    run(scene)


def test_a_closed_gate_leaves_no_timer() -> None:
    """Nothing passes any more, and nothing happens any more."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate = new_gate(scheduler)
        open_circuit(gate)
        request = asyncio.create_task(gate.admitted())
        await asyncio.sleep(1.0)
        gate.close()
        await asyncio.sleep(100.0)
        assert gate.state.breaker.circuit is Circuit.OPEN
        request.cancel()
        await asyncio.wait([request])

    run(story)


def test_the_impatient_are_sent_away_while_the_pause_is_long() -> None:
    """Those in line, those who come, and those who would wait elsewhere; later all pass again."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate, hurried = new_gate(scheduler), list[object]()
        subscription = gate.impatience.subscribe(hurried.append)
        gate.outcomes.tell(Refused(0.0, 100.0))
        waiting = asyncio.ensure_future(gate.admitted())
        await asyncio.sleep(10)
        gate.wait_at_most(95.0)
        await asyncio.sleep(0)
        assert (waiting.done(), hurried) == (False, [])
        gate.wait_at_most(60.0)
        with pytest.raises(StoppedWaiting):
            await waiting
        with pytest.raises(StoppedWaiting):
            await gate.admitted()
        assert len(hurried) == 1
        gate.wait_at_most(math.inf)
        await gate.admitted()
        assert loop.elapsed_s() == pytest.approx(100.0)
        subscription.dispose()
        gate.close()

    run(story)


def test_a_refusal_that_comes_later_ends_patience_too() -> None:
    """Whoever is in line when a long wait is asked for does not stay."""

    async def story(_loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate = new_gate(scheduler)
        gate.wait_at_most(60.0)
        gate.outcomes.tell(Refused(0.0, 30.0))
        waiting = asyncio.ensure_future(gate.admitted())
        await asyncio.sleep(0)
        gate.outcomes.tell(Refused(0.0, 3000.0))
        with pytest.raises(StoppedWaiting):
            await waiting
        gate.close()

    run(story)
