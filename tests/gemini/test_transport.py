"""The transport that puts requests through the gate, and tells of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx2
import pytest

from objlib.congestion.outcomes import (
    Abandoned,
    Answered,
    Broken,
    Refused,
)
from objlib.gemini.transport import Gated
from objlib.reactive.bridge import LoopScheduler
from tests.congestion.test_gate import new_gate
from tests.upload.virtual_loop import VirtualLoop, run


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
        gate.outcomes.stream.subscribe(told.append)
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
        ("GET", httpx2.Response(429, headers={"Retry-After": "1e99"}), Refused(1.0, 30 * 86_400.0)),
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
        gate.outcomes.stream.subscribe(told.append)
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
