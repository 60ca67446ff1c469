"""The counts that a page shows of a library, however large it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from objlib.catalog.selections import SKIPPED, Selection, Tallied, Values, tallied, values_of
from objlib.service.failures import FailureGroup
from objlib.service.figures import Figures
from objlib.service.files import FOLDERS_MAX
from objlib.service.status import Status
from objlib.service.steering import Elsewhere, run_elsewhere
from objlib.service.view import CatalogView

__all__ = ["SKIPPED", "Counts", "Selection", "Tallied", "Values"]


#: Reasons of failures that are named, and files of each.
GROUPS_MAX, PATHS_MAX = 50, 20


@dataclass(frozen=True, slots=True)
class FirstFailures:
    """The failures of a library, as many as one can look at."""

    #: Number of all reasons.
    reasons: int
    #: The reasons of the most files, and the first files of each.
    groups: tuple[tuple[FailureGroup, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts over a connection of their own, so that nothing else waits for them."""

    status: Figures[None, Status]
    tallies: Figures[Selection, Tallied]
    values: Figures[Selection, dict[str, Values]]
    elsewhere: Figures[None, Elsewhere | None]
    failures: Figures[None, FirstFailures]

    @classmethod
    def of(cls, view: CatalogView, version: Callable[[], int]) -> Counts:
        """Return the counts of a library.

        Args:
            version: another number after what has changed them.
        """
        catalog = view.catalog
        return cls(
            Figures(lambda _: view.status(), version=version),
            Figures(lambda chosen: tallied(catalog, chosen, FOLDERS_MAX), version=version),
            Figures(lambda chosen: values_of(catalog, chosen), version=version),
            Figures(lambda _: run_elsewhere(catalog), version=version),
            Figures(lambda _: first_failures(view), version=version),
        )

    async def close(self) -> None:
        """Give up what is being counted."""
        for figures in (self.status, self.tallies, self.values, self.elsewhere, self.failures):
            await figures.close()


async def first_failures(view: CatalogView) -> FirstFailures:
    """Return the reasons of the most files, each with the first of its files."""
    found = await view.failures()
    groups = []
    async for group in found.groups(GROUPS_MAX):
        paths = [path async for page in found.pages(group, PATHS_MAX) for path in page]
        groups.append((group, tuple(paths)))
    return FirstFailures(found.reasons, tuple(groups))
