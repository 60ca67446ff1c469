"""The end of a journey: what is left over goes, and a row that failed comes to rest."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from objlib.catalog.lease import Lease
from objlib.catalog.queries import get_file, leftover_page
from objlib.errors import BackendUnavailable, Rejected, Transient
from objlib.filestore import Fault, Kind
from objlib.states import State
from objlib.upload import events as ev
from objlib.upload.claim import claim
from objlib.upload.context import Attempt, RunContext, Taken
from objlib.upload.tidy import implied_document, settle
from tests.catalog.catalogs import pending_page
from tests.upload.world import World, assert_all_canonical, make_world


async def begun(world: World, context: RunContext) -> Attempt:
    """The one file, claimed."""
    (row,) = await pending_page(world.catalog, None, 9)
    attempt = await claim(context, row)
    assert attempt is not None
    return attempt


@pytest.mark.parametrize(
    ("operation", "document"),
    [
        ("fileSearchStores/s/operations/a-1", "fileSearchStores/s/documents/a-1"),
        ("fileSearchStores/s/upload/operations/a-1", "fileSearchStores/s/documents/a-1"),
        ("operations", None),
        (None, None),
    ],
)
def test_the_document_of_an_operation_is_told_by_its_name(
    operation: str | None, document: str | None
) -> None:
    """The last segments agree; where there is no such segment nothing is guessed."""
    assert implied_document(operation) == document


@pytest.mark.parametrize(
    ("error", "state", "kind"),
    [
        (Rejected("no"), State.FAILED, "permanent"),
        (Transient("later"), State.FAILED, "transient"),
        (BackendUnavailable("nobody answers"), State.UNTRACKED, None),
    ],
)
def test_an_error_brings_a_row_to_rest(
    tmp_path: Path, error: Exception, state: State, kind: str | None
) -> None:
    """A refusal is for good, a passing failure is not, and the end of a run fails no file."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=1) as world:
            context = world.new_run().context
            attempt = await begun(world, context)
            await settle(context, attempt.record, error)
            row = await get_file(world.catalog, attempt.record.file_path)
            assert row is not None
            assert (row.gemini_state, row.failure_kind, row.lease_owner) == (state, kind, None)

    asyncio.run(scenes())


def test_a_row_that_another_run_has_taken_over_is_left_alone(tmp_path: Path) -> None:
    """Our stage gave up, but the row is not ours any more: its new owner brings it to rest."""

    async def scenes() -> None:
        async with make_world(tmp_path, files=1) as world:
            context = world.new_run().context
            attempt = await begun(world, context)
            taken = await context.state.take_over(attempt.record, Lease("another", 9e9))
            with pytest.raises(Taken):
                await settle(context, attempt.record, Transient("later"))
            assert await get_file(world.catalog, taken.file_path) == taken

    asyncio.run(scenes())


def test_what_cannot_be_deleted_is_left_to_a_later_run(tmp_path: Path) -> None:
    """The file is indexed all the same; its raw file is named, and goes with the next run."""

    async def scenes() -> None:
        fault = Fault(Kind.ERROR, route="DELETE *files/{file}", times=1)
        async with make_world(tmp_path, files=1, faults=[fault]) as world:
            progress = await world.upload()
            assert (progress.indexed, progress.left_behind) == (1, 1)
            (left,) = world.events(ev.LeftBehind)
            assert isinstance(left, ev.LeftBehind)
            assert left.what.startswith("files/")
            assert len(await leftover_page(world.catalog, None, 9)) == 1
            await world.upload()
            await assert_all_canonical(world, files=1)

    asyncio.run(scenes())
