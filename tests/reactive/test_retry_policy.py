"""`Retry`: the one policy for trying again, as a value and as an awaitable."""

from __future__ import annotations

import asyncio
import random

import pytest

from objlib.errors import InDoubt, RateLimited, Transient
from objlib.reactive.bridge import LoopScheduler
from objlib.reactive.retry import Retry
from objlib.waits import Waits
from tests.reactive.test_backoff import Highest, Script
from tests.upload.virtual_loop import VirtualLoop, run


def test_a_call_that_fails_in_passing_is_made_again_and_its_value_returned() -> None:
    """The waits are those of the policy, and a value of None is a value."""

    async def main(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        call = Script(loop, Transient("503"), RateLimited("429", retry_after_s=10.0), None)
        assert await Retry(base_s=2.0, rng=Highest()).call(call) is None
        assert call.calls == [0.0, 2.0, 16.0]

    run(main)


def test_a_call_ends_with_its_last_error_when_the_attempts_are_used_up() -> None:
    """And at once with an error that the policy does not name."""

    async def main(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        last = Transient("502")
        with pytest.raises(Transient) as caught:
            await Retry(2).call(Script(loop, Transient("503"), last, "one too many"))
        assert caught.value is last
        began_s = loop.elapsed_s()
        with pytest.raises(InDoubt):
            await Retry(2).call(Script(loop, InDoubt("lost"), "one too many"))
        with pytest.raises(Transient):
            await Retry(2, retryable=(KeyError,)).call(Script(loop, last, "one too many"))
        assert loop.elapsed_s() == began_s

    run(main)


def test_a_cancelled_call_has_cleaned_up_when_the_cancellation_arrives() -> None:
    """No task is left behind."""

    async def main(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        cleaned_up_at: list[float] = []

        async def call() -> None:
            try:
                await asyncio.sleep(100.0)
            finally:
                await asyncio.sleep(1.0)
                cleaned_up_at.append(loop.elapsed_s())

        calling = loop.create_task(Retry().call(call))
        await asyncio.sleep(2.0)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert cleaned_up_at == [3.0]

    run(main)


def test_without_a_generator_each_wait_is_the_longest_one() -> None:
    """One that is alone has nobody to avoid."""

    async def main(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        call = Script(loop, *[Transient("503")] * 4, "done")
        assert await Retry(base_s=0.5, cap_s=1.5, rng=None).call(call) == "done"
        assert call.calls == [0.0, 0.5, 1.5, 3.0, 4.5]

    run(main)


def test_the_settings_give_the_waits_and_nothing_else() -> None:
    """Five attempts after a refusal or a passing failure, and jitter even without a generator."""
    rng = random.Random(1)
    policy = Retry.of(Waits(backoff_base_s=3.0, backoff_cap_s=7.0), rng)
    assert policy == Retry(5, 3.0, 7.0, rng, (RateLimited, Transient))
    assert Retry.of(Waits()).rng is not None
