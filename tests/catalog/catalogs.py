"""Catalogs for tests: new ones, those of the earlier generation, and rows in any state."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from objlib.catalog.lease import Lease
from objlib.catalog.opening import open_catalog
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_file, page_in_state
from objlib.catalog.records import FileRecord
from objlib.catalog.writes import FileFacts, adopt_moves, insert_files, mark_deleted
from objlib.states import State, legal_moves
from objlib.upload.state import AsyncUploadStateManager

T = TypeVar("T")

_seconds = itertools.count()


def tick() -> datetime:
    """A clock that stands at another second whenever it is read."""
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(_seconds))


LEASE = Lease("elsewhere/1/1.00/run", 1_000.0)


def new_catalog(folder: Path) -> Path:
    """The path of a fresh, closed catalog."""
    path = folder / "library.db"
    use(path, _nothing)
    return path


async def _nothing(_catalog: Catalog) -> None: ...


def use(path: Path, story: Callable[[Catalog], Awaitable[T]]) -> T:
    """Open the catalog (a new one if need be), tell it the story, close it."""

    async def run() -> T:
        async with await open_catalog(path, create=True, clock=tick) as catalog:
            return await story(catalog)

    return asyncio.run(run())


@contextlib.contextmanager
def session(path: Path) -> Iterator[sqlite3.Connection]:
    """A plain session, as a person with the `sqlite3` shell would have it."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def rows_of(path: Path, columns: str = "*") -> list[tuple[Any, ...]]:
    """All rows of `files`, by path."""
    with session(path) as connection:
        return connection.execute(f"SELECT {columns} FROM files ORDER BY file_path").fetchall()


NOBODY = 65_534


@contextlib.contextmanager
def somebody_without_rights() -> Iterator[None]:
    """File modes do not bind the superuser, so for a moment it is nobody."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


# Along the state machine, in plain SQL


def road_to(state: State) -> list[State]:
    """The states of the shortest way from `untracked`, which is not among them."""
    roads: dict[State, list[State]] = {State.UNTRACKED: []}
    while state not in roads:
        for before, after in legal_moves():
            if before in roads:
                roads.setdefault(after, [*roads[before], after])
    return roads[state]


def add_row(connection: sqlite3.Connection, path: str = "a.txt") -> None:
    connection.execute(
        "INSERT INTO files (file_path, filename, created_at, updated_at) VALUES (?, ?, '', '')",
        (path, path),
    )


def move(connection: sqlite3.Connection, state: str, path: str = "a.txt", step: int = 1) -> None:
    connection.execute(
        "UPDATE files SET gemini_state = ?, version = version + ? WHERE file_path = ?",
        (state, step, path),
    )


def add_row_in(connection: sqlite3.Connection, state: State, path: str = "a.txt") -> None:
    """A row that came to `state` on a legal road."""
    add_row(connection, path)
    for step in road_to(state):
        move(connection, step, path)


# Along the state machine, through the manager


def ours(record: FileRecord | None) -> FileRecord:
    """The row after a move that nobody else has made first."""
    assert record is not None, "somebody else was faster"
    return record


async def add_files(catalog: Catalog, *paths: str, **facts: Any) -> None:
    """Untracked rows, as a scan makes them."""
    content = {"size_bytes": 3, "mtime": 1.0, "inode": 1, "device": 1, "mime_type": "text/plain"}
    await insert_files(
        catalog,
        [
            FileFacts(path, **{**content, "content_hash": f"hash of {path}", **facts})
            for path in paths
        ],
    )


async def bring_to(
    catalog: Catalog,
    path: str,
    state: State,
    *,
    run_id: str = "run",
    lease: Lease = LEASE,
    document: str | None = None,
) -> FileRecord:
    """Take an untracked row to a state; its document is `documents/<path>` unless named."""
    manager = AsyncUploadStateManager(catalog)
    free = await existing(catalog, path)
    if state is State.UNTRACKED:
        return free
    begun = await manager.begin_upload(
        free, upload_key=f"key of {path}", run_id=run_id, lease=lease
    )
    if state is State.UPLOADING:
        return ours(begun)
    if state is State.FAILED:
        failed = await manager.fail(
            ours(begun), reason="it broke", transient=True, document_name=None
        )
        return ours(failed)
    intended = await manager.intend_import(ours(begun), file_id=f"files/{path}", lease=LEASE)
    confirmed = await manager.upload_confirmed(
        ours(intended), operation_name="op", document_name=None
    )
    if state is State.PROCESSING:
        return ours(confirmed)
    document = document or f"documents/{path}"
    return ours(await manager.import_confirmed(ours(confirmed), document_name=document))


async def pending_page(catalog: Catalog, after: str | None, size: int) -> list[FileRecord]:
    """Return rows that wait to be uploaded, by path, without reserving them."""
    rows = await page_in_state(catalog, State.UNTRACKED, after, size)
    return [row for row in rows if row.is_uploadable]


async def rename(catalog: Catalog, content: str, old: list[str], new: list[str]) -> list[str]:
    """Do what a scan does when files of one content vanish here and appear there."""
    since = catalog.now()
    await add_files(catalog, *new, content_hash=content)
    await mark_deleted(catalog, old)
    return [" -> ".join(pair) for pair in await adopt_moves(catalog, since)]


async def existing(catalog: Catalog, path: str) -> FileRecord:
    record = await get_file(catalog, path)
    assert record is not None, path
    return record


# Earlier versions


def frozen_schema(name: str) -> str:
    """Return the statements that made a catalog of an earlier version."""
    return (Path(__file__).parent / "sqlite" / "schemas" / f"{name}.sql").read_text("utf-8")


LEGACY_STATES = {"indexed": 1_749, "failed": 7, "uploading": 3, "processing": 2, "untracked": 5}


def legacy_catalog(folder: Path, version: int = 9) -> Path:
    """A catalog of the earlier generation: absolute paths, foreign columns, rows in every state."""
    path = folder / "library.db"
    states = [state for state, count in LEGACY_STATES.items() for _ in range(count)]
    with session(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(frozen_schema("earlier_generation"))
        connection.execute("BEGIN")
        connection.execute("INSERT INTO sessions VALUES ('s', 'kept')")
        connection.executemany(
            "INSERT INTO files (file_path, content_hash, filename, file_size, metadata_json,"
            " ai_metadata_status, last_upload_hash, intent_type, \"odd, (name)\","
            " gemini_store_doc_id, gemini_state, version, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '2024-01-01', '2024-01-02')",
            (
                (
                    f"/old/library/{number:04}.txt", f"hash {number}", f"{number:04}.txt", number,
                    None if number % 3 else '{"course": "Logic"}', "approved", f"before {number}",
                    None, bytes([number % 256]),
                    f"documents/{number}" if state == "indexed" else None,
                    state, number % 5,
                )
                for number, state in enumerate(states)
            ),
        )  # fmt: skip
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
    return path
