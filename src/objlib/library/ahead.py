"""Reading ahead: a function over many items, on all cores where that pays, in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

#: How far the work runs ahead of the consumer, per worker.
LOOKAHEAD_PER_WORKER = 4


def map_ahead(
    function: Callable[[A], B],
    items: Iterable[A],
    workers: int,
    is_light: Callable[[A], bool] = lambda _item: False,
) -> Generator[B, None, None]:
    """`map`, with what is not light done by `workers` threads ahead of the consumer.

    Threads suffice for reading and hashing, which release the GIL. Handing an item to a thread and
    back takes 50 µs, so what takes less than that is light, and done by the caller's thread while
    the others work. Items are pulled on demand: never more than `LOOKAHEAD_PER_WORKER * workers`
    are ahead of the consumer. Closing the iterator drops what has not begun and waits for what has.

    Raises:
        ValueError: there are no workers.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    ahead: deque[Future[B]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="ahead")
    try:
        for item in items:
            if not ahead and is_light(item):
                yield function(item)
                continue
            if len(ahead) == LOOKAHEAD_PER_WORKER * workers:
                yield ahead.popleft().result()
            ahead.append(_done(function(item)) if is_light(item) else pool.submit(function, item))
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _done(result: B) -> Future[B]:
    future: Future[B] = Future()
    future.set_result(result)
    return future
