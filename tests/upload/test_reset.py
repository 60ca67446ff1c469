"""`--reset-existing`: every document is made anew, in one run or in several, and paid once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from objlib.catalog.resets import count_to_be_reset
from tests.upload.world import assert_all_canonical, make_world


def test_an_interrupted_reset_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Two of six are done when it ends; the rerun does the other four, and the next reset all."""

    async def scenes() -> None:
        async with make_world(tmp_path) as world:
            await world.upload()
            assert (await world.upload(reset_existing=True, limit=2)).indexed == 2
            assert await count_to_be_reset(world.catalog) == 4

            plain = await world.upload()
            assert plain.settled == 0
            assert await count_to_be_reset(world.catalog) == 4

            assert (await world.upload(reset_existing=True)).indexed == 4
            assert world.count(":importFile") == 12
            assert await count_to_be_reset(world.catalog) == 0
            assert (await world.upload(reset_existing=True)).indexed == 6
            await assert_all_canonical(world)

    asyncio.run(scenes())


def test_a_file_that_is_uploaded_by_a_plain_run_meanwhile_is_done(tmp_path: Path) -> None:
    """It was edited in the middle of the reset: its new document need not be made again."""

    async def scenes() -> None:
        async with make_world(tmp_path) as world:
            await world.upload()
            await world.upload(reset_existing=True, limit=2)
            last = sorted(world.root.rglob("*.txt"))[-1]
            last.write_text("Edited meanwhile.\n")
            await world.scan()
            assert (await world.upload()).indexed == 1
            assert (await world.upload(reset_existing=True)).indexed == 3
            await assert_all_canonical(world)

    asyncio.run(scenes())
