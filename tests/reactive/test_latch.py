"""Latch and SingleFlight: how tasks of one loop wait for one another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from objlib.reactive.bridge import Interrupted, LoopScheduler
from objlib.reactive.latch import Latch, SingleFlight
from tests.upload.virtual_loop import VirtualLoop, run


class Boom(Exception):
    """An error of the work."""


@pytest.mark.parametrize("value", ["v", None])
def test_all_who_wait_at_a_latch_get_its_value(value: str | None) -> None:
    """Those who waited when it opened, and those who come later; None is a value."""

    async def main(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        latch: Latch[str | None] = Latch()
        waiting = [loop.create_task(latch.opened()) for _ in range(3)]
        await asyncio.sleep(1.0)
        assert not latch.is_open
        assert not any(task.done() for task in waiting)
        latch.open(value)
        assert latch.is_open
        assert await asyncio.gather(*waiting, latch.opened()) == [value] * 4
        assert loop.elapsed_s() == 1.0

    run(main)


def test_all_who_wait_at_a_latch_get_its_error() -> None:
    """The very error; nobody complains when nobody waits."""

    async def main(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        latch: Latch[str] = Latch()
        waiting = [loop.create_task(latch.opened()) for _ in range(3)]
        await asyncio.sleep(1.0)
        boom = Boom()
        latch.fail(boom)
        assert latch.is_open
        ends = await asyncio.gather(*waiting, latch.opened(), return_exceptions=True)
        assert all(end is boom for end in ends)
        Latch[str]().fail(Boom())

    run(main)


def test_a_latch_keeps_the_first_that_it_was_opened_with() -> None:
    """A second value and a late error change nothing."""

    async def main(_loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        latch: Latch[str] = Latch()
        latch.open("first")
        latch.open("second")
        latch.fail(Boom())
        assert await latch.opened() == "first"

    run(main)


def test_one_waiter_that_is_cancelled_harms_no_other() -> None:
    """The latch is not theirs to close."""

    async def main(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        latch: Latch[str] = Latch()
        gone, staying = loop.create_task(latch.opened()), loop.create_task(latch.opened())
        await asyncio.sleep(1.0)
        gone.cancel()
        await asyncio.wait([gone])
        assert gone.cancelled()
        assert not latch.is_open
        latch.open("v")
        assert await staying == "v"

    run(main)


class Work:
    """Answers with its questions after a second each round; fails where it is told to."""

    def __init__(self, loop: VirtualLoop, *failing: str) -> None:
        self.loop = loop
        self.failing = failing
        self.rounds: list[tuple[float, str]] = []
        self.under_way = 0

    async def __call__(self, questions: Sequence[str]) -> str:
        asked = "".join(questions)
        self.rounds.append((self.loop.elapsed_s(), asked))
        self.under_way += 1
        assert self.under_way == 1
        try:
            await asyncio.sleep(1.0)
        finally:
            self.under_way -= 1
        if asked in self.failing:
            raise Boom(asked)
        return asked


def test_who_asks_during_a_round_shares_the_next_one() -> None:
    """One round at a time; the later askers get one together, and the third round begins anew."""

    async def main(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        work = Work(loop)
        flights: SingleFlight[str, str] = SingleFlight(work)
        first = loop.create_task(flights.ask("a"))
        await asyncio.sleep(0.5)
        later = [loop.create_task(flights.ask(question)) for question in "bcd"]
        assert await asyncio.gather(first, *later) == ["a", *["bcd"] * 3]
        assert await flights.ask("e") == "e"
        assert work.rounds == [(0.0, "a"), (1.0, "bcd"), (2.0, "e")]

    run(main)


def test_who_asks_in_the_step_in_which_a_round_ends_joins_those_who_waited() -> None:
    """The next round has not begun yet, although nothing is under way any more."""

    async def main(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        work = Work(loop)
        flights: SingleFlight[str, str] = SingleFlight(work)

        async def ask_twice() -> list[str]:
            return [await flights.ask("a"), await flights.ask("z")]

        asking = loop.create_task(ask_twice())
        await asyncio.sleep(0.5)
        assert await flights.ask("b") == "bz"
        assert await asking == ["a", "bz"]
        assert work.rounds == [(0.0, "a"), (1.0, "bz")]

    run(main)


def test_an_error_is_told_to_all_of_its_round_and_to_nobody_else() -> None:
    """The next round is not harmed by it."""

    async def main(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        work = Work(loop, "a", "bc")
        flights: SingleFlight[str, str] = SingleFlight(work)
        first = loop.create_task(flights.ask("a"))
        await asyncio.sleep(0.5)
        later = [loop.create_task(flights.ask(question)) for question in "bc"]
        await asyncio.sleep(1.0)
        last = loop.create_task(flights.ask("d"))
        ends = await asyncio.gather(first, *later, last, return_exceptions=True)
        assert [str(end) for end in ends] == ["a", "bc", "bc", "d"]
        assert isinstance(ends[0], Boom)
        assert ends[1] is ends[2]
        assert ends[3] == "d"
        assert work.rounds == [(0.0, "a"), (1.0, "bc"), (2.0, "d")]

    run(main)


@pytest.mark.parametrize("at", [0.5, 1.5], ids=["while it waits its turn", "during its work"])
def test_a_first_one_that_is_cancelled_cuts_its_round_off_and_no_other(at: float) -> None:
    """The others of the round get an error of their own, and who asks then begins a new one."""

    async def main(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        work = Work(loop)
        flights: SingleFlight[str, str] = SingleFlight(work, lambda: Boom("cut off"))
        before = loop.create_task(flights.ask("a"))
        await asyncio.sleep(0.2)
        first, other = loop.create_task(flights.ask("b")), loop.create_task(flights.ask("c"))
        await asyncio.sleep(at - 0.2)
        first.cancel()
        await asyncio.wait([first, other])
        assert first.cancelled()
        assert str(other.exception()) == "cut off"
        assert loop.elapsed_s() == at
        assert await flights.ask("d") == "d"
        assert await before == "a"

    run(main)


def test_another_one_that_is_cancelled_leaves_the_round_as_it_is() -> None:
    """Its question is still asked; only it does not hear the answer."""

    async def main(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        flights: SingleFlight[str, str] = SingleFlight(Work(loop))
        asking = [loop.create_task(flights.ask(question)) for question in "abc"]
        await asyncio.sleep(0.5)
        asking[2].cancel()
        await asyncio.wait(asking)
        assert asking[2].cancelled()
        assert [task.result() for task in asking[:2]] == ["a", "bc"]

    run(main)


def test_the_end_of_the_round_under_way_can_be_waited_for_without_a_question() -> None:
    """Its error arrives as well; without a round there is nothing to wait for."""

    async def main(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        flights: SingleFlight[str, str] = SingleFlight(Work(loop, "b"))
        await flights.ended()
        for question, error in (("a", None), ("b", Boom)):
            asking = loop.create_task(flights.ask(question))
            await asyncio.sleep(0.5)
            began_s = loop.elapsed_s()
            if error is None:
                await flights.ended()
            else:
                with pytest.raises(error):
                    await flights.ended()
            assert loop.elapsed_s() == began_s + 0.5
            await asyncio.wait([asking])
            assert (asking.exception() is None) is (error is None)
        cut = loop.create_task(flights.ask("c"))
        await asyncio.sleep(0.5)
        cut.cancel()
        with pytest.raises(Interrupted):
            await flights.ended()

    run(main)


def test_the_error_of_a_round_that_is_over_is_nobodys() -> None:
    """Whoever waits for the end of a round afterwards waits for nothing, and hears nothing."""

    async def main(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        flights: SingleFlight[str, str] = SingleFlight(Work(loop, "a"))
        with pytest.raises(Boom):
            await flights.ask("a")
        before_s = loop.elapsed_s()
        await flights.ended()
        assert loop.elapsed_s() == before_s

    run(main)
