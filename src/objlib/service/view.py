"""Answers from a catalog alone. Nothing here connects to a backend.

It is a module of its own, and loads little: `status` answers at once, and Tab completes paths.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from objlib.catalog.accounts import NEW_LIBRARY
from objlib.catalog.binding import BoundLibrary, bound_library
from objlib.catalog.opening import open_catalog
from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import set_info
from objlib.catalog.selections import Selection
from objlib.catalog.tallies import count_deleted
from objlib.config import Settings
from objlib.service.failures import Failures, failures_of
from objlib.service.files import FilePage, page_of_files
from objlib.service.history import History, history_of
from objlib.service.keys import MetadataKey, metadata_keys
from objlib.service.outdated import Outdated, outdated_files
from objlib.service.status import Status, status_of
from objlib.threads import in_thread

if TYPE_CHECKING:
    from objlib.service.metadata import FileMetadata


class CatalogView:
    """An open catalog, to be looked at."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        self.settings = settings
        self._catalog = catalog

    @property
    def catalog(self) -> Catalog:
        """The open catalog."""
        return self._catalog

    async def bound(self) -> BoundLibrary:
        """Return folder and id of the library. Raises `ConfigurationError` before a scan."""
        return await bound_library(self.catalog)

    async def declare_new_library(self) -> None:
        """Say that other libraries in the store may hold the same files. That is remembered."""
        await set_info(self.catalog, **{NEW_LIBRARY: "1"})

    async def status(self) -> Status:
        """Return the state of the library at a glance."""
        return await status_of(self.catalog)

    async def failures(self) -> Failures:
        """Return the files that are not in the store, grouped by reason."""
        return await failures_of(self.catalog)

    async def outdated(self) -> Outdated:
        """Return the number of files in the store that an older reader has read."""
        return await outdated_files(self.catalog)

    async def history(self, path: str) -> History:
        """Return every move of one file, oldest first.

        Args:
            path: in the library, or on disk.
        """
        return await history_of(self.catalog, path)

    async def files(
        self,
        *,
        beginning: str = "",
        state: str | None = None,
        values: Sequence[str] = (),
        after: str | None = None,
        size: int = 100,
    ) -> FilePage:
        """Return one page of the files on disk, by path.

        Args:
            beginning: only files whose path begins so, for instance "Essays/".
            state: only files in this state, for instance "failed", or "skipped".
            values: only files with such metadata, for instance "year:1960"; of those with the
                same key one is enough.
            after: `next_after` of the page before.
            size: the most files of a page.
        """
        selection = Selection.of(beginning, state, values)
        return await page_of_files(self.catalog, selection, after, size)

    async def metadata(self, path: str) -> FileMetadata:
        """Return what is sent about one file besides its text, and where each entry comes from.

        Args:
            path: in the library, or on disk.
        """
        from objlib.service.metadata import metadata_of  # with it come the readers of formats

        return await metadata_of(self.catalog, self.settings, path, in_thread)

    async def metadata_keys(self) -> tuple[MetadataKey, ...]:
        """Return the keys that a filter can name, of the files that are in the store."""
        return await metadata_keys(self.catalog)

    async def leaving(self) -> int:
        """Return the number of documents in the store whose files are gone from disk."""
        return (await count_deleted(self.catalog))[1]


@contextlib.asynccontextmanager
async def open_view(settings: Settings) -> AsyncIterator[CatalogView]:
    """Open the catalog of the settings to look at it.

    Raises:
        CatalogError: there is none, or it cannot be read.
    """
    async with await open_catalog(settings.db) as catalog:
        yield CatalogView(catalog, settings)
