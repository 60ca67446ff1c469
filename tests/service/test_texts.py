"""The text of a file for people: converted once, and never an old one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from objlib.formats import Page, Reading, Unreadable
from objlib.service import texts
from objlib.service.texts import Readings

PDF = "application/pdf"


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch, chars: int = 10) -> Iterator[list[bytes]]:
    """The documents that were converted, in order; each has a page of so many characters."""
    converted: list[bytes] = []

    async def read(raw: bytes, _mime_type: str) -> Reading:
        converted.append(raw)
        await asyncio.sleep(0)
        if raw == b"damaged":
            raise Unreadable("damaged")
        return Reading((Page(1, raw.decode() * chars),), ())

    monkeypatch.setattr(texts, "read_isolated", read)
    yield converted


def test_a_document_is_converted_once_for_all_its_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when six tabs ask for it at once; another content is another document."""

    async def scenario() -> None:
        readings = Readings()
        with counting(monkeypatch) as converted:
            await asyncio.gather(*(readings.of(b"a", "hash a", PDF) for _ in range(6)))
            await readings.of(b"a", "hash a", PDF)
            await readings.of(b"b", "hash b", PDF)
            assert converted == [b"a", b"b"]

    asyncio.run(scenario())


def test_few_documents_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """By number and by size; the one that was read last is kept in any case."""

    async def scenario() -> None:
        readings = Readings()
        with counting(monkeypatch) as converted:
            for number in range(20):
                await readings.of(b"x", f"hash {number}", PDF)
            await readings.of(b"x", "hash 19", PDF)
            await readings.of(b"x", "hash 0", PDF)
            assert len(converted) == 21
        with counting(monkeypatch, texts._KEPT_CHARS + 1) as converted:
            await readings.of(b"y", "hash y", PDF)
            await readings.of(b"y", "hash y", PDF)
            assert len(readings._kept) == 1 and len(converted) == 1

    asyncio.run(scenario())


def test_a_damaged_document_is_told_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trouble is not kept, and holds nobody up."""

    async def scenario() -> None:
        readings = Readings()
        with counting(monkeypatch) as converted:
            for _ in range(2):
                with pytest.raises(Unreadable):
                    await readings.of(b"damaged", "hash", PDF)
            assert len(converted) == 2

    asyncio.run(scenario())
