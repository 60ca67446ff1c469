"""A large text is indexed after its import was answered, as the service does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from objlib.filestore import Fault, Kind, documents
from objlib.filestore.endpoints import documents as endpoint
from objlib.filestore.passages import BATCH
from tests.filestore.mounted import Mounted, mounted

#: Some batches of passages.
TEXT = "".join(f"The sluice {number:05} is kept by nobody. " for number in range(40_000))
END = "The zyzzyva stands at the end."

Story = Callable[[Mounted, str, str], Awaitable[None]]


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large is so for these tests, and the parts of it are written often."""
    monkeypatch.setattr(endpoint, "AT_ONCE_BYTES_MAX", 10_000)


def tell(folder: Path, story: Story, *faults: Fault) -> None:
    """Import a large text, and tell what happens then: (server, store, document)."""

    async def scenes() -> None:
        async with mounted(folder, *faults) as server:
            store = await server.new_store()
            document = await server.add(store, TEXT + END)
            try:
                await story(server, store, document)
            finally:
                await server.store.stopped()

    asyncio.run(scenes())


async def state(server: Mounted, document: str) -> str:
    return str((await server.call("GET", f"/v1beta/{document}"))["state"])


def operation_of(document: str) -> str:
    return "/v1beta/" + document.replace("/documents/", "/operations/")


def passages(server: Mounted) -> int:
    row = server.store.one("SELECT COUNT(*) FROM chunks")
    assert row is not None
    return int(row[0])


async def begun(server: Mounted) -> None:
    """Give it turns until some passages are written."""
    for _ in range(100_000):
        if passages(server):
            return
        await asyncio.sleep(0)
    raise AssertionError("nothing was indexed")


def test_its_import_is_answered_first(tmp_path: Path) -> None:
    """It is pending until then, nothing of it is found, and it is whole at last."""

    async def story(server: Mounted, store: str, document: str) -> None:
        assert await state(server, document) == "STATE_PENDING"
        assert "done" not in await server.call("GET", operation_of(document))
        await begun(server)
        asked = await server.ask("zyzzyva sluice", store)
        assert not asked.get("groundingMetadata", {}).get("groundingChunks")
        await asyncio.gather(*server.store.working)
        assert await state(server, document) == "STATE_ACTIVE"
        operation = await server.call("GET", operation_of(document))
        assert operation["done"] and "error" not in operation
        assert "zyzzyva" in str(await server.ask("zyzzyva", store))
        assert passages(server) > BATCH

    tell(tmp_path, story)


def test_it_shows_as_failed_when_the_server_is_stopped(tmp_path: Path) -> None:
    """At once, with the reason; its passages are gone, and so is the work."""

    async def story(server: Mounted, store: str, document: str) -> None:
        await begun(server)
        await server.store.stopped()
        assert await state(server, document) == "STATE_FAILED"
        operation = await server.call("GET", operation_of(document))
        assert "was stopped while it indexed" in operation["error"]["message"]
        assert passages(server) == 0 and not server.store.working

    tell(tmp_path, story)


def test_it_shows_as_failed_when_the_server_has_died(tmp_path: Path) -> None:
    """Nobody keeps it pending any longer. While somebody does, it stays so."""

    async def scenes() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            with server.store.transaction():
                name, position = documents.announce(
                    server.store,
                    store.removeprefix("fileSearchStores/"),
                    identifier="long",
                    display_name="long",
                    mime_type="text/plain",
                    size_bytes=len(TEXT),
                    metadata=[],
                    fate=documents.Fate(),
                )
            document = f"{store}/documents/long"
            server.clock.now += documents.RENEWED_S - 1
            with server.store.transaction():
                documents.renew(server.store, position)
            server.clock.now += documents.RENEWED_S - 1
            assert await state(server, document) == "STATE_PENDING"
            server.clock.now += 2
            assert await state(server, document) == "STATE_FAILED"
            assert (await server.call("GET", f"/v1beta/{name}"))["error"]["code"] == 13

    asyncio.run(scenes())


def test_nothing_stays_of_one_that_is_deleted_meanwhile(tmp_path: Path) -> None:
    """Its work ends by itself."""

    async def story(server: Mounted, store: str, document: str) -> None:
        await begun(server)
        await server.call("DELETE", f"/v1beta/{document}", params={"force": "true"})
        await asyncio.gather(*server.store.working)
        assert passages(server) == 0
        assert await server.documents(store) == []

    tell(tmp_path, story)


def test_trouble_on_purpose_is_that_of_any_document(tmp_path: Path) -> None:
    """A fate that is drawn at the import comes true at the end of the indexing."""

    async def story(server: Mounted, store: str, document: str) -> None:
        assert await state(server, document) == "STATE_PENDING"
        await asyncio.gather(*server.store.working)
        assert await state(server, document) == "STATE_FAILED"

    tell(tmp_path, story, Fault(Kind.DOCUMENT_FAILED, times=1))


def test_a_lost_raw_file_is_a_document_that_fails(tmp_path: Path) -> None:
    """Half of a text is no document."""

    async def story(server: Mounted, store: str, document: str) -> None:
        (raw_file,) = (await server.call("GET", "/v1beta/files"))["files"]
        await begun(server)
        await server.call("DELETE", f"/v1beta/{raw_file['name']}")
        await asyncio.gather(*server.store.working)
        assert await state(server, document) == "STATE_FAILED"
        assert passages(server) == 0

    tell(tmp_path, story)
