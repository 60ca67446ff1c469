"""Concurrency by demand: a bounded `flat_map`, and the sources that answer its credits.

A source that feeds a fan-out is an *upstream*: a function from a stream of credits to a stream of
items, one item per credit. Between the source and the fan-out, gates (`take_until`) and pacing
(`staggered`) are then ordinary operators, and at most `limit` items are outside the source.

State is local to one subscription, work starts at subscription and not before, and every operator
returns one disposable that releases all it holds. Loops replace recursion: sources may answer
synchronously, a million times in a row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import (
    CompositeDisposable,
    SerialDisposable,
    SingleAssignmentDisposable,
)
from reactivex.subject import Subject

from objlib.reactive.bridge import Operator, once_subscribed

A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")

#: Answers each credit with one item; completes when it has no more.
Upstream = Callable[[Observable[int]], Observable[A]]


def flat_map_limited(
    upstream: Upstream[A],
    project: Callable[[A], Observable[B]],
    limits: int | Observable[int],
) -> Observable[B]:
    """`flat_map` with bounded, changeable concurrency and real demand.

    limits      2-----------------1-----
    credits     cc----c-----c-----------     one credit per free slot
    upstream    -a-b----c-----d|
    project(a)   ==a==|
    project(b)     ====b====|
    project(c)        (held until the limit allows it)
    result      -----a------b--------c-d|

    Args:
        upstream: called once per subscription with the stream of credits. It answers each credit
            with one item, at once or later, and completes when it has no more.
        project: item -> observable. Its errors end the whole result and cancel the neighbours, so
            what may go wrong with one item should be a value.
        limits: how many projections may be active. A stream may change it at any time; before its
            first value, and at 0, nothing starts and nothing completes early. Lowering cancels
            nothing; raising starts at once. When the stream completes, its last value stays.

    Items start in the order in which they arrive, none is lost or doubled, and no projection starts
    while `limit` others are active. Credits out = limit - active - owed - held, so at most one
    credit per slot is out; cost per item is constant. Completes when the upstream has completed and
    nothing is active or held.

    Raises (through `on_error`):
        Errors of the upstream, of a projection, of `project` itself and of `limits`; `ValueError`
        for a negative limit. At the call: `ValueError` for a constant limit below 1, which could
        never finish.

    Dispose: releases upstream, limits and all active projections.
    """
    if isinstance(limits, int) and limits < 1:
        raise ValueError(f"a constant limit must be at least 1, not {limits}")

    def subscribe(
        observer: abc.ObserverBase[B], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        everything = CompositeDisposable()
        credits: Subject[int] = Subject()
        held: deque[A] = deque()
        limit = limits if isinstance(limits, int) else 0
        active = 0
        owed = 0
        issued = 0
        upstream_done = False
        draining = False

        def drain() -> None:
            nonlocal draining, owed, issued
            if draining:
                return
            draining = True
            try:
                while not everything.is_disposed:
                    if held and active < limit:
                        start(held.popleft())
                    elif not upstream_done and active + owed + len(held) < limit:
                        owed += 1
                        issued += 1
                        credits.on_next(issued)
                    else:
                        break
            finally:
                draining = False
            if upstream_done and not active and not held and not everything.is_disposed:
                everything.dispose()
                observer.on_completed()

        def start(item: A) -> None:
            nonlocal active
            try:
                projection = project(item)
            except Exception as mistake:
                fail(mistake)
                return
            if everything.is_disposed:  # `project` itself may bring the end about
                return
            active += 1
            inner = SingleAssignmentDisposable()
            everything.add(inner)

            def on_inner_completed() -> None:
                nonlocal active
                active -= 1
                everything.remove(inner)
                drain()

            inner.disposable = projection.subscribe(
                observer.on_next, fail, on_inner_completed, scheduler=scheduler
            )

        def on_item(item: A) -> None:
            nonlocal owed
            owed -= 1
            held.append(item)
            drain()

        def on_upstream_completed() -> None:
            nonlocal upstream_done
            upstream_done = True
            drain()

        def on_limit(value: int) -> None:
            nonlocal limit
            if value < 0:
                fail(ValueError(f"a limit must not be negative, got {value}"))
                return
            limit = value
            drain()

        def fail(error: Exception) -> None:
            everything.dispose()
            observer.on_error(error)

        source = SingleAssignmentDisposable()
        everything.add(source)
        try:
            items = upstream(credits)
        except Exception as mistake:
            fail(mistake)
            return everything
        source.disposable = items.subscribe(
            on_item, fail, on_upstream_completed, scheduler=scheduler
        )
        steering = SingleAssignmentDisposable()
        everything.add(steering)

        def set_in_motion() -> None:
            if isinstance(limits, int):
                drain()
            else:
                steering.disposable = limits.subscribe(
                    on_limit, fail, lambda: None, scheduler=scheduler
                )

        everything.add(once_subscribed(set_in_motion))
        return everything

    return Observable(subscribe)


def paged(fetch_page: Callable[[T | None], Observable[Sequence[T]]]) -> Upstream[T]:
    """An upstream that reads pages, and reads one only when its buffer is empty.

    credits     c----c--c-------c
    pages       [a,b]-------[c]-[]
    result      -a---b-------c--|

    Args:
        fetch_page: last row handed out (None at the start) -> the page after it; an empty page is
            the end.

    Raises (through `on_error`): errors of `fetch_page` and of the credits;
        `SequenceContainsNoElementsError` when a fetch completes without a page.
    """

    def upstream(credits: Observable[int]) -> Observable[T]:
        def subscribe(
            observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            fetching = SerialDisposable()
            demanding = SingleAssignmentDisposable()
            everything = CompositeDisposable(fetching, demanding)
            buffer: deque[T] = deque()
            last: T | None = None
            demand = 0
            busy = False
            draining = False

            def drain() -> None:
                nonlocal draining, demand, last, busy
                if draining:
                    return
                draining = True
                try:
                    while demand and not everything.is_disposed:
                        if buffer:
                            demand -= 1
                            last = buffer.popleft()
                            observer.on_next(last)
                        elif not busy:
                            busy = True
                            fetch(last)
                        else:
                            break
                finally:
                    draining = False

            def fetch(after: T | None) -> None:
                try:
                    page = fetch_page(after)
                except Exception as mistake:
                    fail(mistake)
                    return
                if everything.is_disposed:
                    return
                current = SingleAssignmentDisposable()
                fetching.disposable = current
                current.disposable = page.pipe(ops.first()).subscribe(
                    on_page, fail, lambda: None, scheduler=scheduler
                )

            def on_page(page: Sequence[T]) -> None:
                nonlocal busy
                busy = False
                if page:
                    buffer.extend(page)
                    drain()
                else:
                    everything.dispose()
                    observer.on_completed()

            def on_credit(_: int) -> None:
                nonlocal demand
                demand += 1
                drain()

            def fail(error: Exception) -> None:
                everything.dispose()
                observer.on_error(error)

            demanding.disposable = credits.subscribe(
                on_credit, fail, lambda: None, scheduler=scheduler
            )
            return everything

        return Observable(subscribe)

    return upstream


def buffered(source: Observable[T]) -> Upstream[T]:
    """An upstream from a source that pushes: what nobody has asked for yet is held, in order.

    source      -a-b-c---d|
    credits     c------cc-----c
    result      -a-----bc-----d|

    The buffer is as large as the source makes it. Bound the source: here the stage before holds at
    most as many items as the stage after has slots.
    """

    def upstream(credits: Observable[int]) -> Observable[T]:
        def subscribe(
            observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            asking = SingleAssignmentDisposable()
            arriving = SingleAssignmentDisposable()
            everything = CompositeDisposable(asking, arriving)
            held: deque[T] = deque()
            demand = 0
            source_done = False
            draining = False

            def drain() -> None:
                nonlocal draining, demand
                if draining:
                    return
                draining = True
                try:
                    while held and demand and not everything.is_disposed:
                        demand -= 1
                        observer.on_next(held.popleft())
                finally:
                    draining = False
                if source_done and not held and not everything.is_disposed:
                    everything.dispose()
                    observer.on_completed()

            def on_credit(_: int) -> None:
                nonlocal demand
                demand += 1
                drain()

            def on_item(item: T) -> None:
                held.append(item)
                drain()

            def on_source_completed() -> None:
                nonlocal source_done
                source_done = True
                drain()

            def fail(error: Exception) -> None:
                everything.dispose()
                observer.on_error(error)

            asking.disposable = credits.subscribe(
                on_credit, fail, lambda: None, scheduler=scheduler
            )
            arriving.disposable = source.subscribe(
                on_item, fail, on_source_completed, scheduler=scheduler
            )
            return everything

        return Observable(subscribe)

    return upstream


def in_turn(project: Callable[[A], Observable[B]]) -> Operator[A, B]:
    """`concat_map`, but what waits is taken from the front of its line in constant time."""
    return lambda source: flat_map_limited(lambda _credits: source, project, 1)
