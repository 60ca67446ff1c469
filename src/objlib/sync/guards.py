"""Conditions of any deletion: the library is there, and it is the same one.

An unmounted disk looks like a library whose files were all deleted, and another disk in its place
like one that was deleted and begun anew.
"""

from __future__ import annotations

import os
from pathlib import Path

from objlib.catalog.protocol import Catalog
from objlib.catalog.queries import get_info, set_info
from objlib.catalog.tallies import has_missing_with_document, most_common_device
from objlib.errors import ConfigurationError, Hint, LibraryGone
from objlib.library.root import identity_of

#: Key in `catalog_info`: `st_dev` of the library's root when catalog and store were last in step.
LIBRARY_DEVICE = "library_device"


async def check_library(catalog: Catalog, root: Path, *, accept_device: bool = False) -> None:
    """Refuse to go on unless the library's folder can be believed.

    Args:
        accept_device: the library lies on another device now, and somebody has said so.

    Raises:
        ConfigurationError: the root is missing, empty, or on another device than last time.
    """
    nothing = "nothing was deleted"
    try:
        device = root.stat().st_dev
        with os.scandir(root) as entries:
            is_empty = next(entries, None) is None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigurationError(
            f"the library at {root} cannot be looked at ({reason}); is its disk mounted? {nothing}"
        ) from error
    if is_empty:
        raise ConfigurationError(f"the library at {root} is empty; is its disk mounted? {nothing}")
    last = await _last_device(catalog)
    if last is not None and last != device and not accept_device:
        raise ConfigurationError(
            f"the library at {root} lies on another device ({device}) than last time ({last}); "
            f"{nothing}",
            hint=Hint.ACCEPT_DEVICE,
        )


async def remember_device(catalog: Catalog, root: Path) -> None:
    """Take note of the device, while no file is missing: what is there now is the library."""
    if await has_missing_with_document(catalog):
        return
    try:
        device = str(identity_of(root).device)
    except LibraryGone:
        return
    if await get_info(catalog, LIBRARY_DEVICE) != device:
        await set_info(catalog, **{LIBRARY_DEVICE: device})


async def _last_device(catalog: Catalog) -> int | None:
    """As noted, or else where most of the files with documents were when they were scanned."""
    noted = await get_info(catalog, LIBRARY_DEVICE)
    if noted is not None:
        return int(noted)
    return await most_common_device(catalog)
