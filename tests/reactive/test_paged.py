"""paged: an upstream that answers one credit with one row and reads a page when it must."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import reactivex as rx
from hypothesis import given
from hypothesis import strategies as st
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.internal.exceptions import SequenceContainsNoElementsError
from reactivex.subject import Subject
from reactivex.testing import ReactiveTest, TestScheduler

from objlib.reactive.demand import paged

on_next = ReactiveTest.on_next
on_error = ReactiveTest.on_error
on_completed = ReactiveTest.on_completed
subscribe = ReactiveTest.subscribe


class Boom(Exception):
    """What goes wrong in these tests."""


BOOM = Boom("boom")


class Shelf:
    """Pages to fetch, each a cold observable; notes when it was asked, and after which row."""

    def __init__(self, scheduler: TestScheduler, *pages: Any, takes: int = 20) -> None:
        self.scheduler = scheduler
        self.asked: list[tuple[float, Any]] = []
        self.pages: list[Any] = [
            page
            if isinstance(page, Observable)
            else scheduler.create_cold_observable(on_next(takes, page), on_completed(takes + 1))
            for page in pages
        ]

    def __call__(self, last: Any) -> Observable[Sequence[Any]]:
        self.asked.append((self.scheduler.clock, last))
        return self.pages[len(self.asked) - 1]  # type: ignore[no-any-return]


def hot_credits(scheduler: TestScheduler, *times: int, end: Any = None) -> Any:
    """One credit at each of the times."""
    messages = [on_next(time, n) for n, time in enumerate(times, start=1)]
    return scheduler.create_hot_observable(*messages, *([end] if end else []))


def at_once(value: Any) -> Observable[Any]:
    """Emits its value and completes within subscribe()."""

    def emit(observer: abc.ObserverBase[Any], _: Any) -> abc.DisposableBase:
        observer.on_next(value)
        observer.on_completed()
        return Disposable()

    return rx.create(emit)


def test_one_credit_brings_one_row_and_a_page_is_fetched_only_for_an_empty_buffer() -> None:
    """Three rows in two pages; the empty third page is the end."""
    scheduler = TestScheduler()
    shelf = Shelf(scheduler, ["a", "b"], ["c"], [])
    credits = hot_credits(scheduler, 250, 300, 350, 400, 500)

    result = scheduler.start(lambda: paged(shelf)(credits))

    assert result.messages == [
        on_next(270, "a"),
        on_next(300, "b"),
        on_next(370, "c"),
        on_completed(420),
    ]
    assert shelf.asked == [(250, None), (350, "b"), (400, "c")]
    assert [page.subscriptions for page in shelf.pages] == [
        [subscribe(250, 270)],
        [subscribe(350, 370)],
        [subscribe(400, 420)],
    ]
    assert credits.subscriptions == [subscribe(200, 420)]


def test_without_a_credit_nothing_is_fetched() -> None:
    """Neither at the call nor at the subscription."""
    scheduler = TestScheduler()
    shelf = Shelf(scheduler, ["a"])
    credits = hot_credits(scheduler)
    result = scheduler.start(lambda: paged(shelf)(credits))
    assert result.messages == []
    assert shelf.asked == []
    assert credits.subscriptions == [subscribe(200, 1000)]


def test_credits_that_arrive_during_a_fetch_wait_for_it() -> None:
    """One fetch at a time; its rows answer all the credits that have come in."""
    scheduler = TestScheduler()
    shelf = Shelf(scheduler, ["a", "b"], ["c", "d"])
    credits = hot_credits(scheduler, 250, 255, 260)
    result = scheduler.start(lambda: paged(shelf)(credits))
    assert result.messages == [on_next(270, "a"), on_next(270, "b"), on_next(290, "c")]
    assert shelf.asked == [(250, None), (270, "b")]


def test_an_empty_first_page_is_the_end() -> None:
    """Credits that are still open are not answered."""
    scheduler = TestScheduler()
    shelf = Shelf(scheduler, [])
    credits = hot_credits(scheduler, 250, 255, 300)
    result = scheduler.start(lambda: paged(shelf)(credits))
    assert result.messages == [on_completed(270)]
    assert shelf.asked == [(250, None)]
    assert credits.subscriptions == [subscribe(200, 270)]


def test_a_fetch_that_never_answers_leaves_the_credits_open() -> None:
    """It is not repeated, and it is released at the dispose."""
    scheduler = TestScheduler()
    never: Any = scheduler.create_cold_observable()
    shelf = Shelf(scheduler, never)
    result = scheduler.start(lambda: paged(shelf)(hot_credits(scheduler, 250, 300)))
    assert result.messages == []
    assert shelf.asked == [(250, None)]
    assert never.subscriptions == [subscribe(250, 1000)]


def test_an_error_of_a_fetch_ends_the_rows() -> None:
    """At once, and the credits are released."""
    scheduler = TestScheduler()
    fails: Any = scheduler.create_cold_observable(on_error(10, BOOM))
    credits = hot_credits(scheduler, 250, 300, 350)
    result = scheduler.start(lambda: paged(Shelf(scheduler, ["a"], fails))(credits))
    assert result.messages == [on_next(270, "a"), on_error(310, BOOM)]
    assert fails.subscriptions == [subscribe(300, 310)]
    assert credits.subscriptions == [subscribe(200, 310)]


def test_a_fetch_page_that_raises_ends_the_rows() -> None:
    """With what it raised, and not out of the credits' on_next()."""
    scheduler = TestScheduler()

    def fetch_page(_: Any) -> Observable[Sequence[str]]:
        raise BOOM

    credits = hot_credits(scheduler, 250, 300)
    result = scheduler.start(lambda: paged(fetch_page)(credits))
    assert result.messages == [on_error(250, BOOM)]
    assert credits.subscriptions == [subscribe(200, 250)]


def test_a_fetch_that_completes_without_a_page_is_an_error() -> None:
    """Silence is not an empty page: it must not look like the end."""
    scheduler = TestScheduler()
    silent = scheduler.create_cold_observable(on_completed(10))
    result = scheduler.start(lambda: paged(Shelf(scheduler, silent))(hot_credits(scheduler, 250)))
    [message] = result.messages
    assert message.time == 260
    assert isinstance(message.value.exception, SequenceContainsNoElementsError)  # type: ignore[union-attr]


def test_only_the_first_page_of_a_fetch_counts() -> None:
    """It is released when it has answered; what else it would say is not heard."""
    scheduler = TestScheduler()
    talks = scheduler.create_cold_observable(on_next(10, ["a"]), on_next(20, ["b"]))
    shelf = Shelf(scheduler, talks, ["c"])
    result = scheduler.start(lambda: paged(shelf)(hot_credits(scheduler, 250, 300)))
    assert result.messages == [on_next(260, "a"), on_next(320, "c")]
    assert talks.subscriptions == [subscribe(250, 260)]


def test_an_error_of_the_credits_ends_the_rows_and_the_fetch() -> None:
    """Whoever wants the rows has failed."""
    scheduler = TestScheduler()
    shelf = Shelf(scheduler, ["a"])
    credits = hot_credits(scheduler, 250, end=on_error(260, BOOM))
    result = scheduler.start(lambda: paged(shelf)(credits))
    assert result.messages == [on_error(260, BOOM)]
    assert shelf.pages[0].subscriptions == [subscribe(250, 260)]


def test_the_end_of_the_credits_is_not_the_end_of_the_rows() -> None:
    """What was asked for before is still delivered."""
    scheduler = TestScheduler()
    shelf = Shelf(scheduler, ["a", "b"])
    credits = hot_credits(scheduler, 250, end=on_completed(255))
    result = scheduler.start(lambda: paged(shelf)(credits))
    assert result.messages == [on_next(270, "a")]


@pytest.mark.parametrize("at", [230, 260, 280], ids=["idle", "fetching", "with rows in its buffer"])
def test_dispose_releases_the_fetch_and_the_credits(at: int) -> None:
    """In every phase, and no row is emitted afterwards."""
    scheduler = TestScheduler()
    shelf = Shelf(scheduler, ["a", "b"])
    credits = hot_credits(scheduler, 250, 300)
    result = scheduler.start(lambda: paged(shelf)(credits), disposed=at)
    assert result.messages == ([on_next(270, "a")] if at > 270 else [])
    assert credits.subscriptions == [subscribe(200, at)]
    assert shelf.pages[0].subscriptions == ([subscribe(250, min(at, 270))] if at > 250 else [])


def test_the_observer_may_dispose_from_within_a_row() -> None:
    """Two credits are open and two rows are there; `take(1)` gets one."""
    scheduler = TestScheduler()
    shelf = Shelf(scheduler, ["a", "b"])
    credits = hot_credits(scheduler, 250, 255, 260)
    result = scheduler.start(lambda: paged(shelf)(credits).pipe(ops.take(1)))
    assert result.messages == [on_next(270, "a"), on_completed(270)]
    assert shelf.asked == [(250, None)]
    assert credits.subscriptions == [subscribe(200, 270)]


def test_a_dispose_from_within_a_row_hands_out_no_further_row() -> None:
    """The row after it stays in the buffer, and no page is fetched for the open credits."""
    credits: Subject[int] = Subject()
    page: Subject[Sequence[str]] = Subject()
    rows: list[str] = []
    fetches = 0

    def fetch_page(_: Any) -> Observable[Sequence[str]]:
        nonlocal fetches
        fetches += 1
        return page

    def on_row(row: str) -> None:
        rows.append(row)
        subscription.dispose()

    subscription = paged(fetch_page)(credits).subscribe(on_row)
    for number in range(3):
        credits.on_next(number)
    page.on_next(["a"])

    assert rows == ["a"]
    assert fetches == 1
    assert page.observers == []
    assert credits.observers == []


def test_a_dispose_from_within_fetch_page_fetches_nothing() -> None:
    """The page that it returns is not subscribed to any more."""
    credits: Subject[int] = Subject()
    begun: list[str] = []

    def begin(_observer: abc.ObserverBase[Any], _: Any) -> abc.DisposableBase:
        begun.append("page")
        return Disposable()

    def fetch_page(_: Any) -> Observable[Sequence[str]]:
        subscription.dispose()
        return rx.create(begin)

    subscription = paged(fetch_page)(credits).subscribe()
    credits.on_next(1)
    assert begun == []


@pytest.mark.parametrize("end", ["empty page", "fetch fails", "credits fail"])
def test_everything_is_released_before_the_end_is_told(end: str) -> None:
    """Whoever hears of the end may start again at once, beside nothing that is left over."""
    credits: Subject[int] = Subject()
    page: Subject[Sequence[str]] = Subject()
    left: list[list[Any]] = []

    def look(*_: Any) -> None:
        left.append([*credits.observers, *page.observers])

    paged(lambda _: page)(credits).subscribe(on_error=look, on_completed=look)
    credits.on_next(1)
    assert len(page.observers) == len(credits.observers) == 1
    if end == "empty page":
        page.on_next([])
    elif end == "fetch fails":
        page.on_error(BOOM)
    else:
        credits.on_error(BOOM)

    assert left == [[]]


def test_a_second_subscription_reads_from_the_beginning() -> None:
    """Rows, demand and position belong to one subscription."""
    scheduler = TestScheduler()
    asked: list[tuple[float, Any]] = []

    def fetch_page(last: str | None) -> Observable[Sequence[str]]:
        asked.append((scheduler.clock, last))
        return at_once(["a", "b"] if last is None else [])

    rows = paged(fetch_page)(hot_credits(scheduler, 250, 300, 350, 400))
    second = scheduler.create_observer()
    scheduler.schedule_absolute(260, lambda *_: rows.subscribe(second, scheduler=scheduler))
    first = scheduler.start(lambda: rows)

    assert first.messages == [on_next(250, "a"), on_next(300, "b"), on_completed(350)]
    assert second.messages == [on_next(300, "a"), on_next(350, "b"), on_completed(400)]
    assert asked == [(250, None), (300, None), (350, "b"), (400, "b")]


def test_a_row_that_brings_its_own_next_credit_is_answered_in_a_loop() -> None:
    """The credit comes within the row's on_next(), fifty thousand times."""
    total, size = 50_000, 3
    credits: Subject[int] = Subject()
    rows: list[int] = []
    ends: list[Any] = []

    def fetch_page(last: int | None) -> Observable[Sequence[int]]:
        begin = 0 if last is None else last + 1
        return at_once(range(begin, min(begin + size, total)))

    def on_row(row: int) -> None:
        rows.append(row)
        credits.on_next(row)

    paged(fetch_page)(credits).subscribe(on_row, ends.append, lambda: ends.append("|"))
    credits.on_next(0)

    assert rows == list(range(total))
    assert ends == ["|"]


def test_a_falsy_row_is_a_row() -> None:
    """The position after row 0 is 0 and not the beginning."""
    asked: list[int | None] = []

    def fetch_page(last: int | None) -> Observable[Sequence[int]]:
        asked.append(last)
        return at_once([0] if last is None else [])

    rows: list[Any] = []
    paged(fetch_page)(rx.from_iterable([1, 2])).subscribe(
        rows.append, rows.append, lambda: rows.append("|")
    )
    assert rows == [0, "|"]
    assert asked == [None, 0]


def test_fetches_and_credits_are_given_the_subscribers_scheduler() -> None:
    """A bridged fetch needs the loop's."""
    scheduler = TestScheduler()
    given_to: list[tuple[str, abc.SchedulerBase | None]] = []

    def noting(name: str, source: Observable[Any]) -> Observable[Any]:
        def note(
            observer: abc.ObserverBase[Any], its: abc.SchedulerBase | None
        ) -> abc.DisposableBase:
            given_to.append((name, its))
            return source.subscribe(observer, scheduler=its)

        return rx.create(note)

    paged(lambda _: noting("page", rx.never()))(noting("credits", at_once(1))).subscribe(
        scheduler=scheduler
    )
    assert given_to == [("credits", scheduler), ("page", scheduler)]


@given(
    sizes=st.lists(st.integers(1, 4), max_size=6),
    bursts=st.lists(st.integers(0, 5), max_size=20),
    synchronous=st.booleans(),
)
def test_rows_are_as_many_as_credits_and_fetched_no_further_than_a_page_ahead(
    sizes: list[int], bursts: list[int], synchronous: bool
) -> None:
    """For all pages and demands: in order, once each, the end only when asked for more than all."""
    ends = [sum(sizes[:n]) for n in range(len(sizes) + 1)]
    credits: Subject[int] = Subject()
    rows: list[Any] = []
    pending: list[Callable[[], None]] = []
    fetched = asked_for = 0

    def fetch_page(last: int | None) -> Observable[Sequence[int]]:
        nonlocal fetched
        assert not pending, "two fetches at a time"
        assert fetched == len(rows), "a fetch although rows are there"
        assert asked_for > len(rows), "a fetch although nothing was asked for"
        page = 0 if last is None else ends.index(last + 1)
        content = range(ends[page], ends[page + 1]) if page < len(sizes) else range(0)
        fetched += len(content)
        if synchronous:
            return at_once(content)
        answer: Subject[Sequence[int]] = Subject()
        pending.append(lambda: answer.on_next(content))
        return answer

    paged(fetch_page)(credits).subscribe(rows.append, rows.append, lambda: rows.append("|"))
    for burst in bursts:
        for number in range(burst):
            asked_for += 1
            credits.on_next(number)
        while pending:
            pending.pop()()

    total = sum(sizes)
    assert rows == [*range(min(asked_for, total)), *(["|"] if asked_for > total else [])]
