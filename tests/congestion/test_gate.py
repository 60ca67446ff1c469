"""The gate, on a loop with virtual time; and the transport that puts requests through it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx2
import pytest

from objlib.congestion.controllers import Circuit
from objlib.congestion.gate import RequestGate
from objlib.congestion.pressure import (
    Abandoned,
    Answered,
    Broken,
    CooledDown,
    DocumentActive,
    DocumentFailed,
    Pressure,
    Refused,
    Watched,
    starting,
)
from objlib.gemini.transport import Gated
from objlib.reactive.bridge import LoopScheduler
from objlib.upload import events as ev
from objlib.upload.feedback import connect
from tests.upload.virtual_loop import VirtualLoop, run


def new_gate(scheduler: LoopScheduler, requests_per_minute: float | None = None) -> RequestGate:
    """A gate that begins now."""
    start = starting(now=scheduler.time_s, requests_per_minute=requests_per_minute)
    return RequestGate(start, scheduler)


def open_circuit(gate: RequestGate, retry_after_s: float | None = None) -> None:
    """Three refusals in a row."""
    for _ in range(3):
        gate.feed(Refused(0.0, retry_after_s))


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
        gate.feed(Refused(0.0, 10.0))

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

        gate.feed(Answered(8.0))
        await asyncio.sleep(5.0)
        assert passed == [12.0, 20.0, 20.0, 20.0]
        for _ in range(3):
            gate.feed(Answered(1.0))
        await asyncio.gather(*waiting)
        assert gate.state.breaker.circuit.value == "closed"
        gate.close()

    run(story)


def test_a_wait_that_grows_while_somebody_waits_is_heeded() -> None:
    """Asked for 5 s, and after 3 s for another 10: it is 13 s in all."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate = new_gate(scheduler)
        gate.feed(Refused(0.0, 5.0))
        request = asyncio.create_task(gate.admitted())
        await asyncio.sleep(3.0)
        gate.feed(Refused(0.0, 10.0))
        await request
        assert loop.elapsed_s() == 13.0
        gate.close()

    run(story)


def test_states_begin_with_the_present_and_tell_what_changes() -> None:
    """Whoever comes late hears how things stand, and nothing twice."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate = new_gate(scheduler)
        gate.feed(Watched())
        heard: list[Pressure] = []
        gate.states.subscribe(heard.append)
        assert heard == [gate.state]
        gate.feed(Answered(0.1))  # counts, and allows nothing else
        assert len(heard) == 1
        gate.feed(Watched())
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
        gate.feed(CooledDown())
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


# The transport


class Server(httpx2.AsyncBaseTransport):
    """Answers as a function says, one second after it was asked."""

    def __init__(self, answer: Callable[[httpx2.Request], httpx2.Response]) -> None:
        self.answer = answer

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(1.0)
        return self.answer(request)


def outcomes_of(answer: Callable[[httpx2.Request], httpx2.Response], method: str) -> list[object]:
    """What the gate is told about one request."""
    told: list[object] = []

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate = new_gate(scheduler)
        feed = gate.feed

        def listen(outcome: object) -> None:
            told.append(outcome)
            feed(outcome)  # type: ignore[arg-type]

        gate.feed = listen  # type: ignore[method-assign]
        async with httpx2.AsyncClient(transport=Gated(Server(answer), gate)) as client:
            try:
                response = await client.request(method, "http://x.invalid/")
                assert response.text is not None
            except httpx2.HTTPError:
                pass
        gate.close()

    run(story)
    return told[1:]


INFO = {"error": {"details": [{"@type": "…/RetryInfo", "retryDelay": "7.5s"}]}}


@pytest.mark.parametrize(
    ("method", "answer", "outcome"),
    [
        ("GET", httpx2.Response(200, text="ok"), Answered(1.0, is_small=True)),
        ("POST", httpx2.Response(200, text="ok"), Answered(1.0, is_small=False)),
        ("GET", httpx2.Response(404), Answered(1.0, is_small=True)),
        ("GET", httpx2.Response(429), Refused(1.0, None)),
        ("GET", httpx2.Response(429, headers={"Retry-After": "3"}), Refused(1.0, 3.0)),
        ("GET", httpx2.Response(429, json=INFO), Refused(1.0, 7.5)),
        ("GET", httpx2.Response(429, json=[INFO]), Refused(1.0, 7.5)),
        ("GET", httpx2.Response(429, json=INFO, headers={"Retry-After": "9"}), Refused(1.0, 9.0)),
        ("GET", httpx2.Response(429, headers={"Retry-After": "1e99"}), Refused(1.0, 3600.0)),
        ("GET", httpx2.Response(429, headers={"Retry-After": "inf"}), Refused(1.0, None)),
        ("GET", httpx2.Response(429, headers={"Retry-After": "-5"}), Refused(1.0, None)),
        ("GET", httpx2.Response(429, headers={"Retry-After": "soon"}), Refused(1.0, None)),
        ("GET", httpx2.Response(429, json={"error": "odd"}), Refused(1.0, None)),
        ("GET", httpx2.Response(429, json=[]), Refused(1.0, None)),
        ("GET", httpx2.Response(503), Broken(1.0, None)),
        ("POST", httpx2.Response(503, headers={"Retry-After": "4"}), Broken(1.0, 4.0)),
        ("GET", httpx2.Response(500), Broken(1.0, None)),
        ("GET", httpx2.Response(408), Broken(1.0, None)),
    ],
)
def test_an_answer_becomes_an_outcome(
    method: str, answer: httpx2.Response, outcome: object
) -> None:
    """Status, what was asked for, and how long it took."""
    assert outcomes_of(lambda _request: answer, method) == [outcome]


def test_a_lost_answer_is_a_breakdown() -> None:
    """Whatever the HTTP library calls it."""

    def lose(_request: httpx2.Request) -> httpx2.Response:
        raise httpx2.RemoteProtocolError("lost")

    assert outcomes_of(lose, "GET") == [Broken(1.0)]


def test_a_cancelled_request_is_abandoned() -> None:
    """It tells nothing about the backend."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate = new_gate(scheduler)
        told: list[object] = []
        gate.feed = told.append  # type: ignore[method-assign, assignment]
        transport = Gated(Server(lambda _request: httpx2.Response(200)), gate)
        request = httpx2.Request("GET", "http://x.invalid/")
        task = asyncio.create_task(transport.handle_async_request(request))
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.wait([task])
        assert told[1:] == [Abandoned(0.5)]
        gate.close()

    run(story)


def test_the_wait_of_an_answer_can_be_read_and_the_body_still_too() -> None:
    """Looking for `RetryInfo` does not use the answer up."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate = new_gate(scheduler)
        server = Server(lambda _request: httpx2.Response(429, json=INFO))
        async with httpx2.AsyncClient(transport=Gated(server, gate)) as client:
            assert (await client.get("http://x.invalid/")).json() == INFO
        gate.close()

    run(story)


# What a run tells the gate, and the other way round


def test_a_runs_events_become_outcomes_and_changes_become_events() -> None:
    """Documents steer the gate; what changes is said once, on the run's stream."""

    async def story(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        gate, stream = new_gate(scheduler), ev.EventStream()
        heard: list[ev.Event] = []
        stream.events.subscribe(heard.append)
        feedback = connect(stream, gate)
        assert heard == [ev.PressureChanged("closed", 0.0, 8, 50, None)]

        stream.emit(ev.FileIndexed("a", "d", False, None))
        stream.emit(ev.FileStarted("a", 1))
        assert gate.state.indexing.trend.seen == 0
        stream.emit(ev.FileIndexed("a", "d", False, 3.0))
        assert gate.state.indexing.trend.short_s == 3.0
        for path in "bcd":
            stream.emit(ev.DocumentShownFailed(path, 0.0))
        open_circuit(gate, 20.0)

        changes = [event for event in heard if isinstance(event, ev.PressureChanged)]
        assert changes[1] == ev.PressureChanged("closed", 0.0, 8, 35, None)
        assert (changes[-1].circuit, changes[-1].pause_s) == ("open", 20.0)
        assert changes[-1].sending < 8
        assert len(changes) == len(set(changes))

        feedback.dispose()
        before = len(heard)
        stream.emit(ev.DocumentShownFailed("e", 0.0))
        gate.limit_sending(2)
        assert len(heard) == before + 1
        gate.close()

    run(story)


def test_outcomes_of_documents() -> None:
    """The mapping, by example."""
    from objlib.upload.feedback import outcome_of

    assert outcome_of(ev.FileIndexed("a", "d", False, 2.0)) == DocumentActive(2.0)
    assert outcome_of(ev.DocumentShownFailed("a", 2.0)) == DocumentFailed(2.0)
    assert outcome_of(ev.FileFailed("a", "b", True)) is None
