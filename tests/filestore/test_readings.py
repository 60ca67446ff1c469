"""Documents that take longer to read than anybody waits for an answer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from objlib.filestore import readings, resources
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


@pytest.mark.parametrize("pages", [("Stones press.", ""), ("",)])
def test_a_document_that_takes_long_to_read_gets_in(
    cli: Cli,
    workplace: Path,
    rows: Query,
    monkeypatch: pytest.MonkeyPatch,
    pages: tuple[str, ...],
) -> None:
    """Its import is answered before it is read, and the run waits for it as it does elsewhere. What
    comes of it is said: what was not read, or why it has failed."""
    begun = 0
    was_seen_pending = asyncio.Event()
    reading, usual = readings.read_isolated, resources.document

    def seen(store_id: str, row: tuple[Any, ...]) -> dict[str, Any]:
        document = usual(store_id, row)
        if document["state"] == "STATE_PENDING":
            was_seen_pending.set()
        return document

    async def slow(content: bytes, mime_type: str) -> Reading:
        nonlocal begun
        begun += 1
        await was_seen_pending.wait()
        return await reading(content, mime_type)

    for wait in ("LEASE_S", "POLL_DEADLINE_S", "SETTLE_S"):
        monkeypatch.setenv(f"OBJLIB_{wait}", "300")
    monkeypatch.setattr("objlib.filestore.endpoints.documents.ANSWER_S", 0.05)
    monkeypatch.setattr(readings, "read_isolated", slow)
    monkeypatch.setattr(resources, "document", seen)
    (workplace / "library").mkdir()
    (workplace / "library" / "long.pdf").write_bytes(pdf_of(*pages))
    outcome = cli("sync", "--library", workplace / "library", "--yes")
    assert begun == 1
    history = cli("history", "long.pdf", "--json").json
    if pages[0]:
        assert outcome.exit_code == 0, outcome.out
        assert rows("SELECT gemini_state FROM files") == [("indexed",)]
        assert history["not_read"] == ["1 page without text: scans?"]
        assert cli("store-sync", "--json").json["documents"]["canonical"] == 1
        assert cli("search", "stones", "--json").json["citations"][0]["page"] == 1
    else:
        assert outcome.exit_code == 1
        (group,) = cli("failures", "--json").json
        assert (group["kind"], "OCR" in group["reason"]) == ("permanent", True)
