"""The words of the page for remedies, reasons and moments. Plain, for people."""

from __future__ import annotations

from datetime import UTC, datetime

from objlib import Remedy, Verdict
from objlib.service.counts import SKIPPED
from objlib.service.numbers import ago, count, dollars, duration, size
from objlib.service.states import STATES, state_of

__all__ = ["STATES", "ago", "count", "dollars", "duration", "size", "state_of"]

REMEDIES = {
    Remedy.INSTALL: "Install what the reason names, then sync.",
    Remedy.RETRY: "It may succeed next time: sync again.",
    Remedy.CHANGE: "Another try will not help: change the file, then sync.",
    Remedy.MAKE_READABLE: "The last version stays searchable. Make the file readable, then sync.",
    Remedy.CHANGE_OR_IGNORE: "Change the file, remove it, or name it in .objlibignore.",
}
#: States that files can be chosen by.
CHOSEN_STATES = {**STATES, SKIPPED: "cannot be searched"}
VERDICTS = {
    Verdict.PROVEN: "cited",
    Verdict.OUTRANKED: "cited, but others come first",
    Verdict.NOT_CITED: "not cited",
    Verdict.OTHER_TEXT: "cited with another text",
    Verdict.CHANGED: "changed on disk since",
    Verdict.NO_VERDICT: "without an answer",
    Verdict.UNREADABLE: "cannot be read",
}
REASONS = {
    "new": "new",
    "changed": "changed; the old version stays searchable until the new one is",
    "metadata": "other metadata",
    "form": "sent in another form",
    "again": "once more: interrupted, or gone from the store",
    "failed before": "failed before",
    "forced": "sent again on request",
}


def when(moment: str | None, now: datetime | None = None) -> str:
    """Return how long ago a moment (ISO 8601) was; one that is none, as it stands."""
    if not moment:
        return "never"
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return moment
    if at.tzinfo is None:  # as the earlier generation wrote them
        at = at.replace(tzinfo=UTC)
    return ago(max(0.0, ((now or datetime.now(UTC)) - at).total_seconds()))
