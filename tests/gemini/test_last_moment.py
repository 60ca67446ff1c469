"""The check that is made when a request's turn has come."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from objlib.congestion.outcomes import Abandoned
from objlib.gemini.last_moment import Checked, LastMoment, checked
from objlib.gemini.transport import Gated
from objlib.reactive.bridge import LoopScheduler
from tests.congestion.test_gate import new_gate
from tests.gemini.test_transport import Server
from tests.upload.virtual_loop import VirtualLoop, run

REQUEST = httpx2.Request("POST", "http://x.invalid/")


class Lost(Exception):
    """What allowed the request has ended."""


async def lost() -> None:
    raise Lost


async def fine() -> None:
    return None


def counting(sent: list[httpx2.Request]) -> Server:
    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200)

    return Server(answer)


def test_a_check_that_raises_keeps_the_request_from_being_sent() -> None:
    """Nothing reaches the wire, and the gate learns that nothing was asked."""

    async def story(_loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        sent: list[httpx2.Request] = []
        told: list[object] = []
        gate = new_gate(scheduler)
        gate.outcomes.stream.subscribe(told.append)
        with checked(LastMoment(lost, 10.0)), pytest.raises(Lost):
            await Gated(Checked(counting(sent)), gate).handle_async_request(REQUEST)
        assert sent == []
        assert told[1:] == [Abandoned(0.0)]
        gate.close()

    run(story)


def test_an_answer_that_takes_too_long_counts_as_lost() -> None:
    """The time runs from the check on, whatever the connection is doing."""

    async def story(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        began_s = loop.time()
        with checked(LastMoment(fine, 0.5)), pytest.raises(httpx2.ReadTimeout):
            await Checked(counting([])).handle_async_request(REQUEST)
        assert loop.time() - began_s == pytest.approx(0.5)

    run(story)


def test_a_task_that_is_started_meanwhile_is_not_checked() -> None:
    """What goes on within one file's check may start another file, which has its own."""

    async def story(_loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        sent: list[httpx2.Request] = []
        with checked(LastMoment(lost, 10.0)):
            await asyncio.create_task(Checked(counting(sent)).handle_async_request(REQUEST))
        assert sent == [REQUEST]

    run(story)
