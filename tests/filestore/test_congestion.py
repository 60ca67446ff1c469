"""Four ways to be overrun, on virtual time: quota, storm, slowing down, too many documents."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import httpx2
import pytest

from objlib.filestore import Fault, Kind
from tests.filestore.mounted import LoopClock, Mounted, error_of, mounted
from tests.upload.virtual_loop import VirtualLoop, run

LIST = "/v1beta/fileSearchStores"


def on_virtual_time(story: Coroutine[Any, Any, None]) -> None:
    """Run a story on a loop whose time jumps."""

    async def main(_loop: VirtualLoop, _scheduler: object) -> None:
        await story

    run(main)


def now_s() -> float:
    return asyncio.get_running_loop().time()


async def accepted(server: Mounted, *, seconds: float, every: float = 0.5) -> list[float]:
    """When requests got through, of those sent at even intervals; seconds from now."""
    began = now_s()
    let_in = []
    for _ in range(int(seconds / every)):
        if (await server.http.get(LIST)).status_code == 200:
            let_in.append(now_s() - began)
        await asyncio.sleep(every)
    return let_in


# A quota


def test_a_quota_follows_its_schedule(tmp_path: Path) -> None:
    """60 a minute, then 30, then 60 again: what gets through is that, and a burst once."""

    async def story() -> None:
        steps = [(0, 60), (120, 30), (300, 60)]
        quota = Fault(Kind.QUOTA, per_minute=steps, burst=10)
        async with mounted(tmp_path, quota, clock=LoopClock()) as server:
            let_in = await accepted(server, seconds=420)
        minutes = [sum(1 for at in let_in if at // 60 == minute) for minute in range(7)]
        assert minutes == [69, 60, 30, 30, 30, 60, 60]

    on_virtual_time(story())


def test_a_quota_says_when_a_token_will_be_free(tmp_path: Path) -> None:
    """To the millisecond, across a change of the rate; waiting for it is enough."""

    async def story() -> None:
        quota = Fault(Kind.QUOTA, per_minute=[(0, 60), (0.5, 6)], burst=1)
        async with mounted(tmp_path, quota, clock=LoopClock()) as server:
            assert (await server.http.get(LIST)).status_code == 200
            refused = await server.http.get(LIST)
            error = error_of(refused)
            assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
            assert error["details"][0]["retryDelay"] == "5.5s"
            assert refused.headers["retry-after"] == "5.5"
            await asyncio.sleep(5.49)
            assert (await server.http.get(LIST)).status_code == 429
            await asyncio.sleep(0.01)
            assert (await server.http.get(LIST)).status_code == 200

    on_virtual_time(story())


def test_a_quota_can_keep_it_to_itself(tmp_path: Path) -> None:
    """Neither RetryInfo nor Retry-After; nor where there will never be a token."""

    async def story() -> None:
        for faults in (
            [Fault(Kind.QUOTA, burst=1, hint=False)],
            [Fault(Kind.QUOTA, burst=1, per_minute=0)],
        ):
            async with mounted(tmp_path, *faults, clock=LoopClock()) as server:
                await server.http.get(LIST)
                refused = await server.http.get(LIST)
                error = error_of(refused)
                assert error["code"] == 429
                assert "details" not in error
                assert "retry-after" not in refused.headers

    on_virtual_time(story())


def test_a_quota_is_for_its_routes_and_each_has_a_bucket(tmp_path: Path) -> None:
    """Imports are counted apart from lists, and gets not at all."""

    async def story() -> None:
        faults = (
            Fault(Kind.QUOTA, route="POST *:importFile", burst=2),
            Fault(Kind.QUOTA, route="GET /{version}/fileSearchStores", burst=1),
        )
        async with mounted(tmp_path, *faults, clock=LoopClock()) as server:
            store = await server.new_store()
            file = await server.new_file("hello")
            await server.import_file(store, file)
            await server.import_file(store, file)
            assert await server.refused("POST", f"/v1beta/{store}:importFile", {"fileName": file})
            assert (await server.http.get(LIST)).status_code == 200
            assert (await server.http.get(LIST)).status_code == 429
            for _ in range(5):
                assert (await server.http.get(f"/v1beta/{store}")).status_code == 200

    on_virtual_time(story())


# A storm


@pytest.mark.parametrize("seconds", [None, 4.0])
def test_a_storm_refuses_everything_while_it_lasts(tmp_path: Path, seconds: float | None) -> None:
    """From its first second to its last, with a wait or without; before and after, nothing."""

    async def story() -> None:
        storm = Fault(Kind.RATE_LIMIT, from_s=20, until_s=50, seconds=seconds)
        async with mounted(tmp_path, storm, clock=LoopClock()) as server:
            let_in = await accepted(server, seconds=60, every=1)
        assert let_in == [float(at) for at in range(60) if not 20 <= at < 50]

    on_virtual_time(story())


def test_the_time_of_a_plan_begins_when_it_is_told_to_or_first_used(tmp_path: Path) -> None:
    """Not when the server was made."""

    async def story() -> None:
        outage = Fault(Kind.ERROR, from_s=0, until_s=10)
        async with mounted(tmp_path, outage, clock=LoopClock()) as server:
            await asyncio.sleep(100)
            assert (await server.http.get(LIST)).status_code == 503
            await asyncio.sleep(10)
            assert (await server.http.get(LIST)).status_code == 200
            server.plan.start()
            assert (await server.http.get(LIST)).status_code == 503

    on_virtual_time(story())


# A server that slows down


async def timed(server: Mounted, at_once: int) -> list[float]:
    """How long each of some requests at once takes."""

    async def one() -> float:
        began = now_s()
        await server.http.get(LIST)
        return now_s() - began

    return await asyncio.gather(*[one() for _ in range(at_once)])


def test_latency_follows_its_schedule(tmp_path: Path) -> None:
    """Step by step, and never a thread or a real wait."""

    async def story() -> None:
        slow = Fault(Kind.LATENCY, seconds=[(0, 0.1), (60, 2.0), (120, 0.5)])
        async with mounted(tmp_path, slow, clock=LoopClock()) as server:
            seen = []
            for _ in range(3):
                began = now_s()
                seen += await timed(server, 1)
                await asyncio.sleep(60 - (now_s() - began))
        assert seen == pytest.approx([0.1, 2.0, 0.5])

    on_virtual_time(story())


@pytest.mark.parametrize(("growth", "slowest"), [(1.0, 4.0), (2.0, 16.0)])
def test_latency_grows_with_the_requests_being_served(
    tmp_path: Path, growth: float, slowest: float
) -> None:
    """Five at once take their second; the twentieth takes four times that, or sixteen times."""

    async def story() -> None:
        slow = Fault(Kind.LATENCY, seconds=1.0, above=5, growth=growth)
        async with mounted(tmp_path, slow, clock=LoopClock()) as server:
            seen = await timed(server, 20)
            assert seen[:5] == pytest.approx([1.0] * 5)
            assert seen == sorted(seen)
            assert seen[-1] == pytest.approx(slowest)
            assert await timed(server, 5) == pytest.approx([1.0] * 5)

    on_virtual_time(story())


# The knee


async def states_of(server: Mounted, store: str) -> dict[str, int]:
    states = [document["state"] for document in await server.documents(store)]
    return {state.removeprefix("STATE_"): states.count(state) for state in sorted(set(states))}


async def filled(server: Mounted, documents: int) -> str:
    """A store into which so many documents were imported at once."""
    store = await server.new_store()
    file = await server.new_file("Arches stand.")
    for _ in range(documents):
        await server.import_file(store, file)
    return store


OVERLOAD = Fault(Kind.OVERLOAD, above=50, growth=2.0, seconds=180.0)


@pytest.mark.parametrize("documents", [10, 25, 50])
def test_a_store_takes_what_it_can_take(tmp_path: Path, documents: int) -> None:
    """Up to the knee every document is active when its time has passed, none earlier."""

    async def story() -> None:
        async with mounted(tmp_path, OVERLOAD, indexing_delay_s=8.0) as server:
            store = await filled(server, documents)
            server.clock.now += 7.9
            assert await states_of(server, store) == {"PENDING": documents}
            server.clock.now += 0.1
            assert await states_of(server, store) == {"ACTIVE": documents}

    asyncio.run(story())


def test_above_the_knee_a_growing_share_fails_and_all_take_longer(tmp_path: Path) -> None:
    """At 75 about 42 %, at 100 about 84 %, of all that are being indexed, not of the last ones."""

    async def share(documents: int, folder: str) -> float:
        async with mounted(tmp_path / folder, OVERLOAD, indexing_delay_s=8.0) as server:
            store = await filled(server, documents)
            longer = (documents / 50) * (documents / 50)
            server.clock.now += 8.0 * longer - 0.1
            assert await states_of(server, store) == {"PENDING": documents}
            server.clock.now += 0.1
            listed = await server.documents(store)
            failed = [bool(document["state"] == "STATE_FAILED") for document in listed]
            assert any(failed[: documents // 4])
            return sum(failed) / documents

    async def story() -> None:
        assert 0.3 < await share(75, "a") < 0.55
        assert 0.74 < await share(100, "b") < 0.94
        assert await share(130, "c") == 1.0

    asyncio.run(story())


def test_every_answer_of_an_overloaded_store_is_a_success(tmp_path: Path) -> None:
    """Imports are accepted, operations are done without an error: only the documents tell."""

    async def story() -> None:
        async with mounted(tmp_path, OVERLOAD, indexing_delay_s=8.0) as server:
            store = await server.new_store()
            file = await server.new_file("Arches stand.")
            names = [await server.import_file(store, file) for _ in range(100)]
            server.clock.now += 31.9
            assert not any([(await server.call("GET", f"/v1beta/{n}")).get("done") for n in names])
            server.clock.now += 0.1
            operations = [await server.call("GET", f"/v1beta/{name}") for name in names]
            assert all(operation["done"] and "response" in operation for operation in operations)

    asyncio.run(story())


def test_what_failed_under_load_comes_alive_and_the_load_passes(tmp_path: Path) -> None:
    """Three minutes later all are active and found; what is imported then is taken well."""

    async def story() -> None:
        async with mounted(tmp_path, OVERLOAD, indexing_delay_s=8.0) as server:
            store = await filled(server, 100)
            server.clock.now += 32.0
            assert (await states_of(server, store))["FAILED"] > 70
            server.clock.now += 179.9
            assert (await states_of(server, store))["FAILED"] > 70
            server.clock.now += 0.1
            assert await states_of(server, store) == {"ACTIVE": 100}
            await filled(server, 50)
            other = (await server.call("GET", LIST))["fileSearchStores"][1]["name"]
            server.clock.now += 8.0
            assert await states_of(server, other) == {"ACTIVE": 50}

    asyncio.run(story())


def test_documents_that_are_stuck_are_no_load(tmp_path: Path) -> None:
    """They stay pending for ever; if they counted, nothing would ever be indexed again."""

    async def story() -> None:
        stuck = Fault(Kind.DOCUMENT_STUCK, times=60)
        async with mounted(tmp_path, stuck, OVERLOAD, indexing_delay_s=8.0) as server:
            store = await filled(server, 100)
            server.clock.now += 8.0
            assert await states_of(server, store) == {"ACTIVE": 40, "PENDING": 60}

    asyncio.run(story())


def test_indexing_can_take_longer_for_a_while(tmp_path: Path) -> None:
    """A schedule on top of what the store takes anyway."""

    async def story() -> None:
        slow = Fault(Kind.INDEXING_DELAY, seconds=[(0, 0), (60, 10)])
        async with mounted(tmp_path, slow, indexing_delay_s=2.0) as server:
            store = await filled(server, 1)
            server.clock.now += 60
            file = await server.new_file("Arches stand.")
            await server.import_file(store, file)
            server.clock.now += 11.9
            assert await states_of(server, store) == {"ACTIVE": 1, "PENDING": 1}
            server.clock.now += 0.1
            assert await states_of(server, store) == {"ACTIVE": 2}

    asyncio.run(story())


# Replay


async def journey(folder: Path, *faults: Fault) -> list[bytes]:
    """The bodies of the answers to a whole round."""
    bodies: list[bytes] = []

    async def keep(response: httpx2.Response) -> None:
        bodies.append(await response.aread())

    async with mounted(folder, *faults, clock=LoopClock(), indexing_delay_s=3.0) as server:
        server.http.event_hooks["response"].append(keep)
        store = await server.new_store()
        for number in range(8):
            body: dict[str, Any] = {"fileName": await server.new_file(f"Arches stand {number}.")}
            await server.http.post(f"/v1beta/{store}:importFile", json=body)
        await asyncio.sleep(5)
        await server.documents(store)
        await server.ask("arches", store)
        await server.call("DELETE", f"/v1beta/{store}", params={"force": True})
        sdk_store = await server.sdk.file_search_stores.create(config={"display_name": "b"})
        await server.sdk.file_search_stores.delete(name=sdk_store.name or "")
    return bodies


def test_a_round_replays_to_the_byte(tmp_path: Path) -> None:
    """With the same seeds and virtual times: no answer holds the wall clock or real chance."""
    faults = (
        Fault(Kind.LATENCY, seconds=0.2, above=1),
        Fault(Kind.ERROR, route="POST *:importFile", probability=0.3),
        Fault(Kind.OVERLOAD, above=3),
    )
    rounds: list[list[bytes]] = []

    for name in ("a", "b"):

        async def story(folder: Path) -> None:
            rounds.append(await journey(folder, *faults))

        on_virtual_time(story(tmp_path / name))

    assert rounds[0] == rounds[1]
    assert any(b"UNAVAILABLE" in body for body in rounds[0])


def test_nothing_runs_on_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mounted in-process, the server does its work on the loop: a thread would end a simulation."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a thread")

    async def story() -> None:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", refuse)
        await journey(tmp_path, Fault(Kind.LATENCY, seconds=0.2))

    on_virtual_time(story())
