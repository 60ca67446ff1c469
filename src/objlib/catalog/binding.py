"""A catalog belongs to one library, one backend and one store; a mix-up is an error, not a mess."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_info, set_info
from objlib.catalog.tallies import count_files
from objlib.errors import ConfigurationError, Hint
from objlib.redaction import without_credentials

LIBRARY_ROOT, LIBRARY_ID = "library_root", "library_id"
BACKEND, STORE_NAME, STORE_DISPLAY_NAME = "backend", "store_name", "store_display_name"


@dataclass(frozen=True, slots=True)
class BoundLibrary:
    """The folder of the files, and the id that tells this library's documents from others."""

    root: Path
    library_id: str


async def bind_library(catalog: Catalog, root: Path) -> BoundLibrary:
    """Tie a catalog to a library's root, or check that it is the same library.

    Raises:
        ConfigurationError: the catalog is for another library that is still where it was.
    """
    root = root.resolve()
    bound = await get_info(catalog, LIBRARY_ROOT)
    library_id = await get_info(catalog, LIBRARY_ID) or uuid.uuid4().hex
    if bound is not None and Path(bound) != root and _may_be_there(Path(bound)):
        known = await count_files(catalog)
        raise ConfigurationError(
            f"the catalog {catalog.description} is for the library at {bound} ({known:,} files), "
            f"not for {root}",
            hint=Hint.GIVE_LIBRARY_ITS_OWN_CATALOG,
        )
    await set_info(catalog, **{LIBRARY_ROOT: str(root), LIBRARY_ID: library_id})
    return BoundLibrary(root, library_id)


def _may_be_there(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except OSError:  # its disk does not answer
        return True


async def bound_library(catalog: Catalog) -> BoundLibrary:
    """The library a catalog was scanned from.

    Raises:
        ConfigurationError: nothing was scanned yet.
    """
    root = await get_info(catalog, LIBRARY_ROOT)
    library_id = await get_info(catalog, LIBRARY_ID)
    if root is None or library_id is None:
        raise ConfigurationError("nothing was scanned yet", hint=Hint.SCAN_FIRST)
    return BoundLibrary(Path(root), library_id)


async def refuse_other(catalog: Catalog, key: str, wanted: str, what: str) -> None:
    """Raises `ConfigurationError` when the catalog is bound to another `what`."""
    bound = await get_info(catalog, key)
    if bound is not None and key == BACKEND and without_credentials(bound) == wanted:
        await set_info(catalog, **{key: wanted})  # it was stored with a password once
        return
    if bound is not None and bound != wanted:
        bound = without_credentials(bound) if "@" in bound and key == BACKEND else bound
        raise ConfigurationError(
            f"the catalog {catalog.description} is bound to the {what} {bound!r}, "
            f"not to {wanted!r}; use that {what}",
            hint=Hint.USE_BOUND_OR_ANOTHER_CATALOG,
        )
