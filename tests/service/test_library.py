"""objlib from a program."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from objlib import Library
from objlib.errors import CatalogError, ConfigurationError
from objlib.upload import events as ev
from tests.conftest import write_library

ROOT = Path(__file__).parents[2]


def test_whoever_stops_listening_stops_the_run(workplace: Path) -> None:
    """What is in flight is finished, nothing else is started, no row stays in between."""
    write_library(workplace / "library", 40)

    async def story() -> set[str]:
        async with Library.open(workplace / "library", concurrency=2) as library:
            await library.scan()
            events = library.upload()
            async for event in events:
                if isinstance(event, ev.FileIndexed):
                    break
            await events.aclose()
            rows = await library.catalog.fetch_all("SELECT DISTINCT gemini_state FROM files")
            return {str(state) for (state,) in rows}

    assert asyncio.run(story()) == {"indexed", "untracked"}


def test_events_come_in_the_order_in_which_things_happen(workplace: Path) -> None:
    """Each file starts before it is accepted, and is accepted before it is indexed."""
    write_library(workplace / "library", 6)

    async def story() -> list[ev.Event]:
        async with Library.open(workplace / "library") as library:
            await library.scan()
            return [event async for event in library.upload()]

    events = asyncio.run(story())
    assert isinstance(events[0], ev.RunStarted)
    for path in {event.path for event in events if isinstance(event, ev.FileIndexed)}:
        own = [type(event) for event in events if getattr(event, "path", None) == path]
        assert own == [ev.FileStarted, ev.ImportAccepted, ev.FileIndexed]


def test_a_library_that_is_no_folder_is_an_error(workplace: Path) -> None:
    """Before anything is written."""

    async def story() -> None:
        async with Library.open("nowhere"):
            raise AssertionError("opened")

    with pytest.raises(ConfigurationError, match="nowhere"):
        asyncio.run(story())
    assert not (workplace / "data").exists()


def test_without_root_and_catalog_there_is_nothing_to_open(workplace: Path) -> None:
    """The error says how to begin."""

    async def story() -> None:
        async with Library.open():
            raise AssertionError("opened")

    with pytest.raises(CatalogError, match="no catalog at"):
        asyncio.run(story())
