"""The check that is made when a request's turn has come."""

from __future__ import annotations

import httpx2
import pytest

from objlib.congestion.outcomes import Abandoned
from objlib.gemini.last_moment import Checked, LastMoment
from objlib.gemini.transport import Gated
from objlib.reactive.bridge import LoopScheduler
from tests.congestion.test_gate import new_gate
from tests.gemini.test_transport import Server
from tests.upload.virtual_loop import VirtualLoop, run


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


def request(headers: dict[str, str]) -> httpx2.Request:
    return httpx2.Request("POST", "http://x.invalid/", headers=headers)


def test_a_check_that_raises_keeps_the_request_from_being_sent() -> None:
    """Nothing reaches the wire, and the gate learns that nothing was asked."""

    async def story(_loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        sent: list[httpx2.Request] = []
        told: list[object] = []
        gate = new_gate(scheduler)
        gate.outcomes.stream.subscribe(told.append)
        transport = Checked(counting(sent))
        with transport.asked(LastMoment(lost, 10.0)) as headers, pytest.raises(Lost):
            await Gated(transport, gate).handle_async_request(request(headers))
        assert sent == []
        assert told[1:] == [Abandoned(0.0)]
        gate.close()

    run(story)


def test_an_answer_that_takes_too_long_counts_as_lost() -> None:
    """The time runs from the check on, whatever the connection is doing."""

    async def story(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        began_s = loop.time()
        transport = Checked(counting([]))
        with (
            transport.asked(LastMoment(fine, 0.5)) as headers,
            pytest.raises(httpx2.ReadTimeout),
        ):
            await transport.handle_async_request(request(headers))
        assert loop.time() - began_s == pytest.approx(0.5)

    run(story)


def test_only_the_request_it_is_for_is_checked() -> None:
    """Another file's request may go out meanwhile, and no header of ours is on the wire."""

    async def story(_loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        sent: list[httpx2.Request] = []
        transport = Checked(counting(sent))
        with transport.asked(LastMoment(lost, 10.0)):
            await transport.handle_async_request(request({}))
        with transport.asked(LastMoment(fine, 10.0)) as headers:
            await transport.handle_async_request(request(headers))
        assert len(sent) == 2
        assert not any("objlib" in name for one in sent for name in one.headers)

    run(story)
