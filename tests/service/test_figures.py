"""Counts that are kept: when they are made anew, and who waits for that."""

from __future__ import annotations

import asyncio

import pytest

from objlib.errors import CatalogError
from objlib.service import figures
from objlib.service.figures import Figures


class Counting:
    """A count that takes as long as it is told to, by a clock of its own."""

    def __init__(self, takes_s: float) -> None:
        self.takes_s = takes_s
        self.now = 0.0
        self.made = 0
        #: Set: it answers at once. Clear: it answers when it is set.
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.trouble: Exception | None = None

    async def __call__(self, _key: str) -> int:
        await self.may_answer.wait()
        if self.trouble is not None:
            raise self.trouble
        self.now += self.takes_s
        self.made += 1
        return self.made


async def _values(counting: Counting, *pauses_s: float) -> list[int | None]:
    kept: Figures[str, int] = Figures(counting, lambda: counting.now)
    values = []
    for pause_s in pauses_s:
        counting.now += pause_s
        figure = await kept.at("all", 60.0)
        values.append(None if figure is None else figure.value)
    return values


def test_a_cheap_count_is_made_each_time() -> None:
    """What takes a moment is never old."""

    async def scenario() -> None:
        assert await _values(Counting(figures.CHEAP_S / 2), 0, 0, 0) == [1, 2, 3]

    asyncio.run(scenario())


def test_a_dear_count_is_kept_for_a_while() -> None:
    """Twenty times as long as it took; then it is made anew."""

    async def scenario() -> None:
        assert await _values(Counting(1.0), 0, 5, 10, 10, 10) == [1, 1, 1, 2, 2]

    asyncio.run(scenario())


def test_nobody_waits_longer_than_they_said() -> None:
    """The first look gives nothing, a later one the old count, and each count is made once."""

    async def scenario() -> None:
        counting = Counting(2.0)
        counting.may_answer.clear()
        kept: Figures[str, int] = Figures(counting, lambda: counting.now)
        assert await kept.at("all", 0.0) is None
        assert await kept.at("all", 0.0) is None
        counting.may_answer.set()
        first = await kept.at("all", 60.0)
        assert first is not None and (first.value, counting.made) == (1, 1)

        counting.may_answer.clear()
        counting.now += 1_000
        old = await kept.at("all", 1.0)  # it took longer the last time: this is not waited for
        assert old is not None and (old.value, old.age_s) == (1, 1_000)
        counting.may_answer.set()
        await kept.close()

    asyncio.run(scenario())


def test_trouble_is_told_to_whoever_waits_and_is_not_kept() -> None:
    """A locked catalog is an error now, and a count the next time."""

    async def scenario() -> None:
        counting = Counting(1.0)
        counting.trouble = CatalogError("locked")
        kept: Figures[str, int] = Figures(counting, lambda: counting.now)
        with pytest.raises(CatalogError):
            await kept.at("all", 60.0)
        counting.trouble = None
        again = await kept.at("all", 60.0)
        assert again is not None and again.value == 1

    asyncio.run(scenario())


def test_what_was_counted_for_few_is_forgotten() -> None:
    """Whoever follows every link there is does not fill the memory."""

    async def scenario() -> None:
        counting = Counting(1.0)
        kept: Figures[str, int] = Figures(counting, lambda: counting.now)
        for number in range(figures.KEPT + 1):
            await kept.at(str(number), 60.0)
        await kept.at("0", 60.0)
        assert counting.made == figures.KEPT + 2
        assert len(kept._kept) == figures.KEPT

    asyncio.run(scenario())


def test_a_count_of_before_a_change_is_not_shown_as_if_it_held() -> None:
    """After a run of one's own whoever can wait gets the new count, however dear it was."""

    async def scenario() -> None:
        counting, version = Counting(5.0), [0]
        kept: Figures[str, int] = Figures(counting, lambda: counting.now, lambda: version[0])
        await kept.at("all")
        version[0] += 1
        counting.may_answer.clear()
        old = await kept.at("all", 0.0)
        assert old is not None and old.value == 1
        counting.may_answer.set()
        new = await kept.at("all")
        assert new is not None and new.value == 2

    asyncio.run(scenario())
