"""The counts that a page shows of a library, however large it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from objlib.catalog.selections import SKIPPED, Selection, Tallied, Values, tallied, values_of
from objlib.service.figures import Figures
from objlib.service.files import FOLDERS_MAX
from objlib.service.status import Status
from objlib.service.steering import Elsewhere, run_elsewhere
from objlib.service.view import CatalogView

__all__ = ["SKIPPED", "Counts", "Selection", "Tallied", "Values"]


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts over a connection of their own, so that nothing else waits for them."""

    status: Figures[None, Status]
    tallies: Figures[Selection, Tallied]
    values: Figures[Selection, dict[str, Values]]
    elsewhere: Figures[None, Elsewhere | None]

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
        )

    async def close(self) -> None:
        """Give up what is being counted."""
        for figures in (self.status, self.tallies, self.values, self.elsewhere):
            await figures.close()
