"""A round of `sync`: planned, shown, carried out, and judged."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from objlib import Library, MaxDelete, RepairReport, SyncOutcome, SyncPhase, SyncReport, events
from objlib.errors import ConfigurationError, TooManyDeletions
from objlib.filestore import Fault, Kind
from objlib.service.rounds import SyncEvent
from objlib.service.runs import Run
from tests.cli.servers import server
from tests.conftest import write_library

T = TypeVar("T")

#: Long enough for a busy machine, short enough to tell a round that hangs.
PATIENCE_S = 60


def finish(story: Coroutine[Any, Any, T]) -> T:
    """Run a story to its end, or fail when it hangs."""
    return asyncio.run(asyncio.wait_for(story, PATIENCE_S))


@pytest.fixture
def folder(workplace: Path) -> Path:
    """A library of six texts."""
    write_library(workplace / "library", 6)
    return workplace / "library"


async def round_of(library: Library, **wishes: Any) -> SyncOutcome:
    """Plan and carry out."""
    return await library.sync(await library.plan_sync(), **wishes)


async def documents(library: Library) -> int:
    """The number of documents in the store."""
    return sum((await library.survey()).documents.values())


def test_a_plan_is_made_first_and_carried_out_when_somebody_agrees(folder: Path) -> None:
    """The plan sends nothing; the round does what it says, phase by phase."""

    async def story() -> None:
        async with Library.open(folder) as library:
            plan = await library.plan_sync()
            assert plan.scan.new == 6
            assert plan.work.reasons == {"new": 6}
            assert plan.needs_consent
            assert not Path("data/filestore.db").exists()

            told: list[SyncEvent] = [event async for event in library.sync(plan)]
            phases = [event for event in told if isinstance(event, SyncPhase)]
            assert phases == [SyncPhase.UPLOADING, SyncPhase.SURVEYING, SyncPhase.REPAIRING]
            assert sum(isinstance(event, events.FileIndexed) for event in told) == 6

            again = await library.plan_sync()
            assert not again.needs_consent
            outcome = await library.sync(again)
            assert outcome.is_clean
            assert outcome.uploaded is not None
            assert outcome.uploaded.expected.files == 0

    finish(story())


def test_an_upload_comes_beside_what_was_expected_of_it(folder: Path) -> None:
    """The figures of the plan and those of the run, also after an upload alone."""

    async def story() -> None:
        async with Library.open(folder) as library:
            await library.scan()
            async with library.upload(limit=2) as run:
                uploaded = await run.outcome()
            assert (uploaded.expected.files, uploaded.progress.indexed) == (2, 2)
            assert uploaded.expected_requests == 10
            assert uploaded.requests > 2
            assert (uploaded.waiting, uploaded.failed) == (4, 0)
            assert uploaded.is_clean

    finish(story())


async def stopped_at(run: Run[SyncEvent, SyncOutcome], kind: type | SyncPhase) -> SyncOutcome:
    """Stop a round at the very moment of the first event of a kind."""

    def stop(event: SyncEvent) -> None:
        if event is kind or (isinstance(kind, type) and isinstance(event, kind)):
            run.stop()

    async with run:
        run.observable.subscribe(stop)
        return await run.finished()


@pytest.mark.parametrize("kind", [events.FileIndexed, SyncPhase.SURVEYING, SyncReport])
def test_a_round_that_is_stopped_deletes_nothing_and_is_finished_by_the_next(
    folder: Path, kind: type | SyncPhase
) -> None:
    """In the upload, in the survey, and before the repair."""

    async def story() -> None:
        async with Library.open(folder, concurrency=1) as library:
            await round_of(library)
            next(folder.rglob("*arches*")).unlink()
            (folder / "New.txt").write_text("Something new.\n")
            plan = await library.plan_sync()
            assert plan.leaving == 1
            outcome = await stopped_at(library.sync(plan), kind)
            assert outcome.was_interrupted
            assert outcome.store is None
            assert outcome.is_worth_another
            assert await documents(library) == 7
            assert (await round_of(library)).is_clean
            assert await documents(library) == 6

    finish(story())


def test_too_many_deletions_end_a_round_after_its_upload(folder: Path) -> None:
    """Nothing is deleted, and what was uploaded stays; a higher limit lets it through."""

    async def story() -> None:
        async with Library.open(folder) as library:
            await round_of(library)
            for path in sorted(folder.rglob("*.txt"))[:3]:
                path.unlink()
            (folder / "New.txt").write_text("Something new.\n")
            with pytest.raises(TooManyDeletions):
                await round_of(library)
            assert await documents(library) == 7
            outcome = await round_of(library, max_delete=MaxDelete.parse("50%"))
            assert outcome.is_clean
            assert outcome.store is not None
            assert outcome.store.repair == RepairReport(deleted=3)

    finish(story())


def test_somebody_sees_the_repair_before_its_first_step(folder: Path) -> None:
    """The steps are there to be shown, and whoever objects ends the round."""
    seen: list[str] = []

    async def story() -> None:
        async with Library.open(folder) as library:
            await round_of(library)
            next(folder.rglob("*arches*")).unlink()

            async def object_to(survey: SyncReport) -> None:
                assert not survey.is_clean
                seen.extend([step.reason async for step in library.repair_steps(survey)])
                raise ConfigurationError("not like this")

            with pytest.raises(ConfigurationError, match="not like this"):
                await round_of(library, before_repair=object_to)
            assert await documents(library) == 6

    finish(story())
    assert seen == ["its file was deleted"]


def test_what_is_gone_from_the_store_is_sent_in_the_same_round(folder: Path) -> None:
    """A document was deleted behind our back."""

    async def story() -> SyncOutcome:
        async with Library.open(folder) as library:
            await round_of(library)
            await library.survey()
            (row, *_) = await library.catalog.fetch_all("SELECT gemini_store_doc_id FROM files")
            await library.client.delete_document(str(row[0]))
            return await round_of(library)

    outcome = finish(story())
    assert outcome.is_clean
    assert outcome.uploaded_again is not None
    assert outcome.uploaded_again.progress.indexed == 1


def test_what_could_not_be_indexed_is_left_alone_for_a_day(folder: Path, workplace: Path) -> None:
    """It is no reason for another round, and not clean either; a day later it is tried again."""

    async def story(url: str) -> None:
        async with Library.open(folder, base_url=url) as library:
            first = await round_of(library)
            assert first.uploaded is not None
            assert (first.uploaded.progress.failed, first.is_worth_another) == (6, True)
            plan = await library.plan_sync()
            assert (plan.work.files, plan.left_alone) == (0, 6)
            second = await library.sync(plan)
            assert (second.left_alone, second.is_worth_another) == (6, False)
            assert not second.is_clean
        with contextlib.closing(sqlite3.connect("data/library.db")) as catalog, catalog:
            catalog.execute("UPDATE files SET gemini_state_updated_at = '2020-01-01'")
        async with Library.open(folder, base_url=url) as library:
            assert (await library.plan_sync()).work.reasons == {"failed before": 6}

    with server(workplace / "served.db", Fault(Kind.DOCUMENT_FAILED)) as url:
        finish(story(url))


def test_leaving_a_round_early_drains_it(folder: Path) -> None:
    """By `break`, and then by closing the library: no row is left in between."""

    async def story() -> None:
        async with Library.open(folder, concurrency=1) as library:
            plan = await library.plan_sync()
            async for event in library.sync(plan):
                if isinstance(event, events.FileStarted):
                    break

    finish(story())
    with contextlib.closing(sqlite3.connect("data/library.db")) as catalog:
        rows = catalog.execute("SELECT gemini_state, lease_owner FROM files").fetchall()
    assert {state for state, _ in rows} <= {"indexed", "untracked"}
    assert {owner for _, owner in rows} == {None}
