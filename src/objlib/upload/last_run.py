"""What a catalog remembers of the run that began last: when, how long, what came of it.

Written when a run begins and again when it ends, so that one that was killed can be told from one
that is under way: by its owner, as with leases.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from objlib.catalog.lease import owner_is_dead
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_info, set_info
from objlib.upload.progress import Progress

#: Key in `catalog_info`.
LAST_RUN = "last_run"

UNDER_WAY, DONE, INTERRUPTED, CUT_OFF = "under way", "done", "interrupted", "cut off"


@dataclass(frozen=True, slots=True)
class LastRun:
    """One run. `ended`: `under way`, `done`, `interrupted`, `cut off`, or why it had to end."""

    owner: str
    started_at: str
    ended: str = UNDER_WAY
    elapsed_s: float | None = None
    indexed: int = 0
    failed: int = 0

    def finished(self, ended: str, at: datetime, progress: Progress) -> LastRun:
        """The same run at its end."""
        elapsed_s = (at - datetime.fromisoformat(self.started_at)).total_seconds()
        return replace(
            self,
            ended=ended,
            elapsed_s=max(0.0, round(elapsed_s, 3)),
            indexed=progress.indexed,
            failed=progress.failed,
        )


async def remember(catalog: Catalog, run: LastRun) -> None:
    """Write a run down as the last one."""
    await set_info(catalog, **{LAST_RUN: json.dumps(asdict(run), ensure_ascii=False)})


async def last_run(
    catalog: Catalog, is_dead: Callable[[str], bool] = owner_is_dead
) -> LastRun | None:
    """The run that began last, or None before the first one."""
    written = await get_info(catalog, LAST_RUN)
    if written is None:
        return None
    known = LastRun.__dataclass_fields__  # a later objlib may have written more
    run = LastRun(**{name: said for name, said in json.loads(written).items() if name in known})
    return replace(run, ended=CUT_OFF) if run.ended == UNDER_WAY and is_dead(run.owner) else run
