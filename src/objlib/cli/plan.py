"""What an upload would take and cost, as it is shown before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from objlib.catalog.protocol import Catalog
from objlib.catalog.tallies import Work, planned_page
from objlib.cli.render import count, dollars, duration, path_line, size
from objlib.config import Settings
from objlib.upload.estimate import DOLLARS_PER_MILLION_TOKENS, Estimate, estimate
from objlib.upload.orchestrator import Options
from objlib.upload.run import states_taken

NAMED = 20
_PAGE = 500

_REASONS = {
    "new": "new",
    "changed": "changed: the old version stays searchable until the new one is",
    "metadata": "same text, other metadata: replaced without a gap in search",
    "form": "same file, sent differently (path, header or converter): replaced without a gap",
    "again": "once more: interrupted, or gone from the store",
    "failed before": "failed before",
    "forced": "forced: indexed already",
}


def plan_as_json(work: Work, settings: Settings) -> dict[str, Any]:
    """The plan for scripts. Times are minutes, and the least it can be."""
    price = estimate(work)
    return {
        "files": work.files,
        "size_bytes": work.size_bytes,
        "reasons": dict(work.reasons),
        "tokens": price.tokens,
        "dollars": round(price.dollars, 6),
        "requests": price.requests,
        "stored_bytes": price.stored_bytes,
        "minutes": {quota: round(m, 3) for quota, m in _minutes(price, settings).items()},
    }


@dataclass(frozen=True, slots=True)
class Actual:
    """What a run took."""

    elapsed_s: float
    requests: int
    sent_bytes: int


def expected_as_json(work: Work) -> dict[str, int]:
    """What a run was expected to take, for scripts."""
    return {
        "files": work.files,
        "size_bytes": work.size_bytes,
        "requests": estimate(work).requests,
    }


def actual_beside_expected(actual: Actual, work: Work) -> str:
    """One line: what a run sent, and what its plan had said."""
    sent = f"{size(actual.sent_bytes)} of files in {count(actual.requests, 'request')}"
    expected = f"{size(work.size_bytes)} in {estimate(work).requests:,}"
    return f"Sent {sent}; expected were {expected}"


def print_price(say: Callable[[str], None], work: Work, settings: Settings) -> None:
    """Reasons, tokens, dollars, requests and time."""
    price = estimate(work)
    for reason, meaning in _REASONS.items():
        if work.reasons.get(reason):
            say(f"  {work.reasons[reason]:>7,}  {meaning}")
    if not work.files:
        return
    say("At Gemini that takes at least")
    unknown = ", and those of other formats" if work.text_bytes < work.size_bytes else ""
    say(f"  tokens    about {price.tokens:,} (a quarter of the bytes of text){unknown}")
    per_million = f"${DOLLARS_PER_MILLION_TOKENS:.2f} a million tokens"
    say(f"  cost      {dollars(price.dollars)} ({per_million}); storing is free")
    say(f"  requests  {price.requests:,}")
    times = _minutes(price, settings).items()
    say(f"  time      {', '.join(f'{duration(m * 60)} ({quota})' for quota, m in times)}")
    tiers = price.tiers_that_hold_it()
    if "free" not in tiers:
        enough = f"tier {tiers[0]} or higher" if tiers else "more than any tier has"
        say(f"  storage   {size(price.stored_bytes)}, which needs {enough}")


def _minutes(price: Estimate, settings: Settings) -> dict[str, float]:
    """Name of a quota -> minutes: of the chosen one, or of every tier."""
    budget = settings.request_budget
    if budget is not None:
        return {f"{budget:,.0f} requests/min": price.minutes(budget, settings.tier)}
    return {
        tier if tier == "free" else f"tier {tier}": minutes
        for tier, minutes in price.minutes_by_tier().items()
    }


async def print_files(
    say: Callable[..., None],
    catalog: Catalog,
    options: Options,
    limit: int,
    *,
    show_all: bool,
) -> None:
    """A line for each file with its reason: the first ones, or all of them.

    Args:
        limit: how many files the plan has.
    """
    shown, after = 0, None
    wanted = limit if show_all else min(limit, NAMED)
    while shown < wanted:
        page = await planned_page(
            catalog,
            states_taken(options),
            after,
            min(_PAGE, wanted - shown),
            leave_alone_s=options.leave_alone_s,
        )
        if not page:
            return
        for path, reason, size_bytes in page:
            say(f"  + {path_line(path)} ({reason}, {size(size_bytes)})")
        shown, after = shown + len(page), page[-1][0]
    if limit > shown:
        say(f"  … and {limit - shown:,} more (-v names all)")
