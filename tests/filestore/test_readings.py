"""Documents that take longer to read than anybody waits for an answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from objlib.filestore import indexing, readings
from objlib.filestore.readings import KEPT_MAX, Readings
from objlib.formats import Page, Reading, Unreadable
from tests.conftest import Cli, Query
from tests.formats.pdfs import pdf_of

READING = Reading((Page(1, "Stones press."),))


def test_whoever_asks_again_joins_the_reading_that_has_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One who gives up ends nothing, and the result waits for one who comes back."""
    begun: list[bytes] = []

    async def story() -> None:
        may_end = asyncio.Event()

        async def slow(content: bytes, _mime_type: str) -> Reading:
            begun.append(content)
            await may_end.wait()
            return READING

        monkeypatch.setattr(readings, "read_isolated", slow)
        shared = Readings()
        first = asyncio.ensure_future(shared.of(b"a", "x/y"))
        second = asyncio.ensure_future(shared.of(b"a", "x/y"))
        other = asyncio.ensure_future(shared.of(b"b", "x/y"))
        await asyncio.sleep(0)
        first.cancel()
        other.cancel()
        await asyncio.wait([first, other])
        may_end.set()
        assert await second == READING
        assert await shared.of(b"b", "x/y") == READING
        assert begun == [b"a", b"b"]
        assert await shared.of(b"a", "x/y") == READING
        assert begun == [b"a", b"b", b"a"], "what was fetched is not kept"

    asyncio.run(asyncio.wait_for(story(), 30))


def test_results_that_nobody_fetches_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure is a result, too."""

    async def story() -> None:
        async def failing(_content: bytes, _mime_type: str) -> Reading:
            raise Unreadable("no")

        monkeypatch.setattr(readings, "read_isolated", failing)
        shared = Readings()
        for number in range(3 * KEPT_MAX):
            asked = asyncio.ensure_future(shared.of(b"%d" % number, "x/y"))
            await asyncio.sleep(0)
            asked.cancel()
            await asyncio.wait([asked])
            for _ in range(5):
                await asyncio.sleep(0)
        assert len(shared._tasks) <= KEPT_MAX + 1

    asyncio.run(asyncio.wait_for(story(), 30))


def test_a_document_that_takes_long_to_read_gets_in(
    cli: Cli, workplace: Path, rows: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its import is asked for a second time before it is read: it is read once, and there once."""
    monkeypatch.setenv("OBJLIB_LEASE_S", "2")
    imports, begun = 0, 0
    is_asked_again = asyncio.Event()
    usual, reading = indexing.index, readings.read_isolated

    async def counted(*given: object) -> indexing.Indexed:
        nonlocal imports
        imports += 1
        if imports == 2:
            is_asked_again.set()
        return await usual(*given)  # type: ignore[arg-type]

    async def slow(content: bytes, mime_type: str) -> Reading:
        nonlocal begun
        begun += 1
        await is_asked_again.wait()
        return await reading(content, mime_type)

    monkeypatch.setattr("objlib.filestore.endpoints.documents.index", counted)
    monkeypatch.setattr(readings, "read_isolated", slow)
    (workplace / "library").mkdir()
    (workplace / "library" / "long.pdf").write_bytes(pdf_of("Stones press."))
    outcome = cli("sync", "--library", workplace / "library", "--yes")
    assert outcome.exit_code == 0, outcome.out
    assert (imports, begun) == (2, 1)
    assert rows("SELECT gemini_state FROM files") == [("indexed",)]
    assert cli("store-sync", "--json").json["documents"]["canonical"] == 1
