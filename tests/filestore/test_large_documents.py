"""Documents of many passages: written in batches, seen only when whole, never left lying about."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from objlib.filestore import Fault, FileStore, Kind
from objlib.filestore.passages import BATCH
from objlib.formats import Page, Reading, Unreadable
from tests.filestore.mounted import Mounted, mounted

#: Cut into sentences of their own: about 1,400 passages.
LARGE = "".join(f"Sentence {n} of the long book speaks of arch{n}. " for n in range(25_000))


def counted(store: FileStore) -> tuple[int, int, int]:
    """(passages, terms, unfinished documents) in the data file."""
    tables = ("chunks", "chunk_terms", "unfinished")
    rows = [store.one(f"SELECT COUNT(*) FROM {table}") for table in tables]
    first, second, third = (int(row[0]) for row in rows if row is not None)
    return first, second, third


async def begun(server: Mounted, store: str) -> asyncio.Task[Any]:
    """An import of a large document of which a part is written."""
    file = await server.new_file(LARGE)
    path = f"/v1beta/{store}:importFile"
    importing = asyncio.create_task(server.http.post(path, json={"fileName": file}))
    while counted(server.store)[2] == 0:
        assert not importing.done()
        await asyncio.sleep(0)
    return importing


def test_every_passage_of_a_large_document_is_kept_in_order(tmp_path: Path) -> None:
    """Across batches, each once; the first and the last sentence are found."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            await server.add(store, LARGE)
            passages, terms, unfinished = counted(server.store)
            assert passages == terms > 2 * BATCH
            assert unfinished == 0
            rows = server.store.all("SELECT ordinal, text FROM chunks ORDER BY id")
            assert [ordinal for ordinal, _ in rows] == list(range(passages))
            assert rows[0][1].startswith("Sentence 0 ")
            assert rows[-1][1].endswith("arch24999.")
            for word in ("arch0", "arch24999"):
                assert "groundingMetadata" in await server.ask(word, store)

    asyncio.run(story())


def test_others_are_answered_while_a_large_document_is_cut_up(tmp_path: Path) -> None:
    """Reads and writes alike; what is being imported is not seen before it is whole."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            importing = await begun(server, store)
            answered = 0
            while not importing.done():
                assert await server.documents(store) == []
                assert "groundingMetadata" not in await server.ask("arch0", store)
                await server.new_store("meanwhile")
                answered += 1
                await asyncio.sleep(0)  # in-process an answer comes without a turn of the loop
            assert answered >= 3
            assert (await importing).status_code == 200
            assert len(await server.documents(store)) == 1

    asyncio.run(story())


def test_documents_imported_meanwhile_are_counted_and_listed_once(tmp_path: Path) -> None:
    """Two at the same time, one large and one small."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            importing = await begun(server, store)
            small = await server.add(store, "Arches stand.")
            await importing
            listed = [document["name"] for document in await server.documents(store)]
            assert len(listed) == 2
            assert small in listed
            shown = await server.call("GET", f"/v1beta/{store}")
            assert shown["activeDocumentsCount"] == "2"
            for name in listed:
                await server.call("DELETE", f"/v1beta/{name}", params={"force": "true"})
            assert counted(server.store) == (0, 0, 0)

    asyncio.run(story())


def test_what_was_abandoned_is_freed_an_hour_later(tmp_path: Path) -> None:
    """A store deleted while a document for it was cut up; nothing of others is touched."""

    async def story() -> None:
        async with mounted(tmp_path) as server:
            kept = await server.new_store()
            await server.add(kept, "Arches stand.")
            store = await server.new_store()
            importing = await begun(server, store)
            await server.call("DELETE", f"/v1beta/{store}")
            assert (await importing).status_code == 404
            assert counted(server.store)[2] == 1
            server.clock.now += 3599
            await server.start(1)
            assert counted(server.store)[2] == 1
            server.clock.now += 1
            await server.start(1)
            assert counted(server.store) == (1, 1, 0)

    asyncio.run(story())


def test_an_import_that_makes_no_document_leaves_no_passages(tmp_path: Path) -> None:
    """However large."""

    async def story() -> None:
        async with mounted(tmp_path, Fault(Kind.SILENT_IMPORT)) as server:
            store = await server.new_store()
            await server.import_file(store, await server.new_file(LARGE))
            assert await server.documents(store) == []
            assert counted(server.store) == (0, 0, 0)

    asyncio.run(story())


def test_a_document_that_turns_out_damaged_leaves_no_passages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written of its good pages goes again; it has failed."""

    def pages() -> Iterator[Page]:
        yield Page(1, LARGE)
        raise Unreadable("The document is damaged.")

    async def half(_content: bytes, _mime_type: str) -> Reading:
        return Reading(cast(tuple[Page, ...], pages()))

    async def story() -> None:
        async with mounted(tmp_path) as server:
            monkeypatch.setattr("objlib.filestore.readings.read_isolated", half)
            store = await server.new_store()
            file = await server.new_file("x", mime_type="application/pdf")
            name = await server.import_file(store, file)
            operation = await server.call("GET", f"/v1beta/{name}")
            assert operation["error"] == {"code": 3, "message": "The document is damaged."}
            (document,) = await server.documents(store)
            assert document["state"] == "STATE_FAILED"
            assert counted(server.store) == (0, 0, 0)

    asyncio.run(story())
