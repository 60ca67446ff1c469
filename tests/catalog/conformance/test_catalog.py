"""Every engine of a catalog promises transactions, guarded moves and a reader of its own."""

from __future__ import annotations

import pytest

from objlib.catalog.moves import guarded_update
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import claim_info, get_file, get_info, set_info
from objlib.catalog.tallies import tally_by_state
from objlib.errors import OCCConflictError
from objlib.states import State
from tests.catalog.catalogs import LEASE, add_files, bring_to, existing
from tests.catalog.conformance.engines import Engine

INSERT = "INSERT INTO catalog_info (key, value) VALUES (?, ?)"


def test_a_transaction_is_whole_or_not_at_all(engine: Engine) -> None:
    """What a body that raises has written is seen by nobody, what is committed by everybody."""

    async def story(one: Catalog, other: Catalog) -> None:
        with pytest.raises(ZeroDivisionError):
            async with one.transaction(durable=True):
                await one.execute(INSERT, ("a", "1"))
                await one.execute_many(INSERT, [("b", "1"), ("c", "1")])
                raise ZeroDivisionError
        assert await other.fetch_all("SELECT * FROM catalog_info") == []
        await set_info(one, a="2")
        assert await get_info(other, "a") == "2"
        assert await claim_info(other, "a", "3") == "2"

    engine.tell_two(story)


def test_a_move_of_a_row_that_has_moved_on_is_a_conflict(engine: Engine) -> None:
    """Nothing is written, and the error names both versions."""

    async def story(one: Catalog, other: Catalog) -> None:
        await add_files(one, "a")
        seen = await existing(other, "a")
        await bring_to(one, "a", State.UPLOADING)
        with pytest.raises(OCCConflictError, match=r"uploading"):
            await guarded_update(other, seen, {"error_message": "lost"}, durable=False)
        row = await get_file(one, "a")
        assert row is not None and row.error_message is None

    engine.tell_two(story)


def test_the_reader_sees_what_is_committed_and_keeps_tables_of_its_own(engine: Engine) -> None:
    """Large reads and temporary tables work side by side with the writes of the same catalog."""

    async def story(one: Catalog, other: Catalog) -> None:
        await add_files(one, "a", "b")
        await bring_to(other, "b", State.INDEXED, lease=LEASE)
        assert {state: tally.files for state, tally in (await tally_by_state(one)).items()} == {
            "untracked": 1,
            "indexed": 1,
        }
        await one.reader.execute("CREATE TEMP TABLE mine (x INTEGER)")
        await one.reader.execute_many("INSERT INTO temp.mine VALUES (?)", [(1,), (2,)])
        assert await one.reader.fetch_one("SELECT SUM(x) FROM temp.mine") == (3,)
        await other.reader.execute("CREATE TEMP TABLE mine (x INTEGER)")

    engine.tell_two(story)
