"""The report of a scan, and the tally that it is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class ScanReport:
    """The report of a scan. Counts of files."""

    found: int = 0
    unchanged: int = 0
    new: int = 0
    changed: int = 0
    restored: int = 0
    missing: int = 0
    skipped: int = 0
    #: Known files that could not be read this time; their documents stay.
    unread: int = 0
    in_flight: int = 0
    #: Of those found: parts of texts that are too long for one document.
    parts: int = 0
    #: Pairs of an old path and a new one.
    moved: Sequence[tuple[str, str]] = ()
    #: Sidecar -> why it cannot be read. Its file keeps the metadata it had.
    bad_sidecars: Mapping[str, str] = field(default_factory=dict)
    #: Text that was looked at -> lines of its front matter that are not used, with the reasons.
    bad_lines: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: Reason -> number of files and folders that are not sent unless asked.
    left_out: Mapping[str, int] = field(default_factory=dict)
    #: Files that are in the store and would be left out today.
    kept: Sequence[str] = ()
    #: Files and folders that this run alone leaves out.
    not_this_time: int = 0
    #: Known files that this run leaves as they are, whether they are there or not.
    held: int = 0


@dataclass(slots=True)
class Tally:
    """A report that is being written; the fields are those of `ScanReport`."""

    found: int = 0
    unchanged: int = 0
    new: int = 0
    changed: int = 0
    restored: int = 0
    missing: int = 0
    skipped: int = 0
    unread: int = 0
    in_flight: int = 0
    parts: int = 0
    moved: list[tuple[str, str]] = field(default_factory=list)
    bad_sidecars: dict[str, str] = field(default_factory=dict)
    bad_lines: dict[str, Sequence[str]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    not_this_time: int = 0
    held: int = 0

    def report(self) -> ScanReport:
        """Return what is known by now."""
        known = {each.name: getattr(self, each.name) for each in fields(self)}
        copies = {name: dict(known[name]) for name in ("bad_sidecars", "bad_lines", "left_out")}
        return ScanReport(**{**known, **copies, "kept": list(self.kept)})

    def note_parts(self, parts: int) -> None:
        """One text was found that goes up in so many parts."""
        self.parts += parts
