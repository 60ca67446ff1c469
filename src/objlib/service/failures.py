"""The files that are not in the store, or in an older version, grouped by reason, with remedies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum

from objlib.catalog.protocol import Catalog
from objlib.catalog.tallies import GatheredFailures

_PAGE = 1_000


class Remedy(Enum):
    """A kind of remedy for a group of failures. A front end words it."""

    #: An extra of objlib is not installed, and the reason names it.
    INSTALL = "install what the reason names, then sync"
    #: The trouble was of a kind that passes.
    RETRY = "try again"
    #: The backend refuses this text, however often it is sent.
    CHANGE = "change the file, then sync"
    #: A file that was read before cannot be read; its last version stays in the store.
    MAKE_READABLE = "make the file readable, then sync"
    #: A scan found that the file cannot be uploaded.
    CHANGE_OR_IGNORE = "change the file, remove it, or ignore it"


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Files that are not in the store for one reason."""

    #: `transient`, `permanent`, `skipped`, or `unread`: the store has an older version.
    kind: str
    #: For people.
    reason: str
    #: Number of the files.
    files: int

    @property
    def remedy(self) -> Remedy:
        """The kind of remedy."""
        if "pip install" in self.reason:
            return Remedy.INSTALL
        kinds = {
            "transient": Remedy.RETRY,
            "permanent": Remedy.CHANGE,
            "unread": Remedy.MAKE_READABLE,
        }
        return kinds.get(self.kind, Remedy.CHANGE_OR_IGNORE)


@dataclass(frozen=True, slots=True)
class Failures:
    """The groups as they were gathered; each may have a million files, so they come in pages.

    Several of one catalog can be read at a time, each as it was gathered.
    """

    #: Number of groups.
    reasons: int
    _gathered: GatheredFailures

    async def groups(self, limit: int | None = None) -> AsyncIterator[FailureGroup]:
        """Yield the groups, or the first of them, beginning with the one of the most files."""
        first = 0
        while limit is None or first < limit:
            size = _PAGE if limit is None else min(_PAGE, limit - first)
            page = await self._gathered.groups(first, size)
            if not page:
                return
            for group in page:
                yield FailureGroup(*group)
            first += len(page)

    async def pages(
        self, group: FailureGroup, limit: int | None = None
    ) -> AsyncIterator[list[str]]:
        """Yield the paths of a group, or the first of them, in pages and in order."""
        after: str | None = None
        left = group.files if limit is None else limit
        while left:
            page = await self._gathered.paths(group.kind, group.reason, after, min(_PAGE, left))
            if not page:
                return
            yield page
            after, left = page[-1], left - len(page)


async def failures_of(catalog: Catalog) -> Failures:
    """Return the failures that a catalog knows, gathered at this moment."""
    gathered = await GatheredFailures.of(catalog)
    return Failures(await gathered.count_reasons(), gathered)
