"""A reset: every indexed file is uploaded once more, in one run or in several.

The intent is on record from its beginning to its end, as the number of the last transition before
it. A file that became indexed after that is done, whatever the clock says, and is not paid twice.
"""

from __future__ import annotations

from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import claim_info
from objlib.catalog.records import UPLOADABLE

RESET_SINCE = "reset_since"

#: An indexed row that the reset under way has not done yet; without one, any row.
TO_BE_RESET = f"""(gemini_state <> 'indexed' OR NOT EXISTS (
    SELECT 1 FROM transitions WHERE transitions.file_path = files.file_path
    AND transitions.to_state = 'indexed' AND transitions.id > (
        SELECT CAST(value AS BIGINT) FROM catalog_info WHERE key = '{RESET_SINCE}')))"""


async def begin_reset(catalog: Catalog) -> None:
    """Put the intent on record, unless an unfinished reset goes on."""
    row = await catalog.fetch_one("SELECT COALESCE(MAX(id), 0) FROM transitions")
    assert row is not None, "an aggregate always answers"
    await claim_info(catalog, RESET_SINCE, str(row[0]))


async def count_to_be_reset(catalog: Catalog) -> int:
    """Count the files that an unfinished reset has still to do; 0 when there is none."""
    row = await catalog.fetch_one(
        "SELECT COUNT(*) FROM files WHERE gemini_state = 'indexed'"
        f" AND EXISTS (SELECT 1 FROM catalog_info WHERE key = '{RESET_SINCE}')"
        f" AND {UPLOADABLE} AND {TO_BE_RESET}"
    )
    return int(row[0]) if row else 0


async def end_reset(catalog: Catalog) -> None:
    """Take the intent back once nothing is left to do."""
    if await count_to_be_reset(catalog) == 0:
        async with catalog.transaction():
            await catalog.execute("DELETE FROM catalog_info WHERE key = ?", (RESET_SINCE,))
