"""Raw files and stores: their names, their lives, their numbers."""

from __future__ import annotations

import asyncio
import io
import random
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from google.genai import errors

from objlib.filestore import Fault, FileStore, Kind
from objlib.filestore.documents import delete_document, document_row
from objlib.filestore.rawfiles import expire_file, file_row, forget_old
from tests.filestore.mounted import content_of, mounted

DAY_S = 24 * 3600.0


def test_a_file_without_a_name_gets_twelve_letters_and_digits(tmp_path: Path) -> None:
    """And all the fields a client may look at, int64 as text, empty ones left out."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            name = await server.new_file("hello")
            assert re.fullmatch(r"files/[a-z0-9]{12}", name)
            file = await server.call("GET", f"/v1beta/{name}")
            assert file["createTime"] == file["updateTime"] == "2026-11-23T12:00:00.000000Z"
            assert file["expirationTime"] == "2026-11-25T12:00:00.000000Z"
            assert (file["sizeBytes"], file["state"], file["source"]) == ("5", "ACTIVE", "UPLOADED")
            assert file["uri"].endswith(f"/{name}")
            assert "displayName" not in file

    asyncio.run(story())


@pytest.mark.parametrize("name", ["a", "a-b", "0", "x" * 40, "files/abc"])
def test_a_file_may_be_given_its_name(tmp_path: Path, name: str) -> None:
    """Up to forty lower-case letters, digits and dashes; with or without `files/`."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            file = await server.sdk.files.upload(
                file=io.BytesIO(b"x"), config={"name": name, "mime_type": "text/plain"}
            )
            assert file.name == f"files/{name.removeprefix('files/')}"

    asyncio.run(story())


@pytest.mark.parametrize("name", ["-a", "a-", "A", "a_b", "a b", "a/b", "ä", "x" * 41, "a\n", "-"])
def test_a_bad_name_for_a_file_is_refused(tmp_path: Path, name: str) -> None:
    """400, at the start of the upload."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            with pytest.raises(errors.ClientError) as refused:
                await server.sdk.files.upload(
                    file=io.BytesIO(b"x"), config={"name": name, "mime_type": "text/plain"}
                )
            assert (refused.value.code, refused.value.status) == (400, "INVALID_ARGUMENT")
            assert server.requests["POST /upload/{version}/files"] == 1

    asyncio.run(story())


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    """409 ALREADY_EXISTS at the start of the upload, and the first file stays."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            await server.new_file("first", "mine")
            with pytest.raises(errors.ClientError) as refused:
                await server.sdk.files.upload(
                    file=io.BytesIO(b"x"), config={"name": "mine", "mime_type": "text/plain"}
                )
            assert (refused.value.code, refused.value.status) == (409, "ALREADY_EXISTS")
            assert content_of(server.store, "files/mine") == b"first"

    asyncio.run(story())


def test_a_file_lives_for_48_hours(tmp_path: Path) -> None:
    """Then it is as unknown as any other: 403, not 404, for get, delete and import."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            name = await server.new_file("hello", "mine")
            document = (await server.import_file(store, name)).rpartition("/")[2]
            server.clock.now += 2 * DAY_S - 1
            assert (await server.call("GET", f"/v1beta/{name}"))["name"] == name

            server.clock.now += 1

            body = {"fileName": name}
            for method, path, json in (
                ("GET", f"/v1beta/{name}", None),
                ("DELETE", f"/v1beta/{name}", None),
                ("POST", f"/v1beta/{store}:importFile", body),
                ("GET", "/v1beta/files/unknown", None),
            ):
                error = await server.refused(method, path, json)
                assert (error["code"], error["status"]) == (403, "PERMISSION_DENIED")
            assert await server.call("GET", "/v1beta/files") == {}
            kept = await server.call("GET", f"/v1beta/{store}/documents/{document}")
            assert kept["state"] == "STATE_ACTIVE"

    asyncio.run(story())


def test_the_name_of_an_expired_file_is_free_again(tmp_path: Path) -> None:
    """With new content and nothing of the old."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            await server.new_file("a longer first text", "mine")
            server.clock.now += 2 * DAY_S
            await server.new_file("second", "mine")
            assert content_of(server.store, "files/mine") == b"second"

    asyncio.run(story())


def test_a_name_that_expires_during_an_upload_is_free_at_its_end(tmp_path: Path) -> None:
    """The end of the upload decides."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            url = await server.start(6, {"file": {"name": "files/mine"}})
            await server.new_file("first", "mine")
            server.clock.now += 2 * DAY_S
            assert (await server.piece(url, b"second")).status_code == 200
            assert content_of(server.store, "files/mine") == b"second"

    asyncio.run(story())


def test_a_deleted_file_is_gone_and_its_documents_stay(tmp_path: Path) -> None:
    """Deletes answer 200 with an empty object, and a second one 403."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            name = await server.new_file("Arches stand.")
            await server.import_file(store, name)
            assert await server.call("DELETE", f"/v1beta/{name}") == {}
            assert (await server.refused("DELETE", f"/v1beta/{name}"))["code"] == 403
            assert len(await server.documents(store)) == 1

    asyncio.run(story())


def test_a_file_can_be_made_to_expire(tmp_path: Path) -> None:
    """For tests of what comes then."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            name = await server.new_file("hello")
            expire_file(server.store, name.removeprefix("files/"))
            assert (await server.refused("GET", f"/v1beta/{name}"))["code"] == 403

    asyncio.run(story())


def test_a_store_is_named_after_its_display_name(tmp_path: Path) -> None:
    """Without its dashes, each space a dash, cut, twelve random characters; forty at most."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            for display_name, pattern in (
                ("objectivism-library", r"objectivismlibrary-[a-z0-9]{12}"),
                ("Ünï & x" * 20, r"[a-z0-9-]{27}-[a-z0-9]{12}"),
                (
                    "rp2350-datasheet-2025-07-29 - 000001 - Cover.pdf",
                    r"rp2350datasheet20250729-000-[a-z0-9]{12}",
                ),
                ("日本語", r"[a-z0-9]{12}-[a-z0-9]{12}"),
            ):
                store = await server.sdk.file_search_stores.create(
                    config={"display_name": display_name}
                )
                assert store.display_name == display_name
                assert store.name is not None
                assert re.fullmatch(f"fileSearchStores/{pattern}", store.name)

    asyncio.run(story())


def test_a_store_needs_no_display_name(tmp_path: Path) -> None:
    """And says no more than there is to say."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.call("POST", "/v1/fileSearchStores", {})
            assert store.keys() == {"name", "createTime", "updateTime", "embeddingModel"}
            assert store["embeddingModel"] == "models/gemini-embedding-001"

    asyncio.run(story())


def test_two_stores_may_have_the_same_display_name(tmp_path: Path) -> None:
    """Creating twice makes two."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            first, second = await server.new_store("same"), await server.new_store("same")
            assert first != second
            pager = await server.sdk.file_search_stores.list()
            assert [store.name async for store in pager] == [first, second]

    asyncio.run(story())


def test_a_display_name_has_512_characters_at_most(tmp_path: Path) -> None:
    """One more is refused."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            await server.new_store("ä" * 512)
            error = await server.refused(
                "POST", "/v1beta/fileSearchStores", {"displayName": "ä" * 513}
            )
            assert error["status"] == "INVALID_ARGUMENT"

    asyncio.run(story())


def test_a_store_counts_its_documents_by_state_and_their_bytes(tmp_path: Path) -> None:
    """Pending become active or failed as time passes; deleted ones are no longer counted."""

    async def story() -> None:
        async with mounted(tmp_path, indexing_delay_s=10.0) as server:
            store, other = await server.new_store(), await server.new_store()
            good = await server.add(store, "Arches stand.")
            await server.add(other, "Elsewhere.")
            bad = await server.new_file(b"\x00\x01", mime_type="application/zip")
            await server.import_file(store, bad)

            async def counts() -> list[str | None]:
                found = await server.call("GET", f"/v1beta/{store}")
                states = ("pending", "active", "failed")
                return [found.get(f"{state}DocumentsCount") for state in states] + [
                    found.get("sizeBytes")
                ]

            assert await counts() == ["2", None, None, "15"]
            server.clock.now += 10
            assert await counts() == [None, "1", "1", "15"]
            await server.call("DELETE", f"/v1beta/{good}?force=true")
            assert await counts() == [None, None, "1", "2"]

    asyncio.run(story())


def test_a_store_with_documents_is_deleted_by_force_only(tmp_path: Path) -> None:
    """400 FAILED_PRECONDITION without; with it documents, chunks and operations go as well."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store, other = await server.new_store(), await server.new_store()
            document = await server.add(store, "Arches stand.")
            await server.add(other, "Bridges stand.")

            with pytest.raises(errors.ClientError, match="Cannot delete non-empty") as refused:
                await server.sdk.file_search_stores.delete(name=store)
            assert (refused.value.code, refused.value.status) == (400, "FAILED_PRECONDITION")
            await server.sdk.file_search_stores.delete(name=store, config={"force": True})

            operation = document.replace("/documents/", "/operations/")
            for name in (store, document, operation, f"{store}/documents"):
                assert (await server.refused("GET", f"/v1beta/{name}"))["status"] == "NOT_FOUND"
            for table in ("documents", "operations", "chunks", "chunk_terms"):
                assert server.store.one(f"SELECT COUNT(*) FROM {table}") == (1,)

    asyncio.run(story())


def test_an_empty_store_is_deleted_without_force(tmp_path: Path) -> None:
    """Once; then it is unknown."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            assert await server.call("DELETE", f"/v1beta/{store}") == {}
            assert (await server.refused("DELETE", f"/v1beta/{store}"))["code"] == 404

    asyncio.run(story())


def test_two_processes_may_use_one_data_file(tmp_path: Path) -> None:
    """What the one commits the other sees, and neither waits for the other's readers."""
    path = tmp_path / "shared.db"
    with closing(FileStore.open(path)) as one, closing(FileStore.open(path)) as two:
        identifier = one.create_store("from one", "m")
        assert two.store_row(identifier)[2] == "from one"
        two.delete_store(identifier, force=False)
        assert one.one("SELECT COUNT(*) FROM stores") == (0,)


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """And the store can be used on."""
    with closing(FileStore.open(tmp_path / "a.db")) as store:
        with pytest.raises(sqlite3.IntegrityError), store.transaction():
            store.all("INSERT INTO pieces VALUES ('a', 0, 'x')")
            store.all("INSERT INTO pieces VALUES ('a', 0, 'x')")
        assert store.one("SELECT COUNT(*) FROM pieces") == (0,)
        store.create_store("next", "m")


def test_the_same_chance_makes_the_same_ids(tmp_path: Path) -> None:
    """A seeded run replays."""
    made = []
    for name in ("a.db", "b.db"):
        with closing(FileStore.open(tmp_path / name, rng=random.Random(3))) as store:
            made.append(store.create_store("x", "m"))
    assert made[0] == made[1]


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Nobody's notes become a data file."""
    path = tmp_path / "notes.txt"
    path.write_text("These are my notes. " * 100)
    with pytest.raises(sqlite3.DatabaseError):
        FileStore.open(path)
    assert path.read_text() == "These are my notes. " * 100


def test_a_data_file_without_ages_of_uploads_is_brought_up_to_date(tmp_path: Path) -> None:
    """Its uploads count as old."""
    path = tmp_path / "old.db"
    with closing(FileStore.open(path)) as store:
        store.all("PRAGMA user_version = 0")
        store.all("DROP TABLE uploads")
        store.all(
            "CREATE TABLE uploads (id TEXT PRIMARY KEY, store_id TEXT, start_json TEXT NOT NULL,"
            " mime_type TEXT NOT NULL, declared_bytes INTEGER,"
            " received_bytes INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL DEFAULT 'active',"
            " answer_json TEXT)"
        )
        store.all("INSERT INTO uploads (id, start_json, mime_type) VALUES ('u', '{}', '')")
    with closing(FileStore.open(path)) as store:
        with store.transaction():
            forget_old(store)
        assert store.one("SELECT COUNT(*) FROM uploads") == (0,)


OLDER = """
    CREATE TABLE stores (id TEXT PRIMARY KEY, display_name TEXT NOT NULL,
        embedding_model TEXT NOT NULL, created_at REAL NOT NULL, position INTEGER NOT NULL UNIQUE);
    CREATE TABLE files (id TEXT PRIMARY KEY, display_name TEXT NOT NULL, mime_type TEXT NOT NULL,
        size_bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, created_at REAL NOT NULL,
        expires_at REAL NOT NULL, position INTEGER NOT NULL UNIQUE);
    CREATE INDEX files_by_expiry ON files (expires_at);
    CREATE TABLE documents (position INTEGER PRIMARY KEY AUTOINCREMENT,
        store_id TEXT NOT NULL REFERENCES stores (id), id TEXT NOT NULL, display_name TEXT NOT NULL,
        mime_type TEXT NOT NULL, size_bytes INTEGER NOT NULL, metadata_json TEXT NOT NULL,
        created_at REAL NOT NULL, ready_at REAL NOT NULL, is_failed INTEGER NOT NULL DEFAULT 0,
        recovers_at REAL, visible_at REAL NOT NULL, UNIQUE (store_id, id));
    INSERT INTO stores VALUES ('s2', 'second', 'm', 5, 2), ('s1', 'first', 'm', 4, 1);
    INSERT INTO files VALUES ('f', 'A file', 'text/plain', 3, 'x', 6, 1e12, 7);
    INSERT INTO documents VALUES (3, 's1', 'd1', 'd', 'text/plain', 10, '[]', 5, 5, 0, NULL, 5),
        (4, 's1', 'd2', 'd', 'text/plain', 20, '[]', 5, 5, 1, NULL, 5);
"""


def test_a_data_file_of_an_earlier_version_keeps_everything(tmp_path: Path) -> None:
    """Stores in their order with their counters, files with their places, documents."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as older:
        older.executescript(OLDER)
    for _ in range(2):
        with closing(FileStore.open(path)) as store:
            assert store.store_row("s1") == (1, "s1", "first", "m", 4.0)
            assert store.store_row("s2") == (2, "s2", "second", "m", 5.0)
            assert store.store_counters("s1") == (1, 0, 1, 30)
            assert store.store_counters("s2") == (0, 0, 0, 0)
            assert file_row(store, "f") == (7, "f", "A file", "text/plain", 3, "x", 6.0, 1e12)
            assert document_row(store, "s1", "d2")[1:3] == ("d2", "d")
    with closing(FileStore.open(path)) as store:
        delete_document(store, "s1", "d2", force=True)
        assert store.store_counters("s1") == (1, 0, 0, 10)
        store.create_store("third", "m")
        (row,) = store.all("SELECT position FROM stores WHERE display_name = 'third'")
        assert row == (3,)


def test_an_update_of_a_data_file_happens_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails in the middle leaves the file as it was, for a better day."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as older:
        older.executescript(OLDER)
        before = list(older.iterdump())
    with monkeypatch.context() as patch:
        patch.setattr("objlib.filestore.database._FILES", "position, no_such_column")
        with pytest.raises(sqlite3.OperationalError):
            FileStore.open(path)
    with closing(sqlite3.connect(path)) as older:
        assert list(older.iterdump()) == before


def test_a_place_in_a_list_is_never_used_twice(tmp_path: Path) -> None:
    """A token of a list made before the newest store was deleted leads on to the next one."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            await server.new_store("first")
            second = await server.new_store("second")
            page = await server.call("GET", "/v1beta/fileSearchStores", params={"pageSize": 1})
            await server.call("DELETE", f"/v1beta/{second}")
            third = await server.new_store("third")
            query = {"pageToken": page["nextPageToken"]}
            rest = await server.call("GET", "/v1beta/fileSearchStores", params=query)
            assert [store["name"] for store in rest["fileSearchStores"]] == [third]
            places = server.store.all("SELECT position FROM stores ORDER BY position")
            assert places == [(1,), (3,)]

    asyncio.run(story())


def test_counters_count_what_a_listing_shows(tmp_path: Path) -> None:
    """Through imports, failures, recoveries, time and deletes, without reading every row."""

    async def story() -> None:
        faults = (
            Fault(Kind.DOCUMENT_FAILED, probability=0.3),
            Fault(Kind.DOCUMENT_FAILED, probability=0.3, seconds=20.0),
            Fault(Kind.DOCUMENT_STUCK, probability=0.1),
        )
        async with mounted(tmp_path, *faults, indexing_delay_s=10.0) as server:
            store = await server.new_store()
            await server.add(await server.new_store(), "elsewhere")
            for number in range(24):
                await server.add(store, "word " * (number + 1))
                server.clock.now += 1
                listed = await server.documents(store)
                if number % 5 == 4:
                    await server.call("DELETE", f"/v1beta/{listed.pop(0)['name']}?force=true")
                shown = await server.call("GET", f"/v1beta/{store}")
                for name in ("active", "pending", "failed"):
                    expected = sum(d["state"] == f"STATE_{name.upper()}" for d in listed)
                    assert int(shown.get(f"{name}DocumentsCount", 0)) == expected
                assert shown["sizeBytes"] == str(sum(int(d["sizeBytes"]) for d in listed))

    asyncio.run(story())
