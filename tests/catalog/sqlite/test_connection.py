"""The connection: what opening says when it cannot, and what a transaction promises."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from objlib.catalog.opening import open_catalog
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_info, set_info, stream_known_files
from objlib.catalog.sqlite import connection as opening
from objlib.catalog.sqlite import locks
from objlib.catalog.sqlite.connection import SqliteCatalog
from objlib.catalog.sqlite.reader import SqliteReader, stream
from objlib.errors import CatalogError, GuardRefused, Hint
from tests.catalog.catalogs import (
    add_files,
    new_catalog,
    rows_of,
    session,
    somebody_without_rights,
    use,
)

INSERT = "INSERT INTO catalog_info VALUES (?, ?)"


async def nothing(_catalog: Catalog) -> None: ...


async def write(catalog: Catalog) -> None:
    await set_info(catalog, key="value")


def refusal(path: Path) -> str:
    """The line that opening and writing ends with."""
    with pytest.raises(CatalogError) as refused:
        use(path, write)
    message = str(refused.value)
    assert str(path) in message
    assert "\n" not in message
    assert message[0].islower() or message.startswith("/")
    return message


# What cannot be opened


def test_a_catalog_that_is_not_there_is_not_made_by_reading(tmp_path: Path) -> None:
    """Without `create` a missing file stays missing, and the command that makes one is named."""

    async def run() -> None:
        await open_catalog(tmp_path / "library.db")

    with pytest.raises(CatalogError, match="no catalog at ") as raised:
        asyncio.run(run())
    assert raised.value.hint is Hint.SCAN_OR_RECOVER
    assert list(tmp_path.iterdir()) == []


def test_known_files_stream_from_a_path_with_awkward_characters(tmp_path: Path) -> None:
    """A catalog may live in a folder called `50% of #1?`."""
    folder = tmp_path / "50% of #1?"
    folder.mkdir()
    path = new_catalog(folder)

    async def story(catalog: Catalog) -> None:
        assert list(await stream_known_files(catalog)) == []

    use(path, story)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    """A folder with the catalog's name is no catalog."""
    path = tmp_path / "library.db"
    path.mkdir()

    assert "is a folder" in refusal(path)


def test_a_file_in_place_of_its_folder_is_refused(tmp_path: Path) -> None:
    """The folder of the catalog cannot be made where a file is."""
    (tmp_path / "data").write_text("a file")

    assert "cannot open the catalog" in refusal(tmp_path / "data" / "library.db")


def test_a_file_of_another_kind_is_refused_and_kept(tmp_path: Path) -> None:
    """A text called library.db is not a database, and is still the same text afterwards."""
    path = tmp_path / "library.db"
    path.write_text("Dear diary, " * 200)
    before = path.read_bytes()

    assert "not a readable SQLite database" in refusal(path)
    assert path.read_bytes() == before


async def add_many(catalog: Catalog) -> None:
    await add_files(catalog, *(f"{number:04}.txt" for number in range(2_000)))


async def read_all(catalog: Catalog) -> None:
    await catalog.fetch_all("SELECT * FROM files ORDER BY mtime")


@pytest.mark.parametrize("kept_bytes", [1_000, 6_000, 100_000])
def test_a_truncated_catalog_is_called_unreadable(tmp_path: Path, kept_bytes: int) -> None:
    """Whether it shows at opening or at reading, it is one line that names the way out."""
    path = new_catalog(tmp_path)
    use(path, add_many)
    with path.open("r+b") as file:
        file.truncate(kept_bytes)

    with pytest.raises(CatalogError, match="not a readable SQLite database") as refused:
        use(path, read_all)
    assert "\n" not in str(refused.value)


def overwrite_pages(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xa5" * (path.stat().st_size - 4096 * 3))


def test_a_corrupted_catalog_is_called_unreadable(tmp_path: Path) -> None:
    """Pages full of noise are noticed when they are read."""
    path = new_catalog(tmp_path)
    use(path, add_many)
    overwrite_pages(path)

    with pytest.raises(CatalogError, match="restore a backup"):
        use(path, read_all)


async def stream_all(catalog: Catalog) -> None:
    list(await stream_known_files(catalog))


def test_streaming_a_corrupted_catalog_ends_in_the_same_line(tmp_path: Path) -> None:
    """The scan's own connection explains itself like the other one."""
    path = new_catalog(tmp_path)
    use(path, add_many)
    overwrite_pages(path)

    with pytest.raises(CatalogError, match="restore a backup"):
        use(path, stream_all)


@pytest.fixture
def guarded_folder() -> Iterator[Path]:
    """A folder that anybody may enter; its modes are put back for the removal."""
    with TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path
        path.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="file modes as POSIX has them")
def test_a_read_only_catalog_says_so(guarded_folder: Path) -> None:
    """A catalog that may only be read is named as such, with what to change."""
    path = new_catalog(guarded_folder)
    path.chmod(0o444)
    guarded_folder.chmod(0o555)

    with somebody_without_rights():
        message = refusal(path)

    assert "is read-only; make it and its folder writable" in message


@pytest.mark.skipif(sys.platform == "win32", reason="file modes as POSIX has them")
@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_folder_without_rights_is_named(guarded_folder: Path, mode: int) -> None:
    """No way into the folder is a matter of permissions, and the line says so."""
    path = new_catalog(guarded_folder)
    guarded_folder.chmod(mode)

    with somebody_without_rights():
        message = refusal(path)

    assert "permission" in message.lower()


def test_a_locked_catalog_says_so_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another program holds the write lock, writing is refused; afterwards it succeeds."""
    monkeypatch.setattr(locks, "BUSY_TIMEOUT_S", 0.02)
    path = new_catalog(tmp_path)
    with session(path) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "is locked by another program" in refusal(path)
        other.execute("ROLLBACK")

    use(path, write)


def test_a_new_catalog_waits_for_whoever_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock in rollback mode shuts readers out too; opening ends in the same line."""
    monkeypatch.setattr(locks, "BUSY_TIMEOUT_S", 0.02)
    path = tmp_path / "library.db"
    with session(path) as other:
        other.execute("BEGIN EXCLUSIVE")
        other.execute("CREATE TABLE t (x)")
        assert "is locked by another program" in refusal(path)


def test_a_full_disk_says_so_and_the_catalog_goes_on(tmp_path: Path) -> None:
    """SQLite's word for "no room" becomes one line; with room again the same connection writes."""

    async def story(catalog: Catalog) -> str:
        [(pages,)] = await catalog.fetch_all("PRAGMA page_count")
        await catalog.fetch_all(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(CatalogError) as refused:
            await add_many(catalog)
        await catalog.fetch_all("PRAGMA max_page_count = 1000000")
        await add_files(catalog, "afterwards.txt")
        return str(refused.value)

    path = new_catalog(tmp_path)
    message = use(path, story)

    assert message == f"no space left on the disk of {path}; free some and run this again"
    assert rows_of(path, "file_path") == [("afterwards.txt",)]


FILL = """
import asyncio, resource, signal, sys
from pathlib import Path
from objlib.catalog.opening import open_catalog
from objlib.errors import CatalogError

async def main():
    async with await open_catalog(Path(sys.argv[1])) as catalog:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        try:
            async with catalog.transaction():
                await catalog.execute_many(
                    "INSERT INTO catalog_info VALUES (?, ?)",
                    [(str(n), "x" * 999) for n in range(999)],
                )
        except CatalogError as error:
            print(error)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_file_that_may_not_grow_ends_in_one_line_and_no_row(tmp_path: Path) -> None:
    """A write the system refuses midway is reported and undone as a whole."""
    path = new_catalog(tmp_path)

    ran = subprocess.run(
        [sys.executable, "-c", FILL, str(path)], capture_output=True, text=True, check=True
    )

    assert ran.stdout.startswith(f"the disk of the catalog {path} is full or failing")
    assert ran.stdout.count("\n") == 1
    with session(path) as plain:
        assert plain.execute("SELECT COUNT(*) FROM catalog_info").fetchone() == (0,)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("database is locked", "locked by another program"),
        ("database table is locked: files", "locked by another program"),
        ("attempt to write a readonly database", "read-only"),
        ("database or disk is full", "no space left"),
        ("file is not a database", "not a readable SQLite database"),
        ("database disk image is malformed", "not a readable SQLite database"),
        ("unable to open database file", "no permission, or its folder is missing"),
        ("disk I/O error", "full or failing"),
    ],
)
def test_each_complaint_of_sqlite_becomes_one_line(message: str, says: str) -> None:
    """Every message SQLite has for trouble with the file is told to people in their terms."""
    with pytest.raises(CatalogError) as told, locks.translated("library.db"):
        raise sqlite3.OperationalError(message)

    assert says in str(told.value)
    assert "\n" not in str(told.value)


# Transactions


def test_a_statement_that_a_guard_refuses_undoes_its_transaction(tmp_path: Path) -> None:
    """A guard that spoke is a bug of the caller, not trouble with the file: an error of its own."""

    async def story(catalog: Catalog) -> None:
        await add_files(catalog, "a.txt")
        with pytest.raises(GuardRefused, match=r"illegal.*nothing was written"):
            async with catalog.transaction():
                await catalog.fetch_all(INSERT, ("a", "1"))
                await catalog.fetch_all("UPDATE files SET gemini_state = 'indexed', version = 1")
        assert await get_info(catalog, "a") is None

    use(new_catalog(tmp_path), story)


class Interrupted(SqliteCatalog):
    """Cancels the task that runs it right before or after the statement with this number."""

    cancel_at: tuple[int, str] | None = None
    statements = 0

    async def _run(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        number, self.statements = self.statements, self.statements + 1
        await self._pass((number, "before"))
        rows = await super()._run(sql, parameters)
        await self._pass((number, "after"))
        return rows

    async def _pass(self, here: tuple[int, str]) -> None:
        if here == self.cancel_at:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)


async def synchronous(catalog: Catalog) -> int:
    [(mode,)] = await catalog.fetch_all("PRAGMA synchronous")
    return int(mode)


#: The statements of a durable transaction with two inserts: PRAGMA, BEGIN, 1, 2, COMMIT.
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(5))
def test_a_transaction_cancelled_at_any_await_is_whole_or_not_at_all(
    tmp_path: Path, at: int, when: str
) -> None:
    """Wherever the cancel falls, the next transaction finds a clean desk."""

    async def both(catalog: Catalog) -> None:
        async with catalog.transaction(durable=True):
            await catalog.fetch_all(INSERT, ("a", "1"))
            await catalog.fetch_all(INSERT, ("b", "1"))

    path = new_catalog(tmp_path)

    async def run() -> None:
        async with await Interrupted.open(path) as catalog:
            catalog.cancel_at = (at, when)
            with pytest.raises(asyncio.CancelledError):
                await asyncio.create_task(both(catalog))
            catalog.cancel_at = None

            assert await synchronous(catalog) == 1
            rows = await catalog.fetch_all("SELECT key FROM catalog_info ORDER BY key")
            assert rows == ([("a",), ("b",)] if (at, when) == (4, "after") else [])
            await set_info(catalog, c="1")
            assert await get_info(catalog, "c") == "1"

    asyncio.run(run())


def test_waiting_for_another_programs_lock_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    """The lock is awaited: other tasks go on, and the statement succeeds once the lock is free."""
    path = new_catalog(tmp_path)
    other = sqlite3.connect(path, isolation_level=None)
    ticks = 0

    async def release_after_some_ticks() -> None:
        nonlocal ticks
        while ticks < 5:
            await asyncio.sleep(0)
            ticks += 1
        other.execute("COMMIT")

    async def story(catalog: Catalog) -> None:
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.TaskGroup() as group:
            group.create_task(set_info(catalog, a="1"))
            group.create_task(release_after_some_ticks())
        assert ticks == 5
        assert await get_info(catalog, "a") == "1"

    use(path, story)
    other.close()


@contextlib.contextmanager
def shut(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program that keeps everybody out, readers too, until it says COMMIT."""
    with session(path) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT OR REPLACE INTO catalog_info VALUES ('theirs', '1')")
        yield other


async def let_in(other: sqlite3.Connection) -> None:
    """Give the lock back after the loop has turned a few times."""
    for _ in range(5):
        await asyncio.sleep(0)
    other.execute("COMMIT")
    other.close()


async def open_and_close(path: Path) -> None:
    async with await open_catalog(path) as catalog:
        assert await get_info(catalog, "theirs") == "1"


def test_opening_awaits_the_lock_of_another_program(tmp_path: Path) -> None:
    """Opening takes as long as the lock is held, and other tasks go on meanwhile."""
    path = new_catalog(tmp_path)

    async def run(other: sqlite3.Connection) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(open_and_close(path))
            group.create_task(let_in(other))

    with shut(path) as other:
        asyncio.run(run(other))


def test_a_lock_taken_in_the_middle_of_opening_is_awaited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the migration and the first statement another program may close the door."""
    path = new_catalog(tmp_path)
    prepare = opening._prepare

    async def run() -> None:
        tasks: list[asyncio.Task[None]] = []
        with contextlib.ExitStack() as doors:

            def prepare_then_lose_the_race(path: Path) -> None:
                prepare(path)
                tasks.append(asyncio.create_task(let_in(doors.enter_context(shut(path)))))

            monkeypatch.setattr(opening, "_prepare", prepare_then_lose_the_race)
            await open_and_close(path)
            await asyncio.gather(*tasks)

    asyncio.run(run())


def test_a_large_read_awaits_the_lock_too(tmp_path: Path) -> None:
    """The connections that only read wait like the other one: a scan's, and the one in a thread."""
    path = new_catalog(tmp_path)
    count = "SELECT COUNT(*) FROM catalog_info"

    async def run() -> None:
        reader = SqliteReader(path)
        with shut(path) as other:
            async with asyncio.TaskGroup() as group:
                rows = group.create_task(stream(path, count))
                counted = group.create_task(reader.fetch_one(count))
                group.create_task(let_in(other))
        assert list(rows.result()) == [(1,)]
        assert counted.result() == (1,)
        reader.close()

    asyncio.run(run())


def test_a_task_cancelled_while_it_waits_its_turn_disturbs_nobody(tmp_path: Path) -> None:
    """Whoever has the connection finishes; the next in line gets it."""

    async def story(catalog: Catalog) -> None:
        async with catalog.transaction():
            waiting = asyncio.create_task(set_info(catalog, late="1"))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await catalog.fetch_all(INSERT, ("a", "1"))
        await set_info(catalog, b="1")

    path = new_catalog(tmp_path)
    use(path, story)

    with session(path) as plain:
        assert plain.execute("SELECT key FROM catalog_info").fetchall() == [("a",), ("b",)]


def test_transactions_on_one_connection_come_one_after_the_other(tmp_path: Path) -> None:
    """Fifty tasks that read, pause and write the same fact lose no update."""

    async def add_one(catalog: Catalog) -> None:
        async with catalog.transaction():
            before = int(await get_info(catalog, "count") or 0)
            await asyncio.sleep(0)
            await catalog.fetch_all(
                "INSERT OR REPLACE INTO catalog_info VALUES ('count', ?)", (str(before + 1),)
            )

    async def story(catalog: Catalog) -> str | None:
        await asyncio.gather(*(add_one(catalog) for _ in range(50)))
        return await get_info(catalog, "count")

    assert use(new_catalog(tmp_path), story) == "50"


@contextlib.asynccontextmanager
async def two_connections(path: Path) -> AsyncIterator[tuple[Catalog, Catalog]]:
    async with await open_catalog(path) as one, await open_catalog(path) as other:
        yield one, other


def test_two_processes_take_turns(tmp_path: Path) -> None:
    """Two connections that write at once wait for each other rather than fail."""

    path = new_catalog(tmp_path)

    async def run() -> str | None:
        async with two_connections(path) as pair:
            await asyncio.gather(*(add_one(pair[turn % 2]) for turn in range(40)))
            return await get_info(pair[0], "count")

    async def add_one(catalog: Catalog) -> None:
        async with catalog.transaction():
            before = int(await get_info(catalog, "count") or 0)
            await catalog.fetch_all(
                "INSERT OR REPLACE INTO catalog_info VALUES ('count', ?)", (str(before + 1),)
            )

    assert asyncio.run(run()) == "40"


@pytest.mark.parametrize("durable", [False, True])
def test_only_a_durable_transaction_waits_for_the_disk(tmp_path: Path, durable: bool) -> None:
    """`synchronous` is FULL (2) inside a durable one, NORMAL (1) in any other and afterwards."""

    async def story(catalog: Catalog) -> list[int]:
        modes = []
        async with catalog.transaction(durable=durable):
            modes.append(await synchronous(catalog))
            await catalog.fetch_all(INSERT, ("a", "1"))
        modes.append(await synchronous(catalog))
        with contextlib.suppress(ZeroDivisionError):
            async with catalog.transaction(durable=durable):
                raise ZeroDivisionError
        modes.append(await synchronous(catalog))
        return modes

    assert use(new_catalog(tmp_path), story) == [2 if durable else 1, 1, 1]
