"""Reading in a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from objlib.formats import Page, Reading, Unreadable, read
from objlib.formats.isolated import read_isolated
from tests.filestore.mounted import mounted


@pytest.fixture
def endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a reader be at work for as long as it is let."""
    reader = tmp_path / "reader"
    reader.write_text("#!/bin/sh\nwhile :; do :; done\n")
    reader.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(reader))


def test_pages_come_back_as_they_were_read() -> None:
    """In any script."""
    page = "<h1>Über</h1><p>Камни давят. \U0001f9f1</p>".encode()
    assert asyncio.run(read_isolated(page, "text/html; charset=utf-8")) == Reading(
        (Page(None, "Über\n\nКамни давят. \U0001f9f1"),)
    )


def test_problems_come_back_as_they_were_raised() -> None:
    """With their messages."""
    with pytest.raises(Unreadable, match="no ZIP archive"):
        asyncio.run(read_isolated(b"no book", "application/epub+zip"))


@pytest.mark.usefixtures("endless")
def test_what_takes_too_long_is_ended() -> None:
    """Its process is."""
    with pytest.raises(Unreadable, match=r"within 0\.5 seconds"):
        asyncio.run(read_isolated(b"<p>Stones.</p>", "text/html", deadline_s=0.5))


def test_a_reader_that_dies_is_the_documents_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the system ends it for its memory."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Unreadable, match="had to be ended"):
        asyncio.run(read_isolated(b"<p>Stones.</p>", "text/html"))


@pytest.mark.usefixtures("endless")
def test_who_is_cancelled_takes_the_process_along() -> None:
    """A run that is stopped leaves nothing behind that goes on reading."""

    def at_work() -> list[psutil.Process]:
        """Readers that have read so much that they must have got their document."""
        children = psutil.Process().children()
        return [child for child in children if child.cpu_times().user > 0.3]

    async def story() -> None:
        before = {child.pid for child in psutil.Process().children()}
        reading = asyncio.create_task(read_isolated(b"<p>Stones.</p>", "text/html"))
        while not (begun := [one for one in at_work() if one.pid not in before]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert os.getsid(begun[0].pid) != os.getsid(0)  # Ctrl-C must not reach it
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert not begun[0].is_running()

    asyncio.run(story())


def test_more_text_than_any_document_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is handed over."""
    monkeypatch.setattr("objlib.formats.TEXT_CHARS_MAX", 10)
    with pytest.raises(Unreadable, match="too much text"):
        read(b"<p>More than ten characters.</p>", "text/html")


@pytest.mark.usefixtures("endless")
def test_the_server_answers_while_a_document_takes_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And says in the end what became of it."""
    monkeypatch.setattr("objlib.formats.isolated.DEADLINE_S", 2.0)

    async def story() -> None:
        async with mounted(tmp_path) as server:
            store = await server.new_store()
            file = await server.new_file("<p>Stones.</p>", mime_type="text/html")
            importing = asyncio.create_task(
                server.http.post(f"/v1beta/{store}:importFile", json={"fileName": file})
            )
            answered = 0
            while not importing.done():
                await server.documents(store)
                answered += 1
                await asyncio.sleep(0.05)
            assert answered > 10
            operation = await server.call("GET", f"/v1beta/{(await importing).json()['name']}")
            assert "within 2 seconds" in operation["error"]["message"]

    asyncio.run(story())
