"""The store that a catalog is bound to, when several processes bind it at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from objlib.catalog.binding import STORE_NAME
from objlib.catalog.queries import claim_info, get_info
from objlib.gemini.resources import Store
from objlib.service.stores import Binding, bind_store
from tests.upload.world import make_world


def test_a_found_store_gives_way_to_the_one_that_is_bound_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its maker lost the race and is about to delete it: the catalog stays with the other one."""

    async def story() -> None:
        async with make_world(tmp_path) as world:
            losing = await world.client.create_store("wanted")
            find = world.client.find_store

            async def too_late(display_name: str) -> Store | None:
                found = await find(display_name)
                assert found == losing
                await claim_info(world.catalog, STORE_NAME, world.store_name)
                return found

            monkeypatch.setattr(world.client, "find_store", too_late)
            store = await bind_store(
                world.catalog, world.client, Binding("here", "wanted"), create=True
            )
            assert store.name == world.store_name == await get_info(world.catalog, STORE_NAME)
            assert await world.client.get_store(losing.name) == losing

    asyncio.run(story())
