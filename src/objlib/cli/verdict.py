"""The sentence on store and library with which a round of sync ends."""

from __future__ import annotations

from objlib.service.numbers import count
from objlib.service.verdict import SyncVerdict

EXACTLY = "The store holds exactly what the library does"


def verdict_line(verdict: SyncVerdict) -> str:
    """Return `verdict_lines` as one line."""
    head, *rest = verdict_lines(verdict)
    return " ".join([head, ", ".join(line.strip() for line in rest)]).strip()


def verdict_lines(verdict: SyncVerdict) -> list[str]:
    """Return what may be said, and in lines of their own what is not so or was not looked at."""
    skipped = count(verdict.skipped, "file")
    but = f", but for {skipped} that cannot be uploaded" if verdict.skipped else ""
    if verdict.is_exact:
        return [f"{EXACTLY}{but}"]
    others = f", and {count(verdict.foreign, 'document')} of others" if verdict.foreign else ""
    if verdict.is_in_step and verdict.is_narrowed:
        return [f"The store holds what this run looked at{but}{others}"]
    if verdict.is_in_step:
        return [f"The store holds what the library does{but}{others}"]
    facts = (
        (verdict.in_flight, "file", "another run is at work on"),
        (verdict.waiting, "file", "not in the store yet"),
        (verdict.failed, "file", "failed"),
        (verdict.unread, "file", "in the store in an older version: cannot be read any more"),
        (verdict.unseen, "file", "not looked at: another run finished them after the listing"),
        (verdict.off, "document", "not put right"),
        (verdict.for_people, "document", "for you to judge: twins, or of a copy of this catalog"),
        (verdict.foreign, "document", "of others"),
    )
    lines = ["The store does not hold exactly what the library does:"]
    lines += [f"  {count(number, noun)} {what}" for number, noun, what in facts if number]
    return lines if verdict.was_listed else [*lines, "  the store was not listed to its end"]
