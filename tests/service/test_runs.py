"""Runs are left by every road there is, and nothing hangs or stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from objlib import Library, MaxDelete
from objlib.catalog.sqlite import locks
from objlib.errors import CatalogError
from objlib.search.proof import Proof
from objlib.service.runs import Run
from objlib.upload import events as ev
from objlib.upload.reports import last_run
from tests.conftest import write_library

T = TypeVar("T")

#: Long enough for a busy machine, short enough to tell a run that hangs.
PATIENCE_S = 60


def finish(story: Coroutine[Any, Any, T]) -> T:
    """Run a story to its end, or fail when it hangs; what the loop complains of fails it too."""
    complaints: list[dict[str, Any]] = []

    async def watched() -> T:
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: complaints.append(context)
        )
        return await asyncio.wait_for(story, PATIENCE_S)

    result = asyncio.run(watched())
    assert complaints == []
    return result


@pytest.fixture
def folder(workplace: Path) -> Path:
    """A library of forty texts."""
    write_library(workplace / "library", 40)
    return workplace / "library"


def left_behind(workplace: Path) -> set[str]:
    """The states of all rows, and `leased` for a lease that is still there."""
    with contextlib.closing(sqlite3.connect(workplace / "data" / "library.db")) as catalog:
        rows = catalog.execute("SELECT gemini_state, lease_owner FROM files").fetchall()
    return {state for state, _ in rows} | {"leased" for _, owner in rows if owner}


async def last_run_of(folder: Path) -> str:
    """How the last run ended."""
    async with Library.open(folder) as library:
        run = await last_run(library.catalog)
    assert run is not None
    return run.ended


def test_break_and_leaving_the_library_leaves_nothing_in_between(
    folder: Path, workplace: Path
) -> None:
    """No traceback, no row on its way, no lease, and the run counts as interrupted."""

    async def story() -> str:
        async with Library.open(folder, concurrency=2) as library:
            await library.scan()
            async for event in library.upload():
                if isinstance(event, ev.FileIndexed):
                    break
        return await last_run_of(folder)

    assert finish(story()) == "interrupted"
    assert left_behind(workplace) == {"indexed", "untracked"}


def test_a_run_in_the_hand_is_drained_when_the_library_is_left(
    folder: Path, workplace: Path
) -> None:
    """Even by somebody who entered the run and never left it."""

    async def story() -> str:
        async with Library.open(folder, concurrency=2) as library:
            await library.scan()
            run = await library.upload().__aenter__()
            async for event in run.events:
                if isinstance(event, ev.FileStarted):
                    break
        return await last_run_of(folder)

    assert finish(story()) == "interrupted"
    assert left_behind(workplace) == {"indexed", "untracked"}


class Boom(Exception):
    """Raised by somebody who uses a library."""


async def _raises(run: Run[ev.Event, Any]) -> None:
    async for event in run:
        if isinstance(event, ev.FileStarted):
            raise Boom


async def _raises_inside(run: Run[ev.Event, Any]) -> None:
    async with run:
        async for event in run.events:
            if isinstance(event, ev.FileStarted):
                raise Boom


async def _leaves_the_block(run: Run[ev.Event, Any]) -> None:
    async with run:
        async for event in run.events:
            if isinstance(event, ev.FileStarted):
                return


async def _stops(run: Run[ev.Event, Any]) -> None:
    async with run:
        async for event in run.events:
            if isinstance(event, ev.FileStarted):
                run.stop()
    assert run.is_stopping


async def _is_cancelled(run: Run[ev.Event, Any]) -> None:
    started = asyncio.Event()

    async def listen() -> None:
        async for event in run:
            if isinstance(event, ev.FileStarted):
                started.set()

    listening = asyncio.ensure_future(listen())
    await started.wait()
    listening.cancel()
    await asyncio.wait([listening])
    assert listening.cancelled()


async def _is_closed(run: Run[ev.Event, Any]) -> None:
    async for event in run:
        if isinstance(event, ev.FileStarted):
            break
    await run.aclose()


@pytest.mark.parametrize(
    "leave", [_raises, _raises_inside, _leaves_the_block, _stops, _is_cancelled, _is_closed]
)
def test_every_road_out_of_a_run_drains_it(
    leave: Callable[[Run[ev.Event, Any]], Coroutine[Any, Any, None]], folder: Path, workplace: Path
) -> None:
    """Rows are at rest, leases are free, the stream has ended, and the next run does the rest."""

    async def story() -> int:
        async with Library.open(folder, concurrency=2) as library:
            await library.scan()
            run, ended = library.upload(), asyncio.Event()
            run.observable.subscribe(on_completed=ended.set)
            with contextlib.suppress(Boom):
                await leave(run)
            await ended.wait()
            assert left_behind(workplace) == {"indexed", "untracked"}
            return (await library.upload()).indexed + run.progress.indexed

    assert finish(story()) == 40
    assert left_behind(workplace) == {"indexed"}


def test_a_second_cancellation_does_not_wait_for_the_store(
    folder: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in flight is cancelled, the leases are given back, and the next run goes on."""

    async def story() -> int:
        async with Library.open(folder, concurrency=2) as library:
            await library.scan()
            run, stuck = library.upload(), asyncio.Event()

            async def never(*_: Any, **__: Any) -> None:
                stuck.set()
                await asyncio.Event().wait()

            async def listen() -> None:
                async with run:
                    with monkeypatch.context() as patch:
                        patch.setattr(library.client, "import_file", never)
                        await run.finished()

            listening = asyncio.ensure_future(listen())
            await stuck.wait()
            listening.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not listening.done()
            listening.cancel()
            await asyncio.wait([listening])
            assert listening.cancelled()
            assert left_behind(workplace) == {"uploading", "untracked", "leased"}
            return (await library.upload()).taken

    assert finish(story()) == 0
    assert left_behind(workplace) == {"indexed"}


@contextlib.contextmanager
def locked(workplace: Path) -> Iterator[None]:
    """Another program that writes to the catalog and does not come to an end."""
    with contextlib.closing(sqlite3.connect(workplace / "data" / "library.db", timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_a_locked_catalog_ends_an_upload_with_its_error(
    folder: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listening, waiting and steering: each gets the error, and none of them hangs."""
    monkeypatch.setattr(locks, "BUSY_TIMEOUT_S", 0.05)

    async def listened(library: Library) -> None:
        async for _event in library.upload():
            pass

    async def waited(library: Library) -> None:
        await library.upload()

    async def steered(library: Library) -> None:
        async with library.upload() as run:
            await run.finished()

    async def story() -> None:
        async with Library.open(folder) as library:
            await library.scan()
            await library.upload(limit=1)
            with locked(workplace):
                for upload in (listened, waited, steered):
                    with pytest.raises(CatalogError, match="locked by another program"):
                        await upload(library)

    finish(story())


def test_a_catalog_that_gets_locked_ends_a_run_that_is_under_way(
    folder: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The iteration ends with the error, and leaving the library does not hang either."""
    monkeypatch.setattr(locks, "BUSY_TIMEOUT_S", 0.05)

    async def story() -> None:
        async with Library.open(folder, concurrency=2) as library:
            await library.scan()
            with contextlib.ExitStack() as held:
                async for _event in library.upload():
                    with contextlib.suppress(sqlite3.OperationalError):  # the run is writing
                        held.enter_context(locked(workplace))

    with pytest.raises(CatalogError, match="locked by another program"):
        finish(story())


def test_one_run_after_the_other_finds_the_files_free(folder: Path, workplace: Path) -> None:
    """Also when the first one was left by `break` a moment ago."""

    async def story() -> list[ev.Event]:
        async with Library.open(folder, concurrency=2) as library:
            await library.scan()
            async for event in library.upload():
                if isinstance(event, ev.FileStarted):
                    break
            return [event async for event in library.upload()]

    events = finish(story())
    assert not [event for event in events if isinstance(event, ev.FileTaken)]
    assert left_behind(workplace) == {"indexed"}


def test_verify_has_the_shape_of_upload(folder: Path) -> None:
    """It can be awaited, listened to, and held in the hand, with the observable beside."""

    async def story() -> None:
        async with Library.open(folder) as library:
            await library.scan()
            await library.upload(limit=6)
            assert (await library.verify()).asked == 6
            assert len([proof async for proof in library.verify(limit=4)]) == 4
            seen: list[Proof] = []
            async with library.verify() as run:
                run.observable.subscribe(seen.append)
                report = await run.finished()
            assert len(seen) == report.asked == run.progress.asked == 6

    finish(story())


def test_a_run_that_is_stopped_asks_about_no_further_file(folder: Path) -> None:
    """What was asked is still answered."""

    async def story() -> int:
        async with Library.open(folder, concurrency=1) as library:
            await library.scan()
            await library.upload(limit=6)
            async with library.verify() as run:
                async for _proof in run.events:
                    run.stop()
            return run.progress.asked

    assert finish(story()) < 6


def test_a_run_is_entered_once(folder: Path) -> None:
    """And there is nothing to see of it before."""

    async def story() -> None:
        async with Library.open(folder) as library:
            run = library.scan()
            with pytest.raises(RuntimeError, match="has not begun"):
                _ = run.progress
            await run
            with pytest.raises(RuntimeError, match="entered once"):
                await run

    finish(story())


def test_a_closed_library_says_so(folder: Path) -> None:
    """Every method, and not by a traceback of SQLite."""

    async def story() -> None:
        async with Library.open(folder) as library:
            survey = None
            await library.scan()
            await library.upload(limit=1)
            survey = await library.survey()
        calls: list[Callable[[], Any]] = [
            *(library.scan, library.plan, library.upload, library.recover, library.rebuild),
            *(library.survey, library.verify, library.leaving, library.bound),
            lambda: library.search("x"),
            lambda: library.ask("x"),
            lambda: library.repair(survey, MaxDelete.parse("10%")),
        ]
        for call in calls:
            with pytest.raises(CatalogError, match="closed"):
                await call()

    finish(story())
