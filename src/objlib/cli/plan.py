"""The plan and price of an upload, shown before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from objlib import Estimate, Library, Options, Work, estimate
from objlib.config import Settings
from objlib.service.files import title
from objlib.service.numbers import count, dollars, duration, size
from objlib.service.uploads import Uploaded

NAMED = 20

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
        **{
            name: {
                group.name: {"files": group.files, "size_bytes": group.size_bytes}
                for group in groups
            }
            for name, groups in (("folders", work.folders), ("kinds", work.kinds))
        },
        "tokens": price.tokens,
        "dollars": round(price.dollars, 6),
        "requests": price.requests,
        "stored_bytes": price.stored_bytes,
        "minutes": {quota: round(m, 3) for quota, m in _minutes(price, settings).items()},
    }


def uploaded_as_json(uploaded: Uploaded) -> dict[str, Any]:
    """Return the outcome of an upload for scripts."""
    progress, expected = uploaded.progress, uploaded.expected
    return {
        "indexed": progress.indexed,
        "adopted": progress.adopted,
        "failed": progress.failed,
        "partly_read": progress.partly_read,
        "released": progress.released,
        "vanished": progress.vanished,
        "taken_by_another_run": progress.taken,
        "retries": progress.retries,
        "waiting": uploaded.waiting,
        "requests": uploaded.requests,
        "sent_bytes": progress.begun_bytes,
        "expected": {
            "files": expected.files,
            "size_bytes": expected.size_bytes,
            "requests": uploaded.expected_requests,
        },
        "seconds": round(uploaded.elapsed_s, 3),
        "failures": {event.path: event.reason for event in progress.failures},
    }


def actual_beside_expected(uploaded: Uploaded) -> str:
    """Return one line: what an upload sent, and what its plan had said."""
    sent = (
        f"{size(uploaded.progress.begun_bytes)} of files in {count(uploaded.requests, 'request')}"
    )
    expected = f"{size(uploaded.expected.size_bytes)} in {uploaded.expected_requests:,}"
    return f"Sent {sent}; the estimate was {expected}"


def print_groups(say: Callable[..., None], work: Work) -> None:
    """Print where the files of a long plan lie and what they are called, the most bytes first.

    A short plan names each file.
    """
    if work.files <= NAMED:
        return
    for what, groups, other in (
        ("folders", work.folders, "(this folder)"),
        ("kinds", work.kinds, "(no extension)"),
    ):
        named = ", ".join(
            f"{group.name or other} {count(group.files, 'file')} {size(group.size_bytes)}"
            for group in groups
        )
        rest = work.files - sum(group.files for group in groups)
        say(f"  {what:<8}{named}" + (f", {count(rest, 'more file')}" if rest else ""), whole=True)


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
    per_million = f"${price.dollars_per_million_tokens:.2f} a million tokens"
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
    say: Callable[..., None], library: Library, options: Options, planned: int, *, show_all: bool
) -> None:
    """Print a line for each file with its reason: the first ones, or all of them.

    Args:
        planned: number of files in the plan.
    """
    shown = 0
    async for file in library.planned_files(options, limit=planned if show_all else NAMED):
        say(f"  + {title(file.path)} ({file.reason}, {size(file.size_bytes)})", whole=True)
        shown += 1
    if planned > shown:
        say(f"  … and {planned - shown:,} more (-v names all)")
