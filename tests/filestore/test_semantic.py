"""Search by meaning: what is kept, what is found, and what must not be."""

from __future__ import annotations

import asyncio
import importlib.util
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray

from objlib.backend import EMBEDDED_URL, in_process
from objlib.filestore import Embedder, EmbedderMissing, FileStore, MultilingualE5, create_app
from objlib.filestore.semantic import Nearness, packed

#: Words that mean the same, in the eyes of a very small model.
MEANINGS = ({"arch", "vault", "bogen"}, {"bee", "apiary", "biene"}, {"clock", "hour", "uhr"})


class Concepts:
    """An embedder of three dimensions: how many words of each meaning a text has."""

    def __init__(self, name: str = "concepts") -> None:
        self.name = name

    floor = 0.1

    def embed(self, texts: Sequence[str], *, is_question: bool = False) -> NDArray[np.float32]:
        counts = []
        for text in texts:
            words = [word.strip(".?").lower() for word in text.split()]
            counts.append([1e-6 + sum(word in meaning for word in words) for meaning in MEANINGS])
        vectors = np.array(counts, np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)  # type: ignore[no-any-return]


class Client:
    """The requests these tests make."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def store(self) -> str:
        """A new store's name."""
        answer = await self._http.post("/v1beta/fileSearchStores", json={})
        return str(answer.json()["name"])

    async def add(self, store: str, title: str, text: str, **metadata: str) -> str:
        """A document's name."""
        custom = [{"key": key, "stringValue": value} for key, value in metadata.items()]
        started = await self._http.post(
            f"/upload/v1beta/{store}:uploadToFileSearchStore",
            json={"displayName": title, "customMetadata": custom},
            headers={
                "X-Goog-Upload-Protocol": "resumable",
                "X-Goog-Upload-Command": "start",
                "X-Goog-Upload-Header-Content-Type": "text/plain",
            },
        )
        answer = await self._http.post(
            started.headers["x-goog-upload-url"],
            content=text.encode(),
            headers={"X-Goog-Upload-Command": "upload, finalize", "X-Goog-Upload-Offset": "0"},
        )
        document = answer.json()["response"]["documentName"]
        return f"{store}/documents/{document.rpartition('/')[2]}"

    async def delete(self, document: str) -> None:
        (await self._http.delete(f"/v1beta/{document}?force=true")).raise_for_status()

    async def delete_store(self, store: str) -> None:
        (await self._http.delete(f"/v1beta/{store}?force=true")).raise_for_status()

    async def titles(self, question: str, *stores: str, **search: Any) -> list[str]:
        """The titles of the chunks that are cited, best first."""
        tool = {"fileSearch": {"fileSearchStoreNames": list(stores), "topK": 20, **search}}
        body = {"contents": [{"parts": [{"text": question}]}], "tools": [tool]}
        answer = await self._http.post("/v1beta/models/gemini-any:generateContent", json=body)
        grounding = answer.json()["candidates"][0].get("groundingMetadata", {})
        return [
            chunk["retrievedContext"]["title"] for chunk in grounding.get("groundingChunks", [])
        ]


def with_store(
    path: Path, embedder: Embedder | None, story: Callable[[Client, FileStore], Awaitable[None]]
) -> None:
    """Tell a story over a data file."""

    async def main() -> None:
        with closing(FileStore.open(path, embedder=embedder)) as store:
            transport = in_process(create_app(store))
            async with httpx2.AsyncClient(transport=transport, base_url=EMBEDDED_URL) as http:
                await story(Client(http), store)

    asyncio.run(main())


def test_a_question_in_other_words_is_answered(tmp_path: Path) -> None:
    """Which it is not by words alone."""

    async def story(client: Client, store: FileStore) -> None:
        name = await client.store()
        await client.add(name, "A", "The vault stands by itself.")
        await client.add(name, "B", "An apiary wants shade.")
        assert await client.titles("Biene?", name) == ["B"]
        store.embedder = None
        assert await client.titles("Biene?", name) == []

    with_store(tmp_path / "s.db", Concepts(), story)


def test_meaning_obeys_stores_filters_and_deletion(tmp_path: Path) -> None:
    """Nothing is found by its vector that could not be found by its words."""

    async def story(client: Client, store: FileStore) -> None:
        one, other = await client.store(), await client.store()
        await client.add(one, "old", "The vault.", year="1900")
        gone = await client.add(one, "new", "The arch.", year="2000")
        await client.add(other, "foreign", "A vault.")
        assert set(await client.titles("Bogen", one)) == {"old", "new"}
        assert await client.titles("Bogen", one, metadataFilter='year = "2000"') == ["new"]
        await client.delete(gone)
        assert await client.titles("Bogen", one) == ["old"]
        assert store.all("SELECT COUNT(*) FROM vectors") == [(2,)]

    with_store(tmp_path / "s.db", Concepts(), story)


def test_a_pending_document_is_not_found(tmp_path: Path) -> None:
    """As by words."""
    now = [1_000.0]

    async def main() -> None:
        opened = FileStore.open(
            tmp_path / "s.db", clock=lambda: now[0], indexing_delay_s=60.0, embedder=Concepts()
        )
        with closing(opened) as store:
            transport = in_process(create_app(store))
            async with httpx2.AsyncClient(transport=transport, base_url=EMBEDDED_URL) as http:
                client = Client(http)
                name = await client.store()
                started = await client._http.post(
                    f"/upload/v1beta/{name}:uploadToFileSearchStore",
                    content=b"The vault.",
                    headers={"Content-Type": "text/plain"},
                )
                started.raise_for_status()
                assert await client.titles("Bogen", name) == []
                now[0] += 61.0
                assert len(await client.titles("Bogen", name)) == 1

    asyncio.run(main())


def test_what_another_embedder_wrote_is_found_by_its_words(tmp_path: Path) -> None:
    """Vectors of two models cannot be compared; nothing breaks, and nothing is lost."""

    async def first(client: Client, store: FileStore) -> None:
        name = await client.store()
        await client.add(name, "A", "The vault stands.")

    async def second(client: Client, store: FileStore) -> None:
        ((identifier,),) = store.all("SELECT id FROM stores")
        name = f"fileSearchStores/{identifier}"
        assert await client.titles("Bogen", name) == []
        assert await client.titles("vault", name) == ["A"]

    with_store(tmp_path / "s.db", Concepts("one model"), first)
    with_store(tmp_path / "s.db", Concepts("another"), second)
    with_store(tmp_path / "s.db", None, second)


def test_a_data_file_of_before_opens(tmp_path: Path) -> None:
    """It gets the table it lacks; its documents are found by their words."""

    async def before(client: Client, store: FileStore) -> None:
        await client.add(await client.store(), "A", "The vault stands.")

    async def after(client: Client, store: FileStore) -> None:
        ((identifier,),) = store.all("SELECT id FROM stores")
        name = f"fileSearchStores/{identifier}"
        await client.add(name, "B", "An arch.")
        assert await client.titles("Bogen", name) == ["B"]
        assert set(await client.titles("vault", name)) == {"A", "B"}

    path = tmp_path / "s.db"
    with_store(path, None, before)
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("DROP TABLE vectors")
        plain.execute("PRAGMA user_version = 3")
        plain.commit()
    with_store(path, Concepts(), after)


def test_a_large_document_is_embedded_whole(tmp_path: Path) -> None:
    """Also the batches that are written before its end."""

    async def story(client: Client, store: FileStore) -> None:
        text = "\n\n".join(f"Passage {number} of words. " * 60 for number in range(700))
        await client.add(await client.store(), "long", text)
        assert store.all("SELECT COUNT(*) FROM chunks") == store.all("SELECT COUNT(*) FROM vectors")
        assert store.all("SELECT COUNT(*) > 512 FROM chunks") == [(1,)]

    with_store(tmp_path / "s.db", Concepts(), story)


@pytest.mark.parametrize("depth", [1, 5, 10_000, 20_000])
def test_the_nearest_are_found_whatever_the_number_of_blocks(depth: int) -> None:
    """By cosine, and those whose cosine is the same by id; a byte a component is enough."""
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(10_000, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[5_000:5_010] = vectors[1234]
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.execute("CREATE TABLE v (id INTEGER PRIMARY KEY, vector BLOB)")
        memory.executemany("INSERT INTO v VALUES (?, ?)", enumerate(packed(vectors)))
        found = Nearness(memory.execute("SELECT id, vector FROM v"), vectors[1234]).best(depth)
    assert [one.id for one in found[:3]] == [1234, 5_000, 5_001][:depth]
    assert len({one.id for one in found}) == min(depth, 10_000)
    exact = vectors @ vectors[1234]
    assert all(abs(one.cosine - exact[one.id]) < 0.01 for one in found)
    assert [one.cosine for one in found] == sorted((one.cosine for one in found), reverse=True)


def test_no_vectors_and_vectors_of_nothing() -> None:
    """Neither is an error."""
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.execute("CREATE TABLE v (id INTEGER PRIMARY KEY, vector BLOB)")
        rows = memory.execute("SELECT id, vector FROM v")
        assert Nearness(rows, np.ones(4, np.float32)).best(5) == []
        memory.executemany(
            "INSERT INTO v VALUES (?, ?)", enumerate(packed(np.zeros((2, 4), np.float32)))
        )
        rows = memory.execute("SELECT id, vector FROM v")
        assert [one.cosine for one in Nearness(rows, np.ones(4, np.float32)).best(5)] == [0.0, 0.0]


def test_many_nearer_passages_of_another_store_hide_none(tmp_path: Path) -> None:
    """However far down those lie that may be found."""

    async def story(client: Client, store: FileStore) -> None:
        one, other = await client.store(), await client.store()
        for _ in range(120):
            await client.add(other, "foreign", "A vault. A vault.")
        await client.add(one, "ours", "A vault and an apiary.")
        assert await client.titles("Bogen", one, topK=1) == ["ours"]

    with_store(tmp_path / "s.db", Concepts(), story)


def test_without_the_extra_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EmbedderMissing, match=r"pip install 'objlib\[semantic\]'"):
        MultilingualE5()


def test_the_packaged_model_knows_what_is_alike() -> None:
    """Unit vectors; a question is nearer to its answer, in any language, than to another."""
    model = MultilingualE5()
    (question,) = model.embed(["Who was shot?"], is_question=True)
    said, foreign, other = model.embed(
        ["The president was shot.", "На президента было совершено покушение.", "Bees make honey."]
    )
    assert np.linalg.norm(question) == pytest.approx(1.0, abs=1e-3)
    assert question @ said > question @ foreign > question @ other


def test_the_packaged_model_bears_any_text() -> None:
    """Empty, with zeros, with half a character, and longer than it reads."""
    model = MultilingualE5()
    vectors = model.embed(["", "a\0b", "\ud800", "arch " * 600])
    assert np.isfinite(vectors).all()


def test_a_store_that_is_deleted_takes_its_vectors_along(tmp_path: Path) -> None:
    """The next store gets the same chunk ids, and its documents are found by their meaning."""

    async def story(client: Client, store: FileStore) -> None:
        first = await client.store()
        await client.add(first, "Old", "An apiary.")
        await client.delete_store(first)
        assert store.all("SELECT chunk FROM vectors") == []
        assert store.all("SELECT rowid FROM chunk_terms") == []

        second = await client.store()
        await client.add(second, "New", "The vault stands.")
        assert await client.titles("bogen", second) == ["New"]

    with_store(tmp_path / "s.db", Concepts(), story)


def test_vectors_that_an_earlier_version_left_behind_go(tmp_path: Path) -> None:
    """A data file from before the trigger holds vectors of chunks that are gone."""
    path = tmp_path / "s.db"
    FileStore.open(path).close()
    with closing(sqlite3.connect(path)) as older:
        older.execute("DROP TRIGGER chunks_removed")
        older.execute("INSERT INTO vectors VALUES (1, 'concepts', x'00')")
        older.execute("PRAGMA user_version = 6")
        older.commit()

    async def story(client: Client, store: FileStore) -> None:
        assert store.all("SELECT chunk FROM vectors") == []
        await client.add(await client.store(), "New", "The vault stands.")

    with_store(path, Concepts(), story)
