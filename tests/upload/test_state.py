"""The state manager: what each event writes, and who is refused."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from objlib.catalog.lease import Lease
from objlib.catalog.opening import open_catalog
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import audit_trail, get_file
from objlib.catalog.records import FileRecord
from objlib.catalog.writes import mark_deleted
from objlib.errors import IllegalTransitionError, OCCConflictError
from objlib.states import IN_FLIGHT, State
from objlib.upload.state import AsyncUploadStateManager, is_claimable
from tests.catalog.catalogs import (
    LEASE,
    add_files,
    bring_to,
    existing,
    new_catalog,
    ours,
    tick,
    use,
)
from tests.upload import virtual_loop

Call = Callable[[AsyncUploadStateManager, FileRecord], Awaitable[FileRecord | None]]

OURS = Lease("here/2/2.00/run-2", 2_000.0)

#: Event -> how it is called.
EVENTS: dict[str, Call] = {
    "begin_upload": lambda m, r: m.begin_upload(r, upload_key="key", run_id="run-2", lease=OURS),
    "upload_confirmed": lambda m, r: m.upload_confirmed(
        r, operation_name="op-2", document_name="documents/2"
    ),
    "import_confirmed": lambda m, r: m.import_confirmed(r, document_name="documents/3"),
    "fail": lambda m, r: m.fail(r, reason="why", transient=False, document_name="documents/4"),
    "retry": lambda m, r: m.retry(r, reason="again"),
    "release": lambda m, r: m.release(r, reason="drained"),
    "invalidate": lambda m, r: m.invalidate(r, reason="changed"),
}

#: Event -> the states that know it, the state it leads to, and what else it writes.
EFFECTS: dict[str, tuple[tuple[State, ...], State, dict[str, Any]]] = {
    "begin_upload": (
        (State.UNTRACKED,),
        State.UPLOADING,
        {
            "upload_key": "key",
            "run_id": "run-2",
            "attempt_count": 1,
            "lease_owner": OURS.owner,
            "lease_expires_at": OURS.expires_at,
        },
    ),
    "upload_confirmed": (
        (State.UPLOADING,),
        State.PROCESSING,
        {"operation_name": "op-2", "gemini_store_doc_id": "documents/2", "upload_timestamp": "now"},
    ),
    "import_confirmed": (
        (State.PROCESSING,),
        State.INDEXED,
        {
            "gemini_store_doc_id": "documents/3",
            "import_intent_at": None,
            "lease_owner": None,
            "lease_expires_at": None,
        },
    ),
    "fail": (
        IN_FLIGHT,
        State.FAILED,
        {
            "error_message": "why",
            "failure_kind": "permanent",
            "gemini_store_doc_id": "documents/4",
            "lease_owner": None,
            "lease_expires_at": None,
        },
    ),
    "retry": ((State.FAILED,), State.UNTRACKED, {}),
    "release": (IN_FLIGHT, State.UNTRACKED, {"lease_owner": None, "lease_expires_at": None}),
    "invalidate": (
        (State.INDEXED,),
        State.UNTRACKED,
        {
            "gemini_store_doc_id": None,
            "superseded_doc_id": "documents/a",
            "operation_name": None,
        },
    ),
}

LEGAL = [(event, state) for event, (states, _, _) in EFFECTS.items() for state in states]
ILLEGAL = [(event, state) for event in EVENTS for state in State if (event, state) not in LEGAL]


async def row(catalog: Catalog, state: State) -> FileRecord:
    await add_files(catalog, "a")
    return await bring_to(catalog, "a", state)


@pytest.mark.parametrize(("event", "state"), LEGAL)
def test_an_event_writes_its_columns_and_no_other(tmp_path: Path, event: str, state: State) -> None:
    """What comes back is what is stored: the next state, one version on, and the named columns."""
    _, after, columns = EFFECTS[event]

    async def story(catalog: Catalog) -> tuple[FileRecord, FileRecord]:
        before = await row(catalog, state)
        result = await EVENTS[event](AsyncUploadStateManager(catalog), before)
        assert result == await existing(catalog, "a")
        return before, ours(result)

    before, result = use(new_catalog(tmp_path), story)
    expected = {**asdict(before), "gemini_state": after, "version": before.version + 1, **columns}
    if "upload_timestamp" in columns:
        assert result.upload_timestamp != before.upload_timestamp
        expected["upload_timestamp"] = result.upload_timestamp
    assert asdict(result) == expected


@pytest.mark.parametrize(("event", "state"), ILLEGAL)
def test_an_event_the_state_does_not_know_is_refused(
    tmp_path: Path, event: str, state: State
) -> None:
    """The row stays as it is and the error names state and event."""

    async def story(catalog: Catalog) -> None:
        before = await row(catalog, state)
        with pytest.raises(IllegalTransitionError) as refused:
            await EVENTS[event](AsyncUploadStateManager(catalog), before)
        assert (refused.value.state, refused.value.move) == (state, event)
        assert await existing(catalog, "a") == before

    use(new_catalog(tmp_path), story)


@pytest.mark.parametrize(("event", "state"), LEGAL)
def test_a_move_that_somebody_else_has_made_is_given_up(
    tmp_path: Path, event: str, state: State
) -> None:
    """Of two that saw the same version the second writes nothing, and that is no error."""

    async def story(catalog: Catalog) -> None:
        before = await row(catalog, state)
        manager = AsyncUploadStateManager(catalog)
        won = await EVENTS[event](manager, before)
        assert won is not None
        assert await EVENTS[event](manager, before) is None
        assert await existing(catalog, "a") == won

    use(new_catalog(tmp_path), story)


def test_a_row_that_is_gone_needs_no_move(tmp_path: Path) -> None:
    """There is nothing to find, so there is nothing to do."""

    async def story(catalog: Catalog) -> None:
        before = replace(await row(catalog, State.FAILED), file_path="elsewhere")
        assert await AsyncUploadStateManager(catalog).retry(before, reason="again") is None

    use(new_catalog(tmp_path), story)


@pytest.mark.parametrize(("event", "state"), LEGAL)
def test_of_two_processes_exactly_one_wins(tmp_path: Path, event: str, state: State) -> None:
    """Two managers race for ten rows of one catalog file: each row moves once, each loser knows."""
    path = new_catalog(tmp_path)
    names = [f"{number}" for number in range(10)]

    async def run() -> None:
        async with (
            await open_catalog(path, clock=tick) as one,
            await open_catalog(path, clock=tick) as other,
        ):
            await add_files(one, *names)
            rows = [await bring_to(one, name, state) for name in names]
            managers = (AsyncUploadStateManager(one), AsyncUploadStateManager(other))
            for before in rows:
                results = await asyncio.gather(
                    *(EVENTS[event](manager, before) for manager in managers)
                )
                assert results.count(None) == 1, results
                after = await existing(one, before.file_path)
                assert after in results
                assert after.version == before.version + 1
                trail = await audit_trail(one, before.file_path)
                assert len(trail) == after.version

    asyncio.run(run())


@pytest.mark.parametrize("event", ["upload_confirmed", "fail", "release"])
def test_who_lost_the_lease_cannot_move_the_row(tmp_path: Path, event: str) -> None:
    """State and version alike, but the row is another's: the slow owner's write is refused."""

    async def story(catalog: Catalog) -> None:
        manager = AsyncUploadStateManager(catalog)
        slow = await row(catalog, State.UPLOADING)
        taken = await manager.take_over(slow, OURS)
        assert (taken.version, taken.gemini_state) == (slow.version, slow.gemini_state)
        assert (taken.lease_owner, taken.lease_expires_at) == (OURS.owner, OURS.expires_at)

        assert await EVENTS[event](manager, slow) is None
        with pytest.raises(OCCConflictError) as lost:  # only its caller can look at the lease again
            await manager.take_over(slow, LEASE)
        assert lost.value.expected == lost.value.found == ("uploading", slow.version)
        assert await existing(catalog, "a") == taken
        assert ours(await EVENTS[event](manager, taken)).version == taken.version + 1

    use(new_catalog(tmp_path), story)


# Decided afresh

Rival = Callable[[AsyncUploadStateManager, Catalog], Awaitable[object]]


async def _once_round(manager: AsyncUploadStateManager, catalog: Catalog) -> None:
    """Claim the row and let it go again: it is as it was, two versions on."""
    begun = await manager.begin_upload(
        await existing(catalog, "a"), upload_key="key", run_id="rival", lease=LEASE
    )
    await manager.release(ours(begun), reason="drained")


async def _failed_again(manager: AsyncUploadStateManager, catalog: Catalog) -> None:
    await manager.retry(await existing(catalog, "a"), reason="rival")
    await bring_to(catalog, "a", State.FAILED)


async def _adopted_again(manager: AsyncUploadStateManager, catalog: Catalog) -> None:
    """Send the row round; it comes back with the document that it had."""
    free = ours(
        await manager.invalidate(
            await existing(catalog, "a"), reason="rival", document_is_gone=True
        )
    )
    await bring_to(catalog, "a", State.INDEXED, document="documents/a")
    assert (await existing(catalog, "a")).version == free.version + 3


@pytest.mark.parametrize(
    ("event", "state", "rival"),
    [
        ("begin_upload", State.UNTRACKED, _once_round),
        ("retry", State.FAILED, _failed_again),
        ("invalidate", State.INDEXED, _adopted_again),
    ],
)
def test_a_decision_that_still_stands_is_carried_out(
    tmp_path: Path, event: str, state: State, rival: Rival
) -> None:
    """Another manager moved the row there and back: the move goes on from the row as it is."""
    path = new_catalog(tmp_path)

    async def run() -> None:
        async with (
            await open_catalog(path, clock=tick) as one,
            await open_catalog(path, clock=tick) as other,
        ):
            stale = await row(one, state)
            await rival(AsyncUploadStateManager(other), other)
            between = await existing(one, "a")
            assert (between.gemini_state, between.version > stale.version) == (state, True)
            moved = ours(await EVENTS[event](AsyncUploadStateManager(one), stale))
            assert moved == await existing(other, "a")
            assert moved.version == between.version + 1
            assert moved.gemini_state is EFFECTS[event][1]

    asyncio.run(run())


async def _with_other_content(manager: AsyncUploadStateManager, catalog: Catalog) -> None:
    await _once_round(manager, catalog)
    await catalog.fetch_all("UPDATE files SET content_hash = 'edited since'")


async def _with_an_import_in_doubt(manager: AsyncUploadStateManager, catalog: Catalog) -> None:
    begun = await manager.begin_upload(
        await existing(catalog, "a"), upload_key="another key", run_id="rival", lease=LEASE
    )
    intended = await manager.intend_import(ours(begun), file_id="files/another", lease=LEASE)
    await manager.release(ours(intended), reason="drained")


async def _deleted(manager: AsyncUploadStateManager, catalog: Catalog) -> None:
    await _once_round(manager, catalog)
    await mark_deleted(catalog, ["a"])


async def _with_another_document(manager: AsyncUploadStateManager, catalog: Catalog) -> None:
    await manager.invalidate(await existing(catalog, "a"), reason="rival")
    await bring_to(catalog, "a", State.INDEXED, document="documents/newer")


@pytest.mark.parametrize(
    ("event", "state", "rival"),
    [
        ("begin_upload", State.UNTRACKED, _with_other_content),
        ("begin_upload", State.UNTRACKED, _with_an_import_in_doubt),
        ("begin_upload", State.UNTRACKED, _deleted),
        ("invalidate", State.INDEXED, _with_another_document),
    ],
)
def test_a_decision_that_rests_on_old_facts_is_given_up(
    tmp_path: Path, event: str, state: State, rival: Rival
) -> None:
    """The row is in the right state, but the facts are others: nothing is written over them."""

    async def story(catalog: Catalog) -> None:
        stale = await row(catalog, state)
        manager = AsyncUploadStateManager(catalog)
        await rival(manager, catalog)
        between = await existing(catalog, "a")
        assert between.gemini_state is state
        assert await EVENTS[event](manager, stale) is None
        assert await existing(catalog, "a") == between

    use(new_catalog(tmp_path), story)


@pytest.mark.parametrize("times", [3, 1_000])
def test_a_row_that_keeps_moving_is_tried_again_and_at_last_a_conflict(
    tmp_path: Path, times: int
) -> None:
    """A rival gets in before every write: five more decisions with pauses, then an error."""
    path = new_catalog(tmp_path)

    async def story(_loop: object, _scheduler: object) -> list[float]:
        loop = asyncio.get_running_loop()
        tried: list[float] = []
        async with (
            await open_catalog(path, clock=tick) as one,
            await open_catalog(path, clock=tick) as other,
        ):
            stale = await row(one, State.FAILED)
            rival, write = AsyncUploadStateManager(other), one.write_one

            async def too_late(sql: str, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
                tried.append(loop.time())
                if len(tried) <= times:
                    await _failed_again(rival, other)
                return await write(sql, parameters)

            one.write_one = too_late  # type: ignore[method-assign]
            manager = AsyncUploadStateManager(one, random.Random(1))
            if times < 5:
                moved = ours(await manager.retry(stale, reason="again"))
                assert moved.gemini_state is State.UNTRACKED
            else:
                with pytest.raises(OCCConflictError, match="another run moved this file first"):
                    await manager.retry(stale, reason="again")
                assert (await existing(other, "a")).gemini_state is State.FAILED
        return tried

    tried = virtual_loop.run(story)
    assert len(tried) == min(times + 1, 1 + 5)
    assert tried[0] == tried[1] < tried[2] < tried[3]  # the first decision afresh waits for nobody


def test_the_same_conflict_waits_the_same_time_twice(tmp_path: Path) -> None:
    """Without a generator of its own no wait is left to chance: a simulated run replays."""
    path = new_catalog(tmp_path)

    async def story(_loop: object, _scheduler: object) -> list[float]:
        loop = asyncio.get_running_loop()
        tried: list[float] = []
        async with (
            await open_catalog(path, clock=tick) as one,
            await open_catalog(path, clock=tick) as other,
        ):
            rival, write = AsyncUploadStateManager(other), one.write_one

            async def too_late(sql: str, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
                tried.append(loop.time())
                await _failed_again(rival, other)
                return await write(sql, parameters)

            await row(other, State.FAILED)
            one.write_one = too_late  # type: ignore[method-assign]
            for _ in range(2):
                with pytest.raises(OCCConflictError):
                    stale = await existing(other, "a")
                    await AsyncUploadStateManager(one).retry(stale, reason="again")
        return [later - earlier for earlier, later in itertools.pairwise(tried)]

    waits = virtual_loop.run(story)
    first, second = waits[:5], waits[6:]
    assert first == pytest.approx(second)
    assert first[0] == 0.0 < min(first[1:])


NOTES: dict[str, tuple[State, Call, dict[str, Any]]] = {
    "intend_import": (
        State.UPLOADING,
        lambda m, r: m.intend_import(r, file_id="files/2", lease=LEASE),
        {
            "gemini_file_id": "files/2",
            "import_intent_at": "now",
            "lease_expires_at": LEASE.expires_at,
        },
    ),
    "withdraw_import_intent": (
        State.PROCESSING,
        lambda m, r: m.withdraw_import_intent(r),
        {"import_intent_at": None},
    ),
    "forget_superseded": (
        State.INDEXED,
        lambda m, r: m.forget_superseded(r),
        {"superseded_doc_id": None},
    ),
    "forget_raw_file": (
        State.INDEXED,
        lambda m, r: m.forget_raw_file(r),
        {"gemini_file_id": None},
    ),
}


@pytest.mark.parametrize("note", NOTES)
def test_a_note_about_an_attempt_moves_nothing(tmp_path: Path, note: str) -> None:
    """State, version and trail stay; only what was learnt is written, under the same guard."""
    state, write, columns = NOTES[note]

    async def story(catalog: Catalog) -> None:
        manager = AsyncUploadStateManager(catalog)
        before = await row(catalog, state)
        trail = await audit_trail(catalog, "a")
        after = ours(await write(manager, before))
        learnt = {**columns}
        if learnt.get("import_intent_at") == "now":
            learnt["import_intent_at"] = after.import_intent_at
            assert after.import_intent_at is not None
        assert asdict(after) == {**asdict(before), **learnt}
        assert await existing(catalog, "a") == after
        assert await audit_trail(catalog, "a") == trail
        assert await write(manager, replace(before, lease_owner="somebody else")) is None

    use(new_catalog(tmp_path), story)


async def everything(catalog: Catalog) -> dict[str, Any]:
    """The columns a record leaves out, too."""
    names = [name for _, name, *_ in await catalog.fetch_all("PRAGMA table_info(files)")]
    [values] = await catalog.fetch_all(f"SELECT {', '.join(names)} FROM files")
    return dict(zip(names, values, strict=True))


ATTEMPT = (
    "gemini_file_id",
    "gemini_file_uri",
    "remote_expiration_ts",
    "operation_name",
    "import_intent_at",
)


@pytest.mark.parametrize("is_same", [True, False], ids=["same key", "other key"])
def test_a_claim_forgets_what_belongs_to_another_key(tmp_path: Path, is_same: bool) -> None:
    """Raw file, operation and intent serve the next attempt at one version, never another one."""

    async def story(catalog: Catalog) -> None:
        manager = AsyncUploadStateManager(catalog)
        free = ours(await manager.release(await row(catalog, State.PROCESSING), reason="drained"))
        async with catalog.transaction():  # as the earlier generation did
            await catalog.execute(
                "UPDATE files SET gemini_file_uri = 'uri', remote_expiration_ts = 'soon'"
            )
        before = await everything(catalog)
        assert all(before[name] is not None for name in ATTEMPT)

        key = str(free.upload_key) if is_same else "another key"
        await manager.begin_upload(free, upload_key=key, run_id="run-2", lease=OURS)

        after = await everything(catalog)
        assert {name: after[name] for name in ATTEMPT} == {
            name: before[name] if is_same else None for name in ATTEMPT
        }

    use(new_catalog(tmp_path), story)


def test_attempts_are_counted_per_key(tmp_path: Path) -> None:
    """A file that changed starts at one again; one that did not goes on counting."""

    async def story(catalog: Catalog) -> list[int]:
        manager = AsyncUploadStateManager(catalog)
        counts = []
        record = await row(catalog, State.UNTRACKED)
        for key in ("v1", "v1", "v1", "v2", "v2", "v1"):
            begun = await manager.begin_upload(record, upload_key=key, run_id="r", lease=OURS)
            counts.append(ours(begun).attempt_count)
            record = ours(await manager.release(ours(begun), reason="drained"))
        return counts

    assert use(new_catalog(tmp_path), story) == [1, 2, 3, 1, 2, 1]


def test_a_claim_clears_the_last_failure(tmp_path: Path) -> None:
    """What people read about a file is about its last attempt."""

    async def story(catalog: Catalog) -> FileRecord:
        manager = AsyncUploadStateManager(catalog)
        failed = await row(catalog, State.FAILED)
        assert (failed.error_message, failed.failure_kind) == ("it broke", "transient")
        free = ours(await manager.retry(failed, reason="again"))
        return ours(await EVENTS["begin_upload"](manager, free))

    record = use(new_catalog(tmp_path), story)
    assert (record.error_message, record.failure_kind) == (None, None)


def test_a_claim_is_on_disk_before_anything_is_sent(tmp_path: Path) -> None:
    """The write-ahead intent is the one move that waits for the disk."""
    asked: list[bool] = []

    async def story(catalog: Catalog) -> None:
        record = await row(catalog, State.UNTRACKED)
        real = catalog.transaction

        def transaction(*, durable: bool = False) -> Any:
            asked.append(durable)
            return real(durable=durable)

        catalog.transaction = transaction  # type: ignore[method-assign]
        manager = AsyncUploadStateManager(catalog)
        await EVENTS["release"](manager, ours(await EVENTS["begin_upload"](manager, record)))

    use(new_catalog(tmp_path), story)
    assert asked == [True]


@pytest.mark.parametrize(("is_gone", "superseded"), [(False, "documents/a"), (True, None)])
def test_an_old_document_stays_until_the_new_one_is_there(
    tmp_path: Path, is_gone: bool, superseded: str | None
) -> None:
    """Invalidating keeps the document as superseded through the next upload, unless it is gone."""

    async def story(catalog: Catalog) -> FileRecord:
        manager = AsyncUploadStateManager(catalog)
        indexed = await row(catalog, State.INDEXED)
        await manager.invalidate(indexed, reason="changed", document_is_gone=is_gone)
        processing = await bring_to(catalog, "a", State.PROCESSING)
        return ours(await manager.import_confirmed(processing, document_name="documents/new"))

    record = use(new_catalog(tmp_path), story)
    assert record.superseded_doc_id == superseded
    assert record.gemini_store_doc_id == "documents/new"


def test_every_move_is_in_the_audit_trail_with_its_reason(tmp_path: Path) -> None:
    """A whole life, read back: states, versions, reasons and attempts."""

    async def story(catalog: Catalog) -> list[tuple[str, str, int, str | None, int]]:
        manager = AsyncUploadStateManager(catalog)
        record = await manager.retry(await row(catalog, State.FAILED), reason="another attempt")
        record = await manager.invalidate(
            await bring_to(catalog, "a", State.INDEXED), reason="ghost"
        )
        record = await bring_to(catalog, "a", State.PROCESSING)
        await manager.import_confirmed(record, document_name="d", reason="adopted")
        return [
            (line.from_state, line.to_state, line.version, line.reason, line.attempt)
            for line in await audit_trail(catalog, "a")
        ]

    assert use(new_catalog(tmp_path), story) == [
        ("untracked", "uploading", 1, "claimed", 1),
        ("uploading", "failed", 2, "it broke", 1),
        ("failed", "untracked", 3, "another attempt", 1),
        ("untracked", "uploading", 4, "claimed", 2),
        ("uploading", "processing", 5, "import accepted", 2),
        ("processing", "indexed", 6, "document active", 2),
        ("indexed", "untracked", 7, "ghost", 2),
        ("untracked", "uploading", 8, "claimed", 3),
        ("uploading", "processing", 9, "import accepted", 3),
        ("processing", "indexed", 10, "adopted", 3),
    ]


def test_a_heartbeat_renews_every_lease_of_its_owner_and_no_other(tmp_path: Path) -> None:
    """Rows in flight that are ours last longer; another's row does not, nor does one at rest."""

    async def story(catalog: Catalog) -> dict[str, float | None]:
        manager = AsyncUploadStateManager(catalog)
        await add_files(catalog, "done", "mine", "mine too", "yours")
        await bring_to(catalog, "done", State.INDEXED, lease=OURS)
        await bring_to(catalog, "mine", State.UPLOADING, lease=OURS)
        await bring_to(catalog, "mine too", State.PROCESSING, lease=OURS)
        await bring_to(catalog, "yours", State.UPLOADING)
        await manager.renew_leases(replace(OURS, expires_at=9_000.0))
        rows = [await existing(catalog, path) for path in ("done", "mine", "mine too", "yours")]
        return {record.file_path: record.lease_expires_at for record in rows}

    assert use(new_catalog(tmp_path), story) == {
        "done": None,
        "mine": 9_000.0,
        "mine too": 9_000.0,
        "yours": LEASE.expires_at,
    }


def test_a_heartbeat_does_not_cost_the_owner_its_row(tmp_path: Path) -> None:
    """A record read before the heartbeat is still good for the next move."""

    async def story(catalog: Catalog) -> State:
        manager = AsyncUploadStateManager(catalog)
        record = await row(catalog, State.UPLOADING)
        await manager.renew_leases(replace(LEASE, expires_at=9_000.0))
        return ours(await EVENTS["upload_confirmed"](manager, record)).gemini_state

    assert use(new_catalog(tmp_path), story) is State.PROCESSING


@pytest.mark.parametrize("state", State)
def test_only_an_untracked_file_that_is_there_can_be_claimed(tmp_path: Path, state: State) -> None:
    """Not one that is elsewhere in its life, gone, skipped or unknown."""

    async def story(catalog: Catalog) -> None:
        record = await row(catalog, state)
        assert is_claimable(record) == (state is State.UNTRACKED)
        assert not is_claimable(replace(record, skip_reason="a film"))
        assert not is_claimable(await get_file(catalog, "nowhere"))
        await mark_deleted(catalog, ["a"])
        assert not is_claimable(await get_file(catalog, "a"))

    use(new_catalog(tmp_path), story)
