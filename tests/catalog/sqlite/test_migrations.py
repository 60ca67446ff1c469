"""What becomes of a file when it is opened as a catalog: made, taken over whole, or refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from objlib.catalog import queries
from objlib.catalog.protocol import Catalog
from objlib.catalog.records import COLUMNS, FileRecord
from objlib.catalog.sqlite import migrations
from objlib.catalog.sqlite.guards import triggers
from objlib.catalog.sqlite.migrations import SCHEMA_VERSION
from objlib.catalog.writes import FileFacts, insert_files
from objlib.errors import CatalogError
from objlib.states import State
from objlib.upload.state import AsyncUploadStateManager
from tests.catalog.catalogs import (
    LEASE,
    LEGACY_STATES,
    existing,
    legacy_catalog,
    move,
    new_catalog,
    ours,
    pending_page,
    rows_of,
    session,
    use,
)

LEGACY_COLUMNS = (
    "file_path, content_hash, filename, file_size, metadata_json, ai_metadata_status,"
    " gemini_file_id, gemini_file_uri, upload_timestamp, remote_expiration_ts, error_message,"
    " is_deleted, mtime,"
    ' last_upload_hash, intent_type, "odd, (name)", gemini_store_doc_id, gemini_state,'
    " gemini_state_updated_at, version, created_at, updated_at"
)


async def nothing(_catalog: Catalog) -> None: ...


def columns_of(path: Path) -> dict[str, tuple[Any, ...]]:
    """Column -> (type, not null, default, primary key)."""
    with session(path) as plain:
        return {row[1]: tuple(row[2:]) for row in plain.execute("PRAGMA table_info(files)")}


def pragma(path: Path, name: str) -> Any:
    with session(path) as plain:
        return plain.execute(f"PRAGMA {name}").fetchone()[0]


def backup_of(path: Path, version: int) -> Path:
    return path.with_name(f"{path.name}.v{version}.bak")


# New


def test_a_new_catalog_has_every_column_a_record_wants(tmp_path: Path) -> None:
    """Schema and `FileRecord` agree, the journal is a write-ahead log, the version is stamped."""
    path = new_catalog(tmp_path)

    with session(path) as plain:
        assert plain.execute(f"SELECT {COLUMNS} FROM files").fetchall() == []
    assert pragma(path, "user_version") == SCHEMA_VERSION
    assert pragma(path, "journal_mode") == "wal"
    assert pragma(path, "integrity_check") == "ok"


def test_a_new_catalog_needs_no_folder(tmp_path: Path) -> None:
    """`data/library.db` works in an empty working folder."""
    path = tmp_path / "data" / "deep" / "library.db"

    use(path, nothing)

    assert rows_of(path) == []


def test_an_empty_file_becomes_a_catalog(tmp_path: Path) -> None:
    """What `touch` made, or a creation that was cut short, is as good as no file."""
    path = tmp_path / "library.db"
    path.touch()

    use(path, nothing)

    assert pragma(path, "user_version") == SCHEMA_VERSION


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    """A current catalog is opened as it is: same bytes, no backup."""
    path = new_catalog(tmp_path)
    before = path.read_bytes()

    use(path, nothing)

    assert path.read_bytes() == before
    assert list(tmp_path.glob("*.bak")) == []


def test_two_that_open_a_new_catalog_at_once_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes second to the lock finds the work done and does not do it again."""
    path = tmp_path / "library.db"
    read_version = migrations._version
    faster = [path]

    def version_then_lose_the_race(connection: sqlite3.Connection) -> int:
        version = read_version(connection)
        while faster:
            with session(faster.pop()) as winner:
                migrations.migrate(winner, path)
        return version

    monkeypatch.setattr(migrations, "_version", version_then_lose_the_race)

    use(path, nothing)

    assert pragma(path, "user_version") == SCHEMA_VERSION


def test_a_creation_that_fails_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration is one transaction: half a schema is never seen, and the next open succeeds."""
    path = tmp_path / "library.db"
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "triggers", lambda: {"broken": "CREATE TRIGGER broken NONSENSE"})
        with pytest.raises(CatalogError):
            use(path, nothing)
    with session(path) as plain:
        assert plain.execute("SELECT name FROM sqlite_master").fetchall() == []

    use(path, nothing)

    assert pragma(path, "user_version") == SCHEMA_VERSION


# The earlier generation


@pytest.mark.parametrize("version", [9, 10, 11, 12])
def test_an_earlier_catalog_keeps_every_row_and_every_column(tmp_path: Path, version: int) -> None:
    """Not a byte of what was recorded changes, time stamps and foreign tables included."""
    path = legacy_catalog(tmp_path, version)
    before = rows_of(path, LEGACY_COLUMNS)

    use(path, nothing)

    assert rows_of(path, LEGACY_COLUMNS) == before
    assert len(before) == sum(LEGACY_STATES.values())
    with session(path) as plain:
        assert plain.execute("SELECT * FROM sessions").fetchall() == [("s", "kept")]
    assert pragma(path, "user_version") == SCHEMA_VERSION
    assert pragma(path, "integrity_check") == "ok"


def test_every_row_of_an_earlier_catalog_can_be_read(tmp_path: Path) -> None:
    """All rows come as records, each in the state it had, and none with a lease."""
    path = legacy_catalog(tmp_path)
    use(path, nothing)

    records = [FileRecord.from_row(row) for row in rows_of(path, COLUMNS)]

    counts = {state: sum(r.gemini_state == state for r in records) for state in LEGACY_STATES}
    assert counts == LEGACY_STATES
    assert {(r.lease_owner, r.upload_key, r.attempt_count) for r in records} == {(None, None, 0)}
    assert [record.metadata for record in records[:2]] == [{"course": "Logic"}, {}]


def test_an_earlier_catalog_is_backed_up_before_it_is_changed(tmp_path: Path) -> None:
    """The copy beside it is the whole database as it was, under its old version."""
    path = legacy_catalog(tmp_path, 12)
    path.chmod(0o600)
    with session(path) as plain:
        before = list(plain.iterdump())

    use(path, nothing)

    with session(backup_of(path, 12)) as plain:
        assert list(plain.iterdump()) == before
    assert pragma(backup_of(path, 12), "user_version") == 12
    assert backup_of(path, 12).stat().st_mode & 0o777 == 0o600


def test_the_backup_holds_what_is_still_in_the_write_ahead_log(tmp_path: Path) -> None:
    """A reader that keeps the log from being folded in does not cost the backup its last rows."""
    path = legacy_catalog(tmp_path)
    with session(path) as reader, session(path) as writer:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM files").fetchall()
        writer.execute("INSERT INTO sessions VALUES ('late', 'still in the log')")

        use(path, nothing)

        reader.execute("ROLLBACK")
    with session(backup_of(path, 9)) as plain:
        assert plain.execute("SELECT COUNT(*) FROM sessions").fetchone() == (2,)


def test_an_old_backup_that_is_no_database_does_not_stand_in_the_way(tmp_path: Path) -> None:
    """A copy that was cut short the first time is made again."""
    path = legacy_catalog(tmp_path)
    backup_of(path, 9).write_bytes(b"cut short")

    use(path, nothing)

    assert pragma(backup_of(path, 9), "user_version") == 9


def test_a_migration_that_fails_leaves_the_earlier_catalog_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old version, old columns, old rows: the older program can go on with it."""
    path = legacy_catalog(tmp_path)
    with session(path) as plain:
        before = list(plain.iterdump())
    monkeypatch.setattr(
        migrations, "triggers", lambda: {"broken": "CREATE TRIGGER broken NONSENSE"}
    )

    with pytest.raises(CatalogError):
        use(path, nothing)

    with session(path) as plain:
        assert list(plain.iterdump()) == before
    assert pragma(path, "user_version") == 9


def test_an_earlier_catalog_is_guarded_too(tmp_path: Path) -> None:
    """Afterwards a plain session can neither jump, nor forget a state, nor invent a row."""
    path = legacy_catalog(tmp_path)
    use(path, nothing)

    with session(path) as plain:
        stored = dict(plain.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
        assert triggers().items() <= stored.items()
        assert "update_files_timestamp" in stored
        for statement in (
            "UPDATE files SET gemini_state = 'processing', version = version + 1"
            " WHERE gemini_state = 'indexed'",
            "UPDATE files SET gemini_state = NULL, version = version + 1",
            "UPDATE files SET version = NULL",
            "INSERT INTO files (file_path, filename, content_hash, file_size, gemini_state)"
            " VALUES ('x', 'x', '', 1, NULL)",
            "INSERT INTO files (file_path, filename, content_hash, file_size, version)"
            " VALUES ('x', 'x', '', 1, NULL)",
        ):
            with pytest.raises(
                sqlite3.IntegrityError, match=r"illegal|exactly one|starts untracked"
            ):
                plain.execute(statement)


def test_an_earlier_catalog_goes_on(tmp_path: Path) -> None:
    """Its files are paged, moved and audited like those of a new one."""
    path = legacy_catalog(tmp_path)

    async def story(catalog: Catalog) -> list[str]:
        pending = await pending_page(catalog, None, 100)
        assert len(pending) == LEGACY_STATES["untracked"]
        manager = AsyncUploadStateManager(catalog)
        claimed = ours(
            await manager.begin_upload(pending[0], upload_key="k", run_id="r", lease=LEASE)
        )
        assert (await existing(catalog, claimed.file_path)).gemini_state is State.UPLOADING
        return [line.to_state for line in await queries.audit_trail(catalog, claimed.file_path)]

    assert use(path, story) == ["uploading"]


def test_an_earlier_catalog_can_hold_a_file_that_was_never_read(tmp_path: Path) -> None:
    """Its NOT NULL on size and hash gives way: a skipped file has neither."""
    path = legacy_catalog(tmp_path)
    before = columns_of(path)

    async def story(catalog: Catalog) -> FileRecord:
        await insert_files(catalog, [FileFacts("film.mp4", skip_reason="a video")])
        return await existing(catalog, "film.mp4")

    record = use(path, story)

    assert (record.content_hash, record.file_size, record.skip_reason) == (None, None, "a video")
    changed = {name for name, form in columns_of(path).items() if before.get(name, form) != form}
    assert changed == {"content_hash", "file_size"}


def test_rows_without_state_or_version_become_untracked(tmp_path: Path) -> None:
    """An earlier table allowed NULL there; such a row was never uploaded."""
    path = legacy_catalog(tmp_path)
    with session(path) as plain:
        plain.execute("DROP TRIGGER update_files_timestamp")
        plain.execute("UPDATE files SET gemini_state = NULL, version = NULL WHERE file_size = 1765")

    use(path, nothing)

    assert ("/old/library/1765.txt", "untracked", 0) in rows_of(
        path, "file_path, gemini_state, version"
    )


# Refused, and left alone


def other_version(path: Path, version: int) -> None:
    with session(path) as plain:
        plain.execute("PRAGMA journal_mode = DELETE")
        plain.execute(f"PRAGMA user_version = {version}")


def refusal(path: Path) -> str:
    """The one line with which a file is refused; its bytes are not touched."""
    before = path.read_bytes()
    with pytest.raises(CatalogError) as refused:
        use(path, nothing)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    message = str(refused.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 2**31 - 1])
def test_a_catalog_of_a_newer_objlib_is_refused(tmp_path: Path, version: int) -> None:
    """There is no way back, so it is left as it is and the way out is named."""
    path = new_catalog(tmp_path)
    other_version(path, version)

    assert "upgrade objlib" in refusal(path)


@pytest.mark.parametrize("version", [0, 1, 8, 9, 12, 13, 19, -1])
def test_another_programs_database_is_refused(tmp_path: Path, version: int) -> None:
    """A database without our table is not turned into a catalog, nor its journal mode switched."""
    path = tmp_path / "library.db"
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("CREATE TABLE bookmarks (url TEXT)")
        plain.commit()
    other_version(path, version)

    assert "not an objlib catalog" in refusal(path)


@pytest.mark.parametrize("version", [0, 1, 8, 13, 19])
def test_a_table_of_our_name_is_not_enough(tmp_path: Path, version: int) -> None:
    """A table called `files` under an unknown version may be anything."""
    path = legacy_catalog(tmp_path)
    other_version(path, version)

    assert "not an objlib catalog" in refusal(path)


def test_a_legal_move_still_counts_after_the_take_over(tmp_path: Path) -> None:
    """Versions go on from where the earlier generation left them."""
    path = legacy_catalog(tmp_path)
    use(path, nothing)

    with session(path) as plain:
        (was,) = plain.execute("SELECT version FROM files WHERE file_size = 3").fetchone()
        move(plain, "untracked", "/old/library/0003.txt")
        found = plain.execute(
            "SELECT gemini_state, version FROM files WHERE file_size = 3"
        ).fetchone()
    assert found == ("untracked", was + 1)
