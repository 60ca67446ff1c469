"""waiting, backoff, occ_transition, upload_with_retry: when to try again, and when to give up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
import reactivex as rx
from hypothesis import given
from hypothesis import strategies as st
from reactivex import Observable, abc
from reactivex import operators as ops
from reactivex.disposable import Disposable
from reactivex.testing import ReactiveTest, TestScheduler

from objlib.errors import (
    AlreadyExists,
    BackendUnavailable,
    IllegalTransitionError,
    InDoubt,
    IntegrityError,
    NotFound,
    OCCConflictError,
    RateLimited,
    Rejected,
    Transient,
    Unreachable,
)
from objlib.reactive.bridge import Interrupted, LoopScheduler
from objlib.reactive.retry import Notifier, Retry, backoff, retry_when, waiting
from objlib.upload._operators import occ_transition, upload_with_retry
from tests.upload.virtual_loop import VirtualLoop, run

on_next = ReactiveTest.on_next
on_error = ReactiveTest.on_error
on_completed = ReactiveTest.on_completed
subscribe = ReactiveTest.subscribe


class Boom(Exception):
    """An error that is worth another attempt."""


class Fatal(Exception):
    """An error that is not."""


BOOM = Boom("boom")
CONFLICT = OCCConflictError("a.txt", expected=("untracked", 1), found=("uploading", 2))


class Highest(random.Random):
    """Chance at its upper end, so that a wait is exactly its bound."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Lowest(random.Random):
    """Chance at its lower end, so that a wait is exactly what the server asked for."""

    def uniform(self, a: float, b: float) -> float:
        return a


def waits_of(notifier_for: Callable[..., Notifier], errors: list[Exception]) -> list[float]:
    """The pauses that a source makes which fails with each error in turn and then completes."""
    scheduler = TestScheduler()
    attempts: list[float] = []

    def attempt(its: abc.SchedulerBase | None) -> Observable[Any]:
        attempts.append(scheduler.clock)
        number = len(attempts) - 1
        return rx.throw(errors[number]) if number < len(errors) else rx.empty()

    result = scheduler.start(
        lambda: rx.defer(attempt).pipe(retry_when(notifier_for())), disposed=10.0**9
    )
    assert [m.value.kind for m in result.messages] == ["C"]  # type: ignore[union-attr]
    return [later - earlier for earlier, later in pairwise(attempts)]


# --- waiting


def test_each_error_is_followed_by_the_wait_that_was_computed_for_it() -> None:
    """The function is told the error and how many came before it."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_error(10, BOOM))
    told: list[tuple[Exception, int]] = []

    def wait_s(error: Exception, earlier: int) -> float:
        told.append((error, earlier))
        return [30.0, 5.0, 0.0, 100.0][earlier]

    result = scheduler.start(lambda: source.pipe(retry_when(waiting(wait_s))), disposed=280)

    assert result.messages == []
    assert source.subscriptions == [
        subscribe(200, 210),
        subscribe(240, 250),
        subscribe(255, 265),
        subscribe(265, 275),
    ]
    assert told == [(BOOM, 0), (BOOM, 1), (BOOM, 2), (BOOM, 3)]


def test_without_a_wait_the_error_is_the_end() -> None:
    """None gives up at once with that very error, not with an earlier one."""
    scheduler = TestScheduler()
    last = Boom("last")
    errors = iter([BOOM, last])
    source = rx.defer(lambda _: scheduler.create_cold_observable(on_error(10, next(errors))))
    result = scheduler.start(
        lambda: source.pipe(retry_when(waiting(lambda _, earlier: None if earlier else 30.0)))
    )
    assert result.messages == [on_error(250, last)]


def test_a_wait_function_that_raises_ends_the_result() -> None:
    """With what it raised, through on_error."""
    scheduler = TestScheduler()
    mistake = Fatal("mistake")

    def wait_s(_error: Exception, _earlier: int) -> float:
        raise mistake

    source = scheduler.create_cold_observable(on_error(10, BOOM))
    result = scheduler.start(lambda: source.pipe(retry_when(waiting(wait_s))))
    assert result.messages == [on_error(210, mistake)]


def test_dispose_during_a_wait_leaves_no_timer_behind() -> None:
    """The virtual scheduler comes to its end at the dispose: nothing is attempted later."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_error(10, BOOM))
    result = scheduler.start(
        lambda: source.pipe(retry_when(waiting(lambda *_: 500.0))), disposed=300
    )
    assert result.messages == []
    assert source.subscriptions == [subscribe(200, 210)]


# --- backoff


@pytest.mark.parametrize("attempts", [0, -3])
def test_fewer_than_one_attempt_is_refused_at_the_call(attempts: int) -> None:
    """The source always runs once; anything else is a mistake in the settings."""
    with pytest.raises(ValueError, match=f"at least 1, not {attempts}$"):
        backoff(attempts=attempts, base_s=1.0, cap_s=1.0, retryable=(Boom,), rng=random.Random(1))


def test_the_bound_doubles_up_to_the_cap() -> None:
    """With chance at its upper end: base, 2 base, 4 base, and then the cap."""
    waits = waits_of(
        lambda: backoff(attempts=9, base_s=2.0, cap_s=20.0, retryable=(Boom,), rng=Highest()),
        [BOOM] * 7,
    )
    assert waits == [2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0]


def test_the_jitter_is_full() -> None:
    """With chance at its lower end there is no wait at all."""
    waits = waits_of(
        lambda: backoff(attempts=9, base_s=2.0, cap_s=20.0, retryable=(Boom,), rng=Lowest()),
        [BOOM] * 4,
    )
    assert waits == [0.0] * 4


def test_the_jitter_comes_on_top_of_what_the_server_asks_for() -> None:
    """Also beyond the cap, which bounds our own share only."""
    errors: list[Exception] = [
        RateLimited("slow down", retry_after_s=30.0),
        RateLimited("slow down"),
        RateLimited("slow down", retry_after_s=0.0),
    ]
    limited = {"attempts": 9, "base_s": 2.0, "cap_s": 5.0, "retryable": (RateLimited,)}
    assert waits_of(lambda: backoff(rng=Lowest(), **limited), errors) == [30.0, 0.0, 0.0]  # type: ignore[arg-type]
    assert waits_of(lambda: backoff(rng=Highest(), **limited), errors) == [32.0, 4.0, 5.0]  # type: ignore[arg-type]


@given(
    base_s=st.floats(0.01, 100.0),
    cap_s=st.floats(0.01, 1000.0),
    floors=st.lists(st.none() | st.floats(0.0, 500.0), min_size=1, max_size=8),
    seed=st.integers(),
)
def test_every_wait_is_between_the_floor_and_the_floor_plus_the_bound(
    base_s: float, cap_s: float, floors: list[float | None], seed: int
) -> None:
    """For all bases, caps and server delays, and the same seed gives the same waits."""
    errors: list[Exception] = [RateLimited("slow down", retry_after_s=floor) for floor in floors]
    told: list[list[tuple[Exception, int, float]]] = [[], []]
    for hearing in told:
        waits_of(
            lambda hearing=hearing: backoff(
                attempts=len(errors) + 1,
                base_s=base_s,
                cap_s=cap_s,
                retryable=(RateLimited,),
                rng=random.Random(seed),
                on_retry=lambda *what: hearing.append(what),
            ),
            errors,
        )
    assert told[0] == told[1]
    assert [(error, attempt) for error, attempt, _ in told[0]] == [
        (error, n) for n, error in enumerate(errors, start=1)
    ]
    for n, (floor, (_, _, wait_s)) in enumerate(zip(floors, told[0], strict=True)):
        lowest = floor or 0.0
        assert lowest <= wait_s <= lowest + min(cap_s, base_s * 2**n)


def test_different_seeds_wait_differently() -> None:
    """A crowd that failed together does not return together."""

    def first_wait(seed: int) -> float:
        [wait_s] = waits_of(
            lambda: backoff(
                attempts=2, base_s=60.0, cap_s=60.0, retryable=(Boom,), rng=random.Random(seed)
            ),
            [BOOM],
        )
        return wait_s

    assert len({first_wait(seed) for seed in range(20)}) == 20


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_the_source_runs_as_often_as_allowed_and_then_fails(attempts: int) -> None:
    """Exhausted never looks like completion: the last error arrives, and nothing else."""
    scheduler = TestScheduler()
    errors = [Boom(str(n)) for n in range(attempts + 1)]
    runs: list[int] = []

    def attempt(_: Any) -> Observable[str]:
        runs.append(int(scheduler.clock))
        return rx.concat(rx.just("v"), rx.throw(errors[len(runs) - 1]))

    notifier = backoff(attempts=attempts, base_s=4.0, cap_s=4.0, retryable=(Boom,), rng=Highest())
    result = scheduler.start(lambda: rx.defer(attempt).pipe(retry_when(notifier)))

    assert runs == [200 + 4 * n for n in range(attempts)]
    assert result.messages == [
        *[on_next(at, "v") for at in runs],
        on_error(runs[-1], errors[attempts - 1]),
    ]


def test_an_error_that_is_not_retryable_ends_the_retries_at_once() -> None:
    """At the first attempt or a later one, without a wait and without a word to on_retry."""
    told: list[Any] = []
    for errors in ([Fatal("now")], [BOOM, Fatal("later")]):
        scheduler = TestScheduler()
        remaining = iter(errors)
        source = rx.defer(lambda _, remaining=remaining: rx.throw(next(remaining)))  # type: ignore[misc]
        notifier = backoff(
            attempts=9,
            base_s=4.0,
            cap_s=4.0,
            retryable=(Boom,),
            rng=Highest(),
            on_retry=lambda *what: told.append(what),
        )
        result = scheduler.start(lambda source=source, n=notifier: source.pipe(retry_when(n)))  # type: ignore[misc]
        assert result.messages == [on_error(200 + 4 * (len(errors) - 1), errors[-1])]
    assert told == [(BOOM, 1, 4.0)]


def test_on_retry_is_told_before_the_wait() -> None:
    """The error, the attempt that failed and the seconds that follow; not for the last error."""
    scheduler = TestScheduler()
    told: list[tuple[float, Exception, int, float]] = []
    source = scheduler.create_cold_observable(on_error(10, BOOM))
    notifier = backoff(
        attempts=3,
        base_s=8.0,
        cap_s=60.0,
        retryable=(Boom,),
        rng=Highest(),
        on_retry=lambda error, attempt, s: told.append((scheduler.clock, error, attempt, s)),
    )
    result = scheduler.start(lambda: source.pipe(retry_when(notifier)))
    assert told == [(210, BOOM, 1, 8.0), (228, BOOM, 2, 16.0)]
    assert result.messages == [on_error(254, BOOM)]


def test_an_on_retry_that_raises_ends_the_result() -> None:
    """A callback's mistake is an error like any other and leaves nothing hanging."""
    scheduler = TestScheduler()
    mistake = Fatal("mistake")

    def on_retry(*_: Any) -> None:
        raise mistake

    notifier = backoff(
        attempts=3, base_s=8.0, cap_s=60.0, retryable=(Boom,), rng=Highest(), on_retry=on_retry
    )
    source = scheduler.create_cold_observable(on_error(10, BOOM))
    result = scheduler.start(lambda: source.pipe(retry_when(notifier)))
    assert result.messages == [on_error(210, mistake)]


def test_two_runs_with_one_notifier_have_their_own_attempts() -> None:
    """The count belongs to a subscription, not to the notifier."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_error(10, BOOM))
    notifier = backoff(attempts=3, base_s=8.0, cap_s=8.0, retryable=(Boom,), rng=Highest())
    pipeline = source.pipe(retry_when(notifier))
    second = scheduler.create_observer()
    scheduler.schedule_absolute(400, lambda *_: pipeline.subscribe(second, scheduler=scheduler))
    first = scheduler.start(lambda: pipeline)
    assert first.messages == [on_error(246, BOOM)]
    assert second.messages == [on_error(446, BOOM)]
    assert len(source.subscriptions) == 6


def test_the_two_thousandth_wait_is_still_a_number() -> None:
    """2^n would not fit into a float from n = 1024 on."""
    told: list[float] = []
    runs = 0

    def fail(observer: abc.ObserverBase[Any], _: Any) -> abc.DisposableBase:
        nonlocal runs
        runs += 1
        observer.on_error(BOOM)
        return Disposable()

    notifier = backoff(
        attempts=2_000,
        base_s=1.0,
        cap_s=60.0,
        retryable=(Boom,),
        rng=Highest(),
        on_retry=lambda _error, _attempt, wait_s: told.append(wait_s),
    )
    seen: list[Any] = []

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        rx.create(fail).pipe(retry_when(notifier)).subscribe(
            seen.append, seen.append, lambda: seen.append("|"), scheduler=scheduler
        )
        await asyncio.sleep(60.0 * 2_000)

    run(main)

    assert runs == 2_000
    assert seen == [BOOM]
    assert told == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, *[60.0] * 1_993]


# --- occ_transition and upload_with_retry


class Script:
    """Work that raises or returns what is written, and notes when it was called, and with what."""

    def __init__(self, loop: VirtualLoop, *outcomes: Any) -> None:
        self.loop = loop
        self.outcomes = iter(outcomes)
        self.calls: list[float] = []
        self.arguments: list[Any] = []

    async def __call__(self, *arguments: Any) -> Any:
        self.calls.append(self.loop.elapsed_s())
        self.arguments += arguments
        outcome = next(self.outcomes)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


async def outcome_of(
    source: Observable[Any], loop: VirtualLoop, scheduler: LoopScheduler
) -> list[Any]:
    """What the source emits, then its error or "|"."""
    seen: list[Any] = []
    ended: asyncio.Future[None] = loop.create_future()

    def end(what: Any) -> None:
        seen.append(what)
        ended.set_result(None)

    source.subscribe(seen.append, end, lambda: end("|"), scheduler=scheduler)
    await ended
    await scheduler.drained()
    return seen


Case = Callable[[VirtualLoop, LoopScheduler], Awaitable[None]]


def on_virtual_loop(case: Case) -> None:
    """Run one case."""

    async def main(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        await case(loop, scheduler)

    run(main)


def test_a_transition_that_meets_a_conflict_is_run_again_alone() -> None:
    """`fn` runs afresh; what is upstream of it ran once."""

    async def case(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        upstream: list[str] = []
        fn = Script(loop, CONFLICT, CONFLICT, "done")
        source = rx.just("row").pipe(
            ops.do_action(upstream.append),
            ops.flat_map(lambda _: occ_transition(fn, rng=Highest())),
        )
        assert await outcome_of(source, loop, scheduler) == ["done", "|"]
        assert fn.calls == pytest.approx([0.0, 0.1, 0.3])
        assert upstream == ["row"]

    on_virtual_loop(case)


def test_a_transition_fails_with_its_last_conflict_after_five_attempts() -> None:
    """By default, and exhausted is not finished."""

    async def case(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        last = OCCConflictError("b.txt", expected=("uploading", 3), found=None)
        fn = Script(loop, *[CONFLICT] * 4, last, "one too many")
        seen = await outcome_of(occ_transition(fn, rng=Lowest()), loop, scheduler)
        assert seen == [last]
        assert len(fn.calls) == 5

    on_virtual_loop(case)


def test_a_transitions_waits_double_from_its_base_up_to_a_second() -> None:
    """base_delay 0.3: 0.3, 0.6, then one second each."""

    async def case(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        fn = Script(loop, *[CONFLICT] * 5, "done")
        source = occ_transition(fn, max_attempts=6, base_delay=0.3, rng=Highest())
        assert await outcome_of(source, loop, scheduler) == ["done", "|"]
        assert fn.calls == pytest.approx([0.0, 0.3, 0.9, 1.9, 2.9, 3.9])

    on_virtual_loop(case)


@pytest.mark.parametrize(
    "error",
    [IllegalTransitionError("indexed", "claim"), RateLimited("slow down"), Fatal("broken")],
    ids=lambda error: type(error).__name__,
)
def test_a_transition_repeats_nothing_but_a_conflict(error: Exception) -> None:
    """Any other error arrives at once."""

    async def case(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        fn = Script(loop, error, "one too many")
        assert await outcome_of(occ_transition(fn), loop, scheduler) == [error]
        assert fn.calls == [0.0]

    on_virtual_loop(case)


def test_without_a_generator_of_their_own_the_waits_are_jittered_all_the_same() -> None:
    """Two conflicts of two rows do not return together."""

    async def case(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        scripts = [Script(loop, CONFLICT, "done") for _ in range(5)]
        uploads = [Script(loop, Transient("500"), "done") for _ in range(5)]
        await outcome_of(
            rx.merge(
                *[occ_transition(fn) for fn in scripts],
                *[upload_with_retry("record", fn) for fn in uploads],
            ),
            loop,
            scheduler,
        )
        for group, bound_s in ((scripts, 0.1), (uploads, 1.0)):
            waits = {fn.calls[1] for fn in group}
            assert len(waits) == 5
            assert all(0.0 <= wait_s <= bound_s for wait_s in waits)

    on_virtual_loop(case)


@pytest.mark.parametrize(
    "error",
    [
        RateLimited("slow down"),
        Transient("503"),
        Unreachable("no route"),
        IntegrityError("checksum"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_upload_is_repeated_after_an_error_that_is_safe_to_repeat(error: Exception) -> None:
    """With the same record, until it returns; the value arrives once."""

    async def case(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        upload = Script(loop, error, error, "operation")
        source = upload_with_retry("record", upload, retry=Retry(rng=Highest()))
        assert await outcome_of(source, loop, scheduler) == ["operation", "|"]
        assert upload.calls == [0.0, 1.0, 3.0]
        assert upload.arguments == ["record"] * 3

    on_virtual_loop(case)


@pytest.mark.parametrize(
    "error",
    [
        InDoubt("the answer was lost"),
        Rejected("400"),
        NotFound("404"),
        AlreadyExists("409"),
        BackendUnavailable("gone"),
        CONFLICT,
        Fatal("broken"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_upload_is_not_repeated_after_any_other_error(error: Exception) -> None:
    """Above all not after a lost answer, whose effect may have happened."""

    async def case(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        upload = Script(loop, error, "one too many")
        assert await outcome_of(upload_with_retry("record", upload), loop, scheduler) == [error]
        assert upload.calls == [0.0]

    on_virtual_loop(case)


def test_an_interrupted_upload_is_not_repeated() -> None:
    """Whoever cancelled the task did not ask for another one."""

    async def case(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        upload = Script(loop, asyncio.CancelledError(), "one too many")
        [error] = await outcome_of(upload_with_retry("record", upload), loop, scheduler)
        assert isinstance(error, Interrupted)
        assert upload.calls == [0.0]

    on_virtual_loop(case)


def test_an_upload_fails_with_its_last_error_after_five_attempts() -> None:
    """By default: it waits 1, 2, 4 and 8 seconds at most, and tells of each wait."""

    async def case(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        told: list[tuple[int, float]] = []
        last = Transient("502")
        upload = Script(loop, *[RateLimited("slow down")] * 4, last, "one too many")
        source = upload_with_retry(
            "record",
            upload,
            retry=Retry(rng=Highest()),
            on_retry=lambda _error, attempt, wait_s: told.append((attempt, wait_s)),
        )
        assert await outcome_of(source, loop, scheduler) == [last]
        assert upload.calls == [0.0, 1.0, 3.0, 7.0, 15.0]
        assert told == [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0)]

    on_virtual_loop(case)


def test_an_uploads_waits_end_at_a_minute_by_default_and_at_the_cap_that_is_given() -> None:
    """base 1 s, cap 60 s; both can be set, and so can the attempts."""

    async def case(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        upload = Script(loop, *[Transient("503")] * 8, "done")
        source = upload_with_retry("record", upload, retry=Retry(9, rng=Highest()))
        assert await outcome_of(source, loop, scheduler) == ["done", "|"]
        assert [b - a for a, b in pairwise(upload.calls)] == [
            *[1.0, 2.0, 4.0, 8.0, 16.0, 32.0],
            *[60.0, 60.0],
        ]

        began_s = loop.elapsed_s()
        upload = Script(loop, *[Transient("503")] * 2, "done")
        policy = Retry(3, base_s=0.5, cap_s=0.75, rng=Highest())
        source = upload_with_retry("record", upload, retry=policy)
        assert await outcome_of(source, loop, scheduler) == ["done", "|"]
        assert [at - began_s for at in upload.calls] == [0.0, 0.5, 1.25]

    on_virtual_loop(case)


def test_an_upload_waits_at_least_as_long_as_the_server_says() -> None:
    """Its delay is the lower bound, whatever chance adds."""

    async def case(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        upload = Script(loop, RateLimited("slow down", retry_after_s=37.5), "done")
        source = upload_with_retry("record", upload, retry=Retry(rng=Lowest()))
        assert await outcome_of(source, loop, scheduler) == ["done", "|"]
        assert upload.calls == [0.0, 37.5]

    on_virtual_loop(case)


@pytest.mark.parametrize("at", [0.5, 2.5], ids=["during an attempt", "during a wait"])
def test_dispose_of_an_upload_cancels_the_attempt_and_the_wait(at: float) -> None:
    """No task is left, no timer fires, nothing is emitted."""

    async def case(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        calls: list[float] = []
        cancelled: list[float] = []

        async def upload(_: str) -> None:
            calls.append(loop.elapsed_s())
            try:
                await asyncio.sleep(2.0)
            except asyncio.CancelledError:
                cancelled.append(loop.elapsed_s())
                raise
            raise Transient("503")

        seen: list[Any] = []
        subscription = upload_with_retry("record", upload, retry=Retry(rng=Highest())).subscribe(
            seen.append, seen.append, lambda: seen.append("|"), scheduler=scheduler
        )
        await asyncio.sleep(at)
        subscription.dispose()
        await scheduler.drained()
        await asyncio.sleep(100.0)

        assert calls == [0.0]
        assert cancelled == ([0.5] if at == 0.5 else [])
        assert seen == []

    on_virtual_loop(case)


@pytest.mark.parametrize(
    "make",
    [
        lambda fn: occ_transition(lambda: fn("record")),
        lambda fn: upload_with_retry("record", fn),
    ],
    ids=["occ_transition", "upload_with_retry"],
)
def test_building_one_calls_nothing_and_each_subscription_begins_afresh(make: Any) -> None:
    """Cold, with its attempts counted per subscription."""

    async def case(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        fn = Script(loop, "first", "second")
        source = make(fn)
        await asyncio.sleep(1.0)
        assert fn.calls == []
        assert await outcome_of(source, loop, scheduler) == ["first", "|"]
        assert await outcome_of(source, loop, scheduler) == ["second", "|"]
        assert len(fn.calls) == 2

    on_virtual_loop(case)
