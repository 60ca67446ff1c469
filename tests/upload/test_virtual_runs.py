"""Whole runs under virtual time: shutdown at any moment, outages, stuck operations, polling.

The pipeline, the SDK, the catalog and the server are the real ones; only waiting takes no time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import accumulate
from pathlib import Path

import pytest

from objlib.errors import BackendUnavailable
from objlib.filestore import Fault, Kind
from objlib.reactive.bridge import LoopScheduler
from objlib.upload import events as ev
from objlib.upload.reports import Progress, advance
from objlib.waits import Waits
from tests.upload.virtual_loop import VirtualLoop, run
from tests.upload.world import GET_DOCUMENT, IMPORT, UPLOAD, World, make_world

DISTANCE = Fault(Kind.LATENCY, seconds=0.2)
IN_FLIGHT = {"uploading", "processing"}


def play(
    folder: Path,
    story: Callable[[World, VirtualLoop], Awaitable[None]],
    *faults: Fault,
    files: int = 12,
    indexing_s: float = 5.0,
    **waits: float,
) -> None:
    """Let a story happen in a world on a virtual loop, with the waits that users have."""

    async def scene(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        async with make_world(
            folder,
            files=files,
            faults=[DISTANCE, *faults],
            indexing_delay_s=indexing_s,
            waits=Waits(**waits),
        ) as world:
            await story(world, loop)

    run(scene)


async def signalled(world: World, *moments: float, concurrency: int = 4) -> None:
    """A run that gets a signal at each of these moments; afterwards no task of it is left."""
    before = asyncio.all_tasks()
    upload = world.new_run(concurrency=concurrency)
    loop = asyncio.get_running_loop()
    for moment in moments:
        loop.call_later(moment, upload.shutdown.signal)
    await upload.until_done()
    assert asyncio.all_tasks() == before


async def assert_a_next_run_completes(world: World, files: int = 12) -> None:
    """Whatever was left, one more run brings every file into the store, once."""
    await world.upload()
    assert await world.states() == {"indexed": files}
    assert (await world.survey()).is_clean
    assert len(await world.documents()) == files


#: While recovering, claiming, sending, importing, polling, and after the end.
MOMENTS = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.5, 3.0, 5.5, 6.1, 8.0, 60.0]


@pytest.mark.parametrize("moment", MOMENTS)
def test_one_signal_drains(tmp_path: Path, moment: float) -> None:
    """Nothing starts after it, what is in flight is finished, and no row stays in flight."""

    async def story(world: World, loop: VirtualLoop) -> None:
        began = loop.elapsed_s()
        late: list[str] = []

        def note(event: ev.Event) -> None:
            if isinstance(event, ev.FileStarted) and loop.elapsed_s() - began > moment + 0.001:
                late.append(event.path)

        upload = world.new_run(concurrency=4)
        upload.stream.events.subscribe(note)
        loop.call_later(moment, upload.shutdown.signal)
        await upload.until_done()

        assert late == []
        states = await world.states()
        assert not IN_FLIGHT & states.keys()
        assert states.get("indexed", 0) == len(world.events(ev.FileStarted))
        await assert_a_next_run_completes(world)

    play(tmp_path, story)


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_hour_of_sleep_costs_nothing_but_the_hour(tmp_path: Path, moment: float) -> None:
    """Leases, deadlines and waits run out at once; nothing is given up and nothing made twice."""

    async def story(world: World, loop: VirtualLoop) -> None:
        loop.call_later(moment, loop.freeze, 3600.0)
        await world.upload()
        states = await world.states()
        assert set(states) <= {"indexed", "failed"}
        await assert_a_next_run_completes(world)

    play(tmp_path, story)


@pytest.mark.parametrize("second", MOMENTS[1:])
def test_two_signals_cancel(tmp_path: Path, second: float) -> None:
    """The run ends at once, no task outlives it, and the next run completes what was left."""

    async def story(world: World, loop: VirtualLoop) -> None:
        began = loop.elapsed_s()
        await signalled(world, second / 2, second)
        assert loop.elapsed_s() - began <= second + 0.001
        await assert_a_next_run_completes(world)

    play(tmp_path, story)


def test_a_third_signal_changes_nothing(tmp_path: Path) -> None:
    """Impatience does no harm."""

    async def story(world: World, _loop: VirtualLoop) -> None:
        await signalled(world, 0.3, 0.5, 0.5, 0.6)
        await assert_a_next_run_completes(world)

    play(tmp_path, story)


def test_a_signal_while_the_circuit_is_open_drains_too(tmp_path: Path) -> None:
    """What is in flight waits for the backend to come back, and nothing new is taken."""

    async def story(world: World, _loop: VirtualLoop) -> None:
        await signalled(world, 10.0)
        assert world.gate.state.breaker.circuit.value == "closed"
        states = await world.states()
        assert not IN_FLIGHT & states.keys()
        assert "failed" not in states
        await assert_a_next_run_completes(world)

    play(tmp_path, story, Fault(Kind.ERROR, from_s=0.5, until_s=40.0))


def test_a_signal_in_the_cool_down_before_the_retry_pass_ends_the_run(tmp_path: Path) -> None:
    """Nobody waits half a minute for a second chance that was called off."""

    async def story(world: World, loop: VirtualLoop) -> None:
        began = loop.elapsed_s()
        await signalled(world, 400.0)
        assert world.events(ev.RetryPassScheduled)
        assert loop.elapsed_s() - began == pytest.approx(400.0, abs=1.0)

    play(
        tmp_path,
        story,
        Fault(Kind.DOCUMENT_FAILED, times=1),
        files=3,
        retry_pass_delay_s=3600.0,
    )


@pytest.mark.parametrize("minutes", [1, 10, 30])
def test_an_outage_delays_files_and_fails_none(tmp_path: Path, minutes: int) -> None:
    """503 to everything for as long as that: few requests are spent on it, and all files arrive."""

    async def story(world: World, _loop: VirtualLoop) -> None:
        progress = await world.upload(concurrency=4)
        assert progress.indexed == 12
        assert world.events(ev.FileFailed) == []
        assert {event.circuit for event in changes(world)} == {"closed", "open", "half-open"}
        # Eight at most before the circuit opens, then one probe each time it is half-open.
        assert progress.retries <= 20 + minutes * 2

    play(tmp_path, story, Fault(Kind.ERROR, from_s=3.0, until_s=3.0 + 60.0 * minutes))


def changes(world: World) -> list[ev.PressureChanged]:
    """What the run has said about pressure."""
    return [event for event in world.seen if isinstance(event, ev.PressureChanged)]


def test_a_storm_of_refusals_delays_files_and_fails_none(tmp_path: Path) -> None:
    """429 to everything for five minutes, with no word on when to come back."""

    async def story(world: World, _loop: VirtualLoop) -> None:
        progress = await world.upload(concurrency=4)
        assert progress.indexed == 12
        assert progress.rate_limited <= 20
        assert world.events(ev.FileFailed) == []

    play(tmp_path, story, Fault(Kind.RATE_LIMIT, from_s=1.0, until_s=301.0))


def test_a_storm_does_not_teach_that_documents_take_as_long(tmp_path: Path) -> None:
    """Looks that were held up for two minutes count for little more than when they were due."""

    async def story(world: World, _loop: VirtualLoop) -> None:
        progress = await world.upload(concurrency=4)
        assert progress.indexed == 80
        indexed = [event for event in world.seen if isinstance(event, ev.FileIndexed)]
        assert max(event.took_s or 0.0 for event in indexed) < 10.0

    play(tmp_path, story, Fault(Kind.RATE_LIMIT, from_s=12.0, until_s=132.0), files=80)


def test_a_tiers_budget_covers_every_request(tmp_path: Path) -> None:
    """Sixty a minute, polls and deletions included: no minute sees more, but for the burst."""

    async def scene(loop: VirtualLoop, _scheduler: LoopScheduler) -> None:
        async with make_world(
            tmp_path, files=12, faults=[DISTANCE], waits=Waits(), requests_per_minute=60.0
        ) as world:
            began, before = loop.elapsed_s(), world.client.requests
            await world.upload()
            sent = world.client.requests - before
            assert sent >= 5 * 12
            assert sent <= (loop.elapsed_s() - began) + 5

    run(scene)


def test_a_stuck_operation_fails_with_its_reason_after_the_deadline_and_can_be_retried(
    tmp_path: Path,
) -> None:
    """Five minutes of patience, then a clean `failed`, then a second chance that works."""

    async def story(world: World, loop: VirtualLoop) -> None:
        began = loop.elapsed_s()
        progress = await world.upload()
        [failed] = world.events(ev.FileFailed)
        assert isinstance(failed, ev.FileFailed)
        assert "still not indexed" in failed.reason
        assert failed.transient
        assert progress.indexed == 3
        assert 300 < loop.elapsed_s() - began < 400
        await assert_a_next_run_completes(world, files=3)

    play(tmp_path, story, Fault(Kind.DOCUMENT_STUCK, times=1), files=3)


def test_documents_that_take_minutes_hold_no_upload_slot_and_are_asked_for_seldom(
    tmp_path: Path,
) -> None:
    """With one slot, twelve files are all sent within seconds; looks get rarer with age."""

    async def story(world: World, loop: VirtualLoop) -> None:
        began = loop.elapsed_s()
        sent_after: list[float] = []

        def note(event: ev.Event) -> None:
            if isinstance(event, ev.ImportAccepted):
                sent_after.append(loop.elapsed_s() - began)

        upload = world.new_run(concurrency=1)
        upload.stream.events.subscribe(note)
        await upload.until_done()
        assert max(sent_after) < 15.0
        looks = sum(n for route, n in world.requests.items() if "GET" in route and "doc" in route)
        assert looks / 12 < 20

    play(tmp_path, story, indexing_s=120.0)


def test_uploads_that_are_never_accepted_end_the_run_within_the_hour(tmp_path: Path) -> None:
    """Every upload is a 500, for ever: a bounded number of probes, and nothing that has not been
    tried is touched. It is said within seconds."""

    async def story(world: World, loop: VirtualLoop) -> None:
        with pytest.raises(BackendUnavailable):
            await world.upload(concurrency=4)
        assert loop.elapsed_s() < 3600.0
        assert world.requests["POST /upload/{version}/files"] <= 40
        opened = next(event for event in changes(world) if event.circuit == "open")
        assert opened.next_look_at is not None
        assert (await world.states()).get("untracked", 0) >= 8
        assert "uploading" not in await world.states()

    play(tmp_path, story, Fault(Kind.ERROR, route=UPLOAD, status=500))


def test_imports_that_always_break_end_the_run_after_a_few_files(tmp_path: Path) -> None:
    """Uploads pass and look-ups are answered, so the circuit stays closed; but file after file is
    given up."""

    async def story(world: World, _loop: VirtualLoop) -> None:
        with pytest.raises(BackendUnavailable, match="in a row were given up"):
            await world.upload(concurrency=1)
        assert world.count(":importFile") <= 20
        assert await world.states() == {"untracked": 12}

    play(tmp_path, story, Fault(Kind.ERROR, route=IMPORT, status=500))


def test_a_wait_of_ten_hours_is_told_at_once_and_given_up_in_the_end(tmp_path: Path) -> None:
    """The first refusal tells how long; the next look is after an hour, and looks are few."""

    async def story(world: World, loop: VirtualLoop) -> None:
        began_s = loop.elapsed_s()
        told: list[tuple[float, ev.PressureChanged]] = []
        run = world.new_run(concurrency=1)
        run.stream.events.subscribe(
            lambda event: (
                told.append((loop.elapsed_s() - began_s, event))
                if isinstance(event, ev.PressureChanged)
                else None
            )
        )
        with pytest.raises(BackendUnavailable):
            await run.until_done()
        after_s, event = next((at, event) for at, event in told if event.asked_s)
        assert after_s < 5.0
        assert event.asked_s == 36_000.0
        assert event.pause_s == pytest.approx(3600.0, abs=1.0)
        assert loop.elapsed_s() - began_s < 16 * 3600.0
        assert set(await world.states()) <= {"untracked", "failed"}

    play(tmp_path, story, Fault(Kind.RATE_LIMIT, seconds=36_000.0))


#: Where the backend asks for the wait: before the upload, the import, or the looks.
LONG_WAITS = {
    "upload": Fault(Kind.RATE_LIMIT, route=UPLOAD, after=6, times=12, seconds=36_000.0),
    "import": Fault(Kind.RATE_LIMIT, route=IMPORT, after=2, times=12, seconds=36_000.0),
    "look": Fault(Kind.RATE_LIMIT, route=GET_DOCUMENT, after=1, times=12, seconds=36_000.0),
    "late": Fault(Kind.RATE_LIMIT, route=IMPORT, after=2, times=12, seconds=36_000.0, from_s=0.6),
}


@pytest.mark.parametrize("place", LONG_WAITS)
@pytest.mark.parametrize("moment", [0.5, 1.1, 30.0, 1800.0])
def test_one_signal_ends_a_long_requested_wait(tmp_path: Path, place: str, moment: float) -> None:
    """The files that wait for it are free again, and none of them is sent twice."""

    async def story(world: World, loop: VirtualLoop) -> None:
        began_s = loop.elapsed_s()
        await signalled(world, moment)
        assert loop.elapsed_s() - began_s < moment + 90.0
        assert set(await world.states()) <= {"indexed", "untracked"}
        world.gate.limit_sending(4)
        imports = world.count(":importFile")
        await assert_a_next_run_completes(world)
        assert world.count(":importFile") - imports <= 12 + 12  # those refused, too

    play(tmp_path, story, LONG_WAITS[place])


def test_a_short_wait_is_sat_through_by_a_drain(tmp_path: Path) -> None:
    """What is in flight is finished, as always."""

    async def story(world: World, _loop: VirtualLoop) -> None:
        await signalled(world, 1.0)
        states = await world.states()
        assert states["indexed"] == len(world.events(ev.FileStarted))

    play(tmp_path, story, Fault(Kind.RATE_LIMIT, route=IMPORT, times=2, seconds=20.0))


def test_what_failed_before_an_acceptance_stays_failed(tmp_path: Path) -> None:
    """Two fail, one is accepted, and then nothing more: only what came after waits as it was."""

    async def story(world: World, _loop: VirtualLoop) -> None:
        with pytest.raises(BackendUnavailable, match="in a row were given up"):
            await world.upload(concurrency=1)
        assert await world.states() == {"failed": 2, "indexed": 1, "untracked": 9}
        released = [event for event in world.seen if isinstance(event, ev.FileReleased)]
        assert sum(event.had_failed for event in released) == 2

    play(
        tmp_path,
        story,
        Fault(Kind.ERROR, route=IMPORT, status=500, times=10),
        Fault(Kind.ERROR, route=IMPORT, status=500, after=11),
    )


@pytest.mark.parametrize(
    ("faults", "indexed", "had_failed"),
    [
        ([Fault(Kind.ERROR, route=IMPORT, status=500)], 0, [False, False]),
        (
            [
                Fault(Kind.ERROR, route=IMPORT, status=500, times=10),
                Fault(Kind.ERROR, route=IMPORT, status=500, after=11),
            ],
            1,
            [False, False, True],
        ),
    ],
    ids=["each failed once", "one failed again in the retry pass"],
)
def test_a_failure_is_taken_back_once(
    tmp_path: Path, faults: list[Fault], indexed: int, had_failed: list[bool]
) -> None:
    """The retry pass has taken it back already when an outage ends the run within that pass."""
    files = len(had_failed)

    async def story(world: World, _loop: VirtualLoop) -> None:
        with pytest.raises(BackendUnavailable):
            await world.upload(concurrency=1)
        assert world.events(ev.RetryPassScheduled)
        states = await world.states()
        assert (states["untracked"], states.get("indexed", 0)) == (files, indexed)
        told = list(accumulate(world.seen, advance, initial=Progress()))
        assert min(progress.failed for progress in told) == 0
        assert (told[-1].failed, told[-1].failed_for_now, told[-1].released) == (0, 0, files)
        released = [event for event in world.seen if isinstance(event, ev.FileReleased)]
        assert sorted(event.had_failed for event in released) == had_failed

    play(tmp_path, story, *faults, files=files + indexed)
