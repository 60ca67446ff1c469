"""What an upload asks of File Search, and its two ways to wait."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reactivex import Observable
from reactivex.testing import ReactiveTest, TestScheduler

from objlib.errors import NotFound, ObjlibError, Rejected, Transient
from objlib.gemini.resources import ImportOperation, RawFile
from objlib.reactive.bridge import LoopScheduler, completion
from objlib.reactive.retry import retry_when
from objlib.upload.client import GeminiFileSearchClient, NotReady, until_ready
from tests.upload.virtual_loop import VirtualLoop, run
from tests.upload.world import World, make_world

on_next, on_completed = ReactiveTest.on_next, ReactiveTest.on_completed
on_error, subscribe = ReactiveTest.on_error, ReactiveTest.subscribe

Story = Callable[[World, GeminiFileSearchClient, VirtualLoop, LoopScheduler], Awaitable[None]]


def play(folder: Path, story: Story) -> None:
    """A story with a real client and the embedded server, on a loop with virtual time."""

    async def scene(loop: VirtualLoop, scheduler: LoopScheduler) -> None:
        async with make_world(folder, files=1, poll_s=2.0, poll_deadline_s=60.0) as world:
            client = GeminiFileSearchClient(world.client, world.store_name, world.waits)
            await story(world, client, loop, scheduler)
            await scheduler.drained()

    run(scene)


# The notifier


class Broken(Exception):
    """Something else than waiting."""


def test_what_is_not_ready_is_asked_again_after_its_own_wait() -> None:
    """The source is released at each `NotReady` and subscribed to again when its wait is over."""
    scheduler = TestScheduler()
    waits = iter([NotReady(30.0), NotReady(5.0)])
    asked: list[float] = []

    def ask(observer: Any, _scheduler: Any = None) -> Any:
        asked.append(scheduler.clock)
        error = next(waits, None)
        if error is not None:
            return scheduler.create_cold_observable(on_error(10, error)).subscribe(observer)
        return scheduler.create_cold_observable(on_next(10, "v"), on_completed(10)).subscribe(
            observer
        )

    result = scheduler.start(lambda: Observable(ask).pipe(retry_when(until_ready)), disposed=400)

    assert asked == [200, 240, 255]
    assert result.messages == [on_next(265, "v"), on_completed(265)]


def test_any_other_error_ends_the_waiting() -> None:
    """It comes out at once, whatever was waited for before."""
    scheduler = TestScheduler()
    broken = Broken()
    source = scheduler.create_cold_observable(on_error(10, broken))

    result = scheduler.start(lambda: source.pipe(retry_when(until_ready)))

    assert result.messages == [on_error(210, broken)]
    assert source.subscriptions == [subscribe(200, 210)]


def test_disposing_ends_the_wait() -> None:
    """The timer is released: nobody is asked after the subscriber has gone."""
    scheduler = TestScheduler()
    source = scheduler.create_cold_observable(on_error(10, NotReady(50.0)))

    result = scheduler.start(lambda: source.pipe(retry_when(until_ready)), disposed=240)

    assert result.messages == []
    assert source.subscriptions == [subscribe(200, 210)]


def test_waiting_is_no_error_of_the_family() -> None:
    """Whoever catches objlib's errors does not catch a `NotReady` by mistake."""
    assert not issubclass(NotReady, ObjlibError)


# Raw files


async def sent(world: World, name: str = "raw1") -> RawFile:
    content = io.BytesIO(b"A text.")
    return await world.client.upload_file(content, name=name, mime_type="text/plain")


def with_states(world: World, *states: str) -> list[float]:
    """Let the raw file show these states, one a look; when it was looked at."""
    loop, get_file, left, looks = asyncio.get_running_loop(), world.client.get_file, [*states], []

    async def look(name: str) -> RawFile:
        looks.append(loop.time())
        seen = await get_file(name)
        state = left.pop(0) if len(left) > 1 else left[0]
        return replace(seen, state=state)

    world.client.get_file = look  # type: ignore[method-assign]
    return looks


def test_a_raw_file_is_looked_at_until_it_is_active(tmp_path: Path) -> None:
    """Each look is followed by the wait of the settings; nothing is asked before subscription."""

    async def story(
        world: World, client: GeminiFileSearchClient, _loop: VirtualLoop, scheduler: LoopScheduler
    ) -> None:
        raw_file = await sent(world)
        looks = with_states(world, "PROCESSING", "PROCESSING", "ACTIVE")
        waiting = client.wait_for_active(raw_file.name)
        assert looks == []
        active = await completion(waiting, scheduler)
        assert active is not None
        assert (active.name, active.state) == (raw_file.name, "ACTIVE")
        assert [look - looks[0] for look in looks] == [0.0, 2.0, 4.0]
        await completion(waiting, scheduler)
        assert len(looks) == 4  # a second subscriber asks for itself

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("state", "error", "after_s"), [("FAILED", Rejected, 0.0), ("PROCESSING", Transient, 60.0)]
)
def test_a_raw_file_that_never_becomes_active_is_given_up(
    tmp_path: Path, state: str, error: type[ObjlibError], after_s: float
) -> None:
    """One that failed at once; one that is still being processed when the deadline has come."""

    async def story(
        world: World, client: GeminiFileSearchClient, loop: VirtualLoop, scheduler: LoopScheduler
    ) -> None:
        raw_file = await sent(world)
        with_states(world, state)
        began = loop.time()
        with pytest.raises(error, match=raw_file.name):
            await completion(client.wait_for_active(raw_file.name), scheduler)
        assert loop.time() - began == pytest.approx(after_s)

    play(tmp_path, story)


def test_an_upload_waits_for_its_raw_file(tmp_path: Path) -> None:
    """A raw file that is still being processed is imported when it is active, and not before."""

    async def story(
        world: World, _client: GeminiFileSearchClient, loop: VirtualLoop, _scheduler: LoopScheduler
    ) -> None:
        upload = world.client.upload_file

        async def slowly(content: io.IOBase, *, name: str, mime_type: str) -> RawFile:
            seen = await upload(content, name=name, mime_type=mime_type)
            return replace(seen, state="PROCESSING", size_bytes=0)

        world.client.upload_file = slowly  # type: ignore[method-assign]
        looks = with_states(world, "PROCESSING", "PROCESSING", "ACTIVE")
        before = asyncio.all_tasks()
        progress = await world.upload()
        assert (progress.indexed, progress.retries) == (1, 0)
        assert [look - looks[0] for look in looks] == [0.0, 2.0, 4.0]
        assert asyncio.all_tasks() == before
        assert loop.time() >= looks[-1]

    play(tmp_path, story)


# Operations


async def imported(world: World) -> ImportOperation:
    raw_file = await sent(world)
    return await world.client.import_file(
        world.store_name, file_name=raw_file.name, metadata={"objlib_key": "raw1"}
    )


def test_an_operation_is_asked_until_it_is_done(tmp_path: Path) -> None:
    """At longer and longer distances, and the answer says which document it has made."""

    async def story(
        world: World, client: GeminiFileSearchClient, loop: VirtualLoop, scheduler: LoopScheduler
    ) -> None:
        world.store.indexing_delay_s = 10.0
        operation = await imported(world)
        assert not operation.done
        asked: list[float] = []
        get_operation = world.client.get_operation

        async def ask(name: str, store_name: str) -> ImportOperation:
            asked.append(loop.time())
            return await get_operation(name, store_name)

        world.client.get_operation = ask  # type: ignore[method-assign]
        done = await completion(client.poll_operation(operation.name), scheduler)
        assert done is not None
        assert done.done
        assert str(done.document_name).startswith(world.store_name)
        pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
        assert pauses[0] == 2.0
        assert pauses == sorted(pauses)
        assert 10.0 <= sum(pauses) < 20.0

    play(tmp_path, story)


def test_an_operation_that_never_ends_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    """The document may be active all the same, so this is a passing failure."""

    async def story(
        world: World, client: GeminiFileSearchClient, loop: VirtualLoop, scheduler: LoopScheduler
    ) -> None:
        world.store.indexing_delay_s = 1e6
        operation = await imported(world)
        began = loop.time()
        with pytest.raises(Transient, match="not ready after 60 s"):
            await completion(client.poll_operation(operation.name), scheduler)
        assert loop.time() - began == pytest.approx(60.0)

    play(tmp_path, story)


def test_an_operation_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Waiting for it would be waiting for ever; asking once just says that there is none."""

    async def story(
        world: World, client: GeminiFileSearchClient, _loop: VirtualLoop, scheduler: LoopScheduler
    ) -> None:
        name = f"{world.store_name}/operations/nowhere"
        with pytest.raises(NotFound):
            await completion(client.poll_operation(name), scheduler)
        assert await client.operation(name) is None

    play(tmp_path, story)


def test_an_abandoned_wait_asks_no_more(tmp_path: Path) -> None:
    """Disposing in the middle of a wait leaves no timer and no task."""

    async def story(
        world: World, client: GeminiFileSearchClient, _loop: VirtualLoop, scheduler: LoopScheduler
    ) -> None:
        world.store.indexing_delay_s = 1e6
        operation = await imported(world)
        seen: list[ImportOperation | Exception] = []
        subscription = client.poll_operation(operation.name).subscribe(
            seen.append, seen.append, scheduler=scheduler
        )
        await asyncio.sleep(5.0)
        asked = world.client.requests
        subscription.dispose()
        await asyncio.sleep(100.0)
        assert (world.client.requests, seen) == (asked, [])

    play(tmp_path, story)
