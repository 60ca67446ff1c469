"""store-sync and search on the embedded store, as the number of documents grows."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from statistics import median, quantiles

import httpx2

from benchmarks.filled import LIBRARY_ID, STORE, fill_catalog, fill_store, fill_vectors, words
from benchmarks.measuring import Cost, apart, measured
from benchmarks.results import Result, Target
from benchmarks.sizes import Sizes
from objlib.backend import EMBEDDED_URL, in_process
from objlib.catalog.opening import open_catalog
from objlib.filestore import Embedder, EmbedderMissing, FileStore, MultilingualE5, create_app
from objlib.filestore.retrieval import match_expression
from objlib.gemini.client import PAGE_SIZE, FileSearchClient
from objlib.sync.listing import survey

PART = "store"
QUESTIONS = 40


def measure(work: Path, sizes: Sizes) -> Iterator[Result]:
    """Every document listed and classified; questions to a store of so many."""
    for size in sizes.documents:
        folder = work / f"documents-{size}"
        folder.mkdir()
        fill_catalog(folder / "library.db", size, "indexed")
        apart(fill_store, folder / "filestore.db", size)
        yield apart(_store_sync, folder, size)
        yield from apart(_search, folder, size)
        shutil.rmtree(folder)


def _store_sync(folder: Path, size: int) -> Result:
    """Beside the listing alone: the same client, and nothing is done with the pages."""
    requests = 0

    async def classified() -> None:
        nonlocal requests
        async with (
            await open_catalog(folder / "library.db") as catalog,
            _client(folder) as client,
        ):
            found = await client.get_store(STORE)
            report = await survey(catalog, client, found, LIBRARY_ID)
            requests = client.requests
        assert report.is_clean, report

    async def listed() -> None:
        async with _client(folder) as client:
            async for _page in client.document_pages(STORE):
                pass

    alone = measured(lambda: asyncio.run(listed()))
    cost = measured(lambda: asyncio.run(classified()))
    pages = -(-size // PAGE_SIZE)
    assert requests == pages + 2, "the pages, and the store before and after"
    return Result(
        PART,
        "store-sync: list and classify",
        size,
        cost.seconds,
        count=size,
        cpu_s=cost.cpu_s,
        memory_mb=cost.memory_mb,
        requests=requests,
        baseline="listing alone",
        baseline_s=alone.seconds,
        targets=(Target("memory MB", 50),),
    )


def _search(folder: Path, size: int) -> list[Result]:
    """Questions of five words, beside the bare full-text query for the same words."""
    bare = _bare_queries(folder)
    found = [_asked(folder, size, "search by words", None, bare)]
    if (embedder := _embedder()) is not None:
        fill_vectors(folder / "filestore.db", embedder)
        found.append(_asked(folder, size, "search by words and meaning", embedder, bare))
    return found


def _asked(
    folder: Path, size: int, what: str, embedder: Embedder | None, baseline_s: float
) -> Result:
    took: list[float] = []

    async def ask() -> None:
        with contextlib.closing(
            FileStore.open(folder / "filestore.db", embedder=embedder)
        ) as store:
            transport = in_process(create_app(store))
            async with httpx2.AsyncClient(transport=transport, base_url=EMBEDDED_URL) as http:
                for question in _questions():
                    tool = {"fileSearch": {"fileSearchStoreNames": [STORE]}}
                    body = {"contents": [{"parts": [{"text": question}]}], "tools": [tool]}
                    started = time.perf_counter()
                    answer = await http.post("/v1beta/models/gemini-m:generateContent", json=body)
                    took.append(time.perf_counter() - started)
                    answer.raise_for_status()

    cost: Cost = measured(lambda: asyncio.run(ask()))
    return Result(
        PART,
        what,
        size,
        median(took),
        cpu_s=cost.cpu_s / QUESTIONS,
        memory_mb=cost.memory_mb,
        requests=1,
        baseline="the bare FTS5 query, BM25",
        baseline_s=baseline_s,
        more={"95th percentile ms": 1000 * quantiles(took, n=20)[-1]},
    )


def _bare_queries(folder: Path) -> float:
    """Seconds of the median full-text query."""
    took = []
    with contextlib.closing(FileStore.open(folder / "filestore.db")) as store:
        for question in _questions():
            match = match_expression(question)
            started = time.perf_counter()
            store.all(
                "SELECT rowid, bm25(chunk_terms) AS score FROM chunk_terms"
                " WHERE chunk_terms MATCH :match ORDER BY score LIMIT 5",
                match=match,
            )
            took.append(time.perf_counter() - started)
    return median(took)


def _questions() -> list[str]:
    rng = random.Random(7)
    return [" ".join(words(rng, 5)) for _ in range(QUESTIONS)]


def _embedder() -> Embedder | None:
    try:
        return MultilingualE5()
    except EmbedderMissing:
        return None


@contextlib.asynccontextmanager
async def _client(folder: Path) -> AsyncIterator[FileSearchClient]:
    with contextlib.closing(FileStore.open(folder / "filestore.db")) as store:
        transport = in_process(create_app(store))
        async with FileSearchClient(
            api_key="bench", base_url=EMBEDDED_URL, transport=transport
        ) as client:
            yield client
