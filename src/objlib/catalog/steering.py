"""A wish of somebody else for the run that is under way: a row that the run looks at.

A page in a browser cannot send a signal to a run that a terminal has started, or another machine.
Both have the catalog. The wish names the process that it is meant for, so that it says nothing to
the next one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import forget_info, get_info, set_info

#: Key in `catalog_info`.
RUN_WISH = "run_wish"
#: Take nothing new and finish what is on its way; let go of that, too.
DRAIN, STOP = "drain", "stop"


def process_of(owner: str) -> str:
    """Return the process in the name of a run's owner, which ends with the run."""
    return owner.rpartition("/")[0]


async def ask_for(catalog: Catalog, owner: str, wish: str) -> None:
    """Leave a wish for the process that has a run."""
    wished = {"process": process_of(owner), "wish": wish}
    await set_info(catalog, **{RUN_WISH: json.dumps(wished, ensure_ascii=False)})


async def wish_for(catalog: Catalog, owner: str) -> str | None:
    """Return what the process of a run was asked for: `drain`, `stop` or nothing."""
    written = await get_info(catalog, RUN_WISH)
    if written is None:
        return None
    try:
        wished = json.loads(written)
    except ValueError:  # whoever wrote that meant nobody
        return None
    if not isinstance(wished, Mapping) or wished.get("process") != process_of(owner):
        return None
    return DRAIN if wished.get("wish") == DRAIN else STOP


async def forget_wish(catalog: Catalog, owner: str) -> None:
    """Delete what the process of a run was asked for."""
    if await wish_for(catalog, owner) is not None:
        await forget_info(catalog, RUN_WISH)


async def states_of_run(catalog: Catalog, run_id: str) -> dict[str, int]:
    """Return state -> files that a run has taken, as they stand now."""
    rows = await catalog.reader.fetch_all(
        "SELECT gemini_state, COUNT(*) FROM files WHERE run_id = ? GROUP BY gemini_state",
        (run_id,),
    )
    return {str(state): int(files) for state, files in rows}
