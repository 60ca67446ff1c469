"""Home directories and whole disks: hardly a library, and full of what nobody wants to send."""

from __future__ import annotations

from pathlib import Path

from objlib.catalog.binding import bound_library
from objlib.catalog.opening import open_catalog
from objlib.config import Settings
from objlib.errors import CatalogError, ConfigurationError, Hint


def is_home_or_above(folder: Path, home: Path | None = None) -> bool:
    """Return True for somebody's home directory, for what holds it, and for a whole disk.

    Args:
        home: the home directory; by default that of the user.
    """
    try:
        home = (home or Path.home()).resolve()
    except RuntimeError:  # there is none
        return folder.resolve() == Path(folder.resolve().anchor)
    resolved = folder.resolve()
    is_of_another = resolved.parent == home.parent and home.parent != Path(home.anchor)
    return home.is_relative_to(resolved) or is_of_another


async def question_about(settings: Settings) -> ConfigurationError | None:
    """Return what is odd about the library that is asked for; None once it was scanned.

    Args:
        settings: those of the run; `library` is the folder that was asked for.
    """
    folder = settings.library
    if folder is None or not folder.is_dir() or not is_home_or_above(folder):
        return None
    try:
        async with await open_catalog(settings.db) as catalog:
            known = (await bound_library(catalog)).root
    except (CatalogError, ConfigurationError):
        known = None
    if known == folder.resolve():
        return None
    return ConfigurationError(
        f"{folder.resolve()} is a home directory or holds one; all texts in it that are not hidden"
        " would be in the library",
        hint=Hint.ACCEPT_HOME,
    )
