"""What takes long is done beside the event loop, and short things are not handed over."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from objlib import Library
from objlib.catalog.protocol import Catalog
from objlib.catalog.readings import unknown_readers_page
from objlib.library.content import opened, read_content
from objlib.library.hashing import look_into
from objlib.threads import one_thread
from tests.catalog.catalogs import use
from tests.conftest import write_library


def noting(function: Callable[..., Any], threads: dict[str, int]) -> Callable[..., Any]:
    """The function, which notes by the name of the file which thread calls it."""

    def noted(*arguments: Any, **named: Any) -> Any:
        path = next(name for name in map(str, arguments) if name.endswith(".txt"))
        threads[Path(path).name] = threading.get_ident()
        return function(*arguments, **named)

    return noted


def test_a_scan_leaves_the_loop_free(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in other threads, and others get their turn meanwhile."""
    write_library(workplace / "library", 40)
    threads: dict[str, int] = {}
    monkeypatch.setattr("objlib.library.hashing.look_into", noting(look_into, threads))

    async def story() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with Library.open("library") as library:
            running = asyncio.ensure_future(other())
            await library.scan()
            running.cancel()
        return turns

    assert asyncio.run(story()) > 1
    assert len(threads) == 40
    assert threading.get_ident() not in threads.values()


def test_a_large_text_is_prepared_and_verified_off_the_loop(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small one is not: handing it over takes longer than reading it."""
    root = workplace / "library"
    root.mkdir()
    (root / "small.txt").write_text("This small text is about arches and their keystones.\n")
    line = "This large text is about sluices and their keepers, line {}.\n"
    (root / "large.txt").write_text("".join(line.format(n) for n in range(5_000)))
    sent: dict[str, int] = {}
    verified: dict[str, int] = {}
    monkeypatch.setattr("objlib.documents.payload.opened", noting(opened, sent))
    monkeypatch.setattr("objlib.search.proof.read_content", noting(read_content, verified))

    async def story() -> None:
        async with Library.open("library") as library:
            await library.scan()
            assert (await library.upload()).indexed == 2
            assert (await library.verify()).asked == 2

    asyncio.run(story())
    assert sent["large.txt"] != threading.get_ident()
    assert sent["small.txt"] == threading.get_ident()
    assert threading.get_ident() not in verified.values()


def test_documents_without_a_reader_are_looked_for_off_the_loop(tmp_path: Path) -> None:
    """Others get their turn while the catalog is searched."""

    async def story(catalog: Catalog) -> bool:
        turns: list[bool] = []
        asyncio.get_running_loop().call_soon(turns.append, True)
        assert await unknown_readers_page(catalog, ["application/epub+zip"], "", 9) == []
        return bool(turns)

    assert use(tmp_path / "library.db", story)


def test_work_in_one_thread_is_over_when_its_owner_is() -> None:
    """Whoever is cancelled waits for the piece that has begun."""

    async def story() -> list[str]:
        done: list[str] = []
        begun, may_end = threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            may_end.wait()
            done.append("the work")

        async def owner() -> None:
            async with one_thread() as offload:
                await offload(work)

        owning = asyncio.ensure_future(owner())
        await asyncio.to_thread(begun.wait)
        owning.cancel()
        await asyncio.sleep(0)
        may_end.set()
        await asyncio.wait([owning])
        done.append("the owner")
        return done

    assert asyncio.run(story()) == ["the work", "the owner"]


_NOTING_THE_IMPORT = """
import asyncio, sys, threading
from objlib import Library

class Noting:
    def find_spec(self, name, path=None, target=None):
        if name == "google.genai":
            print(threading.current_thread() is threading.main_thread())

sys.meta_path.insert(0, Noting())

async def story():
    async with Library.open("library") as library:
        await library.scan()
        await library.upload(limit=0)

asyncio.run(story())
"""


def test_the_sdk_is_loaded_off_the_loop(workplace: Path) -> None:
    """It takes half a second, in which a web server that embeds a library answers."""
    write_library(workplace / "library", 1)
    done = subprocess.run(
        [sys.executable, "-c", _NOTING_THE_IMPORT], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
