"""How long an upload takes at each quota tier: the real pipeline under virtual time.

    python -m benchmarks.tiers [--files 2000] [--tier 1 …] [--trouble]

Answers take 0.2 s, documents are indexed after 8 s, and the server refuses whatever is above the
tier's requests a minute. The bound is the five requests of each file at that rate.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.simulated import simulate
from objlib.filestore import Fault, Kind
from objlib.upload.estimate import REQUESTS_PER_FILE
from objlib.upload.gate import RequestGate
from objlib.upload.pressure import TIERS, starting

RESULTS = Path("build/tiers.json")
INDEXING_S = 8.0
#: Refused or lost on the way back: what a bad day has.
TROUBLE = (
    Fault(Kind.ERROR, status=503, probability=0.05),
    Fault(Kind.DROP_AFTER, probability=0.03),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One upload. `simulated_s` is what the clock of the run said, `wall_s` what it took here."""

    tier: str
    trouble: bool
    files: int
    bound_s: float
    simulated_s: float
    requests: int
    refused_share: float
    refused_share_later: float
    failed: int
    wall_s: float


def upload_at(tier: str, files: int, *, trouble: bool) -> Outcome:
    """Upload that many files under the quota of a tier."""
    rate = TIERS[tier]
    quota = Fault(Kind.QUOTA, per_minute=[(0.0, rate)], burst=round(rate / 10))
    faults = [Fault(Kind.LATENCY, seconds=0.2), quota, *(TROUBLE if trouble else ())]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as work:
        trace = simulate(
            Path(work),
            files,
            faults,
            lambda scheduler: RequestGate(
                starting(
                    now=scheduler.time_s,
                    concurrency=64,
                    requests_per_minute=rate,
                    cool_down_s=30.0,
                ),
                scheduler,
            ),
            indexing_s=INDEXING_S,
            concurrency=64,
        )
    assert len(trace.indexed) + trace.failed >= files
    return Outcome(
        tier,
        trouble,
        files,
        bound_s=files * REQUESTS_PER_FILE / rate * 60,
        simulated_s=trace.ended_s,
        requests=len(trace.requests),
        refused_share=trace.refused_share,
        refused_share_later=trace.refused_share_after(60.0),
        failed=trace.failed,
        wall_s=time.perf_counter() - started,
    )


def main() -> None:
    """Simulate and show."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tiers", description=__doc__)
    parser.add_argument("--files", type=int, default=2_000, help="how many [2000]")
    parser.add_argument("--tier", choices=TIERS, nargs="+", default=list(TIERS))
    parser.add_argument("--trouble", action="store_true", help="5 %% 503, 3 %% lost answers")
    arguments = parser.parse_args()
    found = [upload_at(tier, arguments.files, trouble=arguments.trouble) for tier in arguments.tier]
    columns = "tier|files|bound|simulated|of the bound|requests|refused|after a minute|failed|here"
    table = Table(*columns.split("|"))
    for one in found:
        table.add_row(
            one.tier,
            f"{one.files:,}",
            f"{one.bound_s / 60:,.1f} min",
            f"{one.simulated_s / 60:,.1f} min",
            f"{one.bound_s / one.simulated_s:.0%}",
            f"{one.requests / one.files:.2f} a file",
            f"{one.refused_share:.2%}",
            f"{one.refused_share_later:.2%}",
            f"{one.failed}",
            f"{one.wall_s:.0f} s",
        )
    Console(width=140).print(table)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([asdict(one) for one in found], indent=2))


if __name__ == "__main__":
    main()
