"""What an item costs on its way through a fan-out, in time and in memory.

The work is the same for everybody: a coroutine that gives way to the loop once, ten at a time. Each
style runs in a process of its own, so that the growth of its peak memory is its own.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops
from reactivex.scheduler.eventloop import AsyncIOScheduler

from benchmarks.measuring import Cost, apart, measured
from benchmarks.results import Result, Target
from benchmarks.sizes import Sizes
from objlib.reactive.bridge import LoopScheduler, completion, from_coroutine
from objlib.reactive.demand import flat_map_limited, paged
from objlib.reactive.retry import Retry, retry_when, waiting
from objlib.upload._operators import occ_transition, upload_with_retry

AT_ONCE = 10
PAGE_ROWS = 200
PART = "fan-out"


async def work(_item: int) -> int:
    """What is done for an item."""
    await asyncio.sleep(0)
    return _item


async def workers(items: int) -> None:
    """Ten loops over one iterator: the least that it can cost."""
    source = iter(range(items))

    async def loop() -> None:
        for item in source:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(loop())


async def task_group(items: int) -> None:
    """A task for each item, held back by a semaphore."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(item: int) -> None:
        async with slots:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for item in range(items):
            group.create_task(one(item))


async def merge(items: int) -> None:
    """What reactivex has: everything is pushed into the queue of `merge`."""
    loop = asyncio.get_running_loop()

    def projection(item: int) -> Observable[int]:
        return rx.defer(lambda _: rx.from_future(loop.create_task(work(item))))

    merged = rx.from_iterable(range(items)).pipe(
        ops.map(projection), ops.merge(max_concurrent=AT_ONCE)
    )
    await _to_the_end(merged, AsyncIOScheduler(loop))


async def fan_out(items: int) -> None:
    """`flat_map_limited` over `paged`, a bridged coroutine for each item."""
    await _limited(items, lambda item: from_coroutine(lambda: work(item)))


async def chain(items: int) -> None:
    """The same with the operators that surround a file: claim, upload with retries, rescue."""
    rng = random.Random(1)
    retry = Retry(rng=rng)

    def upload(item: int) -> Observable[int]:
        tried = upload_with_retry(item, work, retry=retry)
        return tried.pipe(retry_when(waiting(lambda _error, _earlier: None)))

    def one(item: int) -> Observable[int]:
        claimed = occ_transition(lambda: work(item), rng=rng)
        return claimed.pipe(ops.flat_map(upload), ops.catch(lambda _error, _source: rx.just(0)))

    await _limited(items, one)


async def _limited(items: int, projection: Callable[[int], Observable[int]]) -> None:
    rows = iter(range(items))

    def page(_last: int | None) -> Observable[Sequence[int]]:
        return rx.just(tuple(itertools.islice(rows, PAGE_ROWS)))

    await completion(flat_map_limited(paged(page), projection, AT_ONCE), LoopScheduler.running())


async def _to_the_end(source: Observable[int], scheduler: AsyncIOScheduler) -> None:
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    source.subscribe(
        lambda _item: None,
        ended.set_exception,
        lambda: ended.set_result(None),
        scheduler=scheduler,
    )
    await ended


STYLES: dict[str, tuple[str, Callable[[int], Awaitable[None]]]] = {
    "workers": ("ten loops over one iterator", workers),
    "task_group": ("TaskGroup and Semaphore", task_group),
    "merge": ("map, defer, from_future, merge(max_concurrent)", merge),
    "fan_out": ("paged, flat_map_limited, from_coroutine", fan_out),
    "chain": ("a file's whole chain of operators, two coroutines", chain),
}
#: Styles that make tasks without end: they take gigabytes for a million items.
_HOARDING = ("task_group", "merge")
_HOARDING_MAX = 100_000
_TARGETS = {"fan_out": (Target("µs each", 25), Target("memory MB", 50))}


def measure(_work: Path, sizes: Sizes) -> Iterator[Result]:
    """Each style at each size, in a process of its own, beside ten loops over one iterator."""
    for items in sizes.fan_out:
        least = apart(_cost, "workers", items)
        for style, (what, _) in STYLES.items():
            if style in _HOARDING and items > _HOARDING_MAX:
                continue
            cost = least if style == "workers" else apart(_cost, style, items)
            yield Result(
                PART,
                what,
                items,
                cost.seconds,
                count=items,
                cpu_s=cost.cpu_s,
                memory_mb=cost.memory_mb,
                baseline=STYLES["workers"][0],
                baseline_s=least.seconds,
                targets=_TARGETS.get(style, ()),
            )


def _cost(style: str, items: int) -> Cost:
    _, run = STYLES[style]

    async def main() -> None:
        await run(items)

    return measured(lambda: asyncio.run(main()))
