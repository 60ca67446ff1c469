"""The store that a catalog is bound to, when several processes bind it at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from objlib.catalog.binding import STORE_NAME
from objlib.catalog.new_store import exchange_store, is_exchanged
from objlib.catalog.queries import claim_info, get_info
from objlib.gemini.resources import Store
from objlib.service.stores import Binding, bind_store, replace_gone_store
from tests.sync.test_new_store import go_on, lose_the_store
from tests.upload.world import assert_all_canonical, make_world


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


def test_a_store_that_another_process_has_bound_meanwhile_is_not_taken_for_the_gone_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers while the gone one is asked for: nothing in it is thrown back."""

    async def story() -> None:
        async with make_world(tmp_path) as world:
            await claim_info(world.catalog, STORE_NAME, world.store_name)
            await world.upload()
            gone, get = world.store_name, world.client.get_store
            world.store_name = await lose_the_store(world)

            async def overtaken(name: str) -> Store:
                if name == gone:
                    await exchange_store(world.catalog, gone, world.store_name)
                    await go_on(world)
                    await world.upload()
                return await get(name)

            monkeypatch.setattr(world.client, "get_store", overtaken)
            await replace_gone_store(world.catalog, world.client, Binding("here", "a-store"))
            assert not await is_exchanged(world.catalog)
            assert await get_info(world.catalog, STORE_NAME) == world.store_name
            await assert_all_canonical(world)
            assert world.count(":importFile") == 12

    asyncio.run(story())
